"""Hostile HTTP against a real intake: whatever is slow, endless, ambiguous or too large is cut.

All of it comes over raw sockets; no client library would send such things.
"""

from __future__ import annotations

import gzip
import json
import select
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from deploy.embedded.kafka import EmbeddedKafka
from deploy.embedded.redis import EmbeddedRedis
from services.ingest.registry import Source
from shared import topics
from tests.data.doors import outlet
from tests.data.doors.house import House
from tests.data.doors.sealing import JSON, Letter, seal, secret_of
from tests.services import Installation, started, wait_for

pytestmark = pytest.mark.integration

BODY_CUT_S = 15.0
"""A body may take 10 s."""

HEADERS_CUT_S = 75.0
"""Connections without a request are looked at every 30 s, and cut when they are found twice."""

MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def redis_of_module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    server = started(EmbeddedRedis(tmp_path_factory.mktemp("redis")))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def house(
    kafka: EmbeddedKafka, redis_of_module: EmbeddedRedis, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    secrets = (secret_of("whisper"),)
    sources = {
        "open": Source(provider="whisper", secrets=secrets),
        "tight": Source(provider="whisper", secrets=secrets, rate=0.2, burst=3),
    }
    place = Installation(kafka.bootstrap, redis_of_module.url)
    running = House(tmp_path_factory.mktemp("limits"), sources, place.settings())
    running.start()
    yield running
    running.stop()


class Raw(socket.socket):
    """A connection to the door, for bytes of any kind."""

    @classmethod
    def to(cls, house: House) -> Raw:
        host, _, port = house.url.removeprefix("http://").partition(":")
        connection = cls(socket.AF_INET, socket.SOCK_STREAM)
        connection.settimeout(30)
        connection.connect((host, int(port)))
        return connection

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Return status (0 if there was none before the end), headers and body."""
        raw = b""
        try:
            while more := self.recv(65_536):
                raw += more
                head, gap, body = raw.partition(b"\r\n\r\n")
                if gap and len(body) >= _length(head):
                    break
        except ConnectionError:
            pass
        head, _, body = raw.partition(b"\r\n\r\n")
        first, _, rest = head.partition(b"\r\n")
        status = int(first.split()[1]) if first else 0
        return status, _headers(rest), body

    def closed(self) -> bool:
        """Tell whether the other side has ended the connection; what it said before is read."""
        try:
            while select.select([self], [], [], 0)[0]:
                if not self.recv(65_536):
                    return True
        except ConnectionError:
            return True
        return False

    def drip(self, data: bytes) -> None:
        """Send ``data`` if anybody is there to get it."""
        with suppress(OSError):
            self.sendall(data)


def _headers(raw: bytes) -> dict[str, str]:
    pairs = (line.partition(":") for line in raw.decode("latin-1").split("\r\n"))
    return {name.lower(): value.strip() for name, _, value in pairs}


def _length(head: bytes) -> int:
    return int(_headers(head).get("content-length", "0"))


def _head(path: str, *lines: str) -> bytes:
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: intake", *lines, "", ""]).encode()


def _item(number: int) -> bytes:
    return json.dumps({"id": f"n{number}", "channel": "email", "text": "It broke."}).encode()


def _asked(house: House, request: bytes) -> tuple[int, dict[str, str], bytes]:
    with Raw.to(house) as connection:
        connection.drip(request)
        return connection.answer()


def _post(house: House, number: int) -> int:
    body = _item(number)
    return _asked(house, _head("/v1/feedback", f"Content-Length: {len(body)}") + body)[0]


def _call(house: House, source: str, number: int) -> tuple[int, dict[str, str], bytes]:
    body = json.dumps({"call_id": f"c{number}", "transcript": {"text": "It broke."}}).encode()
    path = f"/v1/hooks/{source}"
    sealed = seal("whisper", Letter(body, JSON, house.url + path, int(time.time())))
    lines = [f"{name}: {value}" for name, value in sealed.headers.items()]
    return _asked(house, _head(path, *lines, f"Content-Length: {len(body)}") + body)


_MANY = [f"X-Header-{number}: 1" for number in range(5_000)]


@pytest.mark.parametrize(
    ("what", "request_", "allowed"),
    [
        ("a header of 64 KB", _head("/v1/feedback", "X-Long: " + "x" * 65_536), {400, 431}),
        ("a path of 64 KB", _head("/v1/feedback?" + "x" * 65_536), {400, 414}),
        ("5,000 headers", _head("/v1/feedback", *_MANY), {400, 431}),
        (
            "two ideas of the length",
            _head("/v1/feedback", "Content-Length: 4", "Transfer-Encoding: chunked")
            + b"0\r\n\r\nGET /v1/feedback HTTP/1.1\r\nHost: smuggled\r\n\r\n",
            {400},
        ),
        (
            "two lengths",
            _head("/v1/feedback", "Content-Length: 4", "Content-Length: 5") + b"12345",
            {400},
        ),
        ("a negative length", _head("/v1/feedback", "Content-Length: -1"), {400}),
        (
            "a chunk of no size",
            _head("/v1/hooks/open", "Transfer-Encoding: chunked") + b"zz\r\nhello\r\n",
            {400},
        ),
        ("a space before the colon", _head("/v1/feedback", "Content-Length : 4") + b"1234", {400}),
        ("no HTTP at all", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20 + b"\r\n", {400}),
    ],
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else "",
)
def test_what_is_no_request_is_refused(
    house: House, what: str, request_: bytes, allowed: set[int]
) -> None:
    status, _, _ = _asked(house, request_)
    assert status in allowed, what
    assert _post(house, 1) in {200, 202}


@pytest.mark.parametrize("path", ["/v1/feedback", "/v1/feedback:batch", "/v1/hooks/open"])
def test_a_compressed_body_is_refused_and_never_unpacked(house: House, path: str) -> None:
    bomb = gzip.compress(b"x" * (60 * MEGABYTE))
    before = _rss(house)
    head = _head(path, "Content-Encoding: gzip", f"Content-Length: {len(bomb)}")
    assert _asked(house, head + bomb)[0] == 415
    assert _rss(house) - before < 30 * MEGABYTE


@pytest.mark.parametrize("path", ["/v1/feedback", "/v1/feedback:batch", "/v1/hooks/open"])
@pytest.mark.parametrize("chunked", [False, True])
def test_40_mb_are_refused_before_they_are_there(house: House, path: str, *, chunked: bool) -> None:
    size = 40 * MEGABYTE
    sent = 0
    with Raw.to(house) as connection:
        how = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
        connection.drip(_head(path, how))
        piece = b"x" * 65_536
        framed = b"10000\r\n" + piece + b"\r\n" if chunked else piece
        while sent < size and not select.select([connection], [], [], 0)[0]:
            connection.drip(framed)
            sent += len(piece)
        assert connection.answer()[0] == 413
    assert sent <= 36 * MEGABYTE


def test_too_many_items_are_told_when_to_come_back(house: House) -> None:
    answers = [_call(house, "tight", number) for number in range(8)]
    statuses = [status for status, _, _ in answers]
    assert statuses[:3] == [200, 200, 200]
    assert 429 in statuses
    _, headers, body = next(answer for answer in answers if answer[0] == 429)
    assert 1 <= int(headers["retry-after"]) <= 10
    assert json.loads(body)["reason"] == "rate_limited"
    assert _call(house, "open", 1)[0] == 200  # the limit is that of one source


def _rss(house: House) -> int:
    status = Path(f"/proc/{house.pid}/status").read_text("ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1_024


def test_two_hundred_halves_of_a_body(house: House) -> None:
    """Half a megabyte each: 100 MB in all, of which the hooks may hold 64."""
    assert _call(house, "open", 2)[0] == 200
    before = peak = _rss(house)
    with ExitStack() as stack:
        connections = [stack.enter_context(Raw.to(house)) for _ in range(200)]
        for connection in connections:
            connection.drip(_head("/v1/hooks/open", f"Content-Length: {MEGABYTE}"))
        for connection in connections:
            connection.drip(b"x" * (MEGABYTE // 2))
            peak = max(peak, _rss(house))
        assert _post(house, 3) in {200, 202}  # the other doors are none the worse for it
        statuses = {connection.answer()[0] for connection in connections}
    assert statuses <= {408, 503}
    assert 408 in statuses
    assert peak - before < 160 * MEGABYTE
    wait_for(lambda: _call(house, "open", 4)[0] == 200, "the hooks are open again", 15)


def _all_cut(connections: Sequence[Raw], dripping: Raw, deadline_s: float) -> bool:
    """Tell whether all were closed in time; to ``dripping`` something is sent every other second."""
    deadline = time.monotonic() + deadline_s
    while time.monotonic() < deadline:
        connections = [connection for connection in connections if not connection.closed()]
        if not connections:
            return True
        dripping.drip(b"x")
        time.sleep(2.0)  # the pause is the point
    return False


def test_a_body_that_drips_is_cut(house: House) -> None:
    with ExitStack() as stack:
        stalled, dripping = (stack.enter_context(Raw.to(house)) for _ in range(2))
        for connection in (stalled, dripping):
            connection.drip(_head("/v1/hooks/open", "Content-Length: 1000", "Connection: close"))
        began = time.monotonic()
        for _ in range(6):
            dripping.drip(b"x")
            time.sleep(1.0)  # the pause is the point
        assert stalled.answer()[0] == 408
        assert dripping.answer()[0] == 408
        assert time.monotonic() - began < BODY_CUT_S


def test_connections_that_ask_for_nothing_are_cut(house: House) -> None:
    """Idle ones, headers that stop, headers that drip, and a second request that never ends."""
    body = _item(5)
    with ExitStack() as stack:
        idle, stopped, dripping, second = (stack.enter_context(Raw.to(house)) for _ in range(4))
        stopped.drip(b"POST /v1/feedback HTTP/1.1\r\nHost: int")
        dripping.drip(b"POST /v1/feedback HTTP/1.1\r\nX-Slow: ")
        second.drip(_head("/v1/feedback", f"Content-Length: {len(body)}") + body)
        assert second.answer()[0] in {200, 202}
        second.drip(b"POST /v1/feedback HTTP/1.1\r\nHost: int")
        every = [idle, stopped, dripping, second]
        assert _all_cut(every, dripping, HEADERS_CUT_S)
    assert _post(house, 6) in {200, 202}


def test_nothing_of_all_this_is_in_the_log(house: House) -> None:
    events = outlet.read(house.bootstrap, house.names.of(topics.FEEDBACK_RECEIVED))
    texts = {json.loads(raw)["text"] for raw in events}
    assert texts <= {"It broke."}
    letters = outlet.read(house.bootstrap, house.names.of(topics.DEAD_LETTERS))
    assert list(letters) == []
