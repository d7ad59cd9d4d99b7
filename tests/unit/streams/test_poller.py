"""What the polling thread makes of what librdkafka gives it, turn by turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from shared.streams import poller as module
from shared.streams.poller import GATHER_S, Poller, consumer_settings
from shared.streams.records import Assignment, Chunk, Partition
from tests.unit.streams.fakes import (
    IN,
    IN_1,
    FakeConsumer,
    event,
    eventually,
    metrics,
    record,
    value_of,
)

LAG = "kafka_consumergroup_group_lag"
WHERE = {"group": "g", "topic": "in", "partition": "0"}


class FakeSink:
    """Where chunks and assignments go; ``full`` says that there is no room."""

    def __init__(self, story: list[str]) -> None:
        self.story = story
        self.assignments: list[Assignment] = []
        self.positions: dict[Partition, int] = {}
        self.full = False
        self.idle = False
        self.waits: list[float] = []
        self.gathered: list[float] = []

    def assign(self, assignment: Assignment) -> None:
        self.assignments.append(assignment)
        self.story.append(f"assign {assignment.generation}")

    def revoke(self) -> None:
        self.story.append("revoke")

    def put(self, chunk: Chunk) -> None:
        raise AssertionError("chunks go through Faust")

    def room(self, timeout_s: float) -> bool:
        self.waits.append(timeout_s)
        return not self.full

    def await_idle(self, timeout_s: float) -> None:
        self.gathered.append(timeout_s)

    def position(self, source: Partition) -> int | None:
        return self.positions.get(source)


class Rig:
    """A poller whose turns are taken one by one, in the test's own thread."""

    def __init__(self) -> None:
        self.story: list[str] = []
        self.chunks: list[Chunk] = []
        self.failures: list[BaseException] = []
        self.consumer = FakeConsumer()
        self.sink = FakeSink(self.story)
        self.metrics = metrics()
        self.poller = Poller(
            consumer_settings({"bootstrap.servers": "b:1"}, "g", 6_000),
            self.sink,
            self._emit,
            lambda assigned: self.story.append(f"rebalanced {len(assigned)}"),
            self.failures.append,
            self.metrics,
            max_records=100,
        )

    def _emit(self, chunks: Sequence[Chunk]) -> None:
        self.chunks.extend(chunks)
        self.story.append(f"emit {len(chunks)}")

    @property
    def native(self) -> Consumer:
        return cast("Consumer", self.consumer)

    def turn(self, *messages: Message) -> None:
        self.consumer.polls.append(list(messages))
        self.poller._turn(self.native)

    def rebalance(self, *steps: Callable[[], object], messages: Sequence[Message] = ()) -> None:
        """Take a turn in whose poll the callbacks run, as librdkafka has it."""

        def poll() -> list[Message]:
            for step in steps:
                step()
            return list(messages)

        self.consumer.polls.append(poll)
        self.poller._turn(self.native)

    def given(self, **offsets: int) -> Callable[[], None]:
        """Return the callback of an assignment; the group has committed ``offsets``."""
        sources = {Partition("in", int(name[1:])): at for name, at in offsets.items()}
        self.consumer.offsets |= {at: offset for at, offset in sources.items() if offset >= 0}
        natives = [TopicPartition(at.topic, at.number) for at in sources]
        return lambda: self.poller._on_assign(self.native, natives)

    def taken(self) -> None:
        self.poller._on_revoke(self.native, [TopicPartition(*IN)])

    def lost(self) -> None:
        self.poller._on_lost(self.native, [TopicPartition(*IN)])

    def assign(self, **offsets: int) -> None:
        self.rebalance(self.given(**offsets))
        self.story.clear()


@pytest.fixture
def rig() -> Rig:
    return Rig()


# ---- chunks


def test_records_of_a_poll_become_one_chunk_per_partition(rig: Rig) -> None:
    rig.assign(p0=5, p1=0)
    values = [record(5, value=b"abc"), record(0, IN_1, b"x"), record(6, value=b"de")]
    rig.turn(*values)
    one, other = rig.chunks
    assert (one.source, one.generation, one.start, one.end, one.size) == (IN, 1, 5, 7, 5)
    assert [message.offset() for message in one.messages] == [5, 6]
    assert (other.source, other.start, other.end) == (IN_1, 0, 1)
    assert rig.story == ["emit 2"]


def test_chunks_continue_each_other_over_gaps(rig: Rig) -> None:
    """Transaction markers and aborted records take offsets that nobody sees."""
    rig.assign(p0=5)
    rig.turn(record(7), record(9))
    rig.turn(record(12))
    assert [(chunk.start, chunk.end) for chunk in rig.chunks] == [(5, 10), (10, 13)]


@pytest.mark.parametrize("offset", [0, 4])
def test_an_offset_that_comes_again_is_an_error(rig: Rig, offset: int) -> None:
    rig.assign(p0=5)
    with pytest.raises(RuntimeError, match=f"offset {offset} came again after 5"):
        rig.turn(record(offset))


