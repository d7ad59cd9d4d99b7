"""Messages to customers: found, counted, composed, sent, and what then follows for the case.

What was planned is sent only if the case, as it is now, still needs it, and says how it is now; where
the view of cases is behind, the event counts. What cannot be sent by itself becomes a task for a person
(``unsuitable``). Machines are never written to. Of a message that was sent, the case learns by a command
whose id follows from the notification.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import msgspec

from services.notifier.customers.budgets import Budgets, Keys, Limits
from services.notifier.customers.messages import Blocked, Composer
from services.notifier.customers.present import Present, is_wanted
from services.notifier.customers.render import House
from services.notifier.customers.writing import Outgoing, Writer
from services.notifier.ports import Addresses, Result, Verdict
from shared import ids
from shared.errors import Transient
from shared.events import (
    Case,
    CaseCommand,
    CaseEvent,
    CommandKind,
    MessageKind,
    NoReply,
    Notification,
)
from shared.metrics import Metrics
from shared.routes import Route

ACTOR: Final = "notifier"
LIMITS: Final = Limits()
_MAILBOX: Final = re.compile(r"[^\s<>()\[\]:;,\"]+@[^\s<>()\[\]:;,\"]+")

_FOLLOWS: Final = {
    MessageKind.RECEIPT: CommandKind.RECEIPT,
    MessageKind.RESOLUTION: CommandKind.COMMUNICATE,
    MessageKind.FOLLOW_UP: CommandKind.FOLLOW_UP_DONE,
    MessageKind.SURVEY: CommandKind.FOLLOW_UP_DONE,
}
"""What the case is told once a message went out; a nudge and a progress report fulfil no promise."""


class CustomerSink:
    """The sink of one channel; its name is ``customer.CHANNEL``.

    Args:
        now: wall clock, ms.
    """

    def __init__(
        self,
        name: str,
        addresses: Addresses,
        present: Present,
        budgets: Budgets,
        keys: Keys,
        composer: Composer,
        house: House,
        writer: Writer,
        metrics: Metrics,
        now: Callable[[], int],
    ) -> None:
        self.name = name
        self._addresses = addresses
        self._present = present
        self._budgets = budgets
        self._keys = keys
        self._composer = composer
        self._house = house
        self._writer = writer
        self._sent = metrics.customer_messages
        self._now = now

    async def deliver(self, notification: Notification) -> Result:
        """Try once to write to the customer."""
        event, kind = notification.cause, notification.message
        if not isinstance(event, CaseEvent) or event.case is None or kind is None:
            return Result(Verdict.PERMANENT, "no message to a customer")
        try:
            now = await self._present.of(event.case.case_id)
            if now is None or now.case_seq < event.case_seq:
                now = event.case
            elif not is_wanted(kind, event, event.case, now):
                return Result(Verdict.STALE, f"the case is {now.state} and needs it no longer")
            cause = msgspec.structs.replace(event, case=now)
            notification = msgspec.structs.replace(notification, cause=cause)
            return await self._tell(notification, kind, cause, now)
        except Transient as error:
            return Result(Verdict.RETRYABLE, str(error))

    async def close(self) -> None:
        """Connections belong to what the writers were given."""

    async def _tell(
        self, notification: Notification, kind: MessageKind, event: CaseEvent, case: Case
    ) -> Result:
        if not case.may_auto_respond:
            return _unsuitable(NoReply.MACHINE, "machines and lists are not written to")
        route = await self._addresses.find(case.record_key, case.source, case.thread_id)
        if route is None:
            return _unsuitable(NoReply.NO_ADDRESS, "nobody knows where the customer is")
        result = await self._write(notification, kind, route)
        if result.verdict is not Verdict.DELIVERED:
            return result
        self._sent.labels(case.channel, kind).inc()
        return result._replace(commands=self._commands(notification, kind, event, case, result))

    async def _write(self, notification: Notification, kind: MessageKind, route: Route) -> Result:
        now, public = self._now(), self._writer.is_public(route)
        if public is None:
            why = f"nothing here writes to customers of {route.provider or route.channel}"
            return _unsuitable(NoReply.NO_WRITER, why)
        composed = self._composer.compose(notification, self._house, now, public=public)
        if isinstance(composed, Blocked):
            return _unsuitable(NoReply.LINT, composed.detail, composed.draft)
        name = ids.digest(notification.tenant, "message", notification.notification_id)
        once = f"{kind}:{notification.case_id}" if kind is MessageKind.RECEIPT else ""
        claim = self._keys.claim(name, now, route.address, composed.text, once)
        why = await self._budgets.claim(claim, LIMITS)
        if why:
            return _unsuitable(NoReply.BUDGET, why, composed.text)
        message = Outgoing(name, kind, composed.language, composed.subject, composed.text, now)
        result = await self._writer.write(route, message)
        result = result._replace(detail=depersonalised(result.detail, route))
        if result.verdict is Verdict.UNSUITABLE:
            return result._replace(draft=composed.text)
        return result

    def _commands(
        self,
        notification: Notification,
        kind: MessageKind,
        event: CaseEvent,
        case: Case,
        result: Result,
    ) -> tuple[CaseCommand, ...]:
        follows = _FOLLOWS.get(kind)
        number = event.follow_up.number if event.follow_up else None
        if follows is None or (follows is CommandKind.FOLLOW_UP_DONE and number is None):
            return ()
        command = CaseCommand(
            command_id=ids.digest(case.tenant, "sent", notification.notification_id),
            tenant=case.tenant,
            case_id=case.case_id,
            kind=follows,
            actor=ACTOR,
            at=self._now(),
            follow_up=number if follows is CommandKind.FOLLOW_UP_DONE else None,
            message_id=result.reference or None,
            channel=case.channel,
        )
        return (command,)


def depersonalised(detail: str, route: Route) -> str:
    """Return what a platform said without the customer: it is logged, and kept beside the case."""
    for known in (route.address, route.address.lstrip("+"), route.name):
        if known:
            detail = re.sub(re.escape(known), "…", detail, flags=re.IGNORECASE)
    return _MAILBOX.sub("…", detail)  # a relay may know the customer by another one


def _unsuitable(why: NoReply, detail: str, draft: str = "") -> Result:
    return Result(Verdict.UNSUITABLE, detail, why=why, draft=draft)
