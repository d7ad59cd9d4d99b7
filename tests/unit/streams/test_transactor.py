"""The chunk transaction when all goes well: what is taken together, committed and told."""

from __future__ import annotations

import threading

import pytest

from shared.streams.producer import producer_settings
from shared.streams.records import Partition, Work
from tests.unit.streams.conftest import MakeRig, Rig
from tests.unit.streams.fakes import (
    IN,
    IN_1,
    ScriptedHandler,
    assignment,
    chunk,
    eventually,
    output,
    record,
    value_of,
)

OUT = Partition("out", 0)


def test_outputs_and_next_offsets_are_committed_together(rig: Rig) -> None:
    rig.assign(p0=5, p1=0)
    rig.transactor.put(chunk(5, 3))
    rig.commits(1)
    (done,) = rig.producer.committed
    assert done.values == [b"v", b"v", b"v"]
    assert done.offsets == {IN: 8}
    assert done.membership == "membership 1"
    assert rig.producer.calls == ["init", "begin", *["produce"] * 3, "offsets", "commit"]
    assert (rig.transactor.position(IN), rig.transactor.position(IN_1)) == (8, 0)


def test_the_handler_hears_where_its_outputs_went(rig: Rig) -> None:
    rig.assign()
    rig.transactor.put(chunk(0, 3))
    rig.commits(1)
    rig.transactor.put(chunk(3, 1))
    rig.commits(2)
    assert rig.handler.delivered == [{OUT: 3}, {OUT: 4}]


def test_topics_that_are_not_tracked_cost_nothing(make_rig: MakeRig) -> None:
    rig = make_rig(ScriptedHandler(tracked=frozenset({"other"})))
    rig.assign()
    rig.transactor.put(chunk(0))
    rig.commits(1)
    assert rig.handler.delivered == [{}]


def test_nothing_is_taken_before_the_state_is_caught_up(make_rig: MakeRig) -> None:
    handler = ScriptedHandler()
    go_on = threading.Event()
    handler.catching_up.append(lambda _: _wait(go_on))
    rig = make_rig(handler)
    rig.transactor.assign(assignment(p0=0))
    rig.transactor.put(chunk(0))
    eventually(lambda: handler.assignments)
    assert (rig.transactor.assigned, rig.transactor.ready) == (True, False)
    assert handler.seen == []
    go_on.set()
    rig.commits(1)
    assert rig.transactor.ready
    assert value_of(rig.metrics, "tocsin_partitions_ready", stage="classifier") == 1


def _wait(event: threading.Event) -> None:
    assert event.wait(10)


def test_what_queued_up_meanwhile_goes_into_one_transaction(rig: Rig) -> None:
    entered, go_on = rig.producer.gate("commit")
    rig.assign(p0=0, p1=0)
    rig.transactor.put(chunk(0))
    assert entered.wait(10)
    rig.transactor.put(chunk(1, 2))
    rig.transactor.put(chunk(0, 1, IN_1))
    rig.transactor.put(chunk(3))
    go_on.set()
    rig.commits(2)
    assert rig.handler.seen[1] == [(IN, 1, 3), (IN_1, 0, 1), (IN, 3, 4)]
    assert rig.producer.committed[1].offsets == {IN: 4, IN_1: 1}


@pytest.mark.parametrize(
    ("bounds", "sizes"),
    [
        ({"max_records": 4}, [1, 2, 1]),
        ({"max_bytes": 25}, [1, 2, 1]),
        ({"max_records": 1, "max_bytes": 1}, [1, 1, 1, 1]),
    ],
)
def test_a_transaction_has_bounds(
    make_rig: MakeRig, bounds: dict[str, int], sizes: list[int]
) -> None:
    rig = make_rig(**bounds)
    entered, go_on = rig.producer.gate("commit")
    rig.assign()
    for at in range(4):
        rig.transactor.put(chunk(2 * at, 2))
        if at == 0:
            assert entered.wait(10)
    go_on.set()
    rig.commits(len(sizes))
    assert [len(seen) for seen in rig.handler.seen] == sizes


def test_many_outputs_let_the_deliveries_be_told_in_between(make_rig: MakeRig) -> None:
    handler = ScriptedHandler()
    handler.working.append(lambda chunks, _: Work([output()] * 1_200))
    rig = make_rig(handler)
    rig.assign()
    rig.transactor.put(chunk(0))
    rig.commits(1)
    assert rig.producer.calls.count("poll") == 2


def test_a_full_producer_is_waited_for(rig: Rig) -> None:
    rig.producer.fail("produce", BufferError(), BufferError())
    rig.assign()
    rig.transactor.put(chunk(0, 2))
    rig.commits(1)
    assert rig.producer.committed[0].values == [b"v", b"v"]
    assert rig.producer.calls.count("poll") == 2


# ---- ticks


def test_a_tick_without_outputs_needs_no_transaction(make_rig: MakeRig) -> None:
    rig = make_rig(ScriptedHandler(tick_s=0.001))
    rig.assign()
    eventually(lambda: len(rig.handler.seen) >= 3)
    assert rig.producer.committed == []
    assert all(seen == [] for seen in rig.handler.seen)


