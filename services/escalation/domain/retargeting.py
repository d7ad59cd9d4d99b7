"""Running clocks get other targets: the severity, the policy or what fits the case has changed."""

from __future__ import annotations

import msgspec

from services.escalation.domain import clocks, timing
from services.escalation.domain.case import Draft
from services.escalation.domain.policy import Policy
from shared.events import ClockChangeKind, ClockKind


def retarget(draft: Draft, policy: Policy, *, raised: bool, anew: bool = False) -> None:
    """Give live clocks the targets of the plan that the case has now; their intervals stay.

    What would be over by now, or nearly, falls due after the plan's grace. A raised severity that
    would not bring a deadline forward leaves that clock as it is. The calendar is kept, unless the
    target names another one, counts the other kind of time, or all is taken ``anew``.
    """
    plan = policy.plan_for(draft.case)
    for clock in clocks.live(draft, tuple(ClockKind)):
        target = clocks.target_of(draft.case, policy, plan, clock.kind)
        if target is None or clocks.breach_if_late(draft, clock, draft.now).breached_at is not None:
            continue
        calendar = clock.calendar
        named = target.calendar and target.calendar != calendar.partition("@")[0]
        if anew or named or target.span.business is not bool(calendar):
            calendar = policy.calendar_of(draft.case, target)
        if (target.span.ms, calendar) == (clock.target_ms, clock.calendar):
            continue
        moved = _replace(clock, target_ms=target.span.ms, calendar=calendar, grace_until=None)
        floor = draft.now + plan.grace_ms
        if timing.deadline(policy, moved, draft.now) < floor:
            moved = _replace(moved, grace_until=floor)
        before = timing.deadline(policy, clock, draft.now)
        if raised and timing.deadline(policy, moved, draft.now) >= before:
            continue
        used = timing.elapsed(policy, moved, draft.now)
        warned = max(timing.passed(plan, moved, used), default=0)
        moved = _replace(moved, warned=warned, policy=draft.origin.policy, retargeted=True)
        clocks.put(
            draft, timing.scheduled(moved, policy, plan), ClockChangeKind.TARGET_APPLIED, draft.now
        )


def rematch(draft: Draft, policy: Policy) -> None:
    """At the end of a decision: another pack fits the case by now, so its targets count."""
    before, case = draft.before, draft.case
    if not policy.packs or not before.case_seq or before.severity is not case.severity:
        return
    if policy.pack_for(before) is not policy.pack_for(case):
        retarget(draft, policy, raised=False)


_replace = msgspec.structs.replace
