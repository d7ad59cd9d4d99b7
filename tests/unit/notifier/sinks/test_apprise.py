"""Apprise, against a receiver of its JSON kind; and what is said where it is not installed."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Mapping

import pytest
from aiohttp import web

from services.notifier.ports import Result, Sink, Verdict
from services.notifier.settings import SinkSettings
from services.notifier.sinks.build import build, secrets_of
from services.notifier.sinks.outbound import Outbound
from shared.config import Config
from shared.errors import Misconfigured
from shared.events import Notification, NotificationKind
from tests.unit.notifier.sinks.world import Handler, Taken, notification, receiving, saying


def sink(url: str, people: Mapping[str, Mapping[str, str]], timeout_s: float = 5.0) -> Sink:
    settings = SinkSettings(kind="apprise", url=url, timeout_s=timeout_s)
    return build("all", settings, Outbound(), people, Config(), secrets_of({}))


def told(
    answer: Handler, said: Notification, timeout_s: float = 5.0, **people: str
) -> tuple[Result, list[Taken]]:
    """Return what came of it; people have a path of the receiver."""
    pytest.importorskip("apprise")

    async def main() -> tuple[Result, list[Taken]]:
        async with receiving(answer) as receiver:
            base = f"json://127.0.0.1:{receiver.port}"
            reached = {name: {"apprise": f"{base}/{path}"} for name, path in people.items()}
            result = await sink(f"{base}/all", reached, timeout_s).deliver(said)
            return result, receiver.taken

    return asyncio.run(main())


def test_a_page_is_told_by_the_url_of_the_sink() -> None:
    result, [taken] = told(saying(200), notification(target="anna"))
    assert result.verdict is Verdict.DELIVERED
    said = json.loads(taken.body)
    assert said["title"] == "High: Somebody has to take this case"
    assert "> where is my refund" in said["message"]
    assert said["type"] == "warning"
    assert taken.path == "/all"


def test_whoever_has_a_url_is_told_by_that() -> None:
    _, [taken] = told(saying(200), notification(target="anna"), anna="anna")
    assert taken.path == "/anna"


def test_what_does_not_work_is_tried_again() -> None:
    result, _ = told(saying(500), notification(target="anna"))
    assert (result.verdict, result.fault) == (Verdict.RETRYABLE, True)


def test_what_takes_too_long_is_tried_again() -> None:
    async def never(_request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    result, _ = told(never, notification(target="anna"), 0.3)
    assert (result.verdict, result.fault) == (Verdict.RETRYABLE, True)
    assert "0.3 s" in result.detail


def test_it_tells_no_customer() -> None:
    result, taken = told(saying(200), notification(kind=NotificationKind.CUSTOMER))
    assert (result.verdict, taken) == (Verdict.PERMANENT, [])


def test_what_is_wrong_is_said() -> None:
    pytest.importorskip("apprise")
    with pytest.raises(Misconfigured, match="url is missing"):
        sink("", {})
    with pytest.raises(Misconfigured, match="Apprise knows no such URL"):
        sink("pigeon:/x", {})
    assert sink("", {"anna": {"apprise": "json://127.0.0.1"}}).name == "all"


def test_without_the_extra_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "services.notifier.sinks.apprise_sink", raising=False)
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(Misconfigured, match=r"tocsin\[notify\]"):
        sink("json://127.0.0.1", {})


def test_a_url_that_it_does_not_know_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    apprise = pytest.importorskip("apprise")
    logging.getLogger(apprise.__name__).setLevel(logging.NOTSET)
    with pytest.raises(Misconfigured) as raised:
        sink("pigeon://hush:hush@example.com", {})
    assert "hush" not in caplog.text + str(raised.value)


def test_a_bug_of_a_plugin_is_one_of_the_target(monkeypatch: pytest.MonkeyPatch) -> None:
    apprise = pytest.importorskip("apprise")

    def broken(*_: object, **__: object) -> bool:
        raise AttributeError("json://hush@example.com")

    monkeypatch.setattr(apprise.Apprise, "notify", broken)
    result, _ = told(saying(200), notification(target="anna"))
    assert result == Result(Verdict.RETRYABLE, "Apprise: AttributeError", fault=True)
