"""Pages people by an Events v2 endpoint (PagerDuty's format): trigger, acknowledge, resolve.

The dedup key is ``tenant:case:epoch``. An epoch that is over is never paged again, and a new one
resolves the page of the one before: a pager shows what is to be done now, and nothing else.
"""

from __future__ import annotations

import json
import urllib.request

from deploy.examples.options import options
from shared.client import Escalations
from shared.events import Case, CaseEvent, CaseEventKind, Severity

TRIGGER = {
    CaseEventKind.ESCALATION_TRIGGERED,
    CaseEventKind.REESCALATED,
    CaseEventKind.ESCALATION_EXHAUSTED,
}
ACKNOWLEDGE = {CaseEventKind.ACKNOWLEDGED}
RESOLVE = {CaseEventKind.RESOLVED, CaseEventKind.CLOSED, CaseEventKind.MERGED}
SEVERITIES = {Severity.CRITICAL: "critical", Severity.HIGH: "error", Severity.LOW: "info"}


class Pager:
    """Sends pages, and knows of each case the epoch, the last event, and the epoch last paged."""

    def __init__(self, url: str, routing_key: str) -> None:
        self._url = url
        self._routing_key = routing_key
        self._reached: dict[str, tuple[int, int]] = {}
        self._paged: dict[str, int] = {}

    def tell(self, event: CaseEvent) -> None:
        """Send what the event asks for; ``OSError`` when the pager does not take it."""
        case = event.case
        if case is None:
            return
        epoch = event.epoch or case.escalation.epoch
        before, seq = self._reached.get(case.case_id, (0, -1))
        if epoch < before or event.case_seq <= seq or not epoch:
            return  # stale, or seen
        if event.kind in TRIGGER:
            paged = self._paged.get(case.case_id, epoch)  # a held step may have begun the epoch
            if epoch > paged:
                self._send("resolve", case, paged)
            self._send("trigger", case, epoch, ", ".join(event.targets))
            self._paged[case.case_id] = epoch
        elif event.kind in ACKNOWLEDGE:
            self._send("acknowledge", case, epoch)
        elif event.kind in RESOLVE:
            self._send("resolve", case, epoch)
        self._reached[case.case_id] = (epoch, event.case_seq)

    def _send(self, action: str, case: Case, epoch: int, whom: str = "") -> None:
        body: dict[str, object] = {
            "routing_key": self._routing_key,
            "event_action": action,
            "dedup_key": f"{case.case_id}:{epoch}",  # a case id begins with the tenant
        }
        if action == "trigger":
            body["payload"] = {
                "summary": f"{case.severity.value} {case.kind.value} for {whom or case.team or '?'}",
                "source": "tocsin",
                "severity": SEVERITIES.get(case.severity, "warning"),
            }
        request = urllib.request.Request(  # noqa: S310  the operator's own address
            self._url, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10):  # noqa: S310
            pass  # an answer above 299 is an HTTPError, which is an OSError


def main() -> None:
    """Run until a signal."""
    parser = options("Pages people by an Events v2 endpoint.", "pager-bridge")
    parser.add_argument("--url", required=True, help="of the endpoint")
    parser.add_argument("--routing-key", default="example")
    told = parser.parse_args()
    pager = Pager(told.url, told.routing_key)
    stream = Escalations(
        bootstrap=told.bootstrap, group=told.group, prefix=told.prefix, idle_s=told.idle_s
    )
    with stream:
        for delivery in stream:
            with delivery:
                pager.tell(delivery.event)


if __name__ == "__main__":
    main()