def test_records_of_foreign_partitions_are_dropped(rig: Rig) -> None:
    rig.assign(p0=5)
    rig.turn(record(0, IN_1))
    assert rig.chunks == []
    assert rig.story == []


def test_an_empty_poll_emits_nothing(rig: Rig) -> None:
    rig.assign(p0=5)
    rig.turn()
    assert rig.story == []
    assert rig.consumer.consumed == []


def test_the_end_of_a_partition_is_no_record(rig: Rig) -> None:
    rig.assign(p0=5)
    rig.turn(event(KafkaError._PARTITION_EOF, IN, 5))
    assert rig.chunks == []


def test_an_error_that_passes_does_not_stop_the_records_beside_it(rig: Rig) -> None:
    rig.assign(p0=5)
    rig.turn(event(KafkaError._ALL_BROKERS_DOWN), record(5))
    assert [chunk.start for chunk in rig.chunks] == [5]


def test_a_fatal_error_ends_the_thread(rig: Rig) -> None:
    rig.assign(p0=5)
    with pytest.raises(KafkaException):
        rig.turn(event(KafkaError._FATAL, fatal=True))


def test_under_load_it_gathers_and_when_idle_it_does_not_wait(rig: Rig) -> None:
    rig.assign(p0=0)
    rig.sink.idle = True
    rig.turn(record(0))
    rig.sink.idle = False
    rig.turn(record(1))
    assert rig.consumer.consumed == [(99, 0.0), (99, 0.0), (99, 0.0)]
    assert rig.sink.gathered == [GATHER_S]


# ---- assignments


def test_an_assignment_is_announced_when_the_callback_has_returned(rig: Rig) -> None:
    rig.rebalance(rig.given(p0=5, p1=0))
    assert rig.story == ["rebalanced 2", "assign 1"]
    (given,) = rig.sink.assignments
    assert given.positions == {IN: 5, IN_1: 0}
    assert given.membership == "membership"
    assert given.numbers == {0, 1}
    assert rig.poller.assigned == {IN, IN_1}
    assert rig.consumer.assignments[-1] == {IN: 5, IN_1: 0}
    assert value_of(rig.metrics, "tocsin_kafka_rebalances_total", group="g") == 1


def test_without_a_commit_it_starts_at_the_oldest_record(rig: Rig) -> None:
    rig.consumer.watermarks[IN] = (17, 40)
    rig.rebalance(rig.given(p0=-1))
    assert rig.sink.assignments[0].positions == {IN: 17}


def test_a_coordinator_that_refuses_the_positions_is_an_error(rig: Rig) -> None:
    failed = TopicPartition("in", 0)

    class Refused:
        topic, partition, offset = "in", 0, -1001
        error = KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED)

    rig.consumer.committed = lambda *_: [Refused()]  # type: ignore[method-assign]
    with pytest.raises(KafkaException):
        rig.poller._on_assign(rig.native, [failed])


def test_records_of_the_poll_that_rebalanced_are_fetched_again(rig: Rig) -> None:
    rig.rebalance(rig.given(p0=5), messages=[record(5)])
    assert rig.chunks == []
    assert rig.consumer.assignments[-1] == {IN: 5}
    rig.turn(record(5))
    assert [(chunk.start, chunk.generation) for chunk in rig.chunks] == [(5, 1)]


def test_each_assignment_is_a_new_generation(rig: Rig) -> None:
    rig.assign(p0=0)
    rig.turn(record(0))
    rig.rebalance(rig.taken, rig.given(p0=1))
    rig.turn(record(1))
    assert [(chunk.start, chunk.generation) for chunk in rig.chunks] == [(0, 1), (1, 2)]
    assert [given.generation for given in rig.sink.assignments] == [1, 2]


def test_a_standby_is_told_that_it_has_nothing(rig: Rig) -> None:
    rig.rebalance(rig.given())
    assert rig.sink.assignments[0].positions == {}
    assert rig.story == ["rebalanced 0", "assign 1"]


# ---- revocations


@pytest.mark.parametrize("how", ["taken", "lost"])
def test_a_revocation_waits_for_the_sink_before_the_partitions_go(rig: Rig, how: str) -> None:
    rig.assign(p0=0)
    before = len(rig.consumer.calls)
    rig.rebalance(getattr(rig, how))
    assert rig.story == ["revoke"]
    assert rig.consumer.calls[before:] == ["unassign"]
    assert rig.poller.assigned == frozenset()


def test_records_that_come_with_a_revocation_are_dropped(rig: Rig) -> None:
    rig.assign(p0=0)
    rig.rebalance(rig.taken, messages=[record(0)])
    assert rig.chunks == []


