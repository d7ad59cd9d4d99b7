"""The promise clocks: started, paused, resumed, retargeted, fulfilled, revoked; warned and breached.

Elapsed is the measure of (active intervals ∩ working time), half-open. A paused clock accrues nothing
by construction: its active interval has ended. Each instance breaches at most once, and a breach is
never taken back. Whatever changes a clock records first the breach that nobody has seen yet, so the
order of polls and inputs does not matter. Source of the words: the metric events of Zendesk's ticket
API (activate, pause, apply_sla, breach, fulfill).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

import msgspec

from services.escalation.domain import timing
from services.escalation.domain.case import Draft
from services.escalation.domain.policy import Policy, SeverityPlan, Target
from shared.events import (
    Case,
    CaseEventKind,
    CaseState,
    Cause,
    Clock,
    ClockChange,
    ClockChangeKind,
    ClockKind,
    ClockState,
)

RESOLUTION: Final = (ClockKind.FIRST_RESOLUTION, ClockKind.TOTAL_RESOLUTION)
RESPONSES: Final = (ClockKind.FIRST_RESPONSE, ClockKind.NEXT_RESPONSE, ClockKind.THANK_YOU)
"""What the customer waits for: of these one runs at a time."""

ANSWERS: Final = (ClockKind.RECEIPT, *RESPONSES)
LIVE: Final = frozenset({ClockState.RUNNING, ClockState.PAUSED})


def start(draft: Draft, policy: Policy, kind: ClockKind, instance: str, at: int) -> None:
    """Activate an instance at ``at``, if the plan of the case has such a clock.

    Each instance starts once, and no response while another one is live: what the customer says
    meanwhile does not set the clock back. In a case that waits it may start paused.
    """
    start_all(draft, policy, ((kind, at),), instance)


def start_all(
    draft: Draft, policy: Policy, starts: Iterable[tuple[ClockKind, int]], instance: str
) -> None:
    """Activate several clocks, each at its time, in one change of the case."""
    case = draft.case
    plan = policy.plan_for(case)
    stopped = pausing(case, plan)
    clocks, before = case.clocks, len(case.clocks)
    alike: dict[tuple[int, str, int], tuple[int, int]] = {}
    for kind, at in starts:
        target = target_of(case, policy, plan, kind)
        if target is None or (before and not _may_start(case.clocks, kind, instance)):
            continue
        if before:
            clocks = timing.without_ended(clocks, kind)
        calendar = policy.calendar_of(case, target)
        due_at = next_at = None
        if kind not in stopped:
            same = target.span.ms, calendar, at
            if same not in alike:
                alike[same] = timing.first_instants(policy, plan, *same)
            due_at, next_at = alike[same]
        clock = Clock(
            kind=kind,
            instance=instance,
            target_ms=target.span.ms,
            started_at=at,
            calendar=calendar,
            state=ClockState.PAUSED if kind in stopped else ClockState.RUNNING,
            since=None if kind in stopped else at,
            due_at=due_at,
            next_at=next_at,
            policy=draft.origin.policy,
        )
        clocks = (*clocks, clock)
        draft.tell_clock(_change(clock, ClockChangeKind.ACTIVATED, at))
    if clocks is not case.clocks:
        draft.change(clocks=clocks)


def find(draft: Draft, kind: ClockKind, instance: str | None = None) -> Clock | None:
    """Return the last instance of a clock, or the one that is named."""
    for clock in reversed(draft.case.clocks):
        if clock.kind is kind and instance in {None, clock.instance}:
            return clock
    return None


def is_live(draft: Draft, kind: ClockKind) -> bool:
    """Tell whether a clock of this kind is running or paused."""
    return any(clock.kind is kind and clock.state in LIVE for clock in draft.case.clocks)


def pausing(case: Case, plan: SeverityPlan) -> tuple[ClockKind, ...]:
    """Return which clocks stand still while the case is as it is: what it waits for decides."""
    if case.state is CaseState.WAITING_CUSTOMER:
        return (ClockKind.UPDATE, *(RESOLUTION if plan.pause_for_customer else ()))
    if case.state is CaseState.WAITING_THIRD_PARTY and plan.pause_for_third_party:
        return RESOLUTION
    return ()


def fulfil(
    draft: Draft, policy: Policy, kinds: Collection[ClockKind], at: int, *, said: bool = False
) -> tuple[str, ...]:
    """Stop the live clocks of these kinds at ``at``; a deadline that had passed is a breach first.

    ``said``: that is when we said something. It answers nothing that began later; but a receipt,
    which begins when the worker sees the message, is not needed after an answer.

    Returns:
        What was fulfilled, as ``kind/instance``.
    """
    names = []
    for clock in live(draft, kinds):
        if said and clock.started_at > at and clock.kind is not ClockKind.RECEIPT:
            continue
        names.append(_fulfil(draft, policy, clock, at))
    return tuple(names)


def cancel(draft: Draft, kinds: Collection[ClockKind]) -> None:
    """End live clocks without fulfilling them: the promise is void."""
    for clock in live(draft, kinds):
        _cancel(draft, breach_if_late(draft, clock, draft.now))


def withdraw(draft: Draft, kind: ClockKind, instance: str) -> None:
    """End a clock that should never have begun; what it broke since is no broken promise."""
    for clock in live(draft, (kind,)):
        if clock.instance == instance:
            _cancel(draft, clock)


def pause(draft: Draft, kinds: Collection[ClockKind]) -> None:
    """End the active interval of running clocks now."""
    for clock in live(draft, kinds):
        if clock.state is ClockState.RUNNING:
            late = breach_if_late(draft, clock, draft.now)
            put(draft, timing.paused(late, draft.now), ClockChangeKind.PAUSED, draft.now)


def resume(draft: Draft, policy: Policy) -> None:
    """Begin an active interval of the paused clocks now."""
    plan = policy.plan_for(draft.case)
    for clock in draft.case.clocks:
        if clock.state is ClockState.PAUSED:
            again = _replace(clock, state=ClockState.RUNNING, since=draft.now)
            put(draft, timing.scheduled(again, policy, plan), ClockChangeKind.RESUMED, draft.now)


def revoke(
    draft: Draft, policy: Policy, names: Collection[str], answered_at: int | None = None
) -> tuple[str, ...]:
    """Let fulfilled clocks go on as if they had never been: what fulfilled them did not arrive.

    Something that was said later, at ``answered_at``, and did arrive, fulfils them then. Of the
    responses only the oldest goes on: without that reply the others would not have begun.

    Returns:
        What was fulfilled then, as ``kind/instance``.
    """
    plan = policy.plan_for(draft.case)
    moved = []
    for clock in draft.case.clocks:
        if clock.state is ClockState.FULFILLED and _name(clock) in names:
            again = timing.scheduled(_revived(draft, clock, plan), policy, plan)
            put(draft, again, ClockChangeKind.REVOKED, draft.now)
            if answered_at is not None:
                moved.append(_fulfil(draft, policy, again, answered_at))
    waited = sorted(live(draft, RESPONSES), key=lambda clock: clock.started_at)
    for clock in waited[1:]:
        _cancel(draft, clock)
    return tuple(moved)


def restore(draft: Draft, policy: Policy) -> None:
    """Let what a merge cancelled go on from where it began: the merge was undone."""
    plan = policy.plan_for(draft.case)
    for clock in _closed_with(draft):
        again = timing.scheduled(_revived(draft, clock, plan), policy, plan)
        put(draft, again, ClockChangeKind.REVOKED, draft.now)


def go_on(draft: Draft, policy: Policy) -> None:
    """A settled case is taken up: its total resolution goes on, and what the closing had cancelled.

    The time between does not count. Imported history gets its first promise of a resolution.
    """
    plan = policy.plan_for(draft.case)
    total = find(draft, ClockKind.TOTAL_RESOLUTION)
    ended = _closed_with(draft)
    if total is None and draft.before.backfilled:
        name = f"reopened-{draft.now}"
        start(draft, policy, ClockKind.TOTAL_RESOLUTION, name, draft.now)
    elif total is not None and total.state is ClockState.FULFILLED:
        ended.append(total)
    for clock in ended:
        ended_at = draft.now if clock.ended_at is None else clock.ended_at
        again = _replace(
            timing.closed(clock, ended_at), state=ClockState.RUNNING, since=draft.now, ended_at=None
        )
        put(draft, timing.scheduled(again, policy, plan), ClockChangeKind.RESUMED, draft.now)


def fire(draft: Draft, policy: Policy, clock: Clock) -> bool:
    """An instant of ``clock`` has come: a warning or the breach. Tell whether it is broken now.

    After a standstill only the last of its instants counts, in its turn among all deadlines.
    """
    plan = policy.plan_for(draft.case)
    over = clock.due_at is not None and clock.due_at <= draft.now
    percent, at = 100, clock.due_at or draft.now
    if not over:
        used = timing.elapsed(policy, clock, draft.now)
        percent = max(
            (one for one in timing.passed(plan, clock, used) if one > clock.warned), default=0
        )
        at = timing.instant(policy, clock, percent)
    if not percent:  # the warnings of the plan are others than when this was scheduled
        draft.put_clock(timing.rescheduled(clock, policy, plan, draft.now))
    elif clock.next_at is not None and at > clock.next_at:
        draft.put_clock(_replace(clock, next_at=at))
    elif over:
        breach_if_late(draft, clock, draft.now, policy.fallback)
        return True
    else:
        warned = timing.scheduled(_replace(clock, warned=percent), policy, plan)
        put(draft, warned, ClockChangeKind.WARNED, at, percent=percent)
        draft.emit(
            CaseEventKind.CLOCK_WARNED,
            Cause.CLOCK,
            at=at,
            targets=owners(draft),
            detail=f"{clock.kind}: {percent} % of the time is over",
        )
    return False


def owners(draft: Draft, otherwise: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return who is to be told of a case: whose it is, else its team, else ``otherwise``."""
    one = draft.case.assignee or draft.case.team
    return otherwise if one is None else (one,)


