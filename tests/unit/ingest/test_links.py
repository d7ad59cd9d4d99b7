from __future__ import annotations

from services.ingest.links import Links, Resolution


def test_alone_everybody_is_themselves() -> None:
    assert Links().resolve("mail", ()) == Resolution("mail")
    assert Links().resolve("mail", ("mail",)) == Resolution("mail")


def test_two_verified_identifiers_become_one_customer() -> None:
    links = Links()
    found = links.resolve("mail", ("mail", "phone"))
    assert found == Resolution("mail", aliases=("phone",))
    links.add("phone", "mail")
    assert links.resolve("phone", ()) == Resolution("mail")
    assert links.resolve("phone", ("phone",)) == Resolution("mail")
    assert links.resolve("mail", ("mail", "phone")) == Resolution("mail")


def test_an_unverified_identifier_links_nothing() -> None:
    assert Links().resolve("mail", ("phone", "handle")) == Resolution("mail")


def test_a_third_identifier_joins_through_one_that_is_linked() -> None:
    links = Links()
    links.add("phone", "mail")
    found = links.resolve("phone", ("phone", "handle"))
    assert found == Resolution("mail", aliases=("handle",))


def test_two_known_customers_are_never_merged() -> None:
    links = Links()
    links.add("phone", "ann")
    links.add("handle", "bob")
    assert links.resolve("phone", ("phone", "handle")) == Resolution("ann", conflict=("bob",))
    assert links.resolve("handle", ("phone", "handle")) == Resolution("bob", conflict=("ann",))


def test_the_first_link_stays() -> None:
    links = Links()
    links.add("phone", "ann")
    links.add("phone", "bob")
    assert links.resolve("phone", ()) == Resolution("ann")
    assert len(links) == 1


def test_the_links_of_who_was_erased_are_forgotten() -> None:
    links = Links()
    links.add("phone", "mail")
    links.remove("phone")
    links.remove("nobody")
    assert links.resolve("phone", ()) == Resolution("phone")
    assert len(links) == 0
