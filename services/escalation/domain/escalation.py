"""The ladder of a case: start, climb, exhaust, repeat, cancel.

Deadlines are armed relative to ``now``, so downtime delays the next step but never fires several
at once; what a passed deadline caused carries that deadline in ``at``. A notification is identified
by (case, epoch, round, step): the epoch names the restart, the snapshot holds the round.
"""

from __future__ import annotations

import msgspec

from services.escalation.domain.case import Draft
from services.escalation.domain.policy import Policy, SeverityPlan
from shared.events import (
    CaseEventKind,
    CaseState,
    Cause,
    Escalation,
    EscalationStatus,
    FollowUp,
    TimerKind,
)


def start(draft: Draft, policy: Policy, cause: Cause) -> None:
    """Begin a run: a new epoch from step 1, with the plan of the case's severity now."""
    if not policy.plan(draft.case.severity).steps:
        return
    epoch = draft.case.escalation.epoch + 1
    run = Escalation(epoch=epoch, first_epoch=epoch, step=1, started_at=draft.now)
    begin_epoch(draft, policy, cause, run)


def hold(draft: Draft) -> None:
    """Leave the ladder alone, without an event of its own: imported history pages nobody."""
    draft.change(backfilled=True)
    move(draft, status=EscalationStatus.NONE)


def begin_epoch(
    draft: Draft, policy: Policy, cause: Cause, epoch: Escalation, at: int | None = None
) -> None:
    """Open the case, clear any acknowledgement and notify step 1 of ``epoch``."""
    first = policy.plan(draft.case.severity).steps[0]
    draft.disarm(TimerKind.STEP, TimerKind.ACK_EXPIRY)
    reopen(draft, epoch)
    name = f"{policy.version}/{draft.case.severity}"
    move(draft, status=EscalationStatus.PENDING, policy=name)
    draft.arm(TimerKind.STEP, draft.now + first.wait_ms)
    triggered = CaseEventKind.ESCALATION_TRIGGERED
    kind = triggered if epoch.epoch == 1 else CaseEventKind.REESCALATED
    _notify(draft, kind, cause, at, first.targets)


def reopen(draft: Draft, epoch: Escalation) -> None:
    """Put the case back to open, unacknowledged, in ``epoch``; without an event of its own."""
    draft.change(state=CaseState.OPEN, acknowledged_at=None, acknowledged_by=None, escalation=epoch)


def step_due(draft: Draft, policy: Policy, due_at: int) -> None:
    """Nobody acknowledged in time: notify the next step, or everyone once exhausted."""
    plan, stands = policy.plan(draft.case.severity), draft.case.escalation
    if stands.status is EscalationStatus.EXHAUSTED:
        move(draft, rounds=stands.rounds + 1)
        draft.arm(TimerKind.STEP, draft.now + _repeat_ms(draft, policy))
        _notify(draft, CaseEventKind.REESCALATED, Cause.REPEAT, due_at, plan.everyone)
    elif stands.status is EscalationStatus.PENDING:
        _notify(draft, CaseEventKind.ACK_TIMED_OUT, Cause.ACK_TIMEOUT, due_at)
        if stands.step < len(plan.steps):
            _climb(draft, plan, due_at, step=stands.step + 1, rounds=stands.rounds)
        elif plan.steps and stands.rounds < plan.repeat:
            _climb(draft, plan, due_at, step=1, rounds=stands.rounds + 1)
        else:
            exhaust(draft, policy, Cause.ACK_TIMEOUT, due_at)


def exhaust(draft: Draft, policy: Policy, cause: Cause, due_at: int) -> None:
    """The ladder is over: tell everyone, and keep telling until somebody acknowledges."""
    move(draft, status=EscalationStatus.EXHAUSTED)
    draft.arm(TimerKind.STEP, draft.now + _repeat_ms(draft, policy))
    everyone = policy.plan(draft.case.severity).everyone
    _notify(draft, CaseEventKind.ESCALATION_EXHAUSTED, cause, due_at, everyone)


def follow_up_overdue(draft: Draft, policy: Policy, due_at: int, follow_up: FollowUp) -> None:
    """Tell the lead once about a broken promise: an epoch of its own, no ladder."""
    move(draft, epoch=draft.case.escalation.epoch + 1, step=1, rounds=0)
    draft.emit(
        CaseEventKind.REESCALATED,
        Cause.FOLLOW_UP_OVERDUE,
        at=due_at,
        epoch=draft.case.escalation.epoch,
        step=1,
        targets=policy.overdue_targets,
        follow_up=follow_up,
    )


def cancel(draft: Draft) -> None:
    """Stop for good, without an event of its own: the case was resolved."""
    draft.disarm(TimerKind.STEP, TimerKind.ACK_EXPIRY)
    if draft.case.escalation.status is not EscalationStatus.NONE:
        move(draft, status=EscalationStatus.CANCELLED)


def is_capped(draft: Draft, policy: Policy) -> bool:
    """Tell whether this run has had all its epochs or all its time."""
    stands = draft.case.escalation
    started_at = draft.now if stands.started_at is None else stands.started_at
    epochs = stands.epoch - stands.first_epoch + 1
    return epochs >= policy.max_epochs or draft.now - started_at >= policy.max_age_ms


def move(draft: Draft, **fields: object) -> None:
    """Replace fields of the case's escalation."""
    draft.change(escalation=msgspec.structs.replace(draft.case.escalation, **fields))


def _climb(draft: Draft, plan: SeverityPlan, due_at: int, *, step: int, rounds: int) -> None:
    rung = plan.steps[step - 1]
    move(draft, step=step, rounds=rounds)
    draft.arm(TimerKind.STEP, draft.now + rung.wait_ms)
    _notify(draft, CaseEventKind.REESCALATED, Cause.ACK_TIMEOUT, due_at, rung.targets)


def _repeat_ms(draft: Draft, policy: Policy) -> int:
    if is_capped(draft, policy):
        return policy.stale_repeat_ms
    return policy.plan(draft.case.severity).repeat_ms


def _notify(
    draft: Draft, kind: CaseEventKind, cause: Cause, at: int | None, targets: tuple[str, ...] = ()
) -> None:
    stands = draft.case.escalation
    draft.emit(kind, cause, at=at, epoch=stands.epoch, step=stands.step, targets=targets)