def breach_if_late(draft: Draft, clock: Clock, at: int, otherwise: tuple[str, ...] = ()) -> Clock:
    """Record that ``clock`` ran out before ``at``, unless it did not or that is recorded already."""
    due_at = clock.due_at
    if due_at is None or clock.breached_at is not None or due_at > at:
        return clock
    breached = _replace(clock, breached_at=due_at, due_at=None, next_at=None)
    put(draft, breached, ClockChangeKind.BREACHED, due_at)
    draft.emit(
        CaseEventKind.CLOCK_BREACHED,
        Cause.RETARGET if due_at == clock.grace_until else Cause.CLOCK,
        at=due_at,
        targets=owners(draft, otherwise),
        detail=f"{clock.kind} is over",
    )
    return breached


def _fulfil(draft: Draft, policy: Policy, clock: Clock, at: int) -> str:
    at = max(at, clock.started_at)
    met = breach_if_late(draft, clock, at)
    done = _replace(met, state=ClockState.FULFILLED, ended_at=at, due_at=None, next_at=None)
    put(draft, done, ClockChangeKind.FULFILLED, at, elapsed_ms=timing.elapsed(policy, met, at))
    return _name(clock)


def _cancel(draft: Draft, clock: Clock) -> None:
    ended = _replace(
        clock, state=ClockState.CANCELLED, ended_at=draft.now, due_at=None, next_at=None
    )
    put(draft, ended, ClockChangeKind.CANCELLED, draft.now)


