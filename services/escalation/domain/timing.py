"""What a clock measures: how much of its target is used up, and when its next instants come.

Elapsed is the measure of (active intervals ∩ working time), half-open. Pure arithmetic over one
``Clock``; what happens to the clocks of a case is in ``clocks``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from services.escalation.domain.calendar import HORIZON
from services.escalation.domain.policy import Policy, SeverityPlan
from shared.events import Clock, ClockKind, ClockState

_ENDED: Final = (ClockState.FULFILLED, ClockState.CANCELLED)
MAX_INTERVALS: Final = 32
"""Active intervals that a clock keeps. With more pauses the two with the shortest pause between them
are joined, which counts that pause: late rather than never."""


def elapsed(policy: Policy, clock: Clock, at: int) -> int:
    """Return how many milliseconds of its target a clock has used up at ``at``."""
    spans = clock.intervals if clock.since is None else (*clock.intervals, (clock.since, at))
    return _measure(policy, clock.calendar, spans, at)


def scheduled(clock: Clock, policy: Policy, plan: SeverityPlan) -> Clock:
    """Return the clock with the instants of its deadline and of what comes next."""
    if clock.state is not ClockState.RUNNING or clock.since is None:
        return clock
    if clock.breached_at is not None:
        return _replace(clock, due_at=None, next_at=None)
    due_at = next_at = deadline(policy, clock, clock.since)
    for percent in plan.warn:
        if percent > clock.warned:
            next_at = min(next_at, instant(policy, clock, percent))
            break
    return _replace(clock, due_at=due_at, next_at=next_at)


def rescheduled(clock: Clock, policy: Policy, plan: SeverityPlan, now: int) -> Clock:
    """Return the clock with what comes after ``now``: the deadline, if its next warning has passed.

    Where a calendar has hardly any working time both are the horizon, and a grace may be later.
    """
    again = scheduled(clock, policy, plan)
    if again.next_at is None or again.next_at > now:
        return again
    return _replace(again, next_at=again.due_at)


def first_instants(
    policy: Policy, plan: SeverityPlan, target_ms: int, calendar: str, at: int
) -> tuple[int, int]:
    """Return when a clock that starts at ``at`` is over, and when its first instant comes."""
    due_at = _after(policy, calendar, at, target_ms)
    if not plan.warn:
        return due_at, due_at
    return due_at, min(due_at, _after(policy, calendar, at, target_ms * plan.warn[0] // 100))


def deadline(policy: Policy, clock: Clock, now: int) -> int:
    """Return when a live clock is over; a paused one, if it goes on at ``now``."""
    if clock.since is None:
        clock = _replace(clock, since=now)
    due_at = instant(policy, clock, 100)
    return due_at if clock.grace_until is None else max(due_at, clock.grace_until)


def instant(policy: Policy, clock: Clock, percent: int) -> int:
    """Return when the elapsed time of a running clock is ``percent`` of its target."""
    since = clock.since or clock.started_at
    left = clock.target_ms * percent // 100
    if clock.intervals:
        left -= _measure(policy, clock.calendar, clock.intervals, since)
    return since if left <= 0 else _after(policy, clock.calendar, since, left)


def passed(plan: SeverityPlan, clock: Clock, used: int) -> list[int]:
    """Return the warnings that come before ``used`` milliseconds of the target."""
    return [one for one in plan.warn if clock.target_ms * one // 100 <= used]


def paused(clock: Clock, at: int) -> Clock:
    """Return the clock with its time stopped at ``at``."""
    return _replace(closed(clock, at), state=ClockState.PAUSED, due_at=None, next_at=None)


def closed(clock: Clock, at: int) -> Clock:
    """Return the clock with its present active interval, if it has one, ended at ``at``."""
    if clock.since is None:
        return clock
    spans = [*clock.intervals, (clock.since, at)] if at > clock.since else [*clock.intervals]
    if len(spans) > MAX_INTERVALS:
        first = min(range(len(spans) - 1), key=lambda n: spans[n + 1][0] - spans[n][1])
        spans[first : first + 2] = [(spans[first][0], spans[first + 1][1])]
    return _replace(clock, intervals=tuple(spans), since=None)


def _measure(policy: Policy, calendar: str, spans: Iterable[tuple[int, int]], until: int) -> int:
    """Return the working time within ``spans``, which are in order, as far as ``until``."""
    working = policy.time_of(calendar)
    parts = ((begin, min(end, until)) for begin, end in spans if begin < until)
    if working is None:
        return sum(end - begin for begin, end in parts)
    return sum(working.elapsed(begin, end) for begin, end in parts)


def _after(policy: Policy, calendar: str, since: int, left: int) -> int:
    """Return when ``left`` milliseconds of a calendar have gone by.

    When no working time is left within the calendar's horizon, that is the horizon: the promise
    falls due then, and somebody looks at the calendar.
    """
    if not calendar:
        return since + left
    working = policy.time_of(calendar)
    found = since + left if working is None else working.add(since, left)
    return since + HORIZON if found is None else found


def without_ended(clocks: tuple[Clock, ...], kind: ClockKind) -> tuple[Clock, ...]:
    """Keep one ended instance of a clock that starts again: a reply that fulfilled it may bounce."""
    ended = [one for one in clocks if one.kind is kind and one.state in _ENDED]
    if len(ended) < 2:
        return clocks
    gone = ended[:-1]
    return tuple(one for one in clocks if one not in gone)


_replace = msgspec.structs.replace
