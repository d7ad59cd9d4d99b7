"""PagerDuty, Events API v2: https://developer.pagerduty.com/docs/events-api-v2/overview/

A page triggers, an acknowledgement or a resolution elsewhere acknowledges or resolves. The
``dedup_key`` is case and epoch, so that a page which is repeated stays one alert, and each new epoch
rings again. What only informs triggers an alert of severity ``info`` under an id of its own: give it a
service of low urgency. A target with an address ``pagerduty`` is reached by that routing key, all others
by the option ``routing_key``. ``secrets`` are those of its call-backs.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from multidict import CIMultiDict

from services.notifier.domain.plan import targets_in
from services.notifier.ports import Result, Verdict
from services.notifier.sinks.outbound import Outbound, Target
from services.notifier.sinks.reference import page_key
from services.notifier.sinks.telling import Telling, iso, telling, utc
from shared.events import Notification, NotificationKind, Severity

URL = "https://events.pagerduty.com"
ENQUEUE = "/v2/enqueue"
ADDRESS = "pagerduty"
"""Kind of address, in the people of the sinks: a routing key."""
MAX_SUMMARY = 1_024
MAX_DETAIL = 10_000
_ACTIONS = {
    NotificationKind.PAGE: "trigger",
    NotificationKind.INFORM: "trigger",
    NotificationKind.EVENT: "trigger",
    NotificationKind.ACKNOWLEDGE: "acknowledge",
    NotificationKind.RESOLVE: "resolve",
}
_SEVERITIES = {
    Severity.CRITICAL: "critical",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "info",
    Severity.UNDETERMINED: "warning",
}
_HEADERS = CIMultiDict({"Content-Type": "application/json", "User-Agent": "tocsin"})


class Alert(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an alert says; the form of PagerDuty's ``payload``."""

    summary: str
    source: str
    severity: str
    timestamp: str
    component: str = ""
    group: str = ""
    event_class: str = msgspec.field(name="class", default="")
    custom_details: Mapping[str, str] = {}


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of a request."""

    routing_key: str
    event_action: str
    dedup_key: str
    payload: Alert | None = None
    client: str = ""


class PagerDutySink:
    """Triggers, acknowledges and resolves alerts.

    Args:
        to: the enqueue address.
        routing_key: that of the sink, "" if every target has its own.
        people: target → kind of address → address.
    """

    def __init__(
        self,
        name: str,
        outbound: Outbound,
        to: Target,
        routing_key: str,
        people: Mapping[str, Mapping[str, str]],
        timeout_s: float,
    ) -> None:
        self.name = name
        self._outbound = outbound
        self._to = to
        self._routing_key = routing_key
        self._people = people
        self._timeout_s = timeout_s

    async def deliver(self, notification: Notification) -> Result:
        """Send one event; the reference of the delivery is its ``dedup_key``."""
        target = next(iter(targets_in(notification)), "")
        routing_key = self._people.get(target, {}).get(ADDRESS) or self._routing_key
        if not routing_key:
            return Result(Verdict.PERMANENT, "neither the sink nor the target has a routing key")
        sent = event(notification, routing_key)
        if sent is None:
            return Result(Verdict.PERMANENT, f"PagerDuty takes no {notification.kind} of this")
        body = msgspec.json.encode(sent)
        result = (await self._outbound.post(self._to, body, _HEADERS, self._timeout_s)).result
        if result.verdict is Verdict.DELIVERED:
            return result._replace(reference=sent.dedup_key)
        return result

    async def close(self) -> None:
        """The connections belong to ``outbound``."""


def event(notification: Notification, routing_key: str) -> Event | None:
    """Return the request for ``notification``, None if there is none."""
    action = _ACTIONS.get(notification.kind)
    paged = notification.kind not in {NotificationKind.INFORM, NotificationKind.EVENT}
    if action is None or (paged and (not notification.case_id or notification.epoch is None)):
        return None
    if not paged or notification.epoch is None:
        key = notification.notification_id
    else:
        key = page_key(notification.case_id, notification.epoch)
    if action != "trigger":
        return Event(routing_key, action, key)
    said = telling(notification)
    return Event(routing_key, action, key, _alert(said, notification, paged=paged), "Tocsin")


def _alert(said: Telling, notification: Notification, *, paged: bool) -> Alert:
    details = dict(said.facts) | {name: utc(at) for name, at in said.due}
    if said.case_id:
        details["Case"] = said.case_id
    if said.excerpt:
        details["Customer"] = said.excerpt
    beginning = f"[{said.severity}] {said.title}"
    summary = f"{beginning}: {said.excerpt}" if said.excerpt else beginning
    return Alert(
        summary=" ".join(summary.split())[:MAX_SUMMARY],
        source=f"tocsin/{notification.tenant}",
        severity=_SEVERITIES[said.severity] if paged else "info",
        timestamp=iso(said.at),
        component=said.case_id,
        group=notification.tenant,
        event_class=str(notification.kind),
        custom_details={name: value[:MAX_DETAIL] for name, value in details.items()},
    )