def _revived(draft: Draft, clock: Clock, plan: SeverityPlan) -> Clock:
    """Return an ended clock as one that never ended; whether the case waits may be otherwise now."""
    if clock.kind in pausing(draft.case, plan):
        return _replace(timing.paused(clock, draft.now), ended_at=None)
    since = draft.now if clock.since is None else clock.since
    return _replace(clock, state=ClockState.RUNNING, since=since, ended_at=None)


def _closed_with(draft: Draft) -> list[Clock]:
    """Return the clocks that were cancelled when the case was closed or merged.

    Of the responses only the last one can be meant: another one that ended then had its own reason.
    """
    closed_at = draft.before.closed_at
    ended = [
        clock
        for clock in draft.case.clocks
        if clock.state is ClockState.CANCELLED and clock.ended_at == closed_at
    ]
    answering = [clock for clock in ended if clock.kind in RESPONSES]
    return [clock for clock in ended if clock not in answering[:-1]]


def put(
    draft: Draft,
    clock: Clock,
    change: ClockChangeKind,
    at: int,
    *,
    elapsed_ms: int | None = None,
    percent: int | None = None,
) -> None:
    """Put a clock in its place, and let the next event tell its change."""
    draft.put_clock(clock)
    draft.tell_clock(_change(clock, change, at, elapsed_ms=elapsed_ms, percent=percent))


def _change(
    clock: Clock,
    change: ClockChangeKind,
    at: int,
    *,
    elapsed_ms: int | None = None,
    percent: int | None = None,
) -> ClockChange:
    return ClockChange(
        clock=clock.kind,
        instance=clock.instance,
        change=change,
        at=at,
        target_ms=clock.target_ms,
        due_at=clock.due_at,
        elapsed_ms=elapsed_ms,
        percent=percent,
    )


def live(draft: Draft, kinds: Collection[ClockKind]) -> list[Clock]:
    """Return the clocks of these kinds that are running or paused."""
    return [clock for clock in draft.case.clocks if clock.state in LIVE and clock.kind in kinds]


def _may_start(clocks: tuple[Clock, ...], kind: ClockKind, instance: str) -> bool:
    response = kind in RESPONSES
    for clock in clocks:
        if clock.kind is kind and clock.instance == instance:
            return False
        if response and clock.kind in RESPONSES and clock.state in LIVE:
            return False
    return True


def target_of(case: Case, policy: Policy, plan: SeverityPlan, kind: ClockKind) -> Target | None:
    """Return the target of a clock in a case, None when the plan has none."""
    if kind is ClockKind.THANK_YOU:
        return policy.thanks.get(case.kind)
    return plan.targets.get(kind)


def _name(clock: Clock) -> str:
    return f"{clock.kind}/{clock.instance}"


_replace = msgspec.structs.replace
