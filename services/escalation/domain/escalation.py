"""The ladder of a case: start, climb, hold, skip, exhaust, repeat, cancel.

Deadlines are armed relative to ``now``, so downtime delays the next step but never fires several
at once; what a passed deadline caused carries that deadline in ``at``. A notification is identified
by (case, epoch, round, step): the epoch names the restart, the snapshot holds the round. The steps of
an epoch are those of its beginning: a policy that is edited meanwhile is for the next one.

A step whose gate is closed, or that falls into a mute window, is held and looked at again when that
ends; a step by which nobody can be reached is skipped at once; when no step is left, the policy's
fallback is told. So nothing is silent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from services.escalation.domain import clocks
from services.escalation.domain.case import Draft
from services.escalation.domain.policy import Policy
from shared.events import (
    Case,
    CaseEventKind,
    CaseState,
    Cause,
    Escalation,
    EscalationStatus,
    FollowUp,
    Ladder,
    Severity,
    Step,
    TimerKind,
)

TIMERS: Final = (TimerKind.STEP, TimerKind.ACK_EXPIRY, TimerKind.HELD)


def start(draft: Draft, policy: Policy, cause: Cause) -> None:
    """Begin a run: a new epoch from step 1, with the plan of the case's severity now."""
    if not policy.plan_for(draft.case).steps:
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
    draft.disarm(*TIMERS)
    ladder = policy.ladder_for(draft.case)
    pending = EscalationStatus.PENDING
    reopen(draft, msgspec.structs.replace(epoch, status=pending, policy=ladder.name, ladder=ladder))
    _take_step(draft, policy, cause, at)


def reopen(draft: Draft, epoch: Escalation) -> None:
    """Put the case back to open, unacknowledged, in ``epoch``; without an event of its own."""
    draft.change(state=CaseState.OPEN, acknowledged_at=None, acknowledged_by=None, escalation=epoch)


def step_due(draft: Draft, policy: Policy, due_at: int) -> None:
    """Nobody acknowledged in time: notify the next step, or everyone once exhausted."""
    ladder, stands = _ladder(draft, policy), draft.case.escalation
    if stands.status is EscalationStatus.EXHAUSTED:
        move(draft, rounds=stands.rounds + 1)
        _tell_everyone(draft, policy, CaseEventKind.REESCALATED, Cause.REPEAT, due_at)
    elif stands.status is EscalationStatus.PENDING:
        _notify(draft, CaseEventKind.ACK_TIMED_OUT, Cause.ACK_TIMEOUT, due_at)
        if stands.step < len(ladder.steps):
            move(draft, step=stands.step + 1)
            _take_step(draft, policy, Cause.ACK_TIMEOUT, due_at)
        elif ladder.steps and stands.rounds < ladder.repeat:
            move(draft, step=1, rounds=stands.rounds + 1)
            _take_step(draft, policy, Cause.ACK_TIMEOUT, due_at)
        else:
            exhaust(draft, policy, Cause.ACK_TIMEOUT, due_at)


def hold_over(draft: Draft, policy: Policy, due_at: int) -> None:
    """The gate opens or the mute window ends: look again at what was held."""
    status = draft.case.escalation.status
    if status is EscalationStatus.PENDING:
        _take_step(draft, policy, Cause.GATE, due_at)
    elif status is EscalationStatus.EXHAUSTED:
        _tell_everyone(draft, policy, CaseEventKind.REESCALATED, Cause.REPEAT, due_at)


def exhaust(draft: Draft, policy: Policy, cause: Cause, due_at: int) -> None:
    """The ladder is over: tell everyone, and keep telling until somebody acknowledges."""
    move(draft, status=EscalationStatus.EXHAUSTED)
    _tell_everyone(draft, policy, CaseEventKind.ESCALATION_EXHAUSTED, cause, due_at)


def follow_up_overdue(draft: Draft, policy: Policy, due_at: int, follow_up: FollowUp) -> None:
    """Tell the owner and the lead once about a broken promise: an epoch of its own, no ladder."""
    move(draft, epoch=draft.case.escalation.epoch + 1, step=1, rounds=0)
    draft.emit(
        CaseEventKind.REESCALATED,
        Cause.FOLLOW_UP_OVERDUE,
        at=due_at,
        epoch=draft.case.escalation.epoch,
        step=1,
        targets=in_charge(draft, policy),
        follow_up=follow_up,
    )


def cancel(draft: Draft) -> None:
    """Stop for good, without an event of its own: the case was resolved."""
    draft.disarm(*TIMERS)
    if draft.case.escalation.status is not EscalationStatus.NONE:
        move(draft, status=EscalationStatus.CANCELLED)


def cancel_without_steps(draft: Draft, policy: Policy) -> None:
    """Stop a run that cannot go on: by its severity now, which was lowered, nobody is notified."""
    if is_waiting(draft.case) and not policy.plan_for(draft.case).steps:
        cancel(draft)


def is_capped(draft: Draft, policy: Policy) -> bool:
    """Tell whether this run has had all its epochs or all its time."""
    stands = draft.case.escalation
    started_at = draft.now if stands.started_at is None else stands.started_at
    epochs = stands.epoch - stands.first_epoch + 1
    return epochs >= policy.max_epochs or draft.now - started_at >= policy.max_age_ms


