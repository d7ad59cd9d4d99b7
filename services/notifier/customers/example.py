"""An invented case, to show what is written to customers."""

from __future__ import annotations

from typing import Final

from shared.events import (
    Case,
    CaseState,
    Channel,
    Clarification,
    Clock,
    ClockKind,
    Kind,
    Offer,
    Reason,
    Resolution,
    Severity,
    Solution,
    Timer,
    TimerKind,
)

OPENED_AT: Final = 1_791_540_000_000
"""9 October 2026, 10:00 UTC."""

DUE_AT: Final = OPENED_AT + 4 * 3_600_000
_CLOSES_AT: Final = OPENED_AT + 14 * 86_400_000


def case(language: str, channel: Channel, severity: Severity) -> Case:
    """Return a complaint about a bill with all that any message tells of a case."""
    promises = (ClockKind.FIRST_RESPONSE, ClockKind.UPDATE)
    return Case(
        case_id="example",
        tenant="example",
        record_key="example",
        customer_key="example",
        channel=channel,
        source="example",
        severity=severity,
        kind=Kind.COMPLAINT,
        state=CaseState.WAITING_CUSTOMER,
        opened_at=OPENED_AT,
        case_seq=1,
        reasons=(Reason.FINANCIAL_LOSS,),
        themes=("billing",),
        language=language,
        clocks=tuple(
            Clock(kind=kind, instance="1", target_ms=1, started_at=OPENED_AT, due_at=DUE_AT)
            for kind in promises
        ),
        timers=(Timer(kind=TimerKind.WAIT_END, due_at=_CLOSES_AT, version=1, ref=1),),
        clarification=Clarification(asked="…?"),
        offer=Offer(chosen=Solution.REFUND),
        outcome=Resolution(outcome="…", reason="…", next_step="…"),
    )
