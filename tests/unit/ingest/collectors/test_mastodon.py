"""A timeline of Mastodon: stream, drops, catching up, deletions; against a server on this machine."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from services.ingest.collectors import mastodon, options
from services.ingest.collectors.page import Busy, Page, Refused
from shared.errors import Misconfigured, Transient
from shared.events import Operation
from tests.unit.ingest.collectors.platform import Platform, answer, platform, read, run, texts

TOKEN = "the-access-token"
FIRST = 1_750_000_000_000 << 16


def _number(minute: float) -> str:
    return str(FIRST + (int(minute * 60_000) << 16))


def _status(minute: float, text: str = "") -> dict[str, Any]:
    return {
        "id": _number(minute),
        "content": f"<p>{text or f'at {minute:g}'}</p>",
        "created_at": "2025-06-15T15:00:00Z",
        "account": {"id": "7", "acct": "someone"},
    }


def _event(name: str, data: object) -> bytes:
    return (
        f"event: {name}\ndata: {data if isinstance(data, str) else json.dumps(data)}\n\n".encode()
    )


class Instance:
    """Holds statuses and notifications; streams pieces, then does as told."""

    def __init__(self, *pieces: bytes, then: str = "wait") -> None:
        self.pieces: Sequence[bytes] = pieces
        self.then = then
        self.statuses: list[dict[str, Any]] = []
        self.notifications: list[dict[str, Any]] = []
        self.status = 200
        self.token = TOKEN
        self.streaming: str | None = None
        self.open = asyncio.Event()
        self.closed = asyncio.Event()
        self.lists: list[dict[str, str]] = []
        self.quota: int | None = None  # lists that are answered, then 429
        self.headers: dict[str, str] = {}

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/api/v2/instance":
            if self.streaming is None:
                return web.Response(status=404, text="no such page")
            return answer({"configuration": {"urls": {"streaming": self.streaming}}})
        if self.status != 200:
            return answer({}, self.status, Retry_After="11")
        if request.headers["Authorization"] != f"Bearer {self.token}":
            return answer({"error": "The access token is invalid"}, 401)
        if request.path.startswith("/api/v1/streaming/"):
            return await self._stream(request)
        return self._list(request)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b":)\n")
        self.open.set()
        try:
            for piece in self.pieces:
                await response.write(piece)
            if self.then == "drop":
                assert request.transport is not None
                request.transport.abort()
            elif self.then == "wait":
                while True:
                    await asyncio.sleep(0.02)  # the pause is the point
                    await response.write(b":thump\n")
        except ConnectionError:
            pass
        finally:
            self.closed.set()
        return response

    def _list(self, request: web.Request) -> web.Response:
        if self.quota is not None:
            if self.quota == 0:
                return answer({}, 429, Retry_After="60")
            self.quota -= 1
        self.lists.append({"path": request.path} | dict(request.query))
        known = {
            "/api/v1/timelines/home": self.statuses,
            "/api/v1/timelines/tag/rail": self.statuses,
            "/api/v1/notifications": self.notifications,
        }[request.path]
        ordered = sorted(known, key=lambda one: int(one["id"]))
        limit = int(request.query["limit"])
        if "min_id" in request.query:
            least = int(request.query["min_id"])
            page = [one for one in ordered if int(one["id"]) > least][:limit]
        else:
            page = ordered[-limit:]
        response = answer(page[::-1])
        response.headers.update(self.headers)
        return response


def _with(instance: Instance, scenario: Callable[[Platform], Any]) -> None:
    async def whole() -> None:
        async with platform(instance) as stand:
            await scenario(stand)

    run(whole)


def _collector(stand: Platform, *tokens: str, **stated: str) -> Any:
    given = {"instance": stand.base} | stated
    return stand.collector("mastodon", tokens or (TOKEN,), **given)


def _items(pages: list[Page]) -> list[Any]:
    return [item for page in pages for item in page.delivery.items]


def _last(pages: list[Page]) -> str:
    return next(page.cursor for page in reversed(pages) if page.cursor is not None)


def test_the_first_time_it_begins_now_and_heartbeats_are_life() -> None:
    instance = Instance(_event("update", _status(5))[:40], _event("update", _status(5))[40:])
    instance.statuses = [_status(1), _status(2)]

    async def scenario(stand: Platform) -> None:
        pages = await read(_collector(stand), None, lambda found: len(found) > 8)
        assert texts(pages) == ["at 5"]
        assert json.loads(_last(pages)) == {"update": _number(5), "notification": "0"}
        assert json.loads(pages[0].cursor or "") == {"update": _number(2)}
        await asyncio.wait_for(instance.closed.wait(), 5)
        assert [each["path"] for each in instance.lists] == [
            "/api/v1/timelines/home",
            "/api/v1/notifications",
        ]

    _with(instance, scenario)


@pytest.mark.parametrize("then", ["drop", "end"])
def test_what_came_while_it_was_cut_off_is_read_up(then: str) -> None:
    instance = Instance(_event("update", _status(5)), b"event: update\ndata: {", then=then)
    instance.statuses = [_status(minute) for minute in range(1, 6)]

    async def scenario(stand: Platform) -> None:
        found: list[Page] = []

        def note(pages: list[Page]) -> bool:
            found[:] = pages
            return False

        with pytest.raises(Transient):
            await read(_collector(stand), None, note)
        assert json.loads(_last(found))["update"] == _number(5)
        instance.statuses += [_status(5 + number / 10) for number in range(1, 101)]
        instance.notifications = [
            {"id": str(number), "type": "mention", "status": _status(20 + number)}
            for number in range(1, 4)
        ]
        instance.pieces, instance.then = [_event("update", _status(60))], "wait"
        again = await read(_collector(stand), _last(found), lambda pages: "at 60" in texts(pages))
        words = texts(again)
        assert set(words) == {
            *(f"at {minute:g}" for minute in range(1, 6)),  # ten minutes once more
            *(f"at {5 + number / 10:g}" for number in range(1, 101)),
            "at 21",
            "at 22",
            "at 23",
            "at 60",
        }
        assert words[0] == "at 1"  # oldest first
        assert json.loads(_last(again)) == {"update": _number(60), "notification": "3"}
        asked = [each for each in instance.lists if "min_id" in each]
        assert [each["limit"] for each in asked] == ["40"] * len(asked)
        assert asked[0]["min_id"] == _number(-5)
        assert asked[-2]["min_id"] == "0"

    _with(instance, scenario)


async def _busy(collector: Any, cursor: str) -> list[Page]:
    """Return the pages until it is told to come later."""
    found: list[Page] = []

    def note(pages: list[Page]) -> bool:
        found[:] = pages
        return False

    with pytest.raises(Busy):
        await read(collector, cursor, note)
    return found


def test_more_in_ten_minutes_than_a_quota_allows_is_read_up_all_the_same() -> None:
    instance = Instance(_event("update", _status(60)))
    instance.statuses = [_status(number / 40) for number in range(1, 601)]  # 10 pages in 10 minutes
    cursor = json.dumps({"update": _number(12), "notification": "0"})

    async def scenario(stand: Platform) -> None:
        collector, position = _collector(stand), cursor
        words: list[str] = []
        for _ in range(3):  # a quota of 4 pages
            instance.quota = 4
            pages = await _busy(collector, position)
            words += texts(pages)
            position = _last(pages)
        assert json.loads(position)["update"] == _number(14)
        instance.quota = None
        pages = await read(collector, position, lambda found: "at 60" in texts(found))
        words += texts(pages)
        wanted = [f"at {number / 40:g}" for number in range(81, 601)]
        assert words == [*wanted, "at 60"]  # each once, none left out
        assert json.loads(_last(pages))["update"] == _number(60)
        instance.lists.clear()
        await read(collector, json.dumps({"update": _number(15)}), lambda found: len(found) > 2)
        assert instance.lists[0]["min_id"] == _number(5)  # the next drop begins early again

    _with(instance, scenario)


def test_a_page_that_was_not_taken_is_read_again() -> None:
    instance = Instance()
    instance.statuses = [_status(number / 10) for number in range(1, 100)]
    cursor = json.dumps({"update": _number(1), "notification": "0"})

    async def scenario(stand: Platform) -> None:
        collector = _collector(stand)
        one = await read(collector, cursor, lambda found: len(found) == 1)
        again = await read(collector, cursor, lambda found: len(found) == 1)
        assert texts(one) == texts(again) != []

    _with(instance, scenario)


@pytest.mark.parametrize(
    ("remaining", "reset_s", "pause"),
    [("50", 100, 2.0), ("0", 40, 40.0), ("299", 3, 0.2), ("1", 10**8, 300.0), ("", 100, 1.0)],
)
def test_pages_are_as_far_apart_as_the_quota_says(
    remaining: str, reset_s: int, pause: float
) -> None:
    instance = Instance(_event("update", _status(60)))
    instance.statuses = [_status(number / 10) for number in range(1, 101)]

    async def scenario(stand: Platform) -> None:
        at = dt.datetime.fromtimestamp(stand.clock.now_ms() / 1000 + reset_s, dt.UTC)
        instance.headers = {
            "X-RateLimit-Remaining": remaining,
            "X-RateLimit-Reset": at.isoformat(),
        }
        cursor = json.dumps({"update": _number(1), "notification": "0"})
        await read(_collector(stand), cursor, lambda found: "at 60" in texts(found))
        assert stand.naps.taken == pytest.approx([pause] * 3, abs=0.01)

    _with(instance, scenario)


@pytest.mark.parametrize(("kept", "missed"), [(0, 1), (30, 0)])
def test_a_timeline_that_does_not_reach_back_far_enough_is_reported(kept: int, missed: int) -> None:
    instance = Instance(_event("update", _status(600)))
    instance.statuses = [_status(minute) for minute in range(31 - kept, 431 - kept)]
    cursor = json.dumps({"update": _number(30), "notification": "0"})

    async def scenario(stand: Platform) -> None:
        with capture_logs() as logs:
            await read(_collector(stand), cursor, lambda found: "at 600" in texts(found))
        found = [each for each in logs if each["event"] == "items may have been missed"]
        assert [(each["source"], each["since"], each["why"]) for each in found] == [
            ("it", _number(30), "too many")
        ] * missed

    _with(instance, scenario)


def test_a_post_that_was_deleted_is_no_gap() -> None:
    instance = Instance(_event("update", _status(600)))
    instance.statuses = [_status(30 + minute) for minute in range(1, 10)]
    cursor = json.dumps({"update": _number(30), "notification": "0"})

    async def scenario(stand: Platform) -> None:
        with capture_logs() as logs:
            await read(_collector(stand), cursor, lambda found: "at 600" in texts(found))
        assert logs == []

    _with(instance, scenario)


def test_an_older_post_of_another_instance_does_not_move_the_position_back() -> None:
    instance = Instance(_event("update", _status(5)), _event("update", _status(3)))

    async def scenario(stand: Platform) -> None:
        pages = await read(_collector(stand), None, lambda found: len(texts(found)) == 2)
        assert json.loads(_last(pages))["update"] == _number(5)

    _with(instance, scenario)


def test_only_deletions_of_what_was_taken_come_through() -> None:
    events = [
        _event("update", _status(1, "the rail was late")),
        _event("update", _status(2, "nice weather")),
        _event("delete", _number(2)),
        _event("delete", _number(1)),
        _event("status.update", _status(3, "rail") | {"edited_at": "2025-06-15T16:00:00Z"}),
        _event("filters_changed", "{}"),
    ]
    instance = Instance(*events)

    async def scenario(stand: Platform) -> None:
        collector = _collector(stand, keywords="rail", stream="hashtag", tag="rail")
        pages = await read(collector, None, lambda found: len(_items(found)) == 3)
        kinds = [(item.op, item.native_id) for item in _items(pages)]
        assert sorted(kinds) == [
            (Operation.CREATE, _number(1)),
            (Operation.DELETE, _number(1)),
            (Operation.UPDATE, _number(3)),
        ]
        assert {"path": "/api/v1/timelines/tag/rail", "limit": "1"} in instance.lists

    _with(instance, scenario)


def test_bad_events_cost_only_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.ingest.collectors.sse.MAX_EVENT", 2_000)
    events = [
        _event("update", "{"),
        _event("delete", "../../etc"),
        _event("update", _status(1, "x" * 1_100_000)),
        b"data\n\n: \n\xff\xfe\n\n",
        _event("update", _status(2)),
    ]

    async def scenario(stand: Platform) -> None:
        pages = await read(_collector(stand), None, lambda found: len(texts(found)) == 1)
        unfit = [part for page in pages for part in page.delivery.unfit]
        assert [part.reason for part in unfit] == ["bad_json", "missing_field", "too_large"]
        assert texts(pages) == ["at 2"]

    _with(Instance(*events), scenario)


def test_a_token_that_was_revoked_is_a_refusal_and_the_other_one_is_tried_first() -> None:
    instance = Instance()

    async def scenario(stand: Platform) -> None:
        await read(_collector(stand, "a-new-token", TOKEN), None, lambda found: len(found) > 2)
        instance.token = "replaced"
        with pytest.raises(Refused, match="401"):
            await read(_collector(stand), None, lambda _: False)

    _with(instance, scenario)


@pytest.mark.parametrize(("status", "kind"), [(429, Busy), (500, Transient), (404, Refused)])
def test_no_stream(status: int, kind: type[Exception]) -> None:
    instance = Instance()
    instance.status = status

    async def scenario(stand: Platform) -> None:
        with pytest.raises(kind) as caught:
            await read(_collector(stand), None, lambda _: False)
        if isinstance(caught.value, Busy):
            assert caught.value.retry_after_s == 11

    _with(instance, scenario)


def test_a_page_in_place_of_the_stream() -> None:
    async def page(request: web.Request) -> web.Response:
        return web.Response(text="<html>", content_type="text/html")

    async def scenario() -> None:
        async with platform(page) as stand:
            with pytest.raises(Transient, match="no stream: 200 text/html"):
                await read(_collector(stand), None, lambda _: False)

    run(scenario)


def test_silence_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mastodon, "SILENCE_S", 0.2)
    instance = Instance(then="hang")

    async def hang(request: web.Request) -> web.StreamResponse:
        if not request.path.startswith("/api/v1/streaming/"):
            return await instance(request)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await asyncio.Event().wait()
        return response

    async def scenario() -> None:
        async with platform(hang) as stand:
            with pytest.raises(Transient, match="in time"):
                await read(_collector(stand), None, lambda _: False)

    run(scenario)


def test_a_streaming_server_of_its_own() -> None:
    instance, other = Instance(), Instance(_event("update", _status(1)))

    async def scenario() -> None:
        async with platform(instance) as stand, platform(other) as second:
            instance.streaming = second.base.replace("http", "ws")
            await read(_collector(stand), None, lambda found: bool(texts(found)))
            assert not instance.open.is_set()
            for elsewhere in ("ws://elsewhere.example.com", "wss://elsewhere.example.com"):
                instance.open.clear()
                instance.streaming = elsewhere  # our token stays here
                with capture_logs() as logs:
                    await read(_collector(stand), None, lambda found: len(found) > 2)
                assert instance.open.is_set()
                assert [each["event"] for each in logs] == ["streaming server not used"]

    run(scenario)


def test_a_streaming_server_that_was_configured_is_used_unasked() -> None:
    instance, other = Instance(), Instance(_event("update", _status(1)))

    async def scenario() -> None:
        async with platform(instance) as stand, platform(other) as second:
            collector = _collector(stand, streaming=second.base)
            await read(collector, None, lambda found: bool(texts(found)))
            assert not instance.open.is_set()
            assert "/api/v2/instance" not in stand.paths()

    run(scenario)


@pytest.mark.parametrize(
    ("url", "base", "may"),
    [
        ("https://streaming.example.social", "https://example.social", True),
        ("https://Example.Social:4000", "https://example.social", True),
        ("http://127.0.0.1:4000", "http://127.0.0.1:3000", True),
        ("http://127.0.0.1:4000", "https://example.social", False),
        ("http://localhost", "https://example.social", False),
        ("http://streaming.example.social", "https://example.social", False),
        ("https://streaming.social", "https://example.social", False),
        ("https://badexample.social", "https://example.social", False),
        ("https://example.social.evil.example", "https://example.social", False),
        ("https://example.social@evil.example", "https://example.social", False),
        ("https://[", "https://example.social", False),
        ("", "https://example.social", False),
    ],
)
def test_where_a_token_may_go(url: str, base: str, may: bool) -> None:
    assert options.within(url, base) is may


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"instance": ""}, "'instance' should be an https address"),
        ({"instance": "http://example.com"}, "'instance' should be an https address"),
        ({"streaming": "http://example.com"}, "'streaming' should be an https address"),
        ({"stream": "firehose"}, "there is no stream 'firehose'"),
        ({"stream": "hashtag"}, "'tag' should be the hashtag"),
        ({"stream": "hashtag", "tag": "a/../b"}, "'tag' should be the hashtag"),
    ],
)
def test_options_that_will_not_do(given: dict[str, str], why: str) -> None:
    async def scenario(stand: Platform) -> None:
        with pytest.raises(Misconfigured, match=why):
            _collector(stand, **given)

    _with(Instance(), scenario)


def test_positions_of_other_kinds() -> None:
    assert mastodon._positions("17") == {}
    assert mastodon._positions('{"update": "17"}') == {"update": "17"}
    assert mastodon._earlier("9hQ2Tz") == "9hQ2Tz"
    assert mastodon._earlier("1234") == "1234"
    assert mastodon._order("99") < mastodon._order("100")