def is_waiting(case: Case) -> bool:
    """Tell whether the ladder waits for somebody to acknowledge."""
    return case.escalation.status in {EscalationStatus.PENDING, EscalationStatus.EXHAUSTED}


def in_charge(draft: Draft, policy: Policy) -> tuple[str, ...]:
    """Return whose the case is, and the leads."""
    return tuple(dict.fromkeys((*clocks.owners(draft), *_leads(draft, policy))))


def move(draft: Draft, **fields: object) -> None:
    """Replace fields of the case's escalation."""
    draft.change(escalation=msgspec.structs.replace(draft.case.escalation, **fields))


def _take_step(draft: Draft, policy: Policy, cause: Cause, at: int | None) -> None:
    """Notify the step it stands on, or the next one by which somebody can be reached."""
    ladder = _ladder(draft, policy)
    stands = draft.case.escalation
    first = stands.epoch == 1 and stands.step == 1 and stands.rounds == 0
    kind = CaseEventKind.ESCALATION_TRIGGERED if first else CaseEventKind.REESCALATED
    for number in range(stands.step, len(ladder.steps) + 1):
        rung = ladder.steps[number - 1]
        if number != stands.step:
            move(draft, step=number)
        if _hold_step(draft, policy, rung):
            return
        if targets := _reach(policy, rung.targets, draft.now):
            _await(draft, rung.wait_ms)
            _notify(draft, kind, cause, at, targets)
            return
        _notify(
            draft,
            CaseEventKind.STEP_SKIPPED,
            Cause.NO_ONE_ON_CALL,
            at,
            detail=f"nobody can be reached by {', '.join(rung.targets) or 'this step'}",
        )
    _await(draft, ladder.steps[-1].wait_ms if ladder.steps else _repeat_ms(draft, policy))
    _notify(
        draft,
        kind,
        Cause.NO_ONE_ON_CALL,
        at,
        policy.fallback,
        "nobody of the ladder can be reached",
    )


def _await(draft: Draft, wait_ms: int) -> None:
    if draft.case.escalation.held_since is not None:
        move(draft, held_since=None)
    draft.arm(TimerKind.STEP, draft.now + wait_ms)


def _hold_step(draft: Draft, policy: Policy, rung: Step) -> bool:
    """Hold a step that must not be taken now; tell whether it is held."""
    gate = policy.gate(rung.gate) if rung.gate else None
    if gate is not None and draft.case.severity is not Severity.CRITICAL:
        opens_at = draft.now if gate.is_open(draft.now) else gate.next_open(draft.now)
        if opens_at is not None and opens_at > draft.now:
            detail = f"the gate {rung.gate} is closed"
            _hold(draft, opens_at, CaseEventKind.STEP_HELD, Cause.GATE, detail)
            return True
    return _is_muted(draft, policy)


def _is_muted(draft: Draft, policy: Policy) -> bool:
    mute = policy.muted(draft.case, draft.now)
    if mute is None:
        return False
    detail = f"{mute.name}: {mute.reason}"
    _hold(draft, mute.end, CaseEventKind.NOTIFICATION_SUPPRESSED, Cause.MUTED, detail)
    return True


def _hold(draft: Draft, until: int, kind: CaseEventKind, cause: Cause, detail: str) -> None:
    stands = draft.case.escalation
    if stands.held_since is None:
        move(draft, held_since=draft.now)
    draft.arm(TimerKind.HELD, until)
    _notify(draft, kind, cause, None, detail=detail)


def _tell_everyone(
    draft: Draft, policy: Policy, kind: CaseEventKind, cause: Cause, due_at: int
) -> None:
    if _is_muted(draft, policy):
        return
    ladder = _ladder(draft, policy)
    names = dict.fromkeys(name for step in ladder.steps for name in step.targets)
    everyone = _reach(policy, (*names, *ladder.exhausted), draft.now) or policy.fallback
    _await(draft, _repeat_ms(draft, policy))
    _notify(draft, kind, cause, due_at, everyone)


def _reach(policy: Policy, names: Sequence[str], at: int) -> tuple[str, ...]:
    if len(names) == 1:
        return policy.reach(names[0], at)
    return tuple(dict.fromkeys(person for name in names for person in policy.reach(name, at)))


def _leads(draft: Draft, policy: Policy) -> tuple[str, ...]:
    return _reach(policy, policy.overdue_targets, draft.now) or policy.fallback


def _ladder(draft: Draft, policy: Policy) -> Ladder:
    """Return the ladder of the running epoch; a case of an older release has none in it."""
    return draft.case.escalation.ladder or policy.ladder_for(draft.case)


def _repeat_ms(draft: Draft, policy: Policy) -> int:
    if is_capped(draft, policy):
        return policy.stale_repeat_ms
    return _ladder(draft, policy).repeat_ms


def _notify(
    draft: Draft,
    kind: CaseEventKind,
    cause: Cause,
    at: int | None,
    targets: tuple[str, ...] = (),
    detail: str = "",
) -> None:
    stands = draft.case.escalation
    draft.emit(
        kind, cause, at=at, epoch=stands.epoch, step=stands.step, targets=targets, detail=detail
    )
