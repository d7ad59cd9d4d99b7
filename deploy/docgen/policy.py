"""``reference/policy.md``: the escalation policy as the code has it."""

from __future__ import annotations

from deploy.docgen.markdown import GENERATED, table
from services.escalation.domain.defaults import DEFAULT_POLICY
from services.escalation.domain.policy import DAY, HOUR, MINUTE, SeverityPlan
from shared.events import Severity

_INTRODUCTION = """\
What each severity asks for. All times run around the clock: there are no business hours and no
calendars yet. The first step is notified at once; each step waits for an acknowledgement, then the next
one is notified. The whole ladder is repeated, then the escalation is *exhausted*: everybody is told,
again and again, until somebody acknowledges or the case is resolved. A resolution promises the
follow-ups; the case closes when all of them are done or waived.
"""


def page() -> str:
    """Return the reference of the default policy."""
    plans = [(severity, DEFAULT_POLICY.plan(severity)) for severity in Severity]
    ladders = [
        (
            f"`{severity}`",
            " → ".join(f"{', '.join(step.targets)} ({_span(step.wait_ms)})" for step in plan.steps)
            or "nobody is notified",
            str(plan.repeat) if plan.steps else "–",
            _span(plan.repeat_ms) if plan.steps else "–",
            _expiry(plan),
        )
        for severity, plan in plans
    ]
    promises = [
        (
            f"`{severity}`",
            ", ".join(f"{one.kind} after {_span(one.after_ms)}" for one in plan.follow_ups),
            _span(plan.follow_up_grace_ms),
            _span(plan.reopen_ms),
        )
        for severity, plan in plans
    ]
    ladder_head = ("severity", "ladder (wait)", "rounds more", "once exhausted, every")
    promise_head = ("severity", "promises", "overdue is missed after", "reopens within")
    return "\n".join([
        GENERATED,
        f"# Escalation policy `{DEFAULT_POLICY.version}`\n",
        _INTRODUCTION,
        "## Escalation\n",
        table((*ladder_head, "an acknowledgement holds for"), ladders),
        _limits(),
        "## Follow-up cadence\n",
        table(promise_head, promises),
        f"A missed follow-up is told to: {', '.join(DEFAULT_POLICY.overdue_targets)}.",
    ])  # fmt: skip


def _limits() -> str:
    policy = DEFAULT_POLICY
    return (
        f"A run of escalation starts at most {policy.max_epochs} times and for at most "
        f"{_span(policy.max_age_ms)};\nafter that it is repeated every "
        f"{_span(policy.stale_repeat_ms)}. Feedback without a thread joins an open case\nof the same "
        f"customer and channel that is at most {_span(policy.grouping_ms)} old, unless its reasons "
        "are\ndifferent ones.\n"
    )


def _expiry(plan: SeverityPlan) -> str:
    if not plan.steps:
        return "–"
    return "the case's life" if plan.ack_expiry_ms is None else _span(plan.ack_expiry_ms)


def _span(ms: int) -> str:
    for unit, name in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min")):
        if ms >= unit and ms % unit == 0:
            return f"{ms // unit} {name}"
    return f"{ms / 1000:g} s"
