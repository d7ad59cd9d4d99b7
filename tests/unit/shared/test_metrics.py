"""Names, documentation, labels and the number of series: what a dashboard and a budget rely on."""

from __future__ import annotations

import inspect
import math
import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest
from kafka import errors as kafka_errors
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics import MetricWrapperBase

from services.escalation.domain.defaults import DEFAULT_POLICY
from services.escalation.view.model import STANDINGS
from services.ingest.channels import providers
from services.ingest.channels.provider import Ignored
from services.ingest.channels.rejection import Refusal
from services.ingest.sources.smtp_delivery import Outcome
from shared import events, metrics, topics
from shared.config import Kafka
from shared.errors import PoisonReason
from shared.events import (
    CaseEventKind,
    Cause,
    Channel,
    ClockKind,
    DeliveryStatus,
    MessageKind,
    NoCaseReason,
    NoReply,
    Severity,
)
from shared.metrics import Metrics, process_registry

BUDGET = 3_000
CHANNELS = [*Channel, "unknown"]
ONE = ["this process has one"]
KAFKA_FAULTS = [
    name
    for name, value in inspect.getmembers(kafka_errors, inspect.isclass)
    if issubclass(value, kafka_errors.KafkaError)
]
SOURCES = range(50)
REDACTIONS = range(12)
STATUSES = [200, 202, 400, 401, 405, 408, 413, 415, 422, 429, 500, 503]
FOLLOW_UP_KINDS = {
    promise.kind for severity in Severity for promise in DEFAULT_POLICY.plan(severity).follow_ups
}
PARTITIONS = range(Kafka().partitions)

