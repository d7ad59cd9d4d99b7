from __future__ import annotations

import msgspec

from services.ingest.channels.build import SKEW_MS, STATED_TIME, Binding, build, content_hash
from services.ingest.channels.identity import identity
from services.ingest.channels.item import Item
from services.ingest.channels.normalise import normalise
from services.ingest.channels.provider import Settings
from shared import ids
from shared.events import Channel, Engagement, FeedbackReceived, Operation, Rating

NOW = 1_750_000_000_000
ITEM = Item(
    native_id="1",
    channel=Channel.EMAIL,
    text="It broke.",
    author="ann@x.com",
    occurred_at=NOW - 1000,
    attributes={"a": 1, "b": 2},
)


def _build(
    item: Item = ITEM, now: int = NOW, source: str = "s", secret: bytes = b"k"
) -> FeedbackReceived:
    customer = ids.customer_key(secret, identity(item, source))
    binding = Binding(
        tenant="acme",
        source=source,
        customer_key=customer,
        content=content_hash(item, customer, secret),
        now=now,
    )
    return build(normalise(item, Settings(name=source)), binding)


def test_the_same_delivery_has_the_same_id_whenever_it_comes() -> None:
    first, again = _build(), _build(now=NOW + 86_400_000)
    assert first.feedback_id == again.feedback_id
    assert msgspec.structs.replace(again, received_at=NOW) == first
    swapped = msgspec.structs.replace(ITEM, attributes={"b": 2, "a": 1})
    assert _build(swapped).feedback_id == first.feedback_id


def test_an_edit_is_a_new_revision_of_the_same_item_and_customer() -> None:
    first = _build()
    changes: tuple[dict[str, object], ...] = (
        {"text": "It broke!"},
        {"rating": Rating(value=1.0)},
        {"attributes": {}},
    )
    for change in changes:
        edited = _build(msgspec.structs.replace(ITEM, **change))
        assert edited.feedback_id != first.feedback_id
        assert edited.revision != first.revision
        assert (edited.native_id, edited.record_key) == (first.native_id, first.record_key)


def test_sources_are_kept_apart() -> None:
    assert _build(source="a").feedback_id != _build(source="b").feedback_id


def test_nothing_of_the_author_is_left() -> None:
    assert b"@x" not in msgspec.json.encode(_build())
    other = _build(secret=b"other")
    assert other.content_hash != _build().content_hash  # keyed: it cannot be found by guessing


def test_a_time_in_the_future_is_clamped_and_noted() -> None:
    late = _build(msgspec.structs.replace(ITEM, occurred_at=NOW + 3_600_000))
    assert late.occurred_at == NOW
    assert late.attributes[STATED_TIME] == NOW + 3_600_000
    skewed = _build(msgspec.structs.replace(ITEM, occurred_at=NOW + SKEW_MS))
    assert skewed.occurred_at == NOW
    assert STATED_TIME not in skewed.attributes
    again = _build(msgspec.structs.replace(ITEM, occurred_at=NOW + 3_600_000), now=NOW + 5)
    assert again.feedback_id == late.feedback_id


def test_a_stated_revision_counts_and_a_deletion_has_one_of_its_own() -> None:
    stated = _build(msgspec.structs.replace(ITEM, revision="2026-05-01T10:00:00Z"))
    assert stated.revision == "2026-05-01T10:00:00Z"
    long = _build(msgspec.structs.replace(ITEM, revision="r" * 500))
    assert len(long.revision) == 32
    gone = _build(msgspec.structs.replace(ITEM, op=Operation.DELETE, text=""))
    assert gone.revision == "deleted"
    assert len({stated.feedback_id, long.feedback_id, gone.feedback_id}) == 3


def test_what_changes_by_itself_is_no_revision() -> None:
    liked = msgspec.structs.replace(ITEM, engagement=Engagement(likes=5))
    assert _build(liked).feedback_id == _build().feedback_id
