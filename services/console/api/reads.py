"""Reading cases, their timelines, the record and the policy."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from aiohttp import web

from services.console.api.answers import (
    CasePage,
    CommandStatus,
    ErasureStatus,
    Hits,
    Timeline,
    answer,
    of_case,
)
from services.console.api.problems import Problem
from services.console.api.query import (
    CasesQuery,
    CommandQuery,
    SearchQuery,
    cursor_of,
    place_of,
    read_query,
    read_record_key,
)
from services.console.api.reading import Reading
from services.console.api.routes import Route
from services.console.ports import Cases, Customer, Place, Record
from services.console.tokens import Caller, Role
from shared.events import Case, PolicyVersion

MAX_LOOKED_AT = 2_000
"""How many cases a request looks at before it hands back what it has found, with a cursor."""


class Reads:
    """The reading half of the API.

    Args:
        view: runs what asks the view; ``log`` what reads Kafka, which takes longer.
    """

    def __init__(self, cases: Cases, record: Record, view: Reading, log: Reading) -> None:
        self._cases = cases
        self._record = record
        self._view = view
        self._log = log

    def routes(self) -> Sequence[Route]:
        """Return the routes."""
        viewer, case = Role.VIEWER, "/cases/{case_id}"
        return (
            Route(
                "list_cases", "GET", "/cases", viewer, "read",
                "List cases, the latest opened first", self._list, {200: CasePage},
                ("missing", "invalid"), query=CasesQuery,
            ),
            Route(
                "get_case", "GET", case, viewer, "read",
                "Get a case", self._get, {200: Case}, ("unknown_case",),
            ),
            Route(
                "get_timeline", "GET", case + "/timeline", viewer, "record",
                "Get what happened to a case, and why", self._timeline, {200: Timeline},
                ("unknown_case",),
            ),
            Route(
                "search", "GET", "/search", viewer, "record",
                "Search redacted feedback, notes and resolutions", self._search, {200: Hits},
                ("missing", "invalid"), query=SearchQuery,
            ),
            Route(
                "get_policy", "GET", "/policy", viewer, "record",
                "Get the policy in force", self._policy, {200: PolicyVersion}, ("no_policy",),
            ),
            Route(
                "get_command", "GET", "/commands/{command_id}", viewer, "read",
                "Get what became of a command", self._command, {200: CommandStatus},
                ("unknown_case", "missing", "invalid"), query=CommandQuery,
            ),
            Route(
                "get_erasure", "GET", "/customers/{record_key}/erasure", Role.ADMIN, "read",
                "Get what is left of a customer", self._erasure, {200: ErasureStatus}, ("invalid",),
            ),
        )  # fmt: skip

    async def case(self, case_id: str) -> Case:
        """Return a case.

        Raises:
            Problem: there is none.
        """
        found = await self._view.run(partial(self._cases.by_id, (case_id,)))
        if case_id not in found:
            raise Problem("unknown_case", f"there is no case {case_id}")
        return found[case_id]

    async def customer(self, record_key: str) -> Customer:
        """Return what there is of a customer."""
        return await self._view.run(partial(self._cases.customer, record_key))

    async def _list(self, request: web.Request, _: Caller) -> web.Response:
        query = read_query(request, CasesQuery)
        behind = place_of(query.cursor)
        return answer(await self._view.run(partial(self._page, query, behind)))

    def _page(self, query: CasesQuery, behind: Place | None) -> CasePage:
        found: list[Case] = []
        cases = self._cases.newest(query.state, query.severity, behind)
        for looked_at, case in enumerate(cases, 1):
            behind = Place(case.opened_at, case.case_id)
            if _fits(case, query):
                found.append(case)
            if len(found) == query.limit or looked_at == MAX_LOOKED_AT:
                return CasePage(tuple(found), cursor_of(behind))
        return CasePage(tuple(found), None)

    async def _get(self, request: web.Request, _: Caller) -> web.Response:
        return of_case(await self.case(request.match_info["case_id"]))

    async def _timeline(self, request: web.Request, _: Caller) -> web.Response:
        case_id = request.match_info["case_id"]
        try:
            lines = await self._log.run(partial(self._record.timeline, case_id))
        except ValueError as error:
            raise Problem("unknown_case", str(error)) from error
        if not lines:
            raise Problem("unknown_case", f"nothing is kept of a case {case_id}")
        return answer(Timeline(case_id, tuple(lines)))

    async def _search(self, request: web.Request, _: Caller) -> web.Response:
        query = read_query(request, SearchQuery)
        try:
            hits = await self._log.run(partial(self._record.search, query.q, query.limit))
        except ValueError as error:
            raise Problem("invalid", str(error), field="q") from error
        return answer(Hits(tuple(hits)))

    async def _policy(self, request: web.Request, _: Caller) -> web.Response:
        found = await self._log.run(self._record.policy)
        if found is None:
            raise Problem("no_policy", "the escalation worker publishes one when it starts")
        return answer(found)

    async def _command(self, request: web.Request, _: Caller) -> web.Response:
        query = read_query(request, CommandQuery)
        case = await self.case(query.case)
        return answer(status_of(case, request.match_info["command_id"]))

    async def _erasure(self, request: web.Request, _: Caller) -> web.Response:
        key = read_record_key(request)
        return answer(erasure_of(key, await self.customer(key)))


def status_of(case: Case, command_id: str) -> CommandStatus:
    """Return what ``case`` shows of a command."""
    refused = next((one for one in case.refused if one.command_id == command_id), None)
    if refused is not None:
        return CommandStatus(command_id, case.case_id, "refused", case.case_seq, refused)
    done = command_id in case.commands
    return CommandStatus(command_id, case.case_id, "done" if done else "pending", case.case_seq)


def erasure_of(record_key: str, customer: Customer, command_id: str | None = None) -> ErasureStatus:
    """Return what is left of a customer."""
    held = sorted(case.case_id for case in customer.cases.values() if case.legal_hold)
    return ErasureStatus(
        record_key, len(customer.cases), tuple(held), customer.erased_at, command_id
    )


def _fits(case: Case, query: CasesQuery) -> bool:
    return (
        (not query.state or case.state in query.state)
        and (not query.severity or case.severity in query.severity)
        and (query.channel is None or case.channel is query.channel)
        and (query.assignee is None or query.assignee == (case.assignee or ""))
        and (query.team is None or query.team == (case.team or ""))
    )