def test_a_tick_with_outputs_commits_a_position_for_the_broker_to_check(
    make_rig: MakeRig,
) -> None:
    handler = ScriptedHandler(tick_s=0.001)
    handler.working.append(lambda chunks, _: Work([output(b"due")]))
    rig = make_rig(handler)
    rig.assign(p0=7)
    rig.commits(1)
    (done,) = rig.producer.committed
    assert done.values == [b"due"]
    assert done.offsets == {IN: 7}
    assert done.membership == "membership 1"
    assert rig.transactor.position(IN) == 7


def test_a_standby_without_partitions_ticks_in_peace(make_rig: MakeRig) -> None:
    rig = make_rig(ScriptedHandler(tick_s=0.001))
    rig.transactor.assign(assignment(1))
    eventually(lambda: len(rig.handler.seen) >= 2)
    assert rig.transactor.ready
    assert rig.producer.committed == []


def test_without_an_assignment_nobody_ticks_and_the_thread_rests(make_rig: MakeRig) -> None:
    rig = make_rig(ScriptedHandler(tick_s=0.001), start=False)
    assert not rig.transactor._due()
    assert rig.transactor._patience() >= 0.1, "a busy loop until the partitions come"


# ---- backpressure


def test_room_ends_when_the_queue_is_full_and_comes_back(rig: Rig) -> None:
    entered, go_on = rig.producer.gate("commit")
    rig.assign()
    assert rig.transactor.room(0.0)
    rig.transactor.expect(600)
    rig.transactor.put(chunk(0, size=600))
    assert entered.wait(10)
    rig.transactor.expect(400)
    assert not rig.transactor.room(0.0)
    rig.transactor.put(chunk(1, size=400))
    go_on.set()
    assert rig.transactor.room(10.0)
    rig.commits(2)
    assert rig.transactor._outstanding == 0
    labels = {"stage": "classifier", "state": "backpressure"}
    assert value_of(rig.metrics, "tocsin_worker_seconds_total", **labels) >= 0


def test_bytes_on_the_way_to_the_queue_count_already(rig: Rig) -> None:
    rig.assign()
    rig.transactor.expect(1_000)
    assert not rig.transactor.room(0.001)


def test_a_new_assignment_starts_with_an_empty_account(rig: Rig) -> None:
    rig.assign()
    rig.transactor.expect(5_000)
    rig.transactor.revoke()
    assert rig.transactor.room(0.0)
    rig.transactor.expect(5_000)
    rig.assign(2)
    assert rig.transactor.room(0.0)


# ---- what is told outside


def test_it_is_idle_only_without_queue_and_transaction(rig: Rig) -> None:
    rig.assign()
    eventually(lambda: rig.transactor.idle)
    entered, go_on = rig.producer.gate("commit")
    rig.transactor.put(chunk(0))
    assert entered.wait(10)
    assert not rig.transactor.idle
    go_on.set()
    rig.commits(1)


def test_progress_is_told(rig: Rig) -> None:
    assert rig.transactor.silent_for_s() < 10
    assert not rig.transactor.assigned
    assert not rig.transactor.ready
    assert rig.transactor.position(IN) is None


def test_what_was_done_is_counted(rig: Rig) -> None:
    rig.assign()
    rig.transactor.put(chunk(0, 3))
    rig.commits(1)
    made = rig.metrics
    assert value_of(made, "tocsin_kafka_commit_total", outcome="committed") == 1
    labels = {"stage": "classifier", "outcome": "ok"}
    eventually(lambda: value_of(made, "tocsin_stage_processed_total", **labels) == 3)
    assert value_of(made, "tocsin_chunk_records_sum", stage="classifier") == 3
    eventually(lambda: value_of(made, "tocsin_stage_duration_seconds_count", stage="classifier"))


def test_stopping_ends_the_running_transaction_and_drops_the_rest(make_rig: MakeRig) -> None:
    rig = make_rig()
    entered, go_on = rig.producer.gate("commit")
    rig.assign()
    rig.transactor.put(chunk(0))
    assert entered.wait(10)
    rig.transactor.put(chunk(1))
    stopper = threading.Thread(target=rig.transactor.stop, args=(10.0,))
    stopper.start()
    eventually(lambda: rig.transactor._stopping)
    go_on.set()
    stopper.join(10)
    assert not rig.transactor.alive
    assert [done.offsets for done in rig.producer.committed] == [{IN: 1}]
    assert rig.failures == []


def test_the_settings_are_those_of_a_transactional_slot() -> None:
    settings = producer_settings({"bootstrap.servers": "b:1"}, "group-3", 10_000)
    assert settings["transactional.id"] == settings["client.id"] == "group-3"
    assert settings["bootstrap.servers"] == "b:1"
    assert settings["transaction.timeout.ms"] == 10_000
    assert (settings["enable.idempotence"], settings["acks"]) == (True, "all")


def test_delivery_errors_leave_no_trace_in_what_is_told(rig: Rig) -> None:
    """The commit fails then; here only that an error is not taken for a position."""
    rig.assign()
    delivered: dict[Partition, int] = {}
    rig.producer.begin_transaction()
    rig.transactor._producer._produce([output()], delivered)
    assert rig.producer._open is not None
    callback = rig.producer._open[0][3]
    callback("an error", record(5, OUT))
    assert delivered == {}
    callback(None, record(5, OUT))
    callback(None, record(4, OUT))
    assert delivered == {OUT: 6}
