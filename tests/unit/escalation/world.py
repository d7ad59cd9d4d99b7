"""A small world around ``decide``: the cases of one customer, a clock moved by hand, a log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from services.escalation.domain.decide import (
    CommandIn,
    Decision,
    FeedbackIn,
    Input,
    TimerIn,
    decide,
)
from services.escalation.domain.defaults import DEFAULT_POLICY
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
    CommandKind,
    FeedbackClassified,
    FeedbackReceived,
    Kind,
    Reason,
    Resolution,
    Severity,
    TimerKind,
)

T0 = 1_750_000_000_000
TENANT = "acme"
CUSTOMER = "c0ffee"
RESOLUTION = Resolution(
    outcome="refunded", reason="billed twice", next_step="the money is there in 3 days"
)
NOT_NEEDED = Clarification(not_needed="the invoice says it all")
_NO_CLOCKS = {
    severity.value: msgspec.structs.replace(DEFAULT_POLICY.plan(severity), clocks=())
    for severity in Severity
}
PLAIN: Final = msgspec.structs.replace(DEFAULT_POLICY, thanks={}, **_NO_CLOCKS)
"""The default policy without clocks and thanks: what is left is the ladder and the follow-ups."""


def feedback(
    number: int,
    severity: Severity = Severity.MEDIUM,
    kind: Kind = Kind.COMPLAINT,
    *,
    received_at: int = T0,
    thread: str | None = None,
    channel: Channel = Channel.EMAIL,
    reasons: Iterable[Reason] = (),
    text: str = "It does not work.",
    revision: str = "1",
    **fields: Any,
) -> FeedbackClassified:
    """Return the ``number``-th classified feedback of the customer; ``fields`` of what came in."""
    native_id = f"m{number}"
    received = FeedbackReceived(
        feedback_id=ids.feedback_id(TENANT, "inbox", native_id, revision),
        tenant=TENANT,
        source="inbox",
        channel=channel,
        native_id=native_id,
        record_key=ids.record_key(TENANT, CUSTOMER),
        customer_key=CUSTOMER,
        received_at=received_at,
        text=text,
        revision=revision,
        thread_id=thread,
        **fields,
    )
    found = Classification(severity=severity, kind=kind, confidence=0.9, reasons=tuple(reasons))
    return FeedbackClassified(feedback=received, classification=found, classified_at=received_at)


class World:
    """Feeds ``decide`` and keeps what it returned."""

    def __init__(self, policy: Policy = DEFAULT_POLICY) -> None:
        self.policy = policy
        self.now = T0
        self.cases: dict[str, Case] = {}
        self.inputs: list[tuple[Input, int]] = []
        self.decisions: list[Decision] = []
        self._numbers = 0

    @property
    def given(self) -> int:
        """How many feedbacks and commands were made here; the number of the last one."""
        return self._numbers

    @property
    def log(self) -> list[CaseEvent]:
        """All events so far."""
        return [event for decision in self.decisions for event in decision.events]

    @property
    def case(self) -> Case:
        """The case opened last."""
        return list(self.cases.values())[-1]

    def give(self, given: Input) -> Decision:
        """Decide on one input and keep the result."""
        decision = decide(self.cases, given, self.now, self.policy)
        self.inputs.append((given, self.now))
        self.decisions.append(decision)
        self.cases |= {case.case_id: case for case in decision.cases}
        for case_id in decision.removed:
            self.cases.pop(case_id, None)
        return decision

    def feed(
        self,
        severity: Severity = Severity.MEDIUM,
        kind: Kind = Kind.COMPLAINT,
        *,
        thread: str | None = None,
        channel: Channel = Channel.EMAIL,
        reasons: Iterable[Reason] = (),
        text: str = "It does not work.",
        number: int | None = None,
        **fields: Any,
    ) -> Decision:
        """Give a feedback, received a second ago: a new item, or another revision of a known one."""
        self._numbers += 1
        if number is not None:
            fields = {"revision": f"r{self._numbers}"} | fields
        item = feedback(
            self._numbers if number is None else number,
            severity,
            kind,
            received_at=self.now - 1000,
            thread=thread,
            channel=channel,
            reasons=reasons,
            text=text,
            **fields,
        )
        return self.give(FeedbackIn(item))

    def command(
        self,
        kind: CommandKind,
        *,
        case_id: str | None = None,
        command_id: str | None = None,
        expected_seq: int | None = None,
        follow_up: int | None = None,
        note: str | None = None,
        tenant: str = TENANT,
        actor: str = "ada",
        load: Mapping[str, int] | None = None,
        **fields: Any,
    ) -> Decision:
        """Give a command of Ada's, by default a new one on the case opened last.

        To resolve, it says by default that nothing had to be clarified, and how it was resolved.
        """
        self._numbers += 1
        if kind is CommandKind.RESOLVE:
            fields = {"resolution": RESOLUTION, "clarification": NOT_NEEDED} | fields
        command = CaseCommand(
            command_id=command_id or f"k{self._numbers}",
            tenant=tenant,
            case_id=case_id or self.case.case_id,
            kind=kind,
            actor=actor,
            at=self.now,
            expected_seq=expected_seq,
            follow_up=follow_up,
            note=note,
            **fields,
        )
        return self.give(CommandIn(command, load or {}))

    def acknowledge(self) -> Decision:
        """Acknowledge the case opened last."""
        return self.command(CommandKind.ACKNOWLEDGE)

    def resolve(self) -> Decision:
        """Resolve the case opened last."""
        return self.command(CommandKind.RESOLVE, note="refunded")

    def settle(self, number: int) -> Decision:
        """Mark one follow-up of the case opened last as done."""
        return self.command(CommandKind.FOLLOW_UP_DONE, follow_up=number)

    def poll(self) -> list[CaseEvent]:
        """Fire what is due now, like the timer poll of the partition's owner."""
        due = [
            case.case_id
            for case in self.cases.values()
            if case.next_due_at is not None and case.next_due_at <= self.now
        ]
        return [event for case_id in due for event in self.give(TimerIn(case_id)).events]

    def down(self, duration_ms: int) -> list[CaseEvent]:
        """Let time pass without a poll, then poll once."""
        self.now += duration_ms
        return self.poll()

    def run(self, duration_ms: int) -> list[CaseEvent]:
        """Let time pass with a worker that polls on every deadline."""
        end = self.now + duration_ms
        events: list[CaseEvent] = []
        while True:
            pending = [case.next_due_at for case in self.cases.values() if case.next_due_at]
            self.now = min([end, *pending])
            fired = self.poll()
            events += fired
            if self.now >= end and not fired:
                return events

    def timers(self, kind: TimerKind) -> list[int]:
        """Return when the timers of this kind are due in the last case, from T0 on."""
        return [timer.due_at - T0 for timer in self.case.timers if timer.kind is kind]


def kinds(events: Iterable[CaseEvent]) -> list[CaseEventKind]:
    """Return the kinds of events, in order."""
    return [event.kind for event in events]
