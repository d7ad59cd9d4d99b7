"""The policy that holds until one is given: the product's severity codebook and follow-up cadence."""

from __future__ import annotations

from typing import Final

from services.escalation.domain.calendar import Calendar, Span, Window
from services.escalation.domain.policy import (
    DAY,
    HOUR,
    MINUTE,
    Contact,
    Policy,
    Promise,
    SeverityPlan,
    Target,
)
from shared.events import ClockKind, Kind, Step, Via

_OFFICE: Final = Calendar(
    name="office",
    zone="UTC",
    week=((Window(start=9 * 60, end=17 * 60),),) * 5 + ((), ()),
)


def _ladder(wait_ms: int, *targets: str) -> tuple[Step, ...]:
    return tuple(Step(targets=(name,), wait_ms=wait_ms) for name in targets)


def _clocks(**spans: str) -> tuple[Target, ...]:
    return tuple(
        Target(clock=ClockKind(name), span=Span.parse(span)) for name, span in spans.items()
    )


DEFAULT_POLICY: Final = Policy(
    version="default-2",
    critical=SeverityPlan(
        steps=_ladder(15 * MINUTE, "on-call", "team-lead", "head-of-support"),
        repeat_ms=30 * MINUTE,
        ack_expiry_ms=30 * MINUTE,
        follow_ups=(
            Promise(kind="confirm", after_ms=24 * HOUR, via=Via.CALL),
            Promise(kind="still_fixed", after_ms=7 * DAY),
            Promise(kind="relationship", after_ms=30 * DAY),
        ),
        follow_up_grace_ms=24 * HOUR,
        reopen_ms=30 * DAY,
        clocks=_clocks(
            receipt="15m",
            first_response="1h",
            next_response="1h",
            update="4h",
            first_resolution="24h",
            total_resolution="24h",
        ),
        grace_ms=15 * MINUTE,
        pause_for_customer=False,
        no_response_ms=None,
        snooze_ms=0,
    ),
    high=SeverityPlan(
        steps=_ladder(HOUR, "on-call", "team-lead"),
        repeat_ms=4 * HOUR,
        ack_expiry_ms=2 * HOUR,
        follow_ups=(
            Promise(kind="confirm", after_ms=48 * HOUR, via=Via.CALL),
            Promise(kind="still_fixed", after_ms=7 * DAY),
        ),
        follow_up_grace_ms=24 * HOUR,
        reopen_ms=30 * DAY,
        clocks=_clocks(
            receipt="1h",
            first_response="4h",
            next_response="4h",
            update="8bh",
            first_resolution="16bh",
            total_resolution="16bh",
        ),
        grace_ms=30 * MINUTE,
        snooze_ms=4 * HOUR,
    ),
    medium=SeverityPlan(
        steps=_ladder(8 * HOUR, "support", "team-lead"),
        follow_ups=(Promise(kind="confirm", after_ms=48 * HOUR),),
        clocks=_clocks(
            receipt="4h",
            first_response="8bh",
            next_response="8bh",
            update="24bh",
            first_resolution="40bh",
            total_resolution="40bh",
        ),
    ),
    low=SeverityPlan(
        follow_ups=(Promise(kind="survey", after_ms=7 * DAY, via=Via.SURVEY),),
        clocks=_clocks(
            receipt="8bh",
            first_response="16bh",
            next_response="16bh",
            update="40bh",
            first_resolution="80bh",
            total_resolution="80bh",
        ),
    ),
    undetermined=SeverityPlan(
        steps=_ladder(15 * MINUTE, "triage", "team-lead"),
        repeat_ms=4 * HOUR,
        follow_ups=(Promise(kind="survey", after_ms=7 * DAY, via=Via.SURVEY),),
        clocks=_clocks(
            receipt="4h",
            first_response="8bh",
            next_response="8bh",
            update="24bh",
            first_resolution="40bh",
            total_resolution="40bh",
        ),
    ),
    calendar="office",
    calendars=(_OFFICE,),
    contacts=tuple(
        Contact(name=name)
        for name in ("on-call", "team-lead", "head-of-support", "support", "triage")
    ),
    thanks={
        Kind.PRAISE: Target(clock=ClockKind.THANK_YOU, span=Span.parse("16bh")),
        Kind.SUGGESTION: Target(clock=ClockKind.THANK_YOU, span=Span.parse("40bh")),
    },
)
