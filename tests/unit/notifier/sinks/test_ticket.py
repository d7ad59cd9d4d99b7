"""The ticket bridge against a small Zendesk that keeps tickets."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Sequence
from typing import Any

import pytest
from aiohttp import web

from services.notifier.ports import Result, Verdict
from services.notifier.sinks.outbound import Outbound, target
from services.notifier.sinks.ticket import TicketSink
from shared.events import CaseState, Notification, NotificationKind, Severity
from tests.unit.notifier.sinks.world import (
    CASE_ID,
    Taken,
    case,
    event,
    insight,
    notification,
    receiving,
    saying,
)


class Zendesk:
    """Makes, changes and finds tickets; ``loses`` so many answers after it has acted."""

    def __init__(self, loses: int = 0) -> None:
        self.tickets: list[dict[str, Any]] = []
        self.comments: list[tuple[int, str]] = []
        self.loses = loses
        self._made: dict[str, int] = {}

    async def answer(self, request: web.Request) -> web.StreamResponse:
        found = await self._act(request)
        if request.method != "GET" and self.loses:
            self.loses -= 1
            assert request.transport is not None
            request.transport.close()
        return found

    async def _act(self, request: web.Request) -> web.Response:
        if request.method == "GET":
            wanted = request.query["external_id"]
            return web.json_response(
                {
                    "tickets": [one for one in self.tickets if one["external_id"] == wanted],
                    "count": 1,
                }
            )
        given = (await request.json())["ticket"]
        assert given["comment"]["public"] is False
        if request.method == "POST":
            key = request.headers["Idempotency-Key"]
            if key not in self._made:
                self._made[key] = len(self.tickets)
                self.tickets.append(given | {"id": len(self.tickets) + 35})
            return web.json_response({"ticket": self.tickets[self._made[key]]}, status=201)
        number = int(request.path.rsplit("/", 1)[1].removesuffix(".json"))
        ticket = next(one for one in self.tickets if one["id"] == number)
        if ticket["status"] == "closed":
            return web.json_response({"error": "RecordInvalid"}, status=422)
        ticket.update(given)
        return web.json_response({"ticket": ticket})


def deliver(
    notifications: Sequence[Notification], zendesk: Any, user: str = ""
) -> tuple[list[Result], list[Taken]]:
    async def run() -> tuple[list[Result], list[Taken]]:
        outbound = Outbound()
        try:
            async with receiving(getattr(zendesk, "answer", zendesk)) as receiver:
                to = target(receiver.url, allow_private=True, what="url")
                sink = TicketSink("desk", outbound, to, "secret", user, 5.0)
                return [await sink.deliver(one) for one in notifications], receiver.taken
        finally:
            await outbound.close()

    return asyncio.run(run())


def told(of: Any = None, number: int = 1, **fields: Any) -> Notification:
    given = {"notification_id": f"n{number}", "kind": NotificationKind.EVENT} | fields
    return notification(event(of) if of else None, **given)


def test_one_case_is_one_ticket() -> None:
    zendesk = Zendesk()
    changed = case(severity=Severity.CRITICAL, state=CaseState.WAITING_CUSTOMER)
    results, taken = deliver([told(), told(changed, 2)], zendesk)
    assert [one.reference for one in results] == ["35", "35"]
    [ticket] = zendesk.tickets
    assert ticket["external_id"] == CASE_ID
    assert (ticket["priority"], ticket["status"], ticket["tags"]) == (
        "urgent",
        "pending",
        ["tocsin"],
    )
    assert [one.method for one in taken] == ["GET", "POST", "GET", "PUT"]
    assert "where is my refund" in ticket["comment"]["body"]


@pytest.mark.parametrize("state", [CaseState.RESOLVED, CaseState.COMMUNICATED, CaseState.CLOSED])
def test_a_case_that_ended_is_solved(state: CaseState) -> None:
    zendesk = Zendesk()
    deliver([told(), told(case(state=state), 2)], zendesk)
    assert zendesk.tickets[0]["status"] == "solved"


def test_a_closed_ticket_has_a_follow_up() -> None:
    zendesk = Zendesk()
    deliver([told()], zendesk)
    zendesk.tickets[0]["status"] = "closed"
    [result], _ = deliver([told(number=2)], zendesk)
    assert result.reference == "36"
    assert zendesk.tickets[1]["via_followup_source_id"] == 35
    [result], _ = deliver([told(number=3)], zendesk)
    assert (result.reference, len(zendesk.tickets)) == ("36", 2)


def test_a_ticket_whose_answer_was_lost_is_not_made_twice() -> None:
    zendesk = Zendesk(loses=1)
    (lost, again), _ = deliver([told(), told()], zendesk)
    assert (lost.verdict, again.verdict) == (Verdict.RETRYABLE, Verdict.DELIVERED)
    assert len(zendesk.tickets) == 1


def test_two_makings_of_one_notification_are_one_ticket() -> None:
    async def blind(request: web.Request) -> web.StreamResponse:
        return (
            web.json_response({"tickets": []})
            if request.method == "GET"
            else await zendesk.answer(request)
        )

    zendesk = Zendesk()
    results, _ = deliver([told(), told()], blind)
    assert [one.reference for one in results] == ["35", "35"]


def test_what_it_said_itself_is_not_sent_back() -> None:
    results, taken = deliver([told(origin="desk"), told(number=2, origin="other")], Zendesk())
    assert [one.verdict for one in results] == [Verdict.DELIVERED] * 2
    assert [one.method for one in taken] == ["GET", "POST"]
    assert not results[0].reference


def test_what_is_of_no_case_has_a_ticket_too() -> None:
    zendesk = Zendesk()
    deliver([notification(insight(), NotificationKind.INFORM)], zendesk)
    assert zendesk.tickets[0]["external_id"] == "acme:insight:i1"


@pytest.mark.parametrize(
    ("user", "header"),
    [
        ("", "Bearer secret"),
        ("me@example.com", "Basic " + base64.b64encode(b"me@example.com/token:secret").decode()),
    ],
)
def test_both_kinds_of_token(user: str, header: str) -> None:
    _, taken = deliver([told()], Zendesk(), user)
    assert {one.headers["authorization"] for one in taken} == {header}


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (409, Verdict.RETRYABLE),
        (429, Verdict.RETRYABLE),
        (422, Verdict.PERMANENT),
        (401, Verdict.PERMANENT),
    ],
)
def test_errors(status: int, verdict: Verdict) -> None:
    [result], _ = deliver([told()], saying(status, "{}"))
    assert result.verdict is verdict


@pytest.mark.parametrize("body", ["", "<html>", "{}", '{"tickets": [{"id": "x"}]}', "x" * 70_000])
def test_answers_that_cannot_be_read_can_be_retried(body: str) -> None:
    [result], taken = deliver([told()], saying(200, body))
    assert (result.verdict, result.fault) == (Verdict.RETRYABLE, True)
    assert len(taken) == 1


def test_what_is_for_a_customer_is_not_sent() -> None:
    [result], taken = deliver([told(kind=NotificationKind.CUSTOMER)], Zendesk())
    assert (result.verdict, taken) == (Verdict.PERMANENT, [])


def test_the_comment_is_json_of_what_a_person_is_told() -> None:
    _, taken = deliver([told()], Zendesk())
    sent = json.loads(taken[1].body)["ticket"]
    assert sent["subject"] == "Somebody has to take this case"
    assert "First response due: 2025-06-15 16:06 UTC" in sent["comment"]["body"]


@pytest.mark.parametrize(
    "body",
    [b'{"tickets": [{"id": 1, "status": "\xff"}]}', b'{"x":' + b"[" * 50_000],
    ids=["no UTF-8", "too deep"],
)
def test_bytes_that_no_decoder_takes_can_be_retried(body: bytes) -> None:
    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=body)

    [result], _ = deliver([told()], answer)
    assert (result.verdict, result.fault) == (Verdict.RETRYABLE, True)


def test_a_case_with_many_long_tickets_still_has_its_own() -> None:
    zendesk = Zendesk()
    deliver([told()], zendesk)
    filler = {"description": "x" * 60_000}
    closed = zendesk.tickets[0] | filler | {"status": "closed"}
    zendesk.tickets = [closed | {"id": number} for number in range(1, 20)] + zendesk.tickets
    [result], _ = deliver([told(number=2)], zendesk)
    assert (result.verdict, result.reference) == (Verdict.DELIVERED, "35")
