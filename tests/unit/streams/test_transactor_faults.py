"""The chunk transaction when something goes wrong: nothing lost, nothing twice, or the process ends."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest
from confluent_kafka import KafkaError

from shared.errors import TooManyDeadLetters, Transient
from shared.streams import transaction
from shared.streams.dead_letters import Limit
from shared.streams.producer import Fenced
from shared.streams.records import Chunk, Interrupted, Work
from tests.unit.streams.conftest import MakeRig, Rig
from tests.unit.streams.fakes import (
    IN,
    IN_1,
    ScriptedHandler,
    assignment,
    chunk,
    eventually,
    failure,
    output,
    value_of,
)

STALE = [
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.FENCED_INSTANCE_ID,
]


def transient(_: Sequence[Chunk], __: Interrupted) -> Work:
    raise Transient("Redis is away")


# ---- the chain of chunks


@pytest.mark.parametrize("start", [0, 4, 6, 99])
def test_a_chunk_that_does_not_continue_is_an_error(rig: Rig, start: int) -> None:
    rig.assign(p0=5)
    with pytest.raises(RuntimeError, match=f"starts at {start}, expected 5"):
        rig.transactor.put(chunk(start))


def test_each_link_is_checked_against_the_last(rig: Rig) -> None:
    rig.assign(p0=5, p1=1)
    rig.transactor.put(chunk(5, 2))
    rig.transactor.put(chunk(1, 1, IN_1))
    with pytest.raises(RuntimeError, match="starts at 6, expected 7"):
        rig.transactor.put(chunk(6))
    rig.transactor.put(chunk(7))


def test_a_chunk_of_a_foreign_partition_is_an_error(rig: Rig) -> None:
    rig.assign(p0=0)
    with pytest.raises(RuntimeError, match="expected None"):
        rig.transactor.put(chunk(0, 1, IN_1))


@pytest.mark.parametrize("generation", [1, 3])
def test_a_chunk_of_another_generation_is_dropped(rig: Rig, generation: int) -> None:
    rig.assign(2, p0=5)
    rig.transactor.put(chunk(0, generation=generation))
    rig.transactor.put(chunk(5, generation=2))
    rig.commits(1)
    assert rig.handler.seen == [[(IN, 5, 6)]]


def test_without_an_assignment_chunks_are_dropped(rig: Rig) -> None:
    rig.transactor.put(chunk(0))
    rig.assign(p0=0)
    rig.transactor.put(chunk(0))
    rig.commits(1)


def test_what_was_queued_is_dropped_with_its_assignment(rig: Rig) -> None:
    entered, go_on = rig.producer.gate("commit")
    rig.assign(p0=0)
    rig.transactor.put(chunk(0))
    assert entered.wait(10)
    rig.transactor.put(chunk(1))
    revoked = threading.Thread(target=rig.transactor.revoke)
    revoked.start()
    eventually(lambda: not rig.transactor.assigned)
    go_on.set()
    revoked.join(10)
    rig.assign(2, p0=1)
    rig.transactor.put(chunk(1, generation=2))
    rig.commits(2)
    assert rig.handler.seen == [[(IN, 0, 1)], [(IN, 1, 2)]]


# ---- transient faults


def test_a_transient_fault_is_tried_again_with_the_same_chunks(make_rig: MakeRig) -> None:
    handler = ScriptedHandler()
    handler.working.extend([transient] * 3)
    rig = make_rig(handler)
    rig.assign()
    rig.transactor.put(chunk(0, 2))
    rig.commits(1)
    assert handler.seen == [[(IN, 0, 2)]] * 4
    assert rig.producer.aborted == 0
    labels = {"stage": "classifier", "reason": "transient"}
    assert value_of(rig.metrics, "tocsin_stage_errors_total", **labels) == 3


def test_catching_up_is_tried_again(make_rig: MakeRig) -> None:
    def away(_: Interrupted) -> None:
        raise Transient("Redis is away")

    handler = ScriptedHandler()
    handler.catching_up.extend([away, away])
    rig = make_rig(handler)
    rig.assign()
    assert len(handler.assignments) == 3


def test_catching_up_is_interrupted_by_a_revocation(make_rig: MakeRig) -> None:
    started = threading.Event()

    def long_work(interrupted: Interrupted) -> None:
        started.set()
        eventually(interrupted)

    handler = ScriptedHandler()
    handler.catching_up.append(long_work)
    rig = make_rig(handler)
    rig.transactor.assign(assignment(p0=0))
    assert started.wait(10)
    rig.transactor.revoke()
    assert not rig.transactor.ready
    rig.assign(2, p0=3)
    assert [given.generation for given in handler.assignments] == [1, 2]
    assert rig.failures == []


@pytest.mark.parametrize("call", ["begin", "produce", "offsets", "commit"])
def test_an_aborted_transaction_is_tried_again_whole(rig: Rig, call: str) -> None:
    rig.producer.fail(call, failure())
    rig.assign()
    rig.transactor.put(chunk(0, 2))
    rig.commits(1)
    assert rig.producer.aborted == 1
    assert rig.handler.seen == [[(IN, 0, 2)]] * 2
    assert rig.producer.committed[0].values == [b"v", b"v"]
    assert len(rig.handler.delivered) == 1
    assert value_of(rig.metrics, "tocsin_kafka_commit_total", outcome="aborted") == 1


def test_nobody_hears_of_a_transaction_that_was_aborted(rig: Rig) -> None:
    rig.producer.fail("commit", failure(), failure())
    rig.assign()
    rig.transactor.put(chunk(0))
    rig.commits(1)
    assert len(rig.handler.seen) == 3
    assert len(rig.handler.delivered) == 1


def test_a_commit_that_may_be_repeated_is_repeated_not_aborted(rig: Rig) -> None:
    rig.producer.fail("commit", *[failure(KafkaError._TIMED_OUT, retriable=True)] * 3)
    rig.assign()
    rig.transactor.put(chunk(0))
    rig.commits(1)
    assert rig.producer.aborted == 0
    assert rig.producer.calls.count("commit") == 4
    assert len(rig.handler.seen) == 1


def test_the_first_contact_may_take_several_attempts(make_rig: MakeRig) -> None:
    rig = make_rig(start=False)
    rig.producer.fail("init", *[failure(KafkaError._TIMED_OUT, retriable=True)] * 2)
    rig.transactor.start()
    rig.assign()
    assert rig.producer.calls == ["init"] * 3


def test_an_abort_may_take_several_attempts(rig: Rig) -> None:
    rig.producer.fail("offsets", failure())
    rig.producer.fail("abort", failure(KafkaError._TIMED_OUT, retriable=True))
    rig.assign()
    rig.transactor.put(chunk(0))
    rig.commits(1)
    assert rig.producer.aborted == 1


# ---- the end of a generation


@pytest.mark.parametrize("code", STALE)
def test_a_stale_generation_is_dropped_and_the_next_one_awaited(rig: Rig, code: int) -> None:
    rig.producer.fail("offsets", failure(code))
    rig.assign(p0=0)
    rig.transactor.put(chunk(0))
    eventually(lambda: rig.producer.aborted == 1 and rig.transactor.idle)
    assert not rig.transactor.assigned
    assert not rig.transactor.ready
    rig.transactor.put(chunk(1))
    assert rig.producer.committed == []
    assert rig.transactor.room(0.0)
    rig.assign(2, p0=0)
    rig.transactor.put(chunk(0, generation=2))
    rig.commits(1)
    assert rig.producer.committed[0].membership == "membership 2"


def test_a_revocation_waits_for_the_running_transaction(rig: Rig) -> None:
    entered, go_on = rig.producer.gate("commit")
    rig.assign()
    rig.transactor.put(chunk(0))
    assert entered.wait(10)
    done = threading.Event()

    def revoke() -> None:
        rig.transactor.revoke()
        done.set()

    threading.Thread(target=revoke, daemon=True).start()
    eventually(lambda: not rig.transactor.assigned)
    assert not done.is_set()
    go_on.set()
    assert done.wait(10)
    assert len(rig.producer.committed) == 1
    assert value_of(rig.metrics, "tocsin_partitions_ready", stage="classifier") == 0


def test_a_revocation_ends_the_attempts(make_rig: MakeRig) -> None:
    handler = ScriptedHandler()
    handler.working.extend([transient] * 100_000)
    rig = make_rig(handler)
    rig.assign()
    rig.transactor.put(chunk(0))
    eventually(lambda: len(handler.seen) > 2)
    rig.transactor.revoke()
    assert rig.transactor.idle
    assert handler.interruptions[-1]()
    handler.working.clear()
    rig.assign(2)
    assert rig.producer.committed == []


def test_a_transaction_that_does_not_end_is_fenced(
    make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transaction, "REVOKE_S", 0.01)
    rig = make_rig()
    entered, go_on = rig.producer.gate("commit")
    rig.assign()
    rig.transactor.put(chunk(0))
    assert entered.wait(10)
    with pytest.raises(Fenced, match="did not end"):
        rig.transactor.revoke()
    go_on.set()


# ---- what ends the process


@pytest.mark.parametrize("call", ["begin", "offsets", "commit"])
def test_a_fatal_error_ends_the_process(rig: Rig, call: str) -> None:
    rig.producer.fail(call, failure(KafkaError._FENCED, fatal=True))
    rig.assign()
    rig.transactor.put(chunk(0))
    assert isinstance(rig.failed(), Fenced)
    assert rig.producer.committed == []
    assert rig.producer.aborted == 0
    assert rig.handler.delivered == []


def test_an_abort_that_fails_ends_the_process(rig: Rig) -> None:
    rig.producer.fail("commit", failure())
    rig.producer.fail("abort", failure())
    rig.assign()
    rig.transactor.put(chunk(0))
    error = rig.failed()
    assert isinstance(error, Fenced)
    assert "cannot abort" in str(error)


def test_a_predecessor_that_cannot_be_fenced_ends_the_process(make_rig: MakeRig) -> None:
    rig = make_rig(start=False)
    rig.producer.fail("init", failure(fatal=True))
    rig.transactor.start()
    rig.failed()


def test_a_bug_of_the_handler_ends_the_process_uncommitted(make_rig: MakeRig) -> None:
    def bug(_: Sequence[Chunk], __: Interrupted) -> Work:
        raise ZeroDivisionError

    handler = ScriptedHandler()
    handler.working.append(bug)
    rig = make_rig(handler)
    rig.assign()
    rig.transactor.put(chunk(0))
    assert isinstance(rig.failed(), ZeroDivisionError)
    assert rig.producer.committed == []


def test_a_failed_worker_holds_up_no_revocation(rig: Rig) -> None:
    rig.producer.fail("begin", failure(fatal=True))
    rig.assign()
    rig.transactor.put(chunk(0))
    rig.failed()
    rig.transactor.revoke()


def test_too_many_dead_letters_end_the_process(make_rig: MakeRig) -> None:
    handler = ScriptedHandler()
    for _ in range(3):
        handler.working.append(lambda chunks, _: Work([output()], {IN: 1}))
    rig = make_rig(handler, limit=Limit(run=2, ratio=1.0, window=100))
    rig.assign()
    for at in range(2):
        rig.transactor.put(chunk(at))
        rig.commits(at + 1)
    rig.transactor.put(chunk(2))
    assert isinstance(rig.failed(), TooManyDeadLetters)
