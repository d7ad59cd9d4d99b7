"""``tocsin erase`` on a real worker: what goes, what stays and until when, and what comes after."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest

from services.ingest.core import OF, SAID, redis_prefix
from services.ingest.links import Links
from services.ingest.prepare import Door, Preparer, Raw
from shared import ids, topics
from shared.clock import SystemClock
from shared.events import (
    Channel,
    DeadLetter,
    FeedbackClassified,
    IdentityLink,
    RawReference,
    SeverityCorrected,
)
from shared.routes import Route, route_id, seal
from shared.sealing import Sealer
from shared.topics import DAY_MS, Names
from tests.integration.escalation.rig import TENANT, Office

pytestmark = pytest.mark.integration

LETTERS = [f"l{number}" for number in range(1, 8)]


def erase(office: Office, *words: str) -> Any:
    [row] = office.tocsin("erase", *words, "--reason", "asked for", "--yes", "--json").rows
    return row


def of(office: Office, topic: topics.Topic, key: str) -> list[Any]:
    return [one.value for one in office.log(topic) if one.key == key.encode()]


def letter(office: Office, name: str, partition_key: str, **fields: Any) -> None:
    base = DeadLetter(stage="escalation", reason="bad_schema", detail="no", at=office.now())
    made = msgspec.structs.replace(base, **fields)
    office.put(topics.DEAD_LETTERS, made, name, owner=partition_key)


def corrected(item: FeedbackClassified) -> SeverityCorrected:
    feedback = item.feedback
    return SeverityCorrected(
        correction_id=f"correction-{feedback.feedback_id}",
        feedback_id=feedback.feedback_id,
        tenant=TENANT,
        record_key=feedback.record_key,
        channel=feedback.channel,
        text=feedback.text,
        severity=item.classification.severity,
        was=item.classification.severity,
        by="ada",
        at=1,
    )


def test_a_customer_goes_and_stays_gone(office: Office) -> None:
    owner, other = ids.record_key(TENANT, "gone"), ids.record_key(TENANT, "stays")
    item = office.written("gone", "The kettle leaks.")
    raw = RawReference(
        digest="d1", size=3, topic=office.installation.names.of(topics.FEEDBACK_ORIGINALS)
    )
    item = msgspec.structs.replace(item, feedback=msgspec.structs.replace(item.feedback, raw=raw))
    office.send(item)
    case_id = ids.case_id(TENANT, "gone", item.feedback.feedback_id)
    office.shown(case_id, lambda _: True)
    second = office.opened("gone", text="The lid as well.")
    kept = office.opened("stays")
    office.put(topics.FEEDBACK_ORIGINALS, b"{}", "d1")
    letter(office, "l1", owner, topic="case.commands", key=owner.encode())
    letter(office, "l2", other, topic="feedback.received", feedback_id=item.feedback.feedback_id)
    letter(office, "l3", other, topic="case.commands", key=other.encode(), feedback_id="another")
    letter(office, "l4", other, stage="ingest", value=b"who knows")
    letter(office, "l5", owner, topic="feedback.received", value=b'{"record_key":"default:gone"}')
    letter(office, "l6", owner, topic="feedback.received", value=b'{"record_key":"default:gone2"}')
    letter(
        office,
        "l7",
        owner,
        stage="ingest",
        detail="belong to stays and to other, gone",
        feedback_id="x",
    )
    for one in (item, office.written("stays")):
        made = corrected(one)
        office.put(topics.FEEDBACK_CORRECTIONS, made, made.correction_id, owner=made.record_key)
    for alias, customer in (("phone", "gone"), ("handle", "stays")):
        link = IdentityLink(alias=alias, customer_key=customer, at=1, feedback_id="f")
        office.put(topics.IDENTITY_LINKS, link, alias)
    answered = [(owner, None), (owner, "t1"), (other, None), (f"{owner}x", None)]
    for key, thread in answered:
        way = Route(Channel.EMAIL, "smtp", "inbox", "a@x.example", 1)
        sealed = seal(way, key, thread, Sealer(b"k"))
        office.put(topics.REPLY_ROUTES, sealed, sealed.route_id, owner=owner)
    redis = office.desk.view._redis
    prefix = redis_prefix(office.config)
    redis.mset({f"{prefix}{SAID}gone": b"x", f"{prefix}{SAID}stays": b"x"})
    redis.mset({f"{prefix}{OF}item1": b"gone", f"{prefix}{OF}item2": b"stays"})

    planned = office.tocsin("erase", owner, "--reason", "asked for", "--dry-run", "--json").rows[0]
    assert planned["mark"] is None
    assert planned["removed"]["cases"] == 2
    assert office.case(case_id) is not None
    done = erase(office, owner)
    assert sorted(done["mark"]["cases"]) == sorted([case_id, second.case_id])
    assert done["removed"] == planned["removed"] == {
        "cases": 2, "tombstones": 2, "dead_letters": 4, "corrections": 1, "identity_links": 1,
        "reply_routes": 2, "contacts": 1, "threads": 1,
    }  # fmt: skip
    left = {one["topic"]: one for one in done["remains"]}
    now = time.time() * 1000
    assert left["feedback.classified"]["count"] == 2
    assert abs(left["case.events"]["until"] - now - 400 * DAY_MS) < DAY_MS
    assert left["feedback.originals"]["count"] == left["dead-letters"]["count"] == 1

    assert office.case(case_id) is office.case(second.case_id) is None
    assert office.case(kept.case_id) is not None
    assert of(office, topics.CASE_STATE, case_id)[-1] is None
    assert of(office, topics.CASE_STATE, owner)[-1]["type"] == "customer.erased.v1"
    ways = [of(office, topics.REPLY_ROUTES, route_id(key, "inbox", one)) for key, one in answered]
    assert [found[-1] is None for found in ways] == [True, True, False, False]
    letters = {name: of(office, topics.DEAD_LETTERS, name)[-1] for name in LETTERS}
    assert [name for name, value in letters.items() if value is None] == ["l1", "l2", "l5", "l7"]
    assert of(office, topics.IDENTITY_LINKS, "phone")[-1] is None
    assert of(office, topics.IDENTITY_LINKS, "handle")[-1] is not None
    assert of(office, topics.FEEDBACK_CORRECTIONS, corrected(item).correction_id)[-1] is None
    assert redis.exists(f"{prefix}{SAID}gone", f"{prefix}{OF}item1") == 0
    assert redis.exists(f"{prefix}{SAID}stays", f"{prefix}{OF}item2") == 2

    # What was received before opens nothing: the view has forgotten its outcome, or it has a new id.
    old = msgspec.structs.replace(item.feedback, feedback_id="0" * 32)
    office.send(msgspec.structs.replace(item, feedback=old))
    outcome = office.outcome("0" * 32)
    assert (outcome["kind"], outcome["no_case_reason"]) == ("no_case", "erased")
    fresh = office.opened("gone", text="I am back.")
    assert fresh.opened_at > done["mark"]["erased_at"]
    assert office.tocsin("replay", "--all", "--json").rows[0]["differences"] == []
    again = erase(office, "--case", fresh.case_id)
    assert again["mark"]["cases"] == [fresh.case_id]
    assert again["removed"]["dead_letters"] == 0


def test_a_legal_hold_refuses(office: Office) -> None:
    case = office.opened("held")
    other = office.opened("held", text="And the lid.")
    office.cases("hold", case.case_id, "--note", "in court")
    given = ("erase", "--case", other.case_id, "--reason", "asked for")
    for words in (("--yes",), ("--dry-run",), ("--yes", "--json")):
        done = office.tocsin(*given, *words)
        assert done.code == 1
        assert f"refused (legal_hold): {case.case_id}: in court" in done.err
    after = office.case(case.case_id)
    assert after is not None
    assert [one.refusal for one in after.refused] == ["legal_hold"] * 2
    assert office.case(other.case_id) is not None
    office.cases("release", case.case_id)
    assert len(erase(office, "--case", other.case_id)["mark"]["cases"]) == 2


def test_the_customer_of_an_address_is_who_intake_made_of_it(office: Office) -> None:
    """The pseudonym is that of the intake; a linked address is the customer that it is linked to."""
    address = "Ada.Lovelace@Example.org"
    customer = ids.customer_key(
        office.config.privacy.pseudonym_key.encode(), "email:ada.lovelace@example.org"
    )
    assert prepared(office, address) == customer
    planned = ("erase", "--email", address, "--reason", "asked for", "--dry-run", "--json")
    assert office.tocsin(*planned).rows[0]["record_key"] == ids.record_key(TENANT, customer)
    link = IdentityLink(alias=customer, customer_key="somebody", at=1, feedback_id="f")
    office.put(topics.IDENTITY_LINKS, link, customer)
    assert office.tocsin(*planned).rows[0]["record_key"] == ids.record_key(TENANT, "somebody")
    case = office.opened("somebody")
    assert erase(office, "--email", address)["mark"]["cases"] == [case.case_id]
    assert office.tocsin(*planned).rows[0]["record_key"] == ids.record_key(TENANT, customer)


def prepared(office: Office, address: str) -> str:
    """Return the customer key that intake gives to a message of ``address``."""
    preparer = Preparer(
        TENANT, office.config.privacy.pseudonym_key.encode(), Names(), SystemClock(), Links(), None
    )
    payload = msgspec.json.encode({
        "id": "1", "channel": "email", "author": address, "text": "The kettle leaks.",
    })  # fmt: skip
    made = preparer.prepare(Raw(payload), Door("api"))
    assert made.event is not None
    return made.event.customer_key


def test_it_asks_first_and_says_what_is_wrong(office: Office) -> None:
    case = office.opened("asked")
    words = ("erase", "--case", case.case_id, "--reason", "asked for")
    no = office.tocsin(*words, stdin="n\n")
    assert no.code == 130
    assert "would be erased" in no.err
    assert office.case(case.case_id) is not None
    yes = office.tocsin(*words, stdin="y\n")
    assert (yes.code, "was erased" in yes.out) == (0, True)
    assert "case.events keeps" in yes.out
    assert office.case(case.case_id) is None
    wrong = (
        (),
        ("default:who", "--email", "a@b.example"),
        ("nobody",),
        ("--email", "nobody"),
        ("--case", "nocase"),
    )
    for given in wrong:
        assert office.tocsin("erase", *given, "--reason", "x", "--yes").code == 2


def test_cases_from_before_an_identifier_was_linked_go_as_well(office: Office) -> None:
    early, late = office.opened("number"), office.opened("address")
    link = IdentityLink(alias="number", customer_key="address", at=1, feedback_id="f")
    office.put(topics.IDENTITY_LINKS, link, "number")
    office.cases("hold", early.case_id, "--note", "claim 1")
    words = ("erase", late.record_key, "--reason", "asked for", "--yes", "--json")
    assert office.tocsin(*words).code == 1
    assert office.case(late.case_id) is not None
    office.cases("release", early.case_id)
    rows = office.tocsin(*words).rows
    assert [one["record_key"] for one in rows] == [early.record_key, late.record_key]
    assert [one["mark"]["cases"] for one in rows] == [[early.case_id], [late.case_id]]
    assert office.case(early.case_id) is office.case(late.case_id) is None


def test_a_clock_that_is_wrong_keeps_nobody_from_being_erased(office: Office) -> None:
    hour = 3_600_000
    for epoch, speedup in ((office.now() - hour, "2"), (office.now() - 2 * hour, "0.5")):
        case = office.opened("skewed")  # the command line is an hour ahead, then an hour behind
        clock = {"TOCSIN_CLOCK__EPOCH_MS": str(epoch), "TOCSIN_CLOCK__SPEEDUP": speedup}
        words = ("erase", case.record_key, "--reason", "asked for", "--yes", "--json")
        [done] = office.tocsin(*words, **clock).rows
        assert done["mark"]["cases"] == [case.case_id]
        assert done["mark"]["erased_at"] <= office.now()
        assert office.case(case.case_id) is None


def test_what_a_case_of_another_customer_took_over_is_named(office: Office) -> None:
    case, survivor = office.opened("loser"), office.opened("winner")
    office.cases("merge", case.case_id, survivor.case_id)
    office.shown(survivor.case_id, lambda one: case.case_id in one.aliases)
    assert erase(office, "--case", case.case_id)["taken_over"] == [survivor.case_id]