def test_the_lag_of_a_partition_goes_with_it(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LAG_EVERY_S", 0.0)
    rig.consumer.watermarks[IN] = (0, 9)
    rig.sink.positions[IN] = 4
    rig.assign(p0=4)
    rig.turn()
    assert rig.metrics.registry.get_sample_value(LAG, WHERE) == 5
    rig.rebalance(rig.taken)
    assert rig.metrics.registry.get_sample_value(LAG, WHERE) is None
    assert rig.metrics.registry.get_sample_value(LAG + "_seconds", WHERE) is None


def test_a_revocation_before_the_first_export_is_fine(rig: Rig) -> None:
    rig.assign(p0=0)
    rig.poller._last_lag = time.monotonic()
    rig.rebalance(rig.taken)
    assert rig.story == ["revoke"]


# ---- pace


def test_a_full_queue_pauses_fetching_and_room_resumes_it(rig: Rig) -> None:
    rig.assign(p0=0, p1=0)
    rig.consumer.calls.clear()
    rig.sink.full = True
    rig.turn()
    rig.turn()
    rig.sink.full = False
    rig.turn()
    rig.turn()
    assert rig.consumer.calls == ["pause 2", "resume 2"]
    assert rig.sink.waits[-4:] == [0.5, 0.0, 0.0, 0.5]


def test_a_new_assignment_is_not_paused(rig: Rig) -> None:
    rig.assign(p0=0)
    rig.sink.full = True
    rig.turn()
    rig.rebalance(rig.taken, rig.given(p0=0))
    rig.sink.full = False
    rig.consumer.calls.clear()
    rig.turn()
    assert rig.consumer.calls == []


def test_nothing_to_pause_without_partitions(rig: Rig) -> None:
    rig.sink.full = True
    rig.turn()
    assert rig.consumer.calls == []


# ---- lag


@pytest.mark.parametrize(
    ("done", "end_seen", "high", "lag"),
    [
        (5, None, 9, 4),  # committed up to 5 of 9
        (7, 9, 9, 2),  # all taken, but not committed yet
        (9, 9, 9, 0),
        (8, 10, 10, 0),  # committed all that was taken; the rest are transaction markers
        (12, None, 9, 0),  # the cached watermark is old
    ],
)
def test_lag_is_what_is_not_committed(
    rig: Rig,
    monkeypatch: pytest.MonkeyPatch,
    done: int,
    end_seen: int | None,
    high: int,
    lag: int,
) -> None:
    monkeypatch.setattr(module, "LAG_EVERY_S", 0.0)
    rig.consumer.watermarks[IN] = (0, high)
    rig.assign(p0=5)
    rig.turn(*[record(at) for at in range(5, 8)])
    rig.sink.positions[IN] = done
    ends = [] if end_seen is None else [event(KafkaError._PARTITION_EOF, IN, end_seen)]
    rig.turn(*ends)
    assert value_of(rig.metrics, LAG, **WHERE) == lag


def test_lag_is_exported_at_most_once_a_second(rig: Rig) -> None:
    rig.consumer.watermarks[IN] = (0, 9)
    rig.sink.positions[IN] = 0
    rig.assign(p0=0)
    assert value_of(rig.metrics, LAG, **WHERE) == 9
    rig.sink.positions[IN] = 5
    rig.turn()
    assert value_of(rig.metrics, LAG, **WHERE) == 9


# ---- the thread


def test_the_thread_joins_the_group_and_leaves_it(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def consumer(settings: dict[str, Any], **_: object) -> FakeConsumer:
        rig.consumer.settings = settings
        return rig.consumer

    monkeypatch.setattr(module, "Consumer", consumer)
    assert rig.poller.silent_for_s() == 0.0
    rig.poller.start(iter(["in", "commands"]))
    eventually(lambda: rig.poller.silent_for_s() > 0 and rig.sink.waits)
    rig.poller.stop(10.0)
    assert rig.poller._thread is not None
    assert not rig.poller._thread.is_alive()
    assert rig.consumer.calls == ["subscribe ['in', 'commands']", "close"]
    assert set(rig.consumer.callbacks) == {"on_assign", "on_revoke", "on_lost"}
    assert rig.consumer.settings["isolation.level"] == "read_committed"
    assert rig.failures == []


def test_an_error_in_the_thread_leaves_the_group_and_is_told_once(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "Consumer", lambda _, **__: rig.consumer)
    rig.consumer.polls.append([event(KafkaError._FATAL, fatal=True)])
    rig.poller.start(["in"])
    eventually(lambda: rig.failures)
    rig.poller.stop(10.0)
    assert len(rig.failures) == 1
    assert isinstance(rig.failures[0], KafkaException)
    assert rig.consumer.calls[-1] == "close"


def test_the_settings_never_commit_by_themselves() -> None:
    settings = consumer_settings({"bootstrap.servers": "b:1"}, "g", 6_000)
    assert settings["enable.auto.commit"] is False
    assert settings["enable.auto.offset.store"] is False
    assert settings["partition.assignment.strategy"] == "range"
    assert settings["group.id"] == "g"
    assert int(settings["heartbeat.interval.ms"]) * 3 <= int(settings["session.timeout.ms"])
