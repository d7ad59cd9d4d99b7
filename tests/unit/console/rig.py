"""The API over a real socket, with a view in memory and a worker that does as the test says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry

from services.console.__main__ import ViewCases
from services.console.api.app import make_app
from services.console.api.gate import Gate, Pace
from services.console.api.reading import Reading
from services.console.api.reads import Reads
from services.console.api.writes import Writes
from services.console.ports import Hit, Line
from services.console.tokens import Tokens
from services.console.waiting import Waiting
from services.escalation.view.memory_view import MemoryView
from services.escalation.view.model import Changes, Checkpoint
from shared import ids
from shared.clock import ManualClock
from shared.daemon import in_daemon
from shared.errors import Transient
from shared.events import (
    Case,
    CaseCommand,
    CaseState,
    Channel,
    EraseCustomer,
    Kind,
    PolicyVersion,
    Refusal,
    Refused,
    Severity,
)
from shared.limits import Limits
from shared.metrics import Metrics

NOW = 1_750_000_000_000
PARTITIONS = 3
TENANT = "acme"
TOKEN = {role: f"{role}-token-of-tests" for role in ("viewer", "agent", "lead", "admin")}
TOKENS = ",".join(f"{role[0]}name:{role}:{token}" for role, token in TOKEN.items())


class Answer(NamedTuple):
    """What came back; ``body`` is the JSON."""

    status: int
    body: Any
    headers: Mapping[str, str]


def case(customer: str = "c1", number: int = 1, **fields: Any) -> Case:
    """Return a case of a customer."""
    key = ids.record_key(TENANT, customer)
    made = Case(
        case_id=ids.case_id(TENANT, customer, f"f{number}"),
        tenant=TENANT,
        record_key=key,
        customer_key=customer,
        channel=Channel.EMAIL,
        source="inbox",
        severity=Severity.MEDIUM,
        kind=Kind.COMPLAINT,
        state=CaseState.OPEN,
        opened_at=NOW,
        case_seq=4,
    )
    return msgspec.structs.replace(made, **fields)


class Worker:
    """Takes commands as an escalation worker would, and shows them in the view.

    ``refuses`` is why it refuses all of them; ``takes`` False: nobody is there; ``kafka`` False: the
    broker is away.
    """

    def __init__(self, view: MemoryView) -> None:
        self.view = view
        self.sent: list[CaseCommand | EraseCustomer] = []
        self.refuses: tuple[Refusal, str] | None = None
        self.takes = True
        self.kafka = True
        self.heard = asyncio.Event()

    async def send(self, command: CaseCommand | EraseCustomer) -> None:
        if not self.kafka:
            raise Transient("Kafka has not acknowledged the command: timed out")
        self.sent.append(command)
        self.heard.set()
        if self.takes and isinstance(command, CaseCommand):
            self.take(command)

    def take(self, command: CaseCommand) -> None:
        number = ids.partition_of(ids.record_key_of_case(command.case_id), PARTITIONS)
        found = self.view.by_id(number, [command.case_id])[command.case_id]
        refused = found.refused
        if self.refuses is not None:
            why = Refused(
                command_id=command.command_id, refusal=self.refuses[0], detail=self.refuses[1]
            )
            refused = (*refused, why)
        put(
            self.view,
            msgspec.structs.replace(
                found,
                case_seq=found.case_seq + 1,
                commands=(*found.commands, command.command_id),
                refused=refused,
            ),
        )


def put(view: MemoryView, *cases: Case, erased: Mapping[str, int] | None = None) -> None:
    """Put cases into their partitions."""
    for number in range(PARTITIONS):
        before = view.checkpoint(number)
        at = before.state_offset + 1 if before else 0
        mine = [one for one in cases if ids.partition_of(one.record_key, PARTITIONS) == number]
        gone = {
            key: at
            for key, at in (erased or {}).items()
            if ids.partition_of(key, PARTITIONS) == number
        }
        changes = Changes(cases=mine, erased=gone)
        assert view.apply(number, before, Checkpoint(1, "s", at, "o", 0, NOW), changes)


class FakeRecord:
    """A record with what the test puts into it."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.hits: list[Hit] = []
        self.found: PolicyVersion | None = None

    def timeline(self, case_id: str) -> Sequence[Line]:
        ids.record_key_of_case(case_id)
        return self.lines

    def search(self, query: str, limit: int) -> Sequence[Hit]:
        if not query.strip("-"):
            raise ValueError("there is no word to look for")
        return self.hits[:limit]

    def policy(self) -> PolicyVersion | None:
        return self.found


class Site:
    """The API of one test."""

    def __init__(self, tokens: str = TOKENS, rate: float = 1e6, deadline_s: float = 5.0) -> None:
        self.view = MemoryView()
        self.worker = Worker(self.view)
        self.record = FakeRecord()
        self.clock = ManualClock(NOW)
        self.metrics = Metrics(CollectorRegistry())
        cases = ViewCases(self.view, PARTITIONS)
        self.waiting = Waiting(lambda ids: in_daemon(lambda: cases.by_id(ids), "waiting"))
        reading = Reading("view", 4, 10.0)
        reads = Reads(cases, self.record, reading, reading)
        self.pace = Pace(rate, rate)
        limits = Limits(self.clock.monotonic)
        self.gate = Gate(Tokens(tokens), limits, self.pace, self.metrics)
        writes = Writes(reads, self.worker, self.waiting, self.clock, deadline_s)
        self.app = make_app(self.gate, reads, writes)
        self.client: TestClient[web.Request, web.Application]

    def put(self, *cases: Case) -> None:
        """Put cases into the view."""
        put(self.view, *cases)

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        role: str | None = "agent",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request; ``body`` is sent as JSON, or as it is when it is bytes."""
        sent = dict(headers or {})
        if role is not None:
            sent.setdefault("Authorization", f"Bearer {TOKEN[role]}")
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        if data is not None:
            sent.setdefault("Content-Type", "application/json")
        async with self.client.request(method, "/api/v1" + path, data=data, headers=sent) as answer:
            raw = await answer.read()
            found = json.loads(raw) if raw else None
            return Answer(answer.status, found, answer.headers)

    async def get(self, path: str, role: str | None = "viewer") -> Answer:
        """Read something."""
        return await self.ask("GET", path, role=role)

    async def post(
        self, path: str, body: object = None, role: str = "agent", **headers: str
    ) -> Answer:
        """Do something; ``If_Match="…"`` is a header."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.ask("POST", path, body, role, named)


def play(
    scenario: Callable[[Site], Awaitable[None]], cases: Iterable[Case] = (), **how: Any
) -> None:
    """Run a scenario on a site of its own."""

    async def main() -> None:
        site = Site(**how)
        put(site.view, *cases)
        async with TestClient(TestServer(site.app)) as site.client:
            await scenario(site)
        await site.waiting.stop()

    asyncio.run(main())
