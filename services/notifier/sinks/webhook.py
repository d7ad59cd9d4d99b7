"""Standard Webhooks to a system of the customer's own.

``POST`` of ``application/json``::

    {"type": "escalation.triggered", "timestamp": "2026-11-03T20:26:10.344000Z", "data": {…}}

``data`` is the event as it stands in Kafka, whole (``CaseEvent``, ``ReplyDue`` or ``Insight``); its own
``type`` names its schema and version. A sink that follows events as a system gets the kind of the event
as ``type``: that of the case event, ``reply.due``, or ``insight.`` and the kind of the insight. What is
meant for people has the type ``notification.page``, ``.inform``, ``.acknowledge`` or ``.resolve``, and
beside ``data`` their names as ``targets`` and, of pages, the ``epoch``. ``timestamp`` is the time of the
event, that of the attempt is in the headers.

``webhook-id`` is the notification id: it is the same over all attempts and replays, so it tells what
came before. With two secrets both sign. Only 2xx is success; ``services.notifier.sinks.outbound`` has
the rest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import msgspec
from multidict import CIMultiDict

from services.notifier.domain.plan import kind_of, targets_in
from services.notifier.ports import Result, Verdict
from services.notifier.sinks.outbound import Outbound, Target
from shared import standard_webhooks
from shared.events import CaseEvent, Insight, Notification, NotificationKind, ReplyDue

_TYPES = {
    NotificationKind.PAGE: "notification.page",
    NotificationKind.INFORM: "notification.inform",
    NotificationKind.ACKNOWLEDGE: "notification.acknowledge",
    NotificationKind.RESOLVE: "notification.resolve",
}
_encode = msgspec.json.Encoder().encode


class Payload(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of a web hook."""

    type: str
    timestamp: datetime
    data: CaseEvent | ReplyDue | Insight
    targets: tuple[str, ...] = ()
    epoch: int | None = None


class WebhookSink:
    """Posts every notification, signed.

    Args:
        to: where to.
        keys: one or two signing keys; the first is the newer.
        now: wall clock, s since the epoch.
    """

    def __init__(
        self,
        name: str,
        outbound: Outbound,
        to: Target,
        keys: Sequence[bytes],
        timeout_s: float,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        self._outbound = outbound
        self._to = to
        self._keys = tuple(keys)
        self._timeout_s = timeout_s
        self._now = now

    async def deliver(self, notification: Notification) -> Result:
        """Post it once."""
        if notification.kind is NotificationKind.CUSTOMER:
            return Result(Verdict.PERMANENT, "a webhook writes to no customer")
        body = _encode(payload(notification))
        timestamp = int(self._now())
        headers = CIMultiDict({
            "Content-Type": "application/json",
            "User-Agent": "tocsin",
            standard_webhooks.ID: notification.notification_id,
            standard_webhooks.TIMESTAMP: str(timestamp),
            standard_webhooks.SIGNATURE: standard_webhooks.sign(
                self._keys, notification.notification_id, timestamp, body
            ),
        })  # fmt: skip
        return (await self._outbound.post(self._to, body, headers, self._timeout_s)).result

    async def close(self) -> None:
        """The connections belong to ``outbound``."""


def payload(notification: Notification) -> Payload:
    """Return what is posted for ``notification``."""
    cause = notification.cause
    return Payload(
        type=_TYPES.get(notification.kind) or kind_of(cause),
        timestamp=datetime.fromtimestamp(cause.at / 1000, UTC),
        data=cause,
        targets=targets_in(notification),
        epoch=notification.epoch,
    )
