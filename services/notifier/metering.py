"""The metrics of one sink; their children are looked up once."""

from __future__ import annotations

from services.notifier.ports import Verdict
from shared.events import DeliveryStatus
from shared.metrics import Metrics


class Meter:
    """Counts for one sink; ``kind`` is the label.

    Several sinks of a kind share its series, so gauges are moved by differences.
    """

    def __init__(self, metrics: Metrics, kind: str) -> None:
        self._attempts = {one: metrics.notification_attempts.labels(kind, one) for one in Verdict}
        self._ended = {one: metrics.notifications.labels(kind, one) for one in DeliveryStatus}
        self._seconds = metrics.notification_seconds.labels(kind)
        self._pending = metrics.notifications_pending.labels(kind)
        self._circuits = metrics.sink_open.labels(kind)
        self._open = 0
        self._circuit_open = False

    def opened(self) -> None:
        """A notification was taken."""
        self._open += 1
        self._pending.inc()

    def closed(self, count: int) -> None:
        """So many are not open any more."""
        self._open -= count
        self._pending.dec(count)

    def attempted(self, verdict: Verdict) -> None:
        """An attempt was made."""
        self._attempts[verdict].inc()

    def delivered(self, waited_ms: int) -> None:
        """A notification was delivered, so long after it was planned."""
        self._seconds.observe(max(0, waited_ms) / 1000)

    def ended(self, status: DeliveryStatus) -> None:
        """A notification ended."""
        self._ended[status].inc()

    def circuit(self, *, is_open: bool) -> None:
        """The circuit opened or closed."""
        if is_open != self._circuit_open:
            self._circuit_open = is_open
            self._circuits.inc(1 if is_open else -1)

    def stopped(self) -> None:
        """Nothing is open here any more."""
        self.closed(self._open)
        self.circuit(is_open=False)
