"""What becomes of an observation: whose it is, who is named in it, and what is told of neither."""

from __future__ import annotations

import json

import pytest

from services.ingest.channels import providers
from services.ingest.channels.hook import Hook
from services.ingest.channels.item import Item
from services.ingest.channels.provider import Credentials, Settings
from services.ingest.channels.rejection import Rejected
from services.ingest.prepare import Door, Entry, Preparer
from shared import codec
from shared.clock import ManualClock
from shared.events import Channel, FeedbackReceived, Origin
from shared.topics import Names

STAFF = providers.load()["staff"]
PREPARER = Preparer("acme", b"a secret of the tests", Names(), ManualClock(1_777_889_700_000))
PLAIN: dict[str, object] = {
    "observed_at": "2026-05-04T10:10:00Z",
    "observer": "Jana K.",
    "text": "The guest says that the soup was cold again.",
}


def _items(*observations: dict[str, object]) -> tuple[Item, ...]:
    assert STAFF.parse is not None
    body = json.dumps(observations[0] if len(observations) == 1 else observations).encode()
    return STAFF.parse(Hook(url="https://x.example/h", body=body, now=0), Settings(name="s")).items


def _written(entry: Entry, region: str | None = None, source: str = "floor") -> FeedbackReceived:
    settings = Settings(name=source, region=region)
    prepared = PREPARER.prepare(entry, Door(source, provider=STAFF.name, settings=settings))
    assert prepared.event is not None, prepared.rejected
    return prepared.event


def _event(region: str | None = None, **fields: object) -> FeedbackReceived:
    [item] = _items(PLAIN | fields)
    return _written(item, region)


def _refusal(observation: dict[str, object]) -> str:
    with pytest.raises(Rejected) as caught:
        _items(observation)
    return f"{caught.value.reason}: {caught.value.detail}"


def test_it_says_that_it_is_an_observation_and_by_whom() -> None:
    event = _event(customer="ann@example.com", location="berlin-7", product="soup", quote=True)
    assert (event.provider, event.source) == ("staff", "floor")
    assert event.attributes == {"observed_by": "Jana K.", "quote": True, "product": "soup"}
    assert event.product is not None
    assert event.product.location_id == "berlin-7"
    assert event.origin is Origin.HUMAN
    assert not event.may_auto_respond
    assert event.occurred_at == 1_777_889_400_000


def test_it_is_filed_under_the_customer_that_other_channels_know() -> None:
    mail = Item(native_id="1", channel=Channel.EMAIL, text="x", author="Ann <Ann@example.com>")
    call = Item(native_id="2", channel=Channel.PHONE, text="x", author="+49 30 901820")
    assert _event(customer="ann@example.com").customer_key == _written(mail).customer_key
    by_phone = _written(call).customer_key
    assert _event(customer="+4930901820").customer_key == by_phone
    assert _event("DE", customer="tel:030 901820").customer_key == by_phone


def test_without_a_customer_it_stands_alone() -> None:
    first, second = _event(), _event(text="Another guest left without a word.")
    assert first.customer_key != second.customer_key
    assert _event(customer=" ").customer_key == first.customer_key


@pytest.mark.parametrize("channel", list(Channel))
@pytest.mark.parametrize("customer", ["ann@example.com", "+4930901820", "030 901820", "4711"])
def test_the_customer_is_in_the_event_as_a_pseudonym_only(channel: Channel, customer: str) -> None:
    event = _event(customer=customer, channel=channel)
    assert customer not in codec.encode(event).decode()
    assert event.author is None
    assert event.channel is channel


@pytest.mark.parametrize(
    ("observer", "shown"),
    [
        ("jana.k@shop.example", "jana.k"),
        ("Jana <jana.k@shop.example>", "Jana <[email]>"),
        ("@jana", "@jana"),
        (4711, "4711"),
        (" Jana\n K. ", "Jana K."),
    ],
)
def test_the_observer_is_named_without_an_address(observer: object, shown: str) -> None:
    assert _event(observer=observer).attributes["observed_by"] == shown


def test_the_text_is_redacted_like_any_other() -> None:
    event = _event(text="Call her back: ann@example.com, she is furious.")
    assert event.text == "Call her back: [email], she is furious."
    assert event.redacted == {"email": 1}


def test_the_same_observation_is_the_same_feedback() -> None:
    first = _event()
    assert _event(observed_at="2026-05-04T12:10:00+02:00").feedback_id == first.feedback_id
    assert "derived" not in first.native_id
    others = [
        _event(observer="Omar"),
        _event(text="The guest says that the soup was salty."),
        _event(observed_at="2026-05-04T10:10:01Z"),
    ]
    assert len({first.native_id, *(event.native_id for event in others)}) == 4


def test_with_an_id_of_its_own_it_can_be_corrected() -> None:
    first, second = _event(id="o-1"), _event(id="o-1", text="It was the stew.")
    assert first.native_id == second.native_id == "o-1"
    assert first.feedback_id != second.feedback_id


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"observer": None}, "bad_value: observer:"),
        ({"observer": " "}, "bad_value: observer: empty"),
        ({"text": "\x00 \n"}, "empty_text: text: empty"),
        ({"text": 7}, "bad_value: text: Expected `str`"),
        ({"observed_at": "yesterday"}, "bad_value: observed_at: Invalid RFC3339"),
        ({"observed_at": "2026-05-04T10:10:00"}, "bad_value: observed_at: Expected"),
        ({"channel": "fax"}, "bad_value: channel: Invalid enum value 'fax'"),
        ({"quote": "yes"}, "bad_value: quote: Expected `bool`"),
        ({"custmer": "ann"}, "unknown field `custmer`"),
    ],
)
def test_what_is_wrong_is_named(fields: dict[str, object], complaint: str) -> None:
    assert complaint in _refusal(PLAIN | fields)


@pytest.mark.parametrize("name", ["observed_at", "observer", "text"])
def test_what_is_missing_is_named(name: str) -> None:
    given = {key: value for key, value in PLAIN.items() if key != name}
    assert _refusal(given) == f"missing_field: Object missing required field `{name}`"


def test_it_may_come_with_a_bearer_key() -> None:
    assert STAFF.verify is not None
    hook = Hook(url="https://x.example/h", headers={"authorization": "Bearer floor-key"}, now=0)
    credentials = Credentials(secrets=(b"floor-key",))
    assert STAFF.verify(hook, credentials, Settings(name="s")).method == "bearer"