PAGING = [
    Cause.FEEDBACK, Cause.SEVERITY_RAISED, Cause.REOPENED, Cause.ACK_TIMEOUT, Cause.ACK_EXPIRED,
    Cause.REPEAT, Cause.FOLLOW_UP_OVERDUE, Cause.GATE, Cause.NO_ONE_ON_CALL, Cause.SNOOZE_OVER,
    Cause.COMMAND, Cause.AUDIT,
]  # fmt: skip
SINKS = [
    "webhook", "slack", "pagerduty", "smtp", "apprise", "ticket",
    "customer.email", "customer.phone", "customer.social", "customer.reviews",
]  # fmt: skip
LABELS: dict[str, dict[str, Iterable[object]]] = {
    "notifications": {"sink": SINKS, "status": DeliveryStatus},
    "notification_attempts": {
        "sink": SINKS,
        "verdict": ["delivered", "retryable", "permanent", "gone", "unsuitable"],
    },
    "notification_seconds": {"sink": SINKS},
    "notifications_pending": {"sink": SINKS},
    "sink_open": {"sink": SINKS},
    "replies_due": {"why": NoReply},
    "customer_messages": {"channel": Channel, "message": MessageKind},
    "events_received": {"channel": Channel},
    "events_rejected": {"channel": CHANNELS, "reason": Refusal},
    "events_deduplicated": {"channel": Channel, "kind": ["exact", "near", "escalation"]},
    "event_size": {"channel": Channel},
    "event_age": {"channel": Channel},
    "channel_last_event": {"channel": Channel},
    "in_progress": {"stage": ONE},
    "http_duration": {"route": ["feedback", "batch", "hooks"], "status": STATUSES},
    "events_ignored": {"channel": Channel, "reason": Ignored},
    "unauthentic": {"provider": providers.load()},
    "source_last_heard": {"source": SOURCES},
    "source_up": {"source": SOURCES},
    "source_errors": {"source": SOURCES, "reason": ["refused", "busy", "transient"]},
    "redacted": {"kind": REDACTIONS},
    "smtp_messages": {"outcome": Outcome},
    "stage_processed": {"stage": ONE, "outcome": metrics.OUTCOMES},
    "stage_errors": {"stage": ONE, "reason": ["transient", "clock_jump"]},
    "stage_duration": {"stage": ONE},
    "chunk_records": {"stage": ONE},
    "worker_seconds": {"stage": ONE, "state": metrics.STATES},
    "last_progress": {"stage": ONE},
    "dead_letters": {"stage": ONE, "reason": PoisonReason},
    "classified": {"channel": Channel, "severity": Severity},
    "confidence": {"severity": Severity},
    "fallback": {"reason": ["error", "undetermined"]},
    "reloads": {"result": ["used", "refused"]},
    "known_words": {"channel": Channel},
    "drift": {"quantity": ["known_words", "urgency"]},
    "second_opinions": {"result": ["ok", "late", "failed", "capped"]},
    "model_info": {"model": ONE, "rules": ONE},
    "policy_reloads": {"result": ["used", "refused"]},
    "policy_info": {"version": ONE},
    "end_to_end": {"severity": Severity, "channel": Channel},
    "case_events": {"kind": CaseEventKind},
    "commands_refused": {"reason": events.Refusal},
    "no_case": {"reason": NoCaseReason},
    "escalations_opened": {"severity": Severity, "channel": Channel, "reason": PAGING},
    "escalations_open": {"severity": Severity, "state": STANDINGS},
    "oldest_unacknowledged": {"severity": Severity},
    "ack_duration": {"severity": Severity},
    "resolve_duration": {"severity": Severity},
    "sla_breaches": {"severity": Severity, "clock": [*ClockKind, "ack", "follow_up"]},
    "sla_met": {"severity": Severity, "clock": [*ClockKind, "ack", "follow_up"]},
    "followups_due": {"kind": FOLLOW_UP_KINDS},
    "lag": {"group": ONE, "topic": topics.ALL[:2], "partition": PARTITIONS},
    "lag_seconds": {"group": ONE, "topic": topics.ALL[:2], "partition": PARTITIONS},
    "rebalances": {"group": ONE},
    "commits": {"outcome": ["committed", "aborted"]},
    "producer_errors": {"topic": topics.ALL[:2], "reason": KAFKA_FAULTS},
    "partitions_ready": {"stage": ONE},
    "view_rebuilds": {"reason": ["lost", "topic_recreated", "too_old"]},
    "build_info": {"version": ONE, "service": ONE},
}
"""Every label of every metric, and all values that it can have in one process.

Of requests that is intake: the console counts them by class of status.
"""

NOTIFIER = frozenset({
    "notifications", "notification_attempts", "notification_seconds", "notifications_pending",
    "sink_open", "replies_due", "customer_messages",
})  # fmt: skip
INTAKE = frozenset({
    "events_received", "events_rejected", "event_size", "event_age", "http_duration",
    "source_last_heard", "source_errors",
})  # fmt: skip
"""Of these two a process has one: it is intake, or the notifier, or neither."""

METRICS = {
    name: value
    for name, value in vars(Metrics(CollectorRegistry())).items()
    if isinstance(value, MetricWrapperBase)
}
KNOWN_GAUGES_WITHOUT_UNIT = re.compile(r"_(open|pending|ready|up|info|in_progress|lag|broken)$")


def series(name: str) -> int:
    """Return how many series a metric has at worst."""
    metric = METRICS[name]
    children = math.prod(len(list(values)) for values in LABELS.get(name, {}).values())
    per_child = len(metric._upper_bounds) + 2 if isinstance(metric, Histogram) else 1
    return children * per_child


def full_name(metric: MetricWrapperBase) -> str:
    return f"{metric._name}_total" if isinstance(metric, Counter) else metric._name


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_has_a_documentation_and_a_prefix(name: str) -> None:
    metric = METRICS[name]
    assert metric._documentation.endswith(".")
    assert re.fullmatch(r"(tocsin|kafka)_[a-z0-9_]+", metric._name)


