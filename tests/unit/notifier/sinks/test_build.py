"""What is wrong with the settings of a sink is named."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import Any

import pytest

from services.notifier.ports import Sink, Verdict
from services.notifier.settings import SinkSettings
from services.notifier.sinks.build import build, secrets_of
from services.notifier.sinks.outbound import Outbound
from services.notifier.sinks.pagerduty import PagerDutySink
from services.notifier.sinks.slack import SlackSink
from services.notifier.sinks.ticket import TicketSink
from services.notifier.sinks.webhook import WebhookSink
from shared.config import Config, Notifier
from shared.errors import Misconfigured
from tests.unit.notifier.sinks.world import SECRETS, notification, receiving, saying

URL = "https://hook.example/in"
FROM = {"from": "tocsin@example.com"}
MAIL: dict[str, Any] = {"url": "smtp://127.0.0.1:25"}
ENVIRONMENT = {"SECRET": SECRETS[0], "TOKEN": "t"}
WORKS: Mapping[str, tuple[type, dict[str, Any]]] = {
    "webhook": (WebhookSink, {"url": URL, "secrets": ("env:SECRET", SECRETS[1])}),
    "slack": (SlackSink, {"url": URL, "options": {"buttons": "no"}}),
    "pagerduty": (PagerDutySink, {"options": {"routing_key": "env:TOKEN"}}),
    "ticket": (
        TicketSink,
        {"url": URL, "options": {"token": "env:TOKEN", "user": "me@example.com"}},
    ),
}


def made(kind: str, people: Mapping[str, Mapping[str, str]] | None = None, **fields: Any) -> Sink:
    return build(
        "crm",
        SinkSettings(kind=kind, **fields),
        Outbound(),
        people or {},
        Config(notifier=Notifier(sinks_file="my.toml")),
        secrets_of(ENVIRONMENT),
    )


@pytest.mark.parametrize("kind", WORKS)
def test_every_kind_is_made(kind: str) -> None:
    type_, fields = WORKS[kind]
    sink = made(kind, **fields)
    assert isinstance(sink, type_)
    assert sink.name == "crm"


@pytest.mark.parametrize(
    ("kind", "fields", "says"),
    [
        ("webhok", {}, "kind 'webhok' is none of apprise, pagerduty, slack, smtp, ticket, webhook"),
        ("webhook", {"secrets": SECRETS}, "url is missing"),
        ("webhook", {"url": URL}, "secrets: one or two are needed, there are 0"),
        ("webhook", {"url": URL, "secrets": SECRETS + SECRETS}, "secrets: one or two are needed"),
        (
            "webhook",
            {"url": URL, "secrets": ("s3cr3t",)},
            "secrets[0]: a secret begins with whsec_",
        ),
        (
            "webhook",
            {"url": URL, "secrets": (SECRETS[0], "whsec_QUJD")},
            "secrets[1]: the key has 3 bytes",
        ),
        ("webhook", {"url": URL, "secrets": ("env:NO",)}, "secrets[0]: the environment has no NO"),
        (
            "webhook",
            {"url": "http://a.example", "secrets": SECRETS},
            "url: must begin with https://",
        ),
        ("webhook", {"url": "env:NO", "secrets": SECRETS}, "url: the environment has no NO"),
        ("slack", {"url": URL, "options": {"button": "no"}}, "did you mean buttons?"),
        ("slack", {"url": URL, "options": {"buttons": "maybe"}}, "options.buttons: yes or no"),
        ("pagerduty", {}, "options.routing_key is missing"),
        ("ticket", {"url": URL}, "options.token is missing"),
        ("smtp", MAIL | {"options": FROM | {"ca_file": "\0"}}, "options.ca_file: "),
        ("smtp", MAIL | {"options": FROM | {"domain": "a\nB: c"}}, "options.domain: no domain"),
        ("smtp", MAIL | {"options": FROM | {"domain": "a b"}}, "options.domain: no domain"),
        ("smtp", MAIL | {"options": FROM | {"domain": "x@a.de"}}, "options.domain: no domain"),
        ("ticket", {"options": {"token": "t"}}, "url is missing"),
    ],
)
def test_what_is_wrong_is_named(kind: str, fields: dict[str, Any], says: str) -> None:
    with pytest.raises(Misconfigured) as raised:
        made(kind, **fields)
    assert str(raised.value).startswith("my.toml: [sinks.crm]: ")
    assert says in str(raised.value)
    assert "s3cr3t" not in str(raised.value)


def test_a_pager_needs_no_key_when_somebody_has_one() -> None:
    assert isinstance(made("pagerduty", {"anna": {"pagerduty": "k"}}), PagerDutySink)


@pytest.mark.parametrize("where", ["setting", "sink", "nowhere"])
def test_private_addresses_are_opened_by_the_setting_or_the_sink(where: str) -> None:
    async def run() -> Verdict:
        outbound = Outbound()
        config = Config(notifier=Notifier(allow_private=where == "setting"))
        try:
            async with receiving(saying(200)) as receiver:
                settings = SinkSettings(
                    kind="slack", url=receiver.url, allow_private=where == "sink"
                )
                sink = build("chat", settings, outbound, {}, config, secrets_of({}))
                return (await sink.deliver(notification())).verdict
        finally:
            await outbound.close()

    if where == "nowhere":
        with pytest.raises(Misconfigured, match="allow_private"):
            asyncio.run(run())
    else:
        assert asyncio.run(run()) is Verdict.DELIVERED


def test_the_time_out_is_that_of_the_sink_else_of_the_setting() -> None:
    async def run(of_sink: float | None) -> str:
        async def never(_request: object) -> Any:
            await asyncio.Event().wait()

        outbound = Outbound()
        config = Config(notifier=Notifier(timeout_s=0.3, allow_private=True))
        try:
            async with receiving(never) as receiver:
                settings = SinkSettings(kind="slack", url=receiver.url, timeout_s=of_sink)
                sink = build("chat", settings, outbound, {}, config, secrets_of({}))
                return (await sink.deliver(notification())).detail
        finally:
            await outbound.close()

    assert asyncio.run(run(0.1)) == "no answer within 0.1 s"
    assert asyncio.run(run(None)) == "no answer within 0.3 s"


@pytest.mark.parametrize("value", ["hush\n", "hush\r\n", "hush"])
def test_the_line_break_at_the_end_of_a_mounted_secret_is_none_of_it(value: str) -> None:
    assert secrets_of({"TOKEN": value})("env:TOKEN") == "hush"


@pytest.mark.parametrize("value", ["", "\n", "  "])
def test_a_secret_that_is_empty_is_missing(value: str) -> None:
    with pytest.raises(Misconfigured, match="the environment has no TOKEN"):
        secrets_of({"TOKEN": value})("env:TOKEN")


def test_a_token_that_no_header_can_bear_is_named() -> None:
    with pytest.raises(Misconfigured, match=r"options\.token: .*line break") as raised:
        made("ticket", url=URL, options={"token": "hush\nX-Evil: 1"})
    assert "hush" not in str(raised.value)


def test_a_secret_that_is_no_text_is_named() -> None:
    with pytest.raises(Misconfigured, match="TOKEN in the environment is not UTF-8"):
        secrets_of({"TOKEN": os.fsdecode(b"\xff")})("env:TOKEN")
