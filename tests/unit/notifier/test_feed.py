"""What a feed hands over of what the poller brings, and when it asks for no more."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry

from services.notifier.feed import Arrival, Buried, Feed, Taken, courier_settings
from shared import codec
from shared.metrics import Metrics
from shared.streams.records import Assignment, Chunk, Partition
from tests.unit.notifier.world import SINK, notification
from tests.unit.streams.fakes import record

P0 = Partition("notifications", 0)


class Rig:
    """A feed whose poller never runs."""

    def __init__(self, window: int = 3) -> None:
        self.arrived: list[Arrival] = []
        settings = courier_settings({"bootstrap.servers": "b:1"}, "g", 6_000)
        metrics = Metrics(CollectorRegistry())
        self.feed = Feed(
            SINK, settings, "notifications", window, self.arrived.append, lambda _: None, metrics
        )
        self.feed.assign(Assignment(4, {P0: 0}, "membership"))

    def emit(self, *records: tuple[str, bytes]) -> Sequence[Arrival]:
        """Have the poller bring records: (header ``sink``, value)."""
        del self.arrived[:]
        messages = [
            record(offset, P0, value, headers=[("sink", sink.encode())])
            for offset, (sink, value) in enumerate(records)
        ]
        self.feed._emit([Chunk(P0, 4, 0, len(records), 0, messages)])
        return self.arrived


def value(number: int) -> bytes:
    return codec.encode(notification(number))


def test_what_is_for_others_is_passed_over_unread() -> None:
    rig = Rig()
    assert rig.arrived == [4]
    (taken,) = rig.emit(("other", b"\xff not even JSON"), (SINK, value(1)), ("other", b""))
    assert taken == Taken(4, P0, 3, [(1, notification(1))])


def test_what_cannot_be_read_is_handed_over_as_it_is() -> None:
    (taken,) = Rig().emit((SINK, b"{"))
    assert isinstance(taken, Taken)
    ((offset, buried),) = taken.records
    assert isinstance(buried, Buried)
    assert (offset, buried.message.value(), buried.poison.reason) == (0, b"{", "bad_json")


def test_there_is_room_until_the_window_is_full() -> None:
    rig = Rig(window=2)
    rig.emit((SINK, value(1)), ("other", b""))
    assert rig.feed.room(0.0)
    rig.emit((SINK, value(2)))
    assert not rig.feed.room(0.0)
    rig.feed.release(1, 4, {P0: 1})
    assert rig.feed.room(0.0)


def test_only_offsets_of_this_generation_are_told() -> None:
    rig = Rig()
    rig.feed.release(0, 3, {P0: 9})
    assert rig.feed.position(P0) is None
    rig.feed.release(0, 4, {P0: 2})
    assert rig.feed.position(P0) == 2
    rig.feed.revoke()
    assert rig.arrived[-1] == 0


def test_once_closed_it_hands_over_nothing() -> None:
    rig = Rig()
    rig.feed.close()
    assert rig.emit((SINK, value(1))) == []
