"""A bridge to a ticket system, as the pattern for others: Zendesk's Support API (Tickets).

One case is one ticket. Its ``external_id`` is the case id, ``tenant:customer:suffix``, and it is found
by that (``GET /api/v2/tickets.json?external_id=…``) before it is made or changed. Making one has the
header ``Idempotency-Key`` with the notification id, so that one whose answer was lost is not made twice;
a comment of a change whose answer was lost may appear twice. A ticket that Zendesk has closed cannot be
changed: the next one is its follow-up. Comments are internal, never seen by the customer.

Echo guard: what the ticket system itself told Tocsin is not sent back to it. Its commands carry it as
``origin``; the other way round all that is written here carries the tag ``tocsin``, which a trigger of
Zendesk can leave out.

A bridge to another system is this file again: ``find``, ``create``, ``change``, and nothing that guesses
whether there is a ticket already. Source: https://developer.zendesk.com/api-reference/ticketing/tickets/
"""

from __future__ import annotations

import base64

import msgspec
from multidict import CIMultiDict

from services.notifier.ports import Result, Verdict
from services.notifier.sinks.outbound import Answer, Outbound, Target, read
from services.notifier.sinks.plain import text_of
from services.notifier.sinks.reference import subject_key
from services.notifier.sinks.telling import Telling, telling
from shared.events import (
    CaseEvent,
    CaseState,
    Notification,
    NotificationKind,
    Severity,
)

TICKETS = "/api/v2/tickets.json"
TICKET = "/api/v2/tickets/{id}.json"
TAG = "tocsin"
MAX_SUBJECT = 150
MAX_COMMENT = 60_000
MAX_ANSWER = 4_000_000
"""A search may find many tickets, each with a long description."""
_CONFLICT = 409  # another change of the ticket came between: Zendesk asks to try again
_CLOSED = "closed"
_PRIORITIES = {
    Severity.CRITICAL: "urgent",
    Severity.HIGH: "high",
    Severity.MEDIUM: "normal",
    Severity.LOW: "low",
    Severity.UNDETERMINED: "normal",
}
_STATUSES = {
    CaseState.WAITING_CUSTOMER: "pending",
    CaseState.WAITING_THIRD_PARTY: "hold",
    CaseState.RESOLVED: "solved",
    CaseState.COMMUNICATED: "solved",
    CaseState.CLOSED: "solved",
    CaseState.MERGED: "solved",
}


class Comment(msgspec.Struct, frozen=True):
    """An internal note."""

    body: str
    public: bool = False


class Wanted(msgspec.Struct, frozen=True, omit_defaults=True):
    """A ticket as it is sent."""

    priority: str
    status: str
    comment: Comment
    external_id: str = ""
    subject: str = ""
    tags: tuple[str, ...] = ()
    via_followup_source_id: int | None = None


class Request(msgspec.Struct, frozen=True):
    """The body of a request."""

    ticket: Wanted


class Ticket(msgspec.Struct, frozen=True):
    """What is read of a ticket."""

    id: int
    status: str = ""


class One(msgspec.Struct, frozen=True):
    """The answer to a request that makes or changes a ticket."""

    ticket: Ticket


class Several(msgspec.Struct, frozen=True):
    """The answer to a search."""

    tickets: tuple[Ticket, ...]


class TicketSink:
    """Keeps one ticket per case.

    Args:
        base: the address of the account.
        token: an API token, or an OAuth token when there is no ``user``.
        user: the e-mail address that the API token belongs to.
    """

    def __init__(
        self,
        name: str,
        outbound: Outbound,
        base: Target,
        token: str,
        user: str,
        timeout_s: float,
    ) -> None:
        self.name = name
        self._outbound = outbound
        self._base = base
        self._timeout_s = timeout_s
        basic = base64.b64encode(f"{user}/token:{token}".encode()).decode()
        self._headers = CIMultiDict({
            "Authorization": f"Basic {basic}" if user else f"Bearer {token}",
            "Accept": "application/json",
            "Content-Type": "application/json",
            "User-Agent": "tocsin",
        })  # fmt: skip

    async def deliver(self, notification: Notification) -> Result:
        """Make the ticket of the case, or change it; the reference of the delivery is its id."""
        if notification.kind is NotificationKind.CUSTOMER:
            return Result(Verdict.PERMANENT, "a ticket bridge writes to no customer")
        if notification.origin == self.name:
            return Result(Verdict.DELIVERED, "not sent: it said this itself")
        found = await self._find(subject_key(notification))
        if isinstance(found, Result):
            return found
        open_ = next((one for one in found if one.status != _CLOSED), None)
        if open_ is not None:
            return await self._change(open_, notification)
        return await self._create(found[0].id if found else None, notification)

    async def close(self) -> None:
        """The connections belong to ``outbound``."""

    async def _find(self, external_id: str) -> list[Ticket] | Result:
        """Return the tickets of a case, the newest first."""
        where = self._base.url.joinpath(TICKETS[1:]).with_query(external_id=external_id)
        answer = await self._send("GET", self._base._replace(url=where), None, self._headers)
        if answer.result.verdict is not Verdict.DELIVERED:
            return answer.result
        found = read(answer, Several)
        if found is None:
            return _unreadable(answer)
        return sorted(found.tickets, key=lambda one: -one.id)

    async def _create(self, follows: int | None, notification: Notification) -> Result:
        headers = self._headers.copy()
        headers["Idempotency-Key"] = notification.notification_id
        said = telling(notification)
        wanted = _wanted(notification, said)
        wanted = msgspec.structs.replace(
            wanted,
            external_id=subject_key(notification),
            subject=said.title[:MAX_SUBJECT],
            tags=(TAG,),
            via_followup_source_id=follows,
        )
        where = self._base._replace(url=self._base.url.joinpath(TICKETS[1:]))
        return _told(await self._send("POST", where, Request(wanted), headers))

    async def _change(self, ticket: Ticket, notification: Notification) -> Result:
        url = self._base.url.joinpath(TICKET[1:].format(id=ticket.id))
        request = Request(_wanted(notification, telling(notification)))
        return _told(await self._send("PUT", self._base._replace(url=url), request, self._headers))

    async def _send(
        self, method: str, to: Target, request: Request | None, headers: CIMultiDict[str]
    ) -> Answer:
        body = None if request is None else msgspec.json.encode(request)
        answer = await self._outbound.request(
            method, to, body, headers, self._timeout_s, most=MAX_ANSWER
        )
        if answer.status == _CONFLICT:
            return answer._replace(result=answer.result._replace(verdict=Verdict.RETRYABLE))
        return answer


def _told(answer: Answer) -> Result:
    if answer.result.verdict is not Verdict.DELIVERED:
        return answer.result
    found = read(answer, One)
    if found is None:
        return _unreadable(answer)
    return answer.result._replace(reference=str(found.ticket.id))


def _unreadable(answer: Answer) -> Result:
    why = "no answer that can be read" if answer.whole else "an answer that is too long or too slow"
    return Result(Verdict.RETRYABLE, f"HTTP {answer.status} with {why}", fault=True)


def _wanted(notification: Notification, said: Telling) -> Wanted:
    cause = notification.cause
    case = cause.case if isinstance(cause, CaseEvent) else None
    return Wanted(
        priority=_PRIORITIES[said.severity],
        status=_STATUSES.get(case.state, "open") if case else "open",
        comment=Comment(text_of(said)[:MAX_COMMENT]),
    )
