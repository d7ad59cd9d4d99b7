"""All metrics, declared once. Names follow the Prometheus conventions: base units, ``_total``.

The registry is injected, so a process (or a test) has its own. Labels are bounded enums; never a
case, a customer, a worker or a host (Prometheus adds ``instance``). Hot paths keep the children that
``labels()`` returns: the look-up costs more than the increment.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    gc_collector,
    platform_collector,
    process_collector,
)
from prometheus_client import disable_created_metrics as _without_created

from shared.events import CaseEventKind, Channel, NoCaseReason, Severity

LATENCY_BUCKETS = (
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900,
)  # fmt: skip
STAGE_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
HUMAN_BUCKETS = (
    30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400, 172800, 604800,
)  # fmt: skip
CONFIDENCE_BUCKETS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)

OUTCOMES = ("ok", "error", "retry", "dead_letter")
STATES = ("poll", "process", "produce", "commit", "idle", "catch_up", "backpressure")


class Metrics:
    """Every metric of the product, registered in ``registry``."""

    def __init__(self, registry: CollectorRegistry) -> None:
        _without_created()  # type: ignore[no-untyped-call]
        self.registry = registry
        self._intake()
        self._sources()
        self._stages()
        self._classifier()
        self._cases()
        self._deadlines()
        self._notifier()
        self._kafka()

    def _counter(self, name: str, doc: str, labels: Iterable[str] = ()) -> Counter:
        return Counter(name, doc, tuple(labels), registry=self.registry)

    def _gauge(self, name: str, doc: str, labels: Iterable[str] = ()) -> Gauge:
        return Gauge(name, doc, tuple(labels), registry=self.registry)

    def _histogram(
        self, name: str, doc: str, buckets: Iterable[float], labels: Iterable[str] = ()
    ) -> Histogram:
        return Histogram(name, doc, tuple(labels), buckets=tuple(buckets), registry=self.registry)

    def _intake(self) -> None:
        channel = ("channel",)
        self.events_received = self._counter(
            "tocsin_events_received_total", "Feedback accepted and acknowledged by Kafka.", channel
        )
        self.events_rejected = self._counter(
            "tocsin_events_rejected_total", "Feedback refused at the door.", ("channel", "reason")
        )
        self.events_deduplicated = self._counter(
            "tocsin_events_deduplicated_total",
            "Feedback recognised as delivered before.",
            ("channel", "kind"),
        )
        self.event_size = self._histogram(
            "tocsin_event_size_bytes",
            "Size of accepted feedback as written to Kafka.",
            (256, 512, 1024, 2048, 4096, 8192, 16384, 65536, 262144, 1048576),
            channel,
        )
        self.event_age = self._histogram(
            "tocsin_event_age_seconds",
            "Source delay: from the author's time to intake.",
            HUMAN_BUCKETS,
            channel,
        )
        self.channel_last_event = self._gauge(
            "tocsin_channel_last_event_timestamp_seconds",
            "When a channel last delivered feedback.",
            channel,
        )
        self.in_progress = self._gauge(
            "tocsin_events_in_progress", "Feedback accepted but not yet acknowledged.", ("stage",)
        )
        self.http_duration = self._histogram(
            "tocsin_http_request_duration_seconds",
            "Duration of requests to intake and to the console.",
            STAGE_BUCKETS,
            ("route", "status"),
        )
        self.smtp_messages = self._counter(
            "tocsin_smtp_messages_total", "Mail that was handed over by SMTP or LMTP.", ("outcome",)
        )
        for member in Channel:
            self.events_received.labels(member)
            self.events_deduplicated.labels(member, "exact")
            self.events_deduplicated.labels(member, "near")

    def _sources(self) -> None:
        self.events_ignored = self._counter(
            "tocsin_events_ignored_total",
            "Parts of requests that are no feedback: receipts, reactions, pings.",
            ("channel", "reason"),
        )
        self.unauthentic = self._counter(
            "tocsin_source_unauthentic_total",
            "Requests whose proof was missing or wrong.",
            ("provider",),
        )
        self.source_last_heard = self._gauge(
            "tocsin_source_last_heard_timestamp_seconds",
            "When a configured source last delivered or was last read successfully.",
            ("source",),
        )
        self.source_up = self._gauge(
            "tocsin_source_up", "1 while a collector can read its source.", ("source",)
        )
        self.sources_broken = self._gauge(
            "tocsin_sources_broken", "Configured sources that were not taken over."
        )
        self.source_errors = self._counter(
            "tocsin_source_errors_total", "Failed attempts to read a source.", ("source", "reason")
        )
        self.redacted = self._counter(
            "tocsin_redactions_total", "Pieces of personal data taken out of texts.", ("kind",)
        )

    def _stages(self) -> None:
        self.stage_processed = self._counter(
            "tocsin_stage_processed_total", "Records by outcome.", ("stage", "outcome")
        )
        self.stage_errors = self._counter(
            "tocsin_stage_errors_total", "Faults by reason.", ("stage", "reason")
        )
        self.stage_duration = self._histogram(
            "tocsin_stage_duration_seconds",
            "Duration of one chunk transaction, from first record taken to committed.",
            STAGE_BUCKETS,
            ("stage",),
        )
        self.chunk_records = self._histogram(
            "tocsin_chunk_records",
            "Records in one chunk transaction.",
            (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000),
            ("stage",),
        )
        self.worker_seconds = self._counter(
            "tocsin_worker_seconds_total", "Where a worker's time goes.", ("stage", "state")
        )
        self.last_progress = self._gauge(
            "tocsin_worker_last_progress_timestamp_seconds",
            "When the worker's loop last went round.",
            ("stage",),
        )
        self.dead_letters = self._counter(
            "tocsin_dead_letters_total", "Records sent to the dead letters.", ("stage", "reason")
        )

    def _classifier(self) -> None:
        self.classified = self._counter(
            "tocsin_classified_total", "Feedback classified.", ("channel", "severity")
        )
        self.confidence = self._histogram(
            "tocsin_classifier_confidence_ratio",
            "Confidence of classifications.",
            CONFIDENCE_BUCKETS,
            ("severity",),
        )
        self.fallback = self._counter(
            "tocsin_classifier_fallback_total", "Feedback left undetermined.", ("reason",)
        )
        self.reloads = self._counter(
            "tocsin_classifier_reloads_total",
            "Changed rules or models, used or refused.",
            ("result",),
        )
        self.known_words = self._histogram(
            "tocsin_classifier_known_words_ratio",
            "Share of a text's words that the training texts held.",
            CONFIDENCE_BUCKETS,
            ("channel",),
        )
        self.drift = self._gauge(
            "tocsin_classifier_drift_ratio",
            "Population stability index of the last texts against the training texts.",
            ("quantity",),
        )
        self.second_opinions = self._counter(
            "tocsin_classifier_second_opinions_total", "Uncertain texts asked about.", ("result",)
        )
        self.model_info = self._gauge(
            "tocsin_model_info", "The model and rules in use; always 1.", ("model", "rules")
        )

    def _cases(self) -> None:
        self.end_to_end = self._histogram(
            "tocsin_end_to_end_latency_seconds",
            "From intake to the committed escalation decision.",
            LATENCY_BUCKETS,
            ("severity", "channel"),
        )
        self.case_events = self._counter(
            "tocsin_case_events_total", "What happened to cases.", ("kind",)
        )
        self.no_case = self._counter(
            "tocsin_no_case_total", "Feedback that opened no case.", ("reason",)
        )
        self.escalations_opened = self._counter(
            "tocsin_escalations_opened_total",
            "Escalations started or restarted.",
            ("severity", "channel", "reason"),
        )
        self.escalations_open = self._gauge(
            "tocsin_escalations_open",
            "Open cases of the partitions owned here.",
            ("severity", "state"),
        )
        self.oldest_unacknowledged = self._gauge(
            "tocsin_escalation_oldest_unacknowledged_timestamp_seconds",
            "Opening time of the oldest escalation that nobody acknowledged.",
            ("severity",),
        )
        for kind in CaseEventKind:
            self.case_events.labels(kind)
        for reason in NoCaseReason:
            self.no_case.labels(reason)

        self.policy_reloads = self._counter(
            "tocsin_policy_reloads_total", "Changed policy files, used or refused.", ("result",)
        )
        self.policy_info = self._gauge(
            "tocsin_policy_info", "1 for the escalation policy in force.", ("version",)
        )

    def _deadlines(self) -> None:
        self.ack_duration = self._histogram(
            "tocsin_escalation_ack_duration_seconds",
            "From opening a case to its acknowledgement.",
            HUMAN_BUCKETS,
            ("severity",),
        )
        self.resolve_duration = self._histogram(
            "tocsin_escalation_resolve_duration_seconds",
            "From opening a case to its resolution.",
            HUMAN_BUCKETS,
            ("severity",),
        )
        self.sla_breaches = self._counter(
            "tocsin_sla_breaches_total", "Deadlines passed.", ("severity", "clock")
        )
        self.sla_met = self._counter(
            "tocsin_sla_met_total", "Deadlines met.", ("severity", "clock")
        )
        self.followups_due = self._counter(
            "tocsin_followups_due_total", "Follow-ups that fell due.", ("kind",)
        )
        self.followup_lateness = self._histogram(
            "tocsin_followup_lateness_seconds",
            "From a deadline to its firing, in policy time.",
            LATENCY_BUCKETS,
        )
        self.audit_failures = self._counter(
            "tocsin_escalation_audit_failures_total",
            "Live cases without a next step in the future; each was given one.",
        )
        self.audited = self._gauge(
            "tocsin_escalation_audit_timestamp_seconds",
            "When the auditor last went through the partitions owned here.",
        )
        self.commands_refused = self._counter(
            "tocsin_commands_refused_total", "Commands that were refused.", ("reason",)
        )
        self.customers_erased = self._counter(
            "tocsin_customers_erased_total", "Customers that were erased."
        )
        self.timers_pending = self._gauge(
            "tocsin_timers_pending", "Cases with a deadline in the partitions owned here."
        )
        for severity in Severity:
            self.ack_duration.labels(severity)

    def _notifier(self) -> None:
        self.notifications = self._counter(
            "tocsin_notifications_total",
            "Notifications that ended, by kind of sink and how.",
            ("sink", "status"),
        )
        self.notification_attempts = self._counter(
            "tocsin_notification_attempts_total",
            "Attempts to deliver, by kind of sink and what came of them.",
            ("sink", "verdict"),
        )
        self.notification_seconds = self._histogram(
            "tocsin_notification_seconds",
            "From the decision to the first delivery.",
            LATENCY_BUCKETS,
            ("sink",),
        )
        self.notifications_pending = self._gauge(
            "tocsin_notifications_pending", "Notifications taken and not ended.", ("sink",)
        )
        self.sink_open = self._gauge(
            "tocsin_sink_circuit_open", "Sinks of a kind whose circuit is open.", ("sink",)
        )
        self.replies_due = self._counter(
            "tocsin_replies_due_total", "Messages to customers left to people.", ("why",)
        )
        self.customer_messages = self._counter(
            "tocsin_customer_messages_total", "Messages sent to customers.", ("channel", "message")
        )

    def _kafka(self) -> None:
        where = ("group", "topic", "partition")
        self.lag = self._gauge(
            "kafka_consumergroup_group_lag", "Records between committed offset and log end.", where
        )
        self.lag_seconds = self._gauge(
            "kafka_consumergroup_group_lag_seconds",
            "Age of the oldest record not yet taken.",
            where,
        )
        self.rebalances = self._counter(
            "tocsin_kafka_rebalances_total", "Assignments received.", ("group",)
        )
        self.commits = self._counter(
            "tocsin_kafka_commit_total", "Chunk transactions by outcome.", ("outcome",)
        )
        self.producer_errors = self._counter(
            "tocsin_producer_errors_total", "Records Kafka did not take.", ("topic", "reason")
        )
        self.oldest_in_flight = self._gauge(
            "tocsin_producer_oldest_in_flight_seconds", "Age of the oldest unacknowledged record."
        )
        self.partitions_ready = self._gauge(
            "tocsin_partitions_ready", "Assigned partitions whose state is caught up.", ("stage",)
        )
        self.view_rebuilds = self._counter(
            "tocsin_view_rebuilds_total", "Redis views rebuilt from Kafka.", ("reason",)
        )
        self.redis_up = self._gauge("tocsin_redis_up", "1 when Redis answered last.")
        self.build_info = self._gauge(
            "tocsin_build_info", "The running build; always 1.", ("version", "service")
        )
        for outcome in ("committed", "aborted"):
            self.commits.labels(outcome)


def process_registry() -> CollectorRegistry:
    """Return a registry with the process, platform and garbage collector metrics."""
    registry = CollectorRegistry()
    process_collector.ProcessCollector(registry=registry)
    platform_collector.PlatformCollector(registry=registry)
    gc_collector.GCCollector(registry=registry)
    return registry


def build_version() -> str:
    """Return the version of the installed distribution."""
    try:
        return version("tocsin")
    except PackageNotFoundError:
        return "unknown"
