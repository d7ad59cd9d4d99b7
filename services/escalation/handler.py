"""Chunks and due timers in, case events out: reads the view, decides, and lets the view follow.

One owner per partition takes feedback, commands and timers in turn; the order of the log decides
races. The view is written after the commit. When it turns out to be lost or older than expected, it
is brought up from Kafka before anything is decided on it.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence

import msgspec
import structlog
from confluent_kafka import Message

from services.escalation.auditor import Auditor
from services.escalation.domain.decide import CommandIn, Decision, EraseIn, FeedbackIn, TimerIn
from services.escalation.domain.policy import Policy
from services.escalation.inbox import BY_LOAD, Inbox, Order, Received, key_of, key_of_order
from services.escalation.ledger import Ledger
from services.escalation.load import Load
from services.escalation.metering import Meter
from services.escalation.outputs import Outputs
from services.escalation.timers import JumpGuard, Pace, Stuck
from services.escalation.view.model import Checkpoint, View
from services.escalation.view.rebuild import Rebuilder
from shared import codec, topics
from shared.clock import Clock
from shared.errors import Misconfigured, Poison, PoisonReason, Transient
from shared.events import CaseCommand, EraseCustomer, FeedbackClassified
from shared.ids import partition_of, record_key_of_case
from shared.streams.dead_letters import Sieve, source_of
from shared.streams.records import (
    Assignment,
    Chunk,
    Delivered,
    Interrupted,
    Output,
    Partition,
    Work,
)
from shared.worker import Context

STAGE = "escalation"
TICK_S = 0.1
CHECK_S = 1.0
Loaded = Callable[[], Mapping[str, int]]
"""Tells how many live cases people have now, by ``name/severity``."""

log = structlog.get_logger(__name__)


class EscalationHandler:
    """See :class:`shared.streams.records.Handler`."""

    stage = STAGE
    tick_s: float | None = TICK_S

    def __init__(
        self,
        made: Context,
        view: View,
        rebuilder: Rebuilder,
        policy: Callable[[], Policy],
        remember_ms: int,
    ) -> None:
        self._clock: Clock = made.clock
        self._view = view
        self._rebuilder = rebuilder
        self._policy = policy
        self._remember_ms = remember_ms
        self._partitions = made.config.kafka.partitions
        self._outputs = Outputs(made.names, self._partitions)
        self._meter = Meter(made.metrics, made.clock)
        self._guard = JumpGuard()
        self._pace = Pace()
        self._next_due = 0.0
        self._stuck = Stuck()
        self._checkpoints: dict[int, Checkpoint | None] = {}
        self._next_check = 0.0
        self._auditor = Auditor(view, self._meter)
        self._classified = made.names.of(topics.FEEDBACK_CLASSIFIED)
        self._commands = made.names.of(topics.CASE_COMMANDS)
        self.inputs: Sequence[str] = (self._classified, self._commands)
        self._state = made.names.of(topics.CASE_STATE)
        self._outcomes = made.names.of(topics.FEEDBACK_OUTCOMES)
        self.tracked = frozenset({self._state, self._outcomes})
        dead = made.names.of(topics.DEAD_LETTERS)
        classified = codec.Decoder[FeedbackClassified](topics.FEEDBACK_CLASSIFIED.carries)
        commands = codec.Decoder[Order](topics.CASE_COMMANDS.carries)
        self._feedback_sieve = Sieve(STAGE, dead, classified, made.metrics)
        self._command_sieve = Sieve(STAGE, dead, commands, made.metrics)

    def assigned(self, assignment: Assignment, interrupted: Interrupted) -> None:
        """Bring the view of every assigned partition up to date."""
        wrong = [number for number in assignment.numbers if number >= self._partitions]
        if wrong:
            raise Misconfigured(
                f"kafka.partitions is {self._partitions}, but the topics have more: set it right, "
                "or commands would go to the wrong partition"
            )
        self._checkpoints = dict.fromkeys(assignment.numbers)
        for number in sorted(assignment.numbers):
            if not interrupted():
                self._checkpoints[number] = self._rebuilder.bring_up(number, interrupted)

    def process(self, chunks: Sequence[Chunk], interrupted: Interrupted) -> Work:
        """Decide on all inputs that are there, partition by partition."""
        now, monotonic = self._clock.now_ms(), self._clock.monotonic()
        outputs: list[Output] = []
        buried: Counter[Partition] = Counter()
        inboxes = self._sort(chunks, now, outputs, buried)
        self._find_lost(inboxes)
        if self._add_due(inboxes, now, monotonic) and not self._pace.behind:
            self._auditor.look(self._checkpoints, inboxes, now, self._stuck.now(time.monotonic()))
        ledgers: dict[int, Ledger] = {}
        load = Load(self._view, self._checkpoints, self._partitions)
        for number, inbox in inboxes.items():
            ledger = self._read(number, inbox, interrupted)
            if ledger is None:
                raise Transient("the assignment went while its view was brought up")
            ledgers[number] = ledger
            self._decide(inbox, ledger, now, lambda: load.now(ledgers.values()), outputs, buried)
            outputs.extend(self._outputs.of(number, ledger))
        self._meter.standing(self._view, self._checkpoints)
        return Work(outputs, buried, lambda delivered: self._committed(ledgers, delivered, now))

    def _sort(
        self,
        chunks: Sequence[Chunk],
        now: int,
        outputs: list[Output],
        buried: Counter[Partition],
    ) -> dict[int, Inbox]:
        """Decode; poison becomes a dead letter, a command of another partition is forwarded."""
        inboxes: dict[int, Inbox] = defaultdict(Inbox)
        for chunk in chunks:
            number = chunk.source.number
            records: Sequence[tuple[Message, Received]]
            if chunk.source.topic == self._commands:
                commands, dead = self._command_sieve.sift(chunk, now)
                records = self._own_commands(commands, number, now, outputs, dead)
            else:
                records, dead = self._feedback_sieve.sift(chunk, now)
            outputs.extend(dead)
            if dead:
                buried[chunk.source] += len(dead)
            inboxes[number].records.extend(records)
        return inboxes

    def _own_commands(
        self,
        commands: Sequence[tuple[Message, Order]],
        number: int,
        now: int,
        outputs: list[Output],
        dead: list[Output],
    ) -> list[tuple[Message, Order]]:
        mine: list[tuple[Message, Order]] = []
        for message, command in commands:
            try:
                key = key_of_order(message, command)
            except Poison as poison:
                dead.append(self._command_sieve.bury(message, poison, now))
                continue
            owner = partition_of(key, self._partitions)
            if owner == number:
                mine.append((message, command))
            else:
                headers = codec.headers(command, command.command_id, "tocsin/escalation")
                value = message.value()
                outputs.append(Output(self._commands, owner, key.encode(), value, headers))
        return mine

    def _find_lost(self, inboxes: dict[int, Inbox]) -> None:
        """Give a partition whose view was lost an empty inbox, so that it is brought up.

        Else a view that is lost while no feedback comes in would take its timers with it.
        """
        if time.monotonic() < self._next_check:
            return
        for number, expected in self._checkpoints.items():
            if expected is None or self._view.checkpoint(number) != expected:
                inboxes.setdefault(number, Inbox())
        self._next_check = time.monotonic() + CHECK_S

    def _add_due(self, inboxes: dict[int, Inbox], now: int, monotonic: float) -> bool:
        """Add the timers whose turn it is; the next ones come at once while some are left.

        False when it is too early, or the clock has jumped: what is late for that is not lost.
        """
        began = time.monotonic()
        if began < self._next_due:
            return False
        self._next_due = began + TICK_S
        if not self._guard.may_fire(now, monotonic):
            self._meter.held()
            return False
        limit = self._pace.limit(bool(inboxes), began)
        if limit:
            self._pace.taken(self._take_due(inboxes, now, limit), limit, began)
        self.tick_s = 0.0 if self._pace.behind else TICK_S
        self._next_due = began + self.tick_s
        return True

    def _take_due(self, inboxes: dict[int, Inbox], now: int, limit: int) -> int:
        """Add up to ``limit`` due cases, of one partition after the other; return how many."""
        taken = 0
        stuck = self._stuck.now(time.monotonic())
        for number in self._pace.order(self._checkpoints):
            checkpoint = self._checkpoints[number]
            if checkpoint is None:
                continue
            found = self._view.due(number, checkpoint, now, limit - taken + len(stuck))
            due = [case_id for case_id in found if case_id not in stuck][: limit - taken]
            if due:
                inboxes[number].due = due
                taken += len(due)
            if taken >= limit:
                break
        return taken

    def _read(self, number: int, inbox: Inbox, interrupted: Interrupted) -> Ledger | None:
        """Read what the inputs need; a view that is not where it should be is brought up first."""
        while not interrupted():
            found = self._view.fetch(number, inbox.feedback_ids(), inbox.keys())
            expected = self._checkpoints.get(number)
            if expected is not None and found.checkpoint == expected:
                return Ledger(found, self._policy())
            self._checkpoints[number] = None
            self._checkpoints[number] = self._rebuilder.bring_up(number, interrupted)
        return None

    def _decide(
        self,
        inbox: Inbox,
        ledger: Ledger,
        now: int,
        load: Loaded,
        outputs: list[Output],
        buried: Counter[Partition],
    ) -> None:
        for message, event in inbox.records:
            try:
                self._take(event, ledger, now, load)
            except Transient:  # the view is away: nothing is wrong with the record
                raise
            except Poison as too_large:
                outputs.append(self._feedback_sieve.bury(message, too_large, now))
                buried[source_of(message)] += 1
            except Exception as error:
                log.exception("decision failed", offset=message.offset())
                poison = Poison(PoisonReason.HANDLER_ERROR, f"{type(error).__name__}: {error}")
                outputs.append(self._feedback_sieve.bury(message, poison, now))
                buried[source_of(message)] += 1
        for case_id in inbox.due:
            self._attempt(self._fire, case_id, ledger, now)
        for case_id in inbox.audited:
            self._attempt(self._auditor.repair, case_id, ledger, now)

    def _take(self, event: Received, ledger: Ledger, now: int, load: Loaded) -> None:
        key = key_of(event)
        if isinstance(event, EraseCustomer):
            ledger.decide(key, EraseIn(event, ledger.erased_at(key)), now)
        elif isinstance(event, CaseCommand):
            asked = load() if event.kind in BY_LOAD else {}
            ledger.decide(key, CommandIn(event, asked), now)
        elif not ledger.knows(event.feedback.feedback_id):
            ledger.decide(key, FeedbackIn(event, ledger.erased_at(key)), now)
        else:
            self._meter.duplicate(event.feedback.channel)

    def _attempt(
        self, of: Callable[[str, Ledger, int], None], case_id: str, ledger: Ledger, now: int
    ) -> None:
        """Do what nobody has asked for; a bug in one case must not stop all the others."""
        try:
            of(case_id, ledger, now)
        except Exception:
            log.exception("a timer cannot fire; it is tried again in a while", case_id=case_id)
            self._meter.stuck_timer()
            self._stuck.add(case_id, time.monotonic())

    def _fire(self, case_id: str, ledger: Ledger, now: int) -> None:
        """Let the due timers of a case fire."""
        key = record_key_of_case(case_id)
        if ledger.decide(key, TimerIn(case_id), now) == Decision.NOTHING:
            ledger.refresh(key, case_id)

    def _committed(self, ledgers: Mapping[int, Ledger], delivered: Delivered, now: int) -> None:
        """Let the view follow what was committed. When that fails, the next read notices."""
        for number, ledger in ledgers.items():
            before = self._checkpoints.get(number)
            if before is None:
                continue
            after = msgspec.structs.replace(
                before,
                state_offset=delivered.get(Partition(self._state, number), before.state_offset),
                outcomes_offset=delivered.get(
                    Partition(self._outcomes, number), before.outcomes_offset
                ),
                at=now,
            )
            self._checkpoints[number] = after
            try:
                self._view.apply(number, before, after, ledger.changes(self._remember_ms))
            except Transient as error:
                log.warning("view not written; it will be brought up", error=str(error))
            self._meter.decided(ledger.events, ledger.outcomes, now)
            self._meter.erased(len(ledger.erased))
