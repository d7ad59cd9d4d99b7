"""``reference/policy.md``: the packaged escalation policy, as it is in force without a file."""

from __future__ import annotations

from collections.abc import Sequence

from deploy.docgen.markdown import GENERATED, table
from services.escalation.domain.calendar import Calendar, Span
from services.escalation.domain.defaults import DEFAULT_POLICY
from services.escalation.domain.policy import SeverityPlan
from services.escalation.policies.document import written
from services.escalation.policies.forms import WEEK
from shared.events import ClockKind, Severity, Step

_INTRODUCTION = """\
What each severity asks for when `escalation.policy_file` names no other policy; [how to write
one](../policy.md). `4h` is the wall clock, `8bh` is working time by the calendar.
"""
_LADDERS = """\
The first step is notified at once; each step waits for an acknowledgement, then the next one is
notified. The whole ladder is repeated, then the escalation is *exhausted*: everybody is told, again and
again, until somebody acknowledges or the case is resolved.
"""
_FOLLOW_UPS = """\
A resolution promises the follow-ups, counted from it; the case closes when all of them are done or
waived. While a case waits for the customer, they are asked again, and then it is closed.
"""


def page() -> str:
    """Return the reference of the default policy."""
    policy = DEFAULT_POLICY
    plans = [(f"`{severity}`", policy.plan(severity)) for severity in Severity]
    clocks = [one for one in ClockKind if one is not ClockKind.THANK_YOU]
    thanks = ", ".join(f"{kind} within {one.span}" for kind, one in policy.thanks.items())
    return "\n".join([
        GENERATED,
        f"# Escalation policy `{policy.version}`\n",
        _INTRODUCTION,
        "## Deadlines\n",
        table(
            ("severity", *clocks, "warned at", "grace"),
            [(name, *_targets(plan, clocks), *_warnings(plan)) for name, plan in plans],
        ),
        *(_calendar(one) for one in policy.calendars),
        f"Who praises or suggests is thanked: {thanks}.\n",
        "## Escalation\n",
        _LADDERS,
        table(
            ("severity", "ladder (wait)", "rounds more", "once exhausted, every",
             "an acknowledgement holds for", "longest snooze"),
            [(name, *_ladder(plan)) for name, plan in plans],
        ),
        _limits(),
        "## Follow-up cadence\n",
        _FOLLOW_UPS,
        table(
            ("severity", "promises", "overdue is missed after", "asked again after",
             "closed without an answer after", "reopens within"),
            [(name, *_promises(plan)) for name, plan in plans],
        ),
        f"A missed follow-up is told to: {', '.join(policy.overdue_targets)}.\n",
        "## As a document\n",
        f"```yaml\n{written(policy)}```",
    ])  # fmt: skip


def _targets(plan: SeverityPlan, clocks: Sequence[ClockKind]) -> list[str]:
    targets = plan.targets
    return [str(targets[clock].span) if clock in targets else "–" for clock in clocks]


def _warnings(plan: SeverityPlan) -> tuple[str, str]:
    return ", ".join(f"{percent} %" for percent in plan.warn), _span(plan.grace_ms)


def _calendar(calendar: Calendar) -> str:
    hours = WEEK.write(calendar.week)
    days = hours.items() if isinstance(hours, dict) else ()
    week = ", ".join(f"{day} {' and '.join(map(str, _list(windows)))}" for day, windows in days)
    return f"Calendar `{calendar.name}`: {week}, {calendar.zone}.\n"


def _list(windows: object) -> list[object]:
    return windows if isinstance(windows, list) else [windows]


def _ladder(plan: SeverityPlan) -> tuple[str, ...]:
    snooze = _span(plan.snooze_ms) if plan.snooze_ms else "none"
    if not plan.steps:
        return "nobody is notified", "–", "–", "–", snooze
    return (
        " → ".join(map(_step, plan.steps)),
        str(plan.repeat),
        _span(plan.repeat_ms),
        "the case's life" if plan.ack_expiry_ms is None else _span(plan.ack_expiry_ms),
        snooze,
    )


def _step(step: Step) -> str:
    return f"{', '.join(step.targets)} ({_span(step.wait_ms)})"


def _promises(plan: SeverityPlan) -> tuple[str, ...]:
    return (
        ", ".join(f"{one.kind} after {_span(one.after_ms)}" for one in plan.follow_ups),
        _span(plan.follow_up_grace_ms),
        ", ".join(map(_span, plan.nudges_ms)),
        "a person decides" if plan.no_response_ms is None else _span(plan.no_response_ms),
        _span(plan.reopen_ms),
    )


def _limits() -> str:
    policy, limits = DEFAULT_POLICY, DEFAULT_POLICY.limits
    return (
        f"A run of escalation starts at most {policy.max_epochs} times and for at most "
        f"{_span(policy.max_age_ms)};\nafter that it is repeated every "
        f"{_span(policy.stale_repeat_ms)}. Feedback without a thread joins an open case\nof the same "
        f"customer and channel that is at most {_span(policy.grouping_ms)} old, unless its reasons "
        f"are\ndifferent ones. One person has at most {limits.critical} critical, {limits.high} high "
        f"and {limits.total} live cases in all.\n"
    )


def _span(ms: int) -> str:
    return str(Span(ms=ms))
