"""An escalation worker's own part between a log in memory and a view in memory."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import msgspec
from confluent_kafka import Message
from prometheus_client import CollectorRegistry

from services.escalation.domain.defaults import DEFAULT_POLICY
from services.escalation.handler import EscalationHandler
from services.escalation.view.memory_view import MemoryView
from services.escalation.view.model import Changes, Checkpoint
from services.escalation.view.rebuild import Rebuilder
from shared import codec, ids, topics
from shared.clock import ManualClock
from shared.config import Config, Kafka
from shared.events import (
    Case,
    CaseCommand,
    CaseEvent,
    CommandKind,
    DeadLetter,
    FeedbackClassified,
    FeedbackOutcome,
    Kind,
    Severity,
    Struct,
)
from shared.metrics import Metrics
from shared.streams.records import Assignment, Chunk, Output, Partition, Work
from shared.topics import DAY_MS, Names, Topic
from shared.worker import Context
from tests.unit.escalation.world import NOT_NEEDED, RESOLUTION, T0, TENANT, feedback

T = TypeVar("T", bound=Struct)
PARTITIONS = 4
REMEMBER_MS = 45 * DAY_MS
NAMES = Names()
STATE = NAMES.of(topics.CASE_STATE)
OUTCOMES = NAMES.of(topics.FEEDBACK_OUTCOMES)


def never() -> bool:
    return False


class FakeRebuilder(Rebuilder):
    """Brings a view up from the log in memory, the simple way: always from the start."""

    def __init__(self, view: MemoryView, log: Mapping[Partition, list[Output]]) -> None:
        self._memory = view
        self._log = log
        self.asked: list[int] = []
        self.on_bring_up: Callable[[], None] = lambda: None

    def bring_up(self, partition: int, interrupted: Callable[[], bool]) -> Checkpoint | None:
        self.asked.append(partition)
        self.on_bring_up()
        if interrupted():
            return None
        state = self._log[Partition(STATE, partition)]
        outcomes = self._log[Partition(OUTCOMES, partition)]
        found = self._memory.checkpoint(partition)
        epoch = 1 if found is None else found.epoch + 1
        done = Checkpoint(epoch, "s", len(state), "o", len(outcomes), T0)
        cases = {one.key: msgspec.json.decode(one.value or b"", type=Case) for one in state}
        known = {(one.key or b"").decode(): T0 + REMEMBER_MS for one in outcomes}
        changes = Changes(cases=list(cases.values()), outcomes=known)
        assert self._memory.apply(partition, found, done, changes)
        return done


class Rig:
    """Feeds the handler as the transactor does: what is committed is in the log, then told."""

    def __init__(self, view: MemoryView | None = None, prefix: str = "") -> None:
        self.clock = ManualClock(T0)
        self.registry = CollectorRegistry()
        self.log: dict[Partition, list[Output]] = defaultdict(list)
        self.view = view or MemoryView()
        self.rebuilder = FakeRebuilder(self.view, self.log)
        config = Config(kafka=Kafka(partitions=PARTITIONS, topic_prefix=prefix))
        made = Context(config, self.clock, Metrics(self.registry), Names(prefix))
        self.handler = EscalationHandler(
            made, self.view, self.rebuilder, lambda: DEFAULT_POLICY, REMEMBER_MS
        )
        self._taken: dict[Partition, int] = defaultdict(int)

    def assign(self, *numbers: int) -> None:
        positions = {Partition(name, n): 0 for name in self.handler.inputs for n in numbers}
        self.handler.assigned(Assignment(1, positions, None), never)
        self.rebuilder.asked.clear()

    # ---- one transaction, in steps or whole

    def process(self, *chunks: Chunk, tick: bool = True) -> Work:
        """Decide; with ``tick`` the timers' turn has come."""
        if tick:
            self.handler._next_due = self.handler._next_check = 0.0
        return self.handler.process(chunks, never)

    def commit(self, work: Work) -> None:
        delivered: dict[Partition, int] = {}
        for one in work.outputs:
            where = Partition(one.topic, one.partition)
            self.log[where].append(one)
            if one.topic in self.handler.tracked:
                delivered[where] = len(self.log[where])
        work.committed(delivered)

    def take(self, *chunks: Chunk, tick: bool = True) -> Work:
        work = self.process(*chunks, tick=tick)
        if chunks or work.outputs:
            self.commit(work)
        return work

    # ---- inputs

    def chunk(self, topic: Topic, number: int, *values: Struct | bytes) -> Chunk:
        source = Partition(NAMES.of(topic), number)
        start = self._taken[source]
        messages = [
            Message(
                topic=source.topic,
                partition=number,
                offset=start + at,
                key=b"k",
                value=value if isinstance(value, bytes) else codec.encode(value),
                headers=[("ce_id", b"an id")],
            )
            for at, value in enumerate(values)
        ]
        self._taken[source] += len(values)
        return Chunk(source, 1, start, start + len(values), 0, messages)

    def classified(self, number: int, *values: FeedbackClassified | bytes) -> Chunk:
        return self.chunk(topics.FEEDBACK_CLASSIFIED, number, *values)

    def commands(self, number: int, *values: Struct | bytes) -> Chunk:
        return self.chunk(topics.CASE_COMMANDS, number, *values)

    # ---- what came out

    def metric(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0

    def dead(self, work: Work) -> list[DeadLetter]:
        return _decoded(work, topics.DEAD_LETTERS, DeadLetter)

    def events(self, work: Work) -> list[CaseEvent]:
        return _decoded(work, topics.CASE_EVENTS, CaseEvent)

    def outcomes(self, work: Work) -> list[FeedbackOutcome]:
        return _decoded(work, topics.FEEDBACK_OUTCOMES, FeedbackOutcome)

    def cases(self, work: Work) -> list[Case]:
        return _decoded(work, topics.CASE_STATE, Case)


def _decoded(work: Work, topic: Topic, kind: type[T]) -> list[T]:
    return [
        msgspec.json.decode(one.value or b"", type=kind)
        for one in work.outputs
        if one.topic == topic.name
    ]


def topics_of(outputs: Sequence[Output]) -> set[str]:
    return {one.topic for one in outputs}


def customer_on(number: int, nth: int = 0) -> str:
    """Return the ``nth`` customer whose record key belongs to a partition."""
    found = (
        name
        for name in (f"customer{count}" for count in range(10_000))
        if ids.partition_of(ids.record_key(TENANT, name), PARTITIONS) == number
    )
    return next(itertools.islice(found, nth, None))


def item(
    number: int,
    customer: str | None = None,
    severity: Severity = Severity.HIGH,
    kind: Kind = Kind.COMPLAINT,
    **fields: object,
) -> FeedbackClassified:
    """Return the ``number``-th classified feedback of a customer, by default of partition 0."""
    customer = customer or customer_on(0)
    given = feedback(number, severity, kind)
    changed = msgspec.structs.replace(
        given.feedback,
        customer_key=customer,
        record_key=ids.record_key(TENANT, customer),
        **fields,
    )
    return msgspec.structs.replace(given, feedback=changed)


def case_id_of(number: int, customer: str | None = None) -> str:
    """Return the id of the case that the ``number``-th feedback opens."""
    customer = customer or customer_on(0)
    return ids.case_id(TENANT, customer, item(number, customer).feedback.feedback_id)


def command(
    case_id: str, kind: CommandKind = CommandKind.ACKNOWLEDGE, **fields: object
) -> CaseCommand:
    """Return a command of Ada's; one that resolves says all that it has to."""
    if kind is CommandKind.RESOLVE:
        fields = {"resolution": RESOLUTION, "clarification": NOT_NEEDED} | fields
    made = CaseCommand(
        command_id=f"{kind}-1", tenant=TENANT, case_id=case_id, kind=kind, actor="ada", at=T0
    )
    return msgspec.structs.replace(made, **fields)
