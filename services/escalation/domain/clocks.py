"""The promise clocks: started, paused, resumed, retargeted, fulfilled, revoked; warned and breached.

Elapsed is the measure of (active intervals ∩ working time), half-open. A paused clock accrues nothing
by construction: its active interval has ended. Each instance breaches at most once, and a breach is
never taken back. Source of the words: the metric events of Zendesk's ticket API (activate, pause,
apply_sla, breach, fulfill).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec

from services.escalation.domain.calendar import HORIZON
from services.escalation.domain.case import Draft
from services.escalation.domain.policy import Policy, SeverityPlan, Target
from shared.events import (
    CaseEventKind,
    Cause,
    Clock,
    ClockChange,
    ClockChangeKind,
    ClockKind,
    ClockState,
)

RESOLUTION = (ClockKind.FIRST_RESOLUTION, ClockKind.TOTAL_RESOLUTION)
ANSWERS = (
    ClockKind.RECEIPT,
    ClockKind.FIRST_RESPONSE,
    ClockKind.NEXT_RESPONSE,
    ClockKind.THANK_YOU,
)
LIVE = frozenset({ClockState.RUNNING, ClockState.PAUSED})
MAX_INTERVALS = 32
"""Active intervals that a clock keeps. With more pauses the two with the shortest pause between them
are joined, which counts that pause: late rather than never."""


def start(draft: Draft, policy: Policy, kind: ClockKind, instance: str, at: int) -> None:
    """Activate an instance at ``at``, if the plan of the case has such a clock."""
    plan = policy.plan_for(draft.case)
    target = plan.targets.get(kind) or _thanks(draft, policy, kind)
    if target is None or find(draft, kind, instance) is not None:
        return
    clock = Clock(
        kind=kind,
        instance=instance,
        target_ms=target.span.ms,
        started_at=at,
        calendar=policy.calendar_of(draft.case, target),
        since=at,
        policy=draft.origin.policy,
    )
    _forget_ended(draft, kind)
    _put(draft, _scheduled(clock, policy, plan), ClockChangeKind.ACTIVATED, at)


def find(draft: Draft, kind: ClockKind, instance: str | None = None) -> Clock | None:
    """Return the last instance of a clock, or the one that is named."""
    for clock in reversed(draft.case.clocks):
        if clock.kind is kind and instance in {None, clock.instance}:
            return clock
    return None


def is_live(draft: Draft, kind: ClockKind) -> bool:
    """Tell whether a clock of this kind is running or paused."""
    return any(clock.kind is kind and clock.state in LIVE for clock in draft.case.clocks)


def fulfil(
    draft: Draft,
    policy: Policy,
    kinds: Iterable[ClockKind],
    at: int,
    but: Collection[Clock] = (),
) -> tuple[str, ...]:
    """Stop the live clocks of these kinds at ``at``; a deadline that had passed is a breach first.

    Returns:
        What was fulfilled, as ``kind/instance``.
    """
    names = []
    for clock in _live(draft, kinds):
        if clock in but:
            continue
        met = _breach_if_late(draft, clock, at)
        done = _replace(met, state=ClockState.FULFILLED, ended_at=at, due_at=None, next_at=None)
        _put(draft, done, ClockChangeKind.FULFILLED, at, elapsed_ms=elapsed(policy, met, at))
        names.append(f"{clock.kind}/{clock.instance}")
    return tuple(names)


def cancel(draft: Draft, kinds: Iterable[ClockKind]) -> None:
    """End live clocks without fulfilling them: the promise is void."""
    for clock in _live(draft, kinds):
        ended = _replace(
            clock, state=ClockState.CANCELLED, ended_at=draft.now, due_at=None, next_at=None
        )
        _put(draft, ended, ClockChangeKind.CANCELLED, draft.now)


def pause(draft: Draft, kinds: Iterable[ClockKind]) -> None:
    """End the active interval of running clocks now."""
    for clock in _live(draft, kinds):
        if clock.state is not ClockState.RUNNING:
            continue
        late = _breach_if_late(draft, clock, draft.now)
        paused = _replace(
            _closed(late, draft.now), state=ClockState.PAUSED, due_at=None, next_at=None
        )
        _put(draft, paused, ClockChangeKind.PAUSED, draft.now)


def resume(draft: Draft, policy: Policy, kinds: Iterable[ClockKind]) -> None:
    """Begin an active interval of paused clocks now."""
    plan = policy.plan_for(draft.case)
    for clock in _live(draft, kinds):
        if clock.state is ClockState.PAUSED:
            again = _replace(clock, state=ClockState.RUNNING, since=draft.now)
            _put(draft, _scheduled(again, policy, plan), ClockChangeKind.RESUMED, draft.now)


def revoke(draft: Draft, policy: Policy, names: Iterable[str]) -> None:
    """Let fulfilled clocks go on as if they had never been: what fulfilled them did not arrive."""
    plan = policy.plan_for(draft.case)
    wanted = set(names)
    for clock in draft.case.clocks:
        if f"{clock.kind}/{clock.instance}" in wanted and clock.state is ClockState.FULFILLED:
            again = _replace(
                clock,
                state=ClockState.PAUSED if clock.since is None else ClockState.RUNNING,
                ended_at=None,
            )
            _put(draft, _scheduled(again, policy, plan), ClockChangeKind.REVOKED, draft.now)


def restore(draft: Draft, policy: Policy) -> None:
    """Let clocks that were cancelled run again from where they began: what voided them was undone."""
    plan = policy.plan_for(draft.case)
    for clock in draft.case.clocks:
        if clock.state is ClockState.CANCELLED and clock.since is not None:
            again = _replace(clock, state=ClockState.RUNNING, ended_at=None)
            _put(draft, _scheduled(again, policy, plan), ClockChangeKind.REVOKED, draft.now)


def go_on(draft: Draft, policy: Policy, kind: ClockKind) -> None:
    """Let a fulfilled clock run again from now on; the time since then does not count."""
    clock = find(draft, kind)
    if clock is None or clock.state is not ClockState.FULFILLED or clock.ended_at is None:
        return
    plan = policy.plan_for(draft.case)
    again = _replace(
        _closed(clock, clock.ended_at), state=ClockState.RUNNING, since=draft.now, ended_at=None
    )
    _put(draft, _scheduled(again, policy, plan), ClockChangeKind.RESUMED, draft.now)


def retarget(draft: Draft, policy: Policy, *, raised: bool, anew: bool = False) -> None:
    """Give live clocks the targets of the plan that the case has now; their intervals stay.

    What is past at once, or nearly, falls due after the plan's grace instead; but a raised severity
    never lengthens a deadline. ``anew``: the calendar is taken anew as well.
    """
    plan = policy.plan_for(draft.case)
    for clock in _live(draft, tuple(ClockKind)):
        target = plan.targets.get(clock.kind)
        if target is None or clock.breached_at is not None:
            continue
        business = bool(clock.calendar)
        calendar = clock.calendar
        if anew or target.span.business is not business:
            calendar = policy.calendar_of(draft.case, target)
        moved = _replace(
            clock,
            target_ms=target.span.ms,
            calendar=calendar,
            policy=draft.origin.policy,
            retargeted=True,
        )
        if moved.state is ClockState.RUNNING:
            past = (p for p in plan.warn if _instant(policy, moved, p) <= draft.now)
            moved = _scheduled(_replace(moved, warned=max(past, default=0)), policy, plan)
        if moved.due_at is not None:
            due_at = max(moved.due_at, draft.now + plan.grace_ms)
            if raised and clock.due_at is not None:
                due_at = min(due_at, clock.due_at)
            next_at = moved.next_at if due_at == moved.due_at else due_at
            moved = _replace(moved, due_at=due_at, next_at=next_at)
        if (moved.target_ms, moved.calendar) != (clock.target_ms, clock.calendar):
            _put(draft, moved, ClockChangeKind.TARGET_APPLIED, draft.now)


def fire(draft: Draft, policy: Policy, clock: Clock) -> bool:
    """A warning or the breach of ``clock`` is due: record the last one; tell whether it broke."""
    if clock.due_at is not None and clock.due_at <= draft.now:
        _breach_if_late(draft, clock, draft.now)
        return True
    plan, at = policy.plan_for(draft.case), clock.next_at
    percent = max(
        (percent for percent in plan.warn if _instant(policy, clock, percent) <= draft.now),
        default=100,
    )
    warned = _scheduled(_replace(clock, warned=percent), policy, plan)
    if clock.due_at is not None and warned.next_at is not None:
        # A deadline that a grace or a raised severity has moved stays where it is.
        next_at = clock.due_at if warned.next_at == warned.due_at else warned.next_at
        warned = _replace(warned, due_at=clock.due_at, next_at=min(next_at, clock.due_at))
    _put(draft, warned, ClockChangeKind.WARNED, draft.now if at is None else at, percent=percent)
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


def elapsed(policy: Policy, clock: Clock, at: int) -> int:
    """Return how many milliseconds of its target a clock has used up at ``at``."""
    working = policy.time_of(clock.calendar)
    spans = clock.intervals
    if clock.since is not None and at > clock.since:
        spans = (*spans, (clock.since, at))
    if working is None:
        return sum(end - begin for begin, end in spans)
    return sum(working.elapsed(begin, end) for begin, end in spans)


def _scheduled(clock: Clock, policy: Policy, plan: SeverityPlan) -> Clock:
    """Return the clock with the instants of its deadline and of what comes next."""
    if clock.state is not ClockState.RUNNING or clock.since is None:
        return clock
    if clock.breached_at is not None:
        return _replace(clock, due_at=None, next_at=None)
    due_at = _instant(policy, clock, 100)
    percent = next((percent for percent in plan.warn if percent > clock.warned), 100)
    next_at = due_at if percent == 100 else _instant(policy, clock, percent)
    return _replace(clock, due_at=due_at, next_at=min(next_at, due_at))


def _instant(policy: Policy, clock: Clock, percent: int) -> int:
    """Return when the elapsed time of a running clock is ``percent`` of its target.

    When no working time is left within the calendar's horizon, that is the horizon: the promise
    falls due then, and somebody looks at the calendar.
    """
    since = clock.since or clock.started_at
    left = clock.target_ms * percent // 100
    working = policy.time_of(clock.calendar)
    if clock.intervals:
        left -= elapsed(policy, _replace(clock, since=None), since)
    if left <= 0:
        return since
    if working is None:
        return since + left
    found = working.add(since, left)
    return since + HORIZON if found is None else found


def _breach_if_late(draft: Draft, clock: Clock, at: int) -> Clock:
    """Record that ``clock`` ran out before ``at``, unless it did not or that is recorded already."""
    due_at = clock.due_at
    if due_at is None or clock.breached_at is not None or due_at > at:
        return clock
    breached = _replace(clock, breached_at=due_at, due_at=None, next_at=None)
    _put(draft, breached, ClockChangeKind.BREACHED, due_at)
    draft.emit(
        CaseEventKind.CLOCK_BREACHED,
        Cause.RETARGET if clock.retargeted else Cause.CLOCK,
        at=due_at,
        targets=owners(draft),
        detail=f"{clock.kind} is over",
    )
    return breached


def _put(
    draft: Draft,
    clock: Clock,
    change: ClockChangeKind,
    at: int,
    *,
    elapsed_ms: int | None = None,
    percent: int | None = None,
) -> None:
    draft.put_clock(
        clock,
        ClockChange(
            clock=clock.kind,
            instance=clock.instance,
            change=change,
            at=at,
            target_ms=clock.target_ms,
            due_at=clock.due_at,
            elapsed_ms=elapsed_ms,
            percent=percent,
        ),
    )


def _live(draft: Draft, kinds: Iterable[ClockKind]) -> list[Clock]:
    return [clock for clock in draft.case.clocks if clock.kind in kinds and clock.state in LIVE]


def _closed(clock: Clock, at: int) -> Clock:
    """Return the clock with its present active interval ended at ``at``."""
    if clock.since is None:
        return clock
    spans = [*clock.intervals, (clock.since, max(at, clock.since))]
    if len(spans) > MAX_INTERVALS:
        first = min(range(len(spans) - 1), key=lambda n: spans[n + 1][0] - spans[n][1])
        spans[first : first + 2] = [(spans[first][0], spans[first + 1][1])]
    return _replace(clock, intervals=tuple(spans), since=None)


def _forget_ended(draft: Draft, kind: ClockKind) -> None:
    """Keep one ended instance of a clock that starts again: a reply that fulfilled it may bounce."""
    ended = [one for one in draft.case.clocks if one.kind is kind and one.state not in LIVE]
    if len(ended) > 1:
        gone = ended[:-1]
        draft.change(clocks=tuple(one for one in draft.case.clocks if one not in gone))


def _thanks(draft: Draft, policy: Policy, kind: ClockKind) -> Target | None:
    return policy.thanks.get(draft.case.kind) if kind is ClockKind.THANK_YOU else None


_replace = msgspec.structs.replace
