"""Who acknowledges in PagerDuty or Slack has acknowledged the case: real Kafka, Redis and worker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from services.escalation.__main__ import view_namespace
from services.escalation.view.redis_view import RedisView, connect
from services.notifier.callbacks.acting import Acting
from services.notifier.callbacks.app import Hooks, make_app
from services.notifier.callbacks.doors import OutboundReplies, door
from services.notifier.settings import SinkSettings
from services.notifier.sinks.build import Making
from services.notifier.sinks.outbound import Outbound
from services.notifier.sinks.reference import page_key
from services.notifier.standing import ViewStanding
from shared import topics
from shared.clock import SystemClock
from shared.commands import CommandSender
from shared.events import CaseState, CommandKind
from shared.limits import Limits
from shared.metrics import Metrics
from shared.sending import KafkaCommands
from shared.server import Server
from tests.integration.escalation.rig import PARTITIONS, Office
from tests.services import Installation
from tests.unit.notifier.callbacks import site

SINKS = {
    "pager": SinkSettings(kind="pagerduty", secrets=(site.SECRET,)),
    "chat": SinkSettings(kind="slack", secrets=(site.SECRET,), allow_private=True),
}


@pytest.fixture(scope="module")
def office(
    kafka_bootstrap: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Office]:
    """Return an escalation worker that is ready."""
    made = Office(Installation(kafka_bootstrap, redis_url), tmp_path_factory.mktemp("office"))
    try:
        yield made.start()
    finally:
        made.close()


class Platforms:
    """The notifier's door on the office's Kafka and Redis, and Slack's place for answers."""

    def __init__(self, office: Office) -> None:
        config = office.config
        view = RedisView(connect(config.redis.url, 5.0), view_namespace(config))
        self.commands = KafkaCommands(
            lambda: CommandSender(config.kafka.client(), office.installation.names, PARTITIONS)
        )
        self.outbound, self.clock = Outbound(), SystemClock()
        doors = {
            name: door(Making(name, one, self.outbound, site.PEOPLE, config, str))
            for name, one in SINKS.items()
        }
        self.hooks = Hooks(
            doors.get,
            Acting(ViewStanding(view.by_id, lambda _: True, PARTITIONS), self.commands, self.clock),
            OutboundReplies(self.outbound),
            Limits(time.monotonic),
            self.clock,
            Metrics(CollectorRegistry()),
        )
        self.answers: asyncio.Queue[Any] = asyncio.Queue()

    async def call(self, kind: str, sink: str, make: Any) -> tuple[int, bytes, Any]:
        """Serve, call back once, stop; ``make`` gets Slack's address and returns body and headers."""
        door = Server(make_app(self.hooks), "127.0.0.1", 0, self.hooks.connections)
        slack = web.Application()
        slack.router.add_post("/actions/1", self._answered)
        place = Server(slack, "127.0.0.1", 0, set())
        await door.start()
        await place.start()
        try:
            body, headers = make(f"http://127.0.0.1:{place.port}/actions/1")
            url = f"http://127.0.0.1:{door.port}/hooks/{kind}/{sink}"
            async with (
                aiohttp.ClientSession() as session,
                session.post(url, data=body, headers=headers) as answer,
            ):
                status, told = answer.status, await answer.read()
            message = None
            if kind == "slack" and status == 200:
                message = await asyncio.wait_for(self.answers.get(), 10)
            return status, told, message
        finally:
            await door.stop()
            await place.stop()
            await self.outbound.close()

    async def _answered(self, request: web.Request) -> web.Response:
        await self.answers.put(await request.json())
        return web.Response()


@contextmanager
def platforms(office: Office) -> Iterator[Platforms]:
    made = Platforms(office)
    made.commands.start()
    try:
        yield made
    finally:
        made.commands.stop(5.0)


def test_an_acknowledgement_in_pagerduty_acknowledges_the_case(office: Office) -> None:
    case = office.opened("pd-1")
    assert case.state is CaseState.OPEN
    stale = page_key(case.case_id, case.escalation.epoch - 1)
    ahead = page_key(case.case_id, case.escalation.epoch + 1)
    right = page_key(case.case_id, case.escalation.epoch)
    with platforms(office) as there:
        for key, event_id, expected, says in (
            (stale, "e0", 200, b'"stale"'),
            (ahead, "e0", 503, b"behind"),
            (right, "e1", 200, b'"acknowledged"'),
        ):
            body = site.pagerduty(key=key, event_id=event_id)
            status, told, _ = asyncio.run(
                there.call("pagerduty", "pager", lambda _, body=body: (body, site.signed(body)))
            )
            assert status == expected
            assert says in told
    shown = office.shown(case.case_id, lambda one: one.state is CaseState.ACKNOWLEDGED)
    assert shown.acknowledged_by == "anna"
    with platforms(office) as there:  # sent again, it has been done
        body = site.pagerduty(key=right, event_id="e1")
        status, told, _ = asyncio.run(
            there.call("pagerduty", "pager", lambda _: (body, site.signed(body)))
        )
        assert (status, b"already_acknowledged" in told) == (200, True)
    sent = [one.value for one in office.log(topics.CASE_COMMANDS)]
    mine = [one for one in sent if one["case_id"] == case.case_id]
    assert [(one["kind"], one["actor"]) for one in mine] == [(CommandKind.ACKNOWLEDGE, "anna")]


def test_a_button_in_slack_acknowledges_the_case_and_the_message_changes(office: Office) -> None:
    case = office.opened("slack-1")
    key = page_key(case.case_id, case.escalation.epoch)

    def pressed(response_url: str) -> tuple[bytes, dict[str, str]]:
        body = site.slack(key, response_url=response_url)
        return body, site.slack_headers(body, int(time.time() * 1000))

    with platforms(office) as there:
        status, told, message = asyncio.run(there.call("slack", "chat", pressed))
    assert (status, told) == (200, b"")
    assert message["text"].endswith("Acknowledged by anna.")
    assert message["replace_original"] is True
    shown = office.shown(case.case_id, lambda one: one.state is CaseState.ACKNOWLEDGED)
    assert shown.acknowledged_by == "anna"


def test_a_wrong_signature_changes_nothing(office: Office) -> None:
    case = office.opened("pd-2")
    body = site.pagerduty(key=page_key(case.case_id, case.escalation.epoch))
    with platforms(office) as there:
        status, _, _ = asyncio.run(
            there.call("pagerduty", "pager", lambda _: (body, site.signed(body, "wrong")))
        )
    assert status == 401
    sent = [one.value["case_id"] for one in office.log(topics.CASE_COMMANDS)]
    assert case.case_id not in sent
