from __future__ import annotations

import pytest

from services.ingest.channels.identity import identity, public_author
from services.ingest.channels.item import Item
from shared.events import Author, Channel


def _item(author: str | None, channel: Channel = Channel.OTHER, thread: str | None = None) -> Item:
    return Item(native_id="n1", channel=channel, text="x", author=author, thread_id=thread)


@pytest.mark.parametrize(
    ("author", "channel", "expected"),
    [
        ("Ann@X.com", Channel.EMAIL, "email:ann@x.com"),
        ("mailto:ann@x.com", Channel.EMAIL, "email:ann@x.com"),
        ("Ann B <ann@x.com>", Channel.EMAIL, "email:ann@x.com"),
        ("ann@x.com", Channel.REVIEWS, "email:ann@x.com"),
        ("+49 (171) 123-456", Channel.PHONE, "tel:+49171123456"),
        ("0049 171 123456", Channel.PHONE, "tel:+49171123456"),
        ("0171 123456", Channel.PHONE, "tel:0171123456:s"),
        ("171123456", Channel.SOCIAL, "handle:social:s:171123456"),
        ("@Ann", Channel.SOCIAL, "handle:social:s:ann"),
        ("Ann", Channel.SOCIAL, "handle:social:s:ann"),
        ("ann", Channel.REVIEWS, "handle:reviews:s:ann"),
        ("STRASSE", Channel.SOCIAL, "handle:social:s:strasse"),
        ("Straße", Channel.SOCIAL, "handle:social:s:strasse"),
    ],
)
def test_an_author_is_one_customer(author: str, channel: Channel, expected: str) -> None:
    assert identity(_item(author, channel), "s") == expected


@pytest.mark.parametrize("nobody", [None, "", "Anonymous", "unknown", "A Google user", "N/A"])
def test_nobody_is_not_one_big_customer(nobody: str | None) -> None:
    assert identity(_item(nobody), "s") == "item:s:n1"
    assert identity(_item(nobody, thread="t"), "s") == "thread:s:t"


def test_kinds_cannot_collide() -> None:
    assert identity(_item(None, thread="n1"), "s") != identity(_item(None), "s")


def test_only_public_handles_are_shown() -> None:
    assert public_author(_item("@Ann", Channel.SOCIAL)) == Author(handle="@Ann")
    assert public_author(_item("Ann", Channel.REVIEWS)) == Author(handle="Ann")
    for hidden in ("ann@x.com", "Ann <ann@x.com>", "+49171123456", "anonymous", None):
        assert public_author(_item(hidden, Channel.SOCIAL)) is None
    assert public_author(_item("Ann", Channel.EMAIL)) is None