@pytest.mark.parametrize("name", METRICS)
def test_a_name_ends_with_its_unit(name: str) -> None:
    metric = METRICS[name]
    if isinstance(metric, Histogram):
        assert re.search(r"_(seconds|bytes|ratio|records)$", metric._name)
    if isinstance(metric, Gauge):
        assert re.search(
            r"_(seconds|bytes|ratio)$", metric._name
        ) or KNOWN_GAUGES_WITHOUT_UNIT.search(metric._name)
    assert not re.search(r"_(ms|milliseconds|minutes|hours|percent|kb)(_|$)", metric._name)


@pytest.mark.parametrize("name", METRICS)
def test_labels_are_those_that_are_bounded(name: str) -> None:
    assert METRICS[name]._labelnames == tuple(LABELS.get(name, {}))


def test_the_table_of_labels_has_no_stale_entry() -> None:
    assert set(LABELS) <= set(METRICS)


def test_no_label_names_a_case_a_customer_or_a_place() -> None:
    used = {label for labels in LABELS.values() for label in labels}
    forbidden = {
        "case",
        "case_id",
        "customer",
        "tenant",
        "worker",
        "slot",
        "host",
        "instance",
        "id",
    }
    assert not used & forbidden


@pytest.mark.parametrize("elsewhere", [NOTIFIER, INTAKE], ids=["no notifier", "no intake"])
def test_the_series_of_one_process_are_within_the_budget(elsewhere: frozenset[str]) -> None:
    counts = {name: series(name) for name in METRICS if name not in elsewhere}
    worst = sorted(counts.items(), key=lambda pair: -pair[1])[:8]
    assert sum(counts.values()) <= BUDGET, worst


@pytest.mark.parametrize("name", [n for n, m in METRICS.items() if isinstance(m, Histogram)])
def test_buckets_rise(name: str) -> None:
    metric = METRICS[name]
    assert isinstance(metric, Histogram)
    assert list(metric._upper_bounds) == sorted(set(metric._upper_bounds))
    assert metric._upper_bounds[-1] == math.inf


def test_what_must_be_seen_at_zero_is_there_from_the_start() -> None:
    text = generate_latest(Metrics(CollectorRegistry()).registry).decode()
    for line in (
        'tocsin_events_received_total{channel="email"} 0.0',
        'tocsin_case_events_total{kind="case.opened"} 0.0',
        'tocsin_no_case_total{reason="praise"} 0.0',
        'tocsin_kafka_commit_total{outcome="aborted"} 0.0',
    ):
        assert line in text
    assert "_created" not in text


def test_registries_are_independent() -> None:
    one, other = Metrics(CollectorRegistry()), Metrics(CollectorRegistry())
    one.commits.labels("committed").inc()
    assert other.registry.get_sample_value(
        "tocsin_kafka_commit_total", {"outcome": "committed"}
    ) == (0.0)


def test_names_are_given_once() -> None:
    names = [full_name(metric) for metric in METRICS.values()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", METRICS)
def test_a_declared_metric_is_used_somewhere(name: str) -> None:
    """A metric that nothing moves makes a dashboard lie."""
    root = Path(metrics.__file__).parents[1]
    used = re.compile(rf"etrics\.{name}\b(?!\.remove)")
    sources = [path for folder in ("services", "shared") for path in (root / folder).rglob("*.py")]
    assert any(used.search(path.read_text("utf-8")) for path in sources)


def test_promtool_finds_nothing_to_complain_about() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        if os.environ.get("CI"):
            pytest.fail("promtool is not on PATH")
        pytest.skip("promtool is not on PATH")
    made = Metrics(process_registry())
    for name, metric in vars(made).items():
        if isinstance(metric, MetricWrapperBase) and metric._labelnames:
            metric.labels(*(str(next(iter(values))) for values in LABELS[name].values()))
    done = subprocess.run(
        [promtool, "check", "metrics"],
        input=generate_latest(made.registry),
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")
