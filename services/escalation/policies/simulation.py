"""What a policy would do: the real decision on feedback in memory, with time that passes at once.

Nothing is read or written. Commands that cases send to each other (merges) do not occur, since nobody
merges here.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Final

from services.escalation.domain.decide import (
    CommandIn,
    Decision,
    FeedbackIn,
    Input,
    TimerIn,
    decide,
)
from services.escalation.domain.policy import Policy
from shared import ids
from shared.events import (
    Case,
    CaseCommand,
    CaseEvent,
    CaseEventKind,
    Channel,
    Clarification,
    Classification,
    ClockChangeKind,
    CommandKind,
    EscalationStatus,
    FeedbackClassified,
    FeedbackReceived,
    Kind,
    Reason,
    Resolution,
    Severity,
    Struct,
)

ACTOR: Final = "simulation"
CUSTOMER: Final = "simulated"
PAGES: Final = frozenset({
    CaseEventKind.ESCALATION_TRIGGERED,
    CaseEventKind.REESCALATED,
    CaseEventKind.ESCALATION_EXHAUSTED,
})  # fmt: skip
"""The events of escalation that notify somebody."""
_COUNTED: Final = {
    CaseEventKind.OPENED: "cases opened",
    CaseEventKind.ESCALATION_TRIGGERED: "escalations",
    CaseEventKind.ESCALATION_EXHAUSTED: "exhausted",
}


class Sample(Struct, frozen=True):
    """What a hypothetical feedback is like."""

    severity: Severity = Severity.MEDIUM
    channel: Channel = Channel.EMAIL
    source: str = "simulation"
    kind: Kind = Kind.COMPLAINT
    reasons: tuple[Reason, ...] = ()
    themes: tuple[str, ...] = ()
    language: str | None = None
    tenant: str = "default"

    def feedback(self, number: int, at: int) -> FeedbackClassified:
        """Return the ``number``-th such feedback, of a customer of its own, received at ``at`` (ms)."""
        customer = f"{CUSTOMER}{number}"
        received = FeedbackReceived(
            feedback_id=ids.feedback_id(self.tenant, self.source, str(number), "1"),
            tenant=self.tenant,
            source=self.source,
            channel=self.channel,
            native_id=str(number),
            record_key=ids.record_key(self.tenant, customer),
            customer_key=customer,
            received_at=at,
            text="A simulated feedback.",
            language=self.language,
        )
        found = Classification(
            severity=self.severity,
            kind=self.kind,
            confidence=1.0,
            reasons=self.reasons,
            themes=self.themes,
            language=self.language,
        )
        return FeedbackClassified(feedback=received, classification=found, classified_at=at)


@dataclass(frozen=True)
class People:
    """What people do, in ms: acknowledge each escalation, resolve each case; None: they do not."""

    acknowledge_after: int | None = None
    resolve_after: int | None = None


@dataclass
class Simulation:
    """Customers and their cases under one policy; ``events`` is all that happened, in order."""

    policy: Policy
    people: People = field(default_factory=People)
    events: list[CaseEvent] = field(default_factory=list)
    _cases: dict[str, dict[str, Case]] = field(default_factory=lambda: defaultdict(dict))
    _due: list[tuple[int, int, str, str, CaseCommand | None]] = field(default_factory=list)
    _planned: set[str] = field(default_factory=set)
    _count: int = 0

    def feed(self, item: FeedbackClassified, at: int) -> Decision:
        """Let all that is due until ``at`` happen, then have a feedback decided on."""
        self.run_until(at)
        return self._give(item.feedback.record_key, FeedbackIn(item), at)

    def run_until(self, at: int) -> None:
        """Let everything happen that is due until ``at``, in order."""
        while self._due and self._due[0][0] <= at:
            due, _, key, case_id, command = heappop(self._due)
            case = self._cases[key].get(case_id)
            if case is None:
                continue
            if command is None:
                if case.next_due_at == due:  # else it was planned anew meanwhile
                    self._give(key, TimerIn(case_id), due)
            elif command.kind is not CommandKind.ACKNOWLEDGE or _waits(case, command):
                self._give(key, CommandIn(command), due)

    def _give(self, key: str, given: Input, at: int) -> Decision:
        decision = decide(self._cases[key], given, at, self.policy)
        self.events.extend(decision.events)
        for case_id in decision.removed:
            self._cases[key].pop(case_id, None)
        for case in decision.cases:
            self._cases[key][case.case_id] = case
            if case.next_due_at is not None:
                self._plan(max(case.next_due_at, at), key, case.case_id)
            self._plan_people(key, case, at)
        return decision

    def _plan(self, at: int, key: str, case_id: str, command: CaseCommand | None = None) -> None:
        self._count += 1
        heappush(self._due, (at, self._count, key, case_id, command))

    def _plan_people(self, key: str, case: Case, at: int) -> None:
        """Have people act on an escalation or a case that is new."""
        epoch, people = case.escalation.epoch, self.people
        if people.acknowledge_after is not None and _is_pending(case):
            wanted = _command(case, CommandKind.ACKNOWLEDGE, f"epoch {epoch}", at)
            self._plan_once(key, wanted, at + people.acknowledge_after)
        if people.resolve_after is not None:
            wanted = _command(case, CommandKind.RESOLVE, str(case.reopen_count), at)
            self._plan_once(key, wanted, at + people.resolve_after)

    def _plan_once(self, key: str, command: CaseCommand, at: int) -> None:
        if command.command_id not in self._planned:
            self._planned.add(command.command_id)
            self._plan(at, key, command.case_id, command)


Tally = Counter[tuple[str, str]]
"""How often something happened, and to what: ``("pages", "on-call")``."""


def tally(policy: Policy, items: Iterable[FeedbackClassified], until: int, people: People) -> Tally:
    """Return what the policy does with feedback, in the order it was classified, until ``until``."""
    simulation = Simulation(policy, people)
    counts: Tally = Counter()
    for item in sorted(items, key=lambda one: one.classified_at):
        counts["feedback", ""] += 1
        simulation.feed(item, item.classified_at)
        counts.update(_counted(simulation.events))
        simulation.events.clear()
    simulation.run_until(until)
    counts.update(_counted(simulation.events))
    return counts


def _counted(events: Iterable[CaseEvent]) -> Iterator[tuple[str, str]]:
    for event in events:
        severity = event.case.severity.value if event.case else ""
        if event.kind in _COUNTED:
            yield _COUNTED[event.kind], severity
        if event.kind in PAGES:
            yield from (("pages", name) for name in event.targets)
        if event.kind is CaseEventKind.FOLLOW_UP_SCHEDULED and event.follow_up:
            yield "follow-ups", event.follow_up.kind
        for change in event.clocks:
            if change.change is ClockChangeKind.BREACHED:
                yield "breaches", f"{severity} {change.clock}"


def _is_pending(case: Case) -> bool:
    return case.escalation.status in {EscalationStatus.PENDING, EscalationStatus.EXHAUSTED}


def _waits(case: Case, command: CaseCommand) -> bool:
    """Tell whether the escalation that a command is to acknowledge still waits."""
    return _is_pending(case) and command.note == f"epoch {case.escalation.epoch}"


def _command(case: Case, kind: CommandKind, note: str, at: int) -> CaseCommand:
    """Return what somebody would say to a case."""
    return CaseCommand(
        command_id=f"{ACTOR} {kind} {case.case_id} {note}",
        tenant=case.tenant,
        case_id=case.case_id,
        kind=kind,
        actor=ACTOR,
        at=at,
        note=note,
        clarification=Clarification(not_needed=ACTOR) if kind is CommandKind.RESOLVE else None,
        resolution=Resolution(outcome=ACTOR, reason=ACTOR, next_step=ACTOR)
        if kind is CommandKind.RESOLVE
        else None,
    )
