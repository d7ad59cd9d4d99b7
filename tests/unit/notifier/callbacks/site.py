"""The notifier's door over a real socket, and platforms that sign as theirs do."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any
from urllib.parse import urlencode

import aiohttp
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry
from slack_sdk.signature import SignatureVerifier

from services.notifier.callbacks.acting import Acting
from services.notifier.callbacks.app import Hooks, Pace, make_app
from services.notifier.callbacks.heard import Door, Page
from services.notifier.ports import Now
from services.notifier.sinks.slack import ACKNOWLEDGE
from shared import ids
from shared.clock import ManualClock
from shared.errors import Transient
from shared.events import CaseCommand
from shared.limits import Limits
from shared.metrics import Metrics

SECRET, NEXT = "the-secret-of-now", "the-secret-to-come"
CASE = ids.case_id("acme", "c1", "f1")
PAGE = Page(CASE, 3)
PEOPLE = {"anna": {"slack": "U0ANNA", "pagerduty_user": "PANNA", "email": "anna@example.com"}}
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def door(kind: str, *secrets: str, **more: Any) -> Door:
    """Return a door; without ``secrets`` it has the usual one."""
    keys = tuple(one.encode() for one in secrets or (SECRET,))
    return Door(f"my-{kind}", kind, keys, people=PEOPLE, **more)


def pagerduty(
    kind: str = "incident.acknowledged", key: str = f"{CASE}:3", event_id: str = "01EVENT"
) -> bytes:
    """Return an event as PagerDuty's documentation shows one."""
    return json.dumps(
        {
            "event": {
                "id": event_id,
                "event_type": kind,
                "resource_type": "incident",
                "occurred_at": "2026-10-02T18:45:22.169Z",
                "agent": {
                    "html_url": "https://acme.pagerduty.com/users/PANNA",
                    "id": "PANNA",
                    "self": "https://api.pagerduty.com/users/PANNA",
                    "summary": "Anna Smith",
                    "type": "user_reference",
                },
                "client": None,
                "data": {
                    "id": "PGR0VU2",
                    "type": "incident",
                    "number": 2,
                    "status": "acknowledged",
                    "incident_key": key,
                    "title": "A little bump in the road",
                    "assignees": [],
                },
            }
        }
    ).encode()


def signed(body: bytes, *secrets: str) -> dict[str, str]:
    """Return PagerDuty's headers, one signature for each secret."""
    digests = [hmac.new(one.encode(), body, "sha256").hexdigest() for one in secrets or (SECRET,)]
    return JSON | {"X-PagerDuty-Signature": ",".join(f"v1={digest}" for digest in digests)}


def slack(
    value: str = f"{CASE}:3",
    user: str | Mapping[str, str] = "U0ANNA",
    action: str = ACKNOWLEDGE,
    **more: Any,
) -> bytes:
    """Return what Slack sends when somebody presses a button."""
    payload = {
        "type": "block_actions",
        "user": {"id": user, "username": "anna.s"} if isinstance(user, str) else user,
        "container": {"type": "message", "message_ts": "1700000000.0001"},
        "response_url": "https://hooks.slack.com/actions/T1/2/3",
        "message": {"type": "message", "text": "Page: the brakes failed"},
        "actions": [
            {"action_id": action, "type": "button", "value": value, "action_ts": "1700000001.2"}
        ],
    }
    return urlencode({"payload": json.dumps(payload | more)}).encode()


def slack_headers(body: bytes, now_ms: int, secret: str = SECRET) -> dict[str, str]:
    """Return Slack's headers, signed by Slack's own library."""
    timestamp = str(now_ms // 1000)
    signature = SignatureVerifier(secret).generate_signature(timestamp=timestamp, body=body)
    assert signature
    return FORM | {"X-Slack-Request-Timestamp": timestamp, "X-Slack-Signature": signature}


class Desk:
    """How cases stand, and what was asked of them; ``away``: neither view nor Kafka answers."""

    def __init__(self) -> None:
        self.cases: dict[str, Now | None] = {CASE: Now(3, True)}
        self.sent: list[CaseCommand] = []
        self.view_away = self.kafka_away = self.hangs = False
        self.posted: list[tuple[str, Mapping[str, Any]]] = []
        self.changed = asyncio.Event()

    async def of(self, case_ids: Collection[str]) -> Mapping[str, Now | None]:
        if self.view_away:
            raise Transient("the view is away")
        return {one: self.cases[one] for one in case_ids if one in self.cases}

    async def send(self, command: CaseCommand) -> None:
        if self.hangs:
            await asyncio.Event().wait()
        if self.kafka_away:
            raise Transient("Kafka is away")
        self.sent.append(command)

    async def post(self, _: Door, url: str, body: bytes) -> None:
        self.posted.append((url, json.loads(body)))
        self.changed.set()


Play = Callable[["Site"], Awaitable[None]]


class Site:
    """The door, and who calls it."""

    def __init__(self, *doors: Door, pace: Pace = Pace()) -> None:  # noqa: B008 (immutable)
        self.desk, self.clock = Desk(), ManualClock()
        self.metrics = Metrics(CollectorRegistry())
        known = {one.name: one for one in doors or (door("pagerduty"), door("slack"))}
        self.hooks = Hooks(
            known.get,
            Acting(self.desk, self.desk, self.clock),
            self.desk,
            Limits(self.clock.monotonic),
            self.clock,
            self.metrics,
            pace,
        )
        self.client: TestClient[Any, Any]

    async def post(
        self, path: str, body: bytes, headers: Mapping[str, str]
    ) -> tuple[int, dict[str, Any]]:
        """Return status and JSON of the answer; an empty one is ``{}``."""
        async with self.client.post(path, data=body, headers=headers) as answer:
            raw = await answer.read()
            return answer.status, json.loads(raw or b"{}")

    async def pagerduty(self, body: bytes, *secrets: str) -> tuple[int, dict[str, Any]]:
        """Post a signed event."""
        return await self.post("/hooks/pagerduty/my-pagerduty", body, signed(body, *secrets))

    async def slack(self, body: bytes, age_s: int = 0) -> tuple[int, dict[str, Any]]:
        """Post a signed payload, as old as that."""
        headers = slack_headers(body, self.clock.now_ms() - age_s * 1000)
        return await self.post("/hooks/slack/my-slack", body, headers)


def play(scene: Play, site: Site | None = None) -> Site:
    """Run a scene against a served door."""
    one = site or Site()

    async def run() -> None:
        async with TestClient(
            TestServer(make_app(one.hooks)), timeout=aiohttp.ClientTimeout(20)
        ) as one.client:
            await scene(one)

    asyncio.run(run())
    return one
