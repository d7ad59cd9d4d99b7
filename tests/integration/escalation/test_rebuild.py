"""Bringing a view up from a real broker: whole, from its checkpoint on, marks of erasure included."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import msgspec
import pytest
from confluent_kafka import Producer
from prometheus_client import CollectorRegistry

from services.escalation.view.memory_view import MemoryView
from services.escalation.view.model import Changes, Checkpoint
from services.escalation.view.rebuild import BATCH, MAX_AGE_MS, Rebuilder
from shared import codec, ids, topics
from shared.clock import ManualClock
from shared.config import Scalar
from shared.errors import Misconfigured, Transient
from shared.events import (
    Case,
    Channel,
    CustomerErased,
    FeedbackOutcome,
    OutcomeKind,
    Severity,
    Struct,
)
from shared.metrics import Metrics
from shared.streams.reader import Cluster
from shared.streams.records import Partition
from tests.contract.views import NOW, case
from tests.services import Installation, wait_for

pytestmark = pytest.mark.integration

ME, OTHER = 1, 0
REMEMBER_MS = 1_000_000


def never() -> bool:
    return False


class Log:
    """The two topics that a view follows, and a rebuilder of them."""

    def __init__(self, installation: Installation) -> None:
        installation.create_topics(2)
        self.client: dict[str, Scalar] = installation.loaded().config.kafka.client()
        self.state = installation.names.of(topics.CASE_STATE)
        self.outcomes = installation.names.of(topics.FEEDBACK_OUTCOMES)
        self.registry = CollectorRegistry()
        self.metrics = Metrics(self.registry)
        self.clock = ManualClock(NOW)
        self.view = MemoryView()
        self.rebuilder = self.rebuilder_of(2)
        wait_for(self._is_there, "the topics")

    def rebuilder_of(self, partitions: int) -> Rebuilder:
        return Rebuilder(
            self.view,
            self.client,
            self.state,
            self.outcomes,
            self.clock,
            self.metrics,
            REMEMBER_MS,
            partitions,
        )

    def _is_there(self) -> bool:
        try:
            Cluster(self.client).ends([Partition(one, ME) for one in (self.state, self.outcomes)])
            return self.rebuilder.bring_up(OTHER, never) is not None
        except Transient:  # made a moment ago: no broker leads them yet
            return False

    def write(self, *records: tuple[str, str, Struct | None], partition: int = ME) -> None:
        producer = Producer(self.client)
        for topic, key, value in records:
            raw = None if value is None else codec.encode(value)
            producer.produce(topic, raw, key.encode(), partition)
        assert producer.flush(30) == 0

    def cases(self, *cases: Case, partition: int = ME) -> None:
        self.write(*((self.state, one.case_id, one) for one in cases), partition=partition)

    def bring_up(self) -> Checkpoint:
        done = self.rebuilder.bring_up(ME, never)
        assert done is not None
        return done

    def held(self, *customers: str) -> dict[str, Case]:
        keys = [ids.record_key("acme", customer) for customer in customers]
        found = self.view.fetch(ME, [], keys)
        return {case_id: one for of in found.cases.values() for case_id, one in of.items()}

    def rebuilds(self, reason: str) -> float:
        labels = {"reason": reason}
        return self.registry.get_sample_value("tocsin_view_rebuilds_total", labels) or 0.0


@pytest.fixture
def log(installation: Installation) -> Log:
    return Log(installation)


def erased(customer: str) -> tuple[str, CustomerErased]:
    key = ids.record_key("acme", customer)
    return key, CustomerErased(
        command_id="k1",
        tenant="acme",
        record_key=key,
        actor="ada",
        erased_at=NOW,
        reason="asked",
    )


def test_a_view_is_what_the_log_says_last(log: Log) -> None:
    stays, changes, goes, returns = (case(f"c{number}", due=NOW) for number in range(4))
    log.cases(stays, changes, goes, returns, case("elsewhere"))
    log.cases(case("elsewhere"), partition=OTHER)
    log.write(
        (log.state, goes.case_id, None),
        (log.state, returns.case_id, None),
        (log.state, case("unknown").case_id, None),
        (log.state, "no case id", None),
    )
    changed = msgspec.structs.replace(changes, case_seq=2, timers=())
    log.cases(changed, returns)
    before = log.rebuilds("lost")
    done = log.bring_up()
    assert log.held("c0", "c1", "c2", "c3") == {
        one.case_id: one for one in (stays, changed, returns)
    }
    assert set(log.view.due(ME, done, NOW, 9)) == {stays.case_id, returns.case_id}
    assert done.state_offset == 11
    assert log.rebuilds("lost") == before + 1


def test_more_than_one_write_keeps_their_order(log: Log) -> None:
    """A case is in the first batch, in a later one, and removed in the last."""
    many = [case(f"d{number}", due=NOW) for number in range(2 * BATCH)]
    first, second = case("c1"), case("c1", seq=2)
    log.cases(first, case("c2"), *many, second)
    log.write((log.state, case("c2").case_id, None))
    done = log.bring_up()
    assert log.held("c1", "c2") == {second.case_id: second}
    assert len(log.view.due(ME, done, NOW, 10 * BATCH)) == len(many)


def test_marks_of_erasure_stay_when_the_cases_are_gone(log: Log) -> None:
    gone = erased("c1")
    log.cases(case("c1"), case("c2"))
    log.write((log.state, case("c1").case_id, None), (log.state, *gone))
    log.bring_up()
    found = log.view.fetch(ME, [], ["acme:c1", "acme:c2"])
    assert found.erased == {"acme:c1": NOW}
    assert found.cases["acme:c1"] == {}
    assert list(found.cases["acme:c2"]) == [case("c2").case_id]


def test_what_came_later_is_read_from_the_checkpoint_on(log: Log) -> None:
    log.cases(case("c1"))
    before = log.bring_up()
    log.cases(case("c2"))
    outcome = FeedbackOutcome(
        feedback_id="f1",
        tenant="acme",
        channel=Channel.EMAIL,
        severity=Severity.LOW,
        kind=OutcomeKind.NO_CASE,
        received_at=NOW,
        decided_at=NOW,
    )
    log.write((log.outcomes, "f1", outcome))
    assert log.view.apply(ME, before, before, Changes(removed=[case("c1").case_id]))
    after = log.bring_up()
    assert (after.epoch, after.state_offset, after.outcomes_offset) == (before.epoch, 2, 1)
    assert list(log.held("c1", "c2")) == [case("c2").case_id]
    assert log.view.fetch(ME, ["f1", "f2"], []).decided == {"f1"}


def test_an_old_checkpoint_is_not_trusted(log: Log) -> None:
    log.cases(case("c1"))
    before = log.bring_up()
    log.clock.advance(MAX_AGE_MS / 1_000 + 1)
    after = log.bring_up()
    assert after.epoch > before.epoch
    assert list(log.held("c1")) == [case("c1").case_id]
    assert log.rebuilds("too_old") == 1


def test_a_view_that_knows_what_kafka_has_lost_is_not_trusted(log: Log) -> None:
    """Kafka came back without its last seconds, Redis with them: the log is what counts."""
    log.cases(case("c1"))
    before = log.bring_up()
    ahead = msgspec.structs.replace(before, state_offset=before.state_offset + 1)
    assert log.view.apply(ME, before, ahead, Changes(cases=[case("c2")]))
    after = log.bring_up()
    assert (after.state_offset, list(log.held("c1", "c2"))) == (1, [case("c1").case_id])
    assert log.rebuilds("ahead") == 1


def test_what_a_killed_rebuild_was_to_replace_is_deleted_by_the_next(log: Log) -> None:
    """The first one ends after its first write: the old keys would stay for good."""
    log.cases(*(case(f"d{number}", due=NOW) for number in range(3 * BATCH)))
    before = log.bring_up()
    log.clock.advance(MAX_AGE_MS / 1_000 + 1)
    forgotten: list[int] = []
    real, written = log.view.apply, itertools.count()

    def forget(partition: int, epoch: int) -> None:
        forgotten.append(epoch)

    log.view.forget = forget  # type: ignore[method-assign]

    def apply(
        partition: int, expected: Checkpoint | None, new: Checkpoint, changes: Changes
    ) -> bool:
        if next(written) > 0:
            raise Transient("killed")
        return real(partition, expected, new, changes)

    log.view.apply = apply  # type: ignore[method-assign]
    with pytest.raises(Transient, match="killed"):
        log.bring_up()
    assert forgotten == []
    log.view.apply = real  # type: ignore[method-assign]
    done = log.bring_up()
    assert (forgotten, done.former) == ([before.epoch], 0)
    assert log.view.checkpoint(ME) == done
    assert len(log.view.due(ME, done, NOW, 10 * BATCH)) == 3 * BATCH
    log.bring_up()
    assert forgotten == [before.epoch]


def test_who_is_interrupted_leaves_a_view_that_is_brought_up_again(log: Log) -> None:
    log.cases(*(case(f"d{number}", due=NOW) for number in range(3 * BATCH)))
    asked = itertools.count()
    interrupted: Callable[[], bool] = lambda: next(asked) > 0  # noqa: E731
    assert log.rebuilder.bring_up(ME, interrupted) is None
    done = log.bring_up()
    assert len(log.view.due(ME, done, NOW, 10 * BATCH)) == 3 * BATCH


def test_a_view_that_changes_meanwhile_is_left_alone(log: Log) -> None:
    log.cases(case("c1"))
    before = log.bring_up()
    log.cases(case("c2"))
    theirs = msgspec.structs.replace(before, at=NOW + 1)
    real = log.view.apply

    def apply(
        partition: int, expected: Checkpoint | None, new: Checkpoint, changes: Changes
    ) -> bool:
        assert real(partition, before, theirs, Changes())
        return real(partition, expected, new, changes)

    log.view.apply = apply  # type: ignore[method-assign]
    with pytest.raises(Transient, match="changed under the rebuild"):
        log.bring_up()
    assert log.view.checkpoint(ME) == theirs


@pytest.mark.parametrize("raw", [b"{", b'{"type":"case.v9"}', b'"\xff"'])
def test_what_cannot_be_read_is_told_with_its_place(log: Log, raw: bytes) -> None:
    """Going on without it would lose a case."""
    log.cases(case("c1"))
    producer = Producer(log.client)
    producer.produce(log.state, raw, b"k", ME)
    assert producer.flush(30) == 0
    with pytest.raises(Misconfigured, match=rf"{log.state}\[{ME}\] at 1 cannot be read"):
        log.bring_up()


def test_another_number_of_partitions_is_refused(log: Log) -> None:
    with pytest.raises(Misconfigured, match="has 2"):
        log.rebuilder_of(3).bring_up(ME, never)


def test_a_view_tells_that_it_is_not_complete_yet(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.cases(case("c1"), case("c2"))
    told: list[bool] = []
    apply = log.view.apply

    def applied(
        partition: int, expected: Checkpoint | None, new: Checkpoint, changes: Changes
    ) -> bool:
        told.append(new.building)
        return apply(partition, expected, new, changes)

    monkeypatch.setattr(log.view, "apply", applied)
    assert not log.bring_up().building
    assert told[0]
    assert not told[-1]
    del told[:]
    log.cases(case("c3"))
    assert not log.bring_up().building
    assert told == [False]  # that it is a little behind is as ever
