"""``reference/metrics.md``, read from a registry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.metrics import MetricWrapperBase

from deploy.docgen.markdown import GENERATED, code, table
from shared.errors import PoisonReason
from shared.events import CaseEventKind, Cause, Channel, NoCaseReason, Severity
from shared.metrics import Metrics

_INTRODUCTION = """\
One process, one port: `GET /metrics` on `worker.host:worker.metrics_port`, in the Prometheus text
format or as OpenMetrics, whichever is asked for. Every process declares all names; what does not
concern it has no series or stays at zero. The usual `process_*` and `python_*` metrics come on top.
No label holds an id, a customer, a worker or a host.
"""

_LABELS: Mapping[str, Sequence[object]] = {
    "`channel`": [*Channel],
    "`severity`": [*Severity],
    "`stage`": ["ingest", "classifier", "escalation"],
    "`kind` of `tocsin_case_events_total`": [*CaseEventKind],
    "`reason` of `tocsin_no_case_total`": [*NoCaseReason],
    "`reason` of `tocsin_escalations_opened_total`": [*Cause],
    "`reason` of `tocsin_dead_letters_total`": [*PoisonReason],
    "`outcome` of `tocsin_kafka_commit_total`": ["committed", "aborted"],
}


def page() -> str:
    """Return the reference of the metrics."""
    found = declared()
    rows = [
        (f"`{name}`", str(metric._type), code(metric._labelnames), metric._documentation)
        for name, metric in found.items()
    ]
    buckets = [
        (f"`{name}`", ", ".join(f"{edge:.7g}" for edge in metric._upper_bounds[:-1]))
        for name, metric in found.items()
        if isinstance(metric, Histogram)
    ]
    return "\n".join([
        GENERATED,
        "# Metrics\n",
        _INTRODUCTION,
        table(("metric", "type", "labels", "meaning"), rows),
        "## Label values\n",
        table(("label", "values"), [(name, code(values)) for name, values in _LABELS.items()]),
        "## Buckets\n",
        table(("histogram", "upper edges"), buckets),
    ])  # fmt: skip


def declared() -> dict[str, MetricWrapperBase]:
    """Return every metric of the product by the name under which it is exposed."""
    metrics = [
        value
        for value in vars(Metrics(CollectorRegistry())).values()
        if isinstance(value, MetricWrapperBase)
    ]
    return {
        f"{metric._name}_total" if isinstance(metric, Counter) else metric._name: metric
        for metric in metrics
    }
