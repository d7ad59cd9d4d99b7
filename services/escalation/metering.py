"""Turns decisions into metrics, after they were committed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence

from services.escalation.view.model import STANDINGS, Checkpoint, View
from shared.clock import Clock
from shared.errors import Transient
from shared.events import (
    CaseEvent,
    CaseEventKind,
    Channel,
    ClockChange,
    ClockChangeKind,
    FeedbackOutcome,
    Severity,
)
from shared.metrics import Metrics

STANDING_EVERY_S = 1.0


class Meter:
    """Counts what was decided, and exports how the cases of the owned partitions stand."""

    def __init__(self, metrics: Metrics, clock: Clock) -> None:
        self._metrics = metrics
        self._clock = clock
        self._next_standing = 0.0

    def duplicate(self, channel: Channel) -> None:
        """Count a feedback that has its outcome already."""
        self._metrics.events_deduplicated.labels(channel, "escalation").inc()

    def held(self) -> None:
        """Count a tick in which timers were held because the clock jumped."""
        self._metrics.stage_errors.labels("escalation", "clock_jump").inc()

    def stuck_timer(self) -> None:
        """Count a timer whose decision fails."""
        self._metrics.stage_errors.labels("escalation", "timer").inc()

    def misplaced_timer(self) -> None:
        """Count a case whose deadline was not in the index of the view as it should be."""
        self._metrics.audit_failures.inc()

    def decided(
        self, events: Sequence[CaseEvent], outcomes: Sequence[FeedbackOutcome], now: int
    ) -> None:
        """Count committed decisions."""
        for kind, count in Counter(event.kind for event in events).items():
            self._metrics.case_events.labels(kind).inc(count)
        for event in events:
            for change in event.clocks:
                self._promise(event, change)
            self._event(event)
        for outcome in outcomes:
            if outcome.no_case_reason is not None:
                self._metrics.no_case.labels(outcome.no_case_reason).inc()
            latency = self._clock.real_seconds(max(0, now - outcome.received_at))
            self._metrics.end_to_end.labels(outcome.severity, outcome.channel).observe(latency)

    def _promise(self, event: CaseEvent, change: ClockChange) -> None:
        severity = Severity.UNDETERMINED if event.case is None else event.case.severity
        if change.change is ClockChangeKind.BREACHED:
            self._metrics.sla_breaches.labels(severity, change.clock).inc()
            self._metrics.followup_lateness.observe(max(0, event.recorded_at - change.at) / 1000)
        elif change.change is ClockChangeKind.FULFILLED and (
            change.elapsed_ms is not None and change.elapsed_ms <= change.target_ms
        ):
            self._metrics.sla_met.labels(severity, change.clock).inc()

    def erased(self, customers: int) -> None:
        """Count customers that were erased."""
        self._metrics.customers_erased.inc(customers)

    def audited(self, now: int) -> None:
        """Tell that the auditor has gone through the partitions."""
        self._metrics.audited.set(now / 1000)

    def _event(self, event: CaseEvent) -> None:
        case, metrics = event.case, self._metrics
        if event.kind is CaseEventKind.COMMAND_REFUSED:  # by a case, or because there is none
            metrics.commands_refused.labels(event.refusal).inc()
        if case is None:
            return
        severity = case.severity
        late_s = max(0, event.recorded_at - event.at) / 1000
        since_opening_s = (event.recorded_at - case.opened_at) / 1000
        match event.kind:
            case CaseEventKind.ESCALATION_TRIGGERED | CaseEventKind.REESCALATED:
                metrics.escalations_opened.labels(severity, case.channel, event.cause).inc()
            case CaseEventKind.ACK_TIMED_OUT:
                metrics.sla_breaches.labels(severity, "ack").inc()
                metrics.followup_lateness.observe(late_s)
            case CaseEventKind.ACKNOWLEDGED if not case.backfilled:  # nobody was asked to
                metrics.ack_duration.labels(severity).observe(since_opening_s)
                if case.escalation.epoch == 1 and case.escalation.step == 1:
                    metrics.sla_met.labels(severity, "ack").inc()
            case CaseEventKind.RESOLVED:
                metrics.resolve_duration.labels(severity).observe(since_opening_s)
            case CaseEventKind.FOLLOW_UP_DUE if event.follow_up is not None:
                metrics.followups_due.labels(event.follow_up.kind).inc()
                metrics.followup_lateness.observe(late_s)
            case CaseEventKind.FOLLOW_UP_MISSED:
                metrics.sla_breaches.labels(severity, "follow_up").inc()
            case CaseEventKind.REPAIRED:
                metrics.audit_failures.inc()
            case _:
                pass

    def standing(self, view: View, checkpoints: Mapping[int, Checkpoint | None]) -> None:
        """Export the gauges, at most once a second."""
        if time.monotonic() < self._next_standing:
            return
        self._next_standing = time.monotonic() + STANDING_EVERY_S
        counts: dict[tuple[str, str], int] = {}
        oldest: dict[str, int] = {}
        timers = 0
        try:
            for number, checkpoint in checkpoints.items():
                if checkpoint is None:
                    continue
                found = view.standing(number, checkpoint)
                timers += found.timers
                for pair, count in found.open.items():
                    counts[pair] = counts.get(pair, 0) + count
                for severity, at in found.oldest_unacknowledged.items():
                    oldest[severity] = min(at, oldest.get(severity, at))
        except Transient:
            self._metrics.redis_up.set(0)
            return
        self._metrics.redis_up.set(1)
        self._metrics.timers_pending.set(timers)
        for severity in Severity:
            for state in STANDINGS:
                value = counts.get((severity, state), 0)
                self._metrics.escalations_open.labels(severity, state).set(value)
            if severity in oldest:
                gauge = self._metrics.oldest_unacknowledged.labels(severity)
                gauge.set(oldest[severity] / 1000)
            else:
                self._metrics.oldest_unacknowledged.remove(severity)
