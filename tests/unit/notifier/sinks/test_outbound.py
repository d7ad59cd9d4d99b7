"""The client against receivers that behave in every way there is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from email.utils import formatdate

import pytest
from aiohttp import web

from deploy.embedded.ports import free_port
from services.notifier.ports import Result, Verdict
from services.notifier.sinks import outbound
from services.notifier.sinks.outbound import MAX_ANSWER, Answer, Outbound, retry_after, target
from tests.unit.notifier.sinks.world import Handler, raw, receiving, saying

NOW = 1_750_000_000.0


def post(answer: Handler, timeout_s: float = 5.0, times: int = 1) -> tuple[Answer, list[int]]:
    """Post to a receiver; return the last answer, and the ports that the connections came from."""
    ports: list[int] = []

    async def noted(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        ports.append(request.transport.get_extra_info("peername")[1])
        return await answer(request)

    async def run() -> Answer:
        client = Outbound(now=lambda: NOW)
        try:
            async with receiving(noted) as receiver:
                to = target(receiver.url, allow_private=True, what="url")
                for _ in range(times):
                    got = await client.post(
                        to, b"{}", {"Content-Type": "application/json"}, timeout_s
                    )
                return got
        finally:
            await client.close()

    return asyncio.run(run()), ports


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_2xx_is_delivered(status: int) -> None:
    answer, _ = post(saying(status))
    assert (answer.result, answer.status) == (Result(Verdict.DELIVERED), status)


@pytest.mark.parametrize(
    ("status", "verdict", "fault"),
    [
        (408, Verdict.RETRYABLE, False),
        (425, Verdict.RETRYABLE, False),
        (429, Verdict.RETRYABLE, False),
        (500, Verdict.RETRYABLE, True),
        (503, Verdict.RETRYABLE, True),
        (599, Verdict.RETRYABLE, True),
        (410, Verdict.GONE, False),
        (400, Verdict.PERMANENT, False),
        (401, Verdict.PERMANENT, False),
        (404, Verdict.PERMANENT, False),
        (304, Verdict.PERMANENT, False),
    ],
)
def test_every_other_status_has_its_verdict(status: int, verdict: Verdict, fault: bool) -> None:
    result = post(saying(status))[0].result
    assert (result.verdict, result.fault) == (verdict, fault)
    assert str(status) in result.detail


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        (formatdate(NOW + 90, usegmt=True), 90.0),
        (formatdate(NOW - 5, usegmt=True), 0.0),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_heard_in_both_forms(status: int, value: str, seconds: float) -> None:
    assert post(saying(status, retry_after=value))[0].result.retry_after_s == seconds


@pytest.mark.parametrize("value", ["", "soon", "-3", "1.5", "Wed, 99 Foo 2025 00:00:00 GMT", "٣"])
def test_what_retry_after_cannot_mean_is_passed_over(value: str) -> None:
    assert retry_after(value, NOW) is None


@pytest.mark.parametrize("value", ["9" * 40, "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_nobody_asks_for_more_than_a_day(value: str) -> None:
    assert retry_after(value, NOW) == outbound.MAX_RETRY_AFTER_S


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    async def run() -> tuple[Answer, int]:
        client = Outbound()
        try:
            async with (
                receiving(saying(200)) as other,
                receiving(saying(status, location=f"{other.url}/in")) as receiver,
            ):
                to = target(receiver.url, allow_private=True, what="url")
                return await client.post(to, b"{}", {}, 5.0), len(other.taken)
        finally:
            await client.close()

    answer, reached = asyncio.run(run())
    assert answer.result.verdict is Verdict.PERMANENT
    assert "redirects are not followed" in answer.result.detail
    assert reached == 0


def test_one_connection_serves_many_requests() -> None:
    assert len(set(post(saying(200, "ok"), times=5)[1])) == 1


async def _never(_request: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


def test_no_answer_in_time_can_be_retried() -> None:
    begun = time.monotonic()
    result = post(_never, timeout_s=0.2)[0].result
    assert (result.verdict, result.fault) == (Verdict.RETRYABLE, True)
    assert "no answer within 0.2 s" in result.detail
    assert time.monotonic() - begun < 3


def _streaming(status: int, part: bytes, rest: Callable[[], bool]) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=status)
        await response.prepare(request)
        try:
            while rest():
                await response.write(part)
            await asyncio.Event().wait()
        except (ConnectionError, asyncio.CancelledError):
            pass
        return response

    return answer


def test_a_body_that_never_ends_does_not_undo_a_delivery(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbound, "BODY_S", 0.2)
    once = iter([True])
    answer, _ = post(_streaming(200, b"half", lambda: next(once, False)))
    assert answer == Answer(Result(Verdict.DELIVERED), 200, b"half", whole=False)


def test_a_huge_body_is_read_to_the_limit_and_its_connection_dropped() -> None:
    answer, ports = post(_streaming(200, b"x" * 65_536, lambda: True), times=2)
    assert answer.result == Result(Verdict.DELIVERED)
    assert (len(answer.body), answer.whole) == (MAX_ANSWER, False)
    assert len(set(ports)) == 2


def test_a_body_of_just_the_limit_is_whole() -> None:
    answer, _ = post(saying(200, "x" * MAX_ANSWER))
    assert (len(answer.body), answer.whole) == (MAX_ANSWER, True)


def test_a_compressed_body_is_not_unpacked() -> None:
    answer, _ = post(saying(200, "not gzip at all", content_encoding="gzip"))
    assert answer.body == b"not gzip at all"


def test_what_a_body_says_is_shown_in_one_short_line() -> None:
    detail = post(saying(400, "bad\r\n\x1b[31mthing \u2028" + "x" * 999))[0].result.detail
    assert detail.startswith("HTTP 400: bad [31mthing xxx")
    assert detail.isprintable()
    assert len(detail) < 220


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 two hundred\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a: " + b"b" * 200_000 + b"\r\n\r\n",
        b"\x16\x03\x01\x00\x05hello",
    ],
)
def test_garbage_can_be_retried(garbage: bytes) -> None:
    async def run() -> Result:
        client = Outbound()
        try:
            async with raw(garbage) as receiver:
                to = target(receiver.url, allow_private=True, what="url")
                return (await client.post(to, b"{}", {}, 5.0)).result
        finally:
            await client.close()

    result = asyncio.run(run())
    assert (result.verdict, result.fault) == (Verdict.RETRYABLE, True)


@pytest.mark.parametrize("host", ["127.0.0.1", "nowhere.invalid"])
def test_where_nobody_listens_can_be_retried(host: str) -> None:
    async def run() -> Result:
        client = Outbound()
        try:
            to = target(f"http://{host}:{free_port()}/hush", allow_private=True, what="url")
            return (await client.post(to, b"{}", {}, 5.0)).result
        finally:
            await client.close()

    result = asyncio.run(run())
    assert (result.verdict, result.fault) == (Verdict.RETRYABLE, True)
    assert result.detail
    assert "hush" not in result.detail


def test_only_the_given_headers_are_sent_and_no_cookie_comes_back() -> None:
    async def run() -> list[dict[str, str]]:
        client = Outbound()
        try:
            async with receiving(saying(200, set_cookie="a=b; Path=/")) as receiver:
                to = target(receiver.url, allow_private=True, what="url")
                for _ in range(2):
                    await client.post(to, b"{}", {"X-One": "1"}, 5.0)
                return [taken.headers for taken in receiver.taken]
        finally:
            await client.close()

    for headers in asyncio.run(run()):
        assert headers.keys() == {"host", "content-length", "x-one"}


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    assert post(saying(200))[0].result == Result(Verdict.DELIVERED)
