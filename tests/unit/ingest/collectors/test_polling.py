"""Lists that are asked for: paging, positions, faults, quotas; against platforms on this machine."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from structlog.testing import capture_logs

from services.ingest.collectors import calls
from services.ingest.collectors.page import Busy, Page, Refused
from shared.errors import Misconfigured, Transient
from tests.unit.ingest.collectors.platform import (
    Platform,
    answer,
    cursors,
    platform,
    read,
    run,
    texts,
)

NOW = 1_750_000_000_000
HOUR = 3_600_000
DAY = 24 * HOUR


def _pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


RSA = rsa.generate_private_key(65537, 2048)
RSA_PEM = _pem(RSA)
EC = ec.generate_private_key(ec.SECP256R1())


class Play:
    """Google Play: tokens, and reviews newest first, some to a page."""

    def __init__(self, *ages_h: float, size: int = 2) -> None:
        self.reviews = [_review(str(number), age) for number, age in enumerate(ages_h, 1)]
        self.size = size
        self.tokens = 0
        self.good = True
        self.valid: str | None = None
        self.faults: list[web.StreamResponse] = []
        self.assertions: list[dict[str, Any]] = []

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/token":
            return await self._token(request)
        assert request.path == "/androidpublisher/v3/applications/com.example.app/reviews"
        if request.headers["Authorization"] != f"Bearer {self.valid}":
            return answer({}, 401)
        if self.faults:
            return self.faults.pop(0)
        start = int(request.query.get("token", "0"))
        end = start + self.size
        page: dict[str, Any] = {"reviews": self.reviews[start:end]}
        if end < len(self.reviews):
            page["tokenPagination"] = {"nextPageToken": str(end)}
        return answer(page)

    async def _token(self, request: web.Request) -> web.StreamResponse:
        form = dict(parse_qsl((await request.read()).decode()))
        claims = jwt.decode(
            form["assertion"],
            RSA.public_key(),
            algorithms=["RS256"],
            audience=str(request.url),
            options={"verify_exp": False, "verify_iat": False},
        )
        self.assertions.append(claims)
        if not self.good:
            return answer({"error": "invalid_grant"}, 400)
        self.tokens += 1
        self.valid = f"token-{self.tokens}"
        return answer({"access_token": self.valid, "expires_in": 3599})

    def key(self, stand: Platform) -> str:
        return json.dumps(
            {
                "type": "service_account",
                "client_email": "reader@example.iam.gserviceaccount.com",
                "private_key": RSA_PEM,
                "token_uri": f"{stand.base}/token",
            }
        )

    def collector(self, stand: Platform) -> Any:
        return stand.collector("google_play", (self.key(stand),), package="com.example.app")


def _review(number: str, age_h: float, text: str = "") -> dict[str, Any]:
    at = {"seconds": str(int(NOW - age_h * HOUR) // 1000), "nanos": 0}
    comment = {"text": text or f"review {number}", "lastModified": at, "starRating": 1}
    return {"reviewId": number, "comments": [{"userComment": comment}]}


def _with(play: Play, scenario: Callable[[Platform], Any]) -> None:
    async def whole() -> None:
        async with platform(play) as stand:
            await scenario(stand)

    run(whole)


def test_all_of_the_history_is_read_first_then_only_what_is_new() -> None:
    play = Play(1, 5, 50, 100, 160)

    async def scenario(stand: Platform) -> None:
        collector = play.collector(stand)
        pages = await read(collector, None, cursors())
        assert texts(pages) == [f"review {number}" for number in range(1, 6)]
        assert [page.cursor for page in pages] == [None, None, str(NOW - HOUR)]
        play.reviews.insert(0, _review("6", 0))
        again = await read(play.collector(stand), pages[-1].cursor, cursors())
        # Everything within the overlap of two days once more, and not a page further.
        assert texts(again) == [f"review {number}" for number in (6, 1, 2, 3, 4, 5)][:6]
        assert again[-1].cursor == str(NOW)
        [claims, _] = play.assertions
        assert claims["iss"] == "reader@example.iam.gserviceaccount.com"
        assert claims["scope"] == "https://www.googleapis.com/auth/androidpublisher"
        assert (claims["iat"], claims["exp"]) == (NOW // 1000, NOW // 1000 + 3600)
        assert play.tokens == 2  # one for each collector, none for each page

    _with(play, scenario)


def test_a_page_of_nothing_but_old_ones_ends_the_reading() -> None:
    play = Play(1, 2, 60, 61, 62, 63, 64)

    async def scenario(stand: Platform) -> None:
        pages = await read(play.collector(stand), str(NOW - HOUR), cursors())
        assert texts(pages) == ["review 1", "review 2", "review 3", "review 4"]
        assert pages[-1].cursor == str(NOW - HOUR)

    _with(play, scenario)


def test_an_edit_moves_to_the_front_and_keeps_its_id() -> None:
    play = Play(1, 2)

    async def scenario(stand: Platform) -> None:
        [page] = await read(play.collector(stand), None, cursors())
        play.reviews = [_review("2", 0.5, "worse"), _review("1", 1)]
        [later] = await read(play.collector(stand), page.cursor, cursors())
        before, after = page.delivery.items[1], later.delivery.items[0]
        assert before.native_id == after.native_id == "2"
        assert before.revision != after.revision
        assert later.cursor == str(NOW - HOUR // 2)

    _with(play, scenario)


def test_a_time_in_the_future_does_not_hide_what_comes_after_it() -> None:
    play = Play(-48, 1)

    async def scenario(stand: Platform) -> None:
        [page] = await read(play.collector(stand), None, cursors())
        assert page.cursor == str(NOW)

    _with(play, scenario)


def test_it_rests_between_readings_and_tells_that_it_lives() -> None:
    play = Play(1)

    async def scenario(stand: Platform) -> None:
        pages = await read(play.collector(stand), None, cursors(2))
        assert 70 <= len(pages) <= 90  # an hour, with a sign of life every 45 s
        assert 3_240 <= sum(stand.naps.taken) <= 4_020  # and what the pace of requests asks for
        assert max(stand.naps.taken) <= 60
        assert len(stand.asked) == 3

    _with(play, scenario)


def test_what_was_missed_for_good_is_reported() -> None:
    play = Play(1)

    async def scenario(stand: Platform) -> None:
        with capture_logs() as logs:
            await read(play.collector(stand), str(NOW - 8 * DAY), cursors())
        assert [(entry["event"], entry["why"]) for entry in logs] == [
            ("items may have been missed", "too old")
        ]

    _with(play, scenario)


def test_a_token_that_was_revoked_is_renewed_once_then_refused() -> None:
    play = Play(1)

    async def scenario(stand: Platform) -> None:
        collector = play.collector(stand)
        await read(collector, None, cursors())
        play.valid = "another"
        await read(collector, None, cursors())
        assert play.tokens == 2
        play.good, play.valid = False, "another"
        with pytest.raises(Refused, match="no token for these credentials"):
            await read(collector, None, cursors())

    _with(play, scenario)


def test_the_new_key_is_used_and_the_old_one_while_it_is_not_good_yet() -> None:
    play = Play(1)

    async def scenario(stand: Platform) -> None:
        fresh = json.dumps(
            {"type": "authorized_user", "refresh_token": "r", "token_uri": f"{stand.base}/gone"}
        )

        async def gone(request: web.Request) -> web.StreamResponse:
            return answer({"error": "invalid_grant"}, 400)

        async with platform(gone) as dead:
            keys = (fresh.replace(stand.base, dead.base), play.key(stand))
            collector = stand.collector("google_play", keys, package="com.example.app")
            assert texts(await read(collector, None, cursors())) == ["review 1"]
            assert len(dead.asked) == 1

    _with(play, scenario)


FAULTS = [
    (answer({}, 429, Retry_After="17"), Busy, 17.0),
    (answer({}, 429), Busy, 60.0),
    (answer({}, 503, Retry_After="99999999999"), Busy, 86_400.0),
    (answer({"error": {"errors": [{"reason": "quotaExceeded"}]}}, 403), Busy, 900.0),
    (answer({"error": {"status": "RESOURCE_EXHAUSTED"}}, 403, Retry_After="5"), Busy, 5.0),
    (answer({"error": {"status": "PERMISSION_DENIED"}}, 403), Refused, None),
    (answer({}, 404), Refused, None),
    (answer({}, 500), Transient, None),
    (answer({}, 503), Transient, None),
    (web.Response(status=302, headers={"Location": "https://elsewhere.example/"}), Transient, None),
    (web.Response(text="<html>Sign in to the Wi-Fi</html>"), Transient, None),
    (web.Response(body=b'{"reviews": [{"reviewId'), Transient, None),
    (web.Response(body=b"[" * 100_000), Transient, None),
    (web.Response(body=b""), Transient, None),
]


@pytest.mark.parametrize("number", range(len(FAULTS)))
def test_faults(number: int) -> None:
    response, kind, wait = FAULTS[number]
    play = Play(1)

    async def scenario(stand: Platform) -> None:
        play.faults.append(response)
        collector = play.collector(stand)
        with pytest.raises(kind) as caught:
            await read(collector, None, cursors())
        assert isinstance(caught.value, Busy) == (kind is Busy)
        if isinstance(caught.value, Busy):
            assert caught.value.retry_after_s == wait
        if kind is not Refused:
            assert texts(await read(collector, None, cursors())) == ["review 1"]
            assert stand.naps.taken[0] == pytest.approx(60, abs=5)  # not at once, whatever it was

    _with(play, scenario)


def test_a_fault_in_the_middle_moves_no_position() -> None:
    play = Play(1, 2, 3, 4, 5)

    async def scenario(stand: Platform) -> None:
        seen: list[Page] = []

        def spoil(pages: list[Page]) -> bool:
            seen[:] = pages
            play.faults.append(answer({}, 500))
            return False

        with pytest.raises(Transient):
            await read(play.collector(stand), str(NOW - 6 * HOUR), spoil)
        assert [page.cursor for page in seen] == [None]

    _with(play, scenario)


def test_a_body_that_does_not_end_is_given_up() -> None:
    closed = asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b" ")
                await asyncio.sleep(0.01)  # the pause is the point
        finally:
            closed.set()

    async def scenario() -> None:
        async with platform(slow) as stand:
            around = stand.surroundings()
            with pytest.raises(Transient, match="in time"):
                await calls.call(around, "GET", stand.base, timeout_s=0.2)
            await asyncio.wait_for(closed.wait(), 5)
            with pytest.raises(Transient, match="more than 5 bytes"):
                await calls.call(around, "GET", stand.base, max_bytes=5)

    run(scenario)


def test_a_bomb_is_counted_after_it_was_opened() -> None:
    async def bomb(request: web.Request) -> web.StreamResponse:
        response = web.Response(body=b"0" * 20_000_000)
        response.enable_compression(web.ContentCoding.gzip)
        return response

    async def scenario() -> None:
        async with platform(bomb) as stand:
            with pytest.raises(Transient, match="more than 16000000 bytes"):
                await calls.call(stand.surroundings(), "GET", stand.base)

    run(scenario)


def test_nobody_there() -> None:
    async def scenario() -> None:
        async with platform(Play()) as stand:
            with pytest.raises(Transient, match="the connection failed"):
                await calls.call(stand.surroundings(), "GET", "http://127.0.0.1:1/")

    run(scenario)


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("17", 17.0),
        ("0", 0.0),
        ("-3", 0.0),
        ("1e99", 86_400.0),
        ("nan", None),
        ("soon", None),
        ("", None),
        ("Sun, 15 Jun 2025 15:07:40 GMT", 60.0),
        ("Sun, 15 Jun 2025 15:00:00 GMT", 0.0),
        ("Sun, 99 Jun 2025 15:00:00 GMT", None),
    ],
)
def test_retry_after(value: str, wait: float | None) -> None:
    assert calls.retry_after(value, NOW) == wait


class Connect:
    """App Store Connect: JSON:API, three reviews on two pages."""

    def __init__(self) -> None:
        self.status = 200
        self.rejected_kid = ""

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        token = request.headers["Authorization"].removeprefix("Bearer ")
        claims = jwt.decode(
            token,
            EC.public_key(),
            algorithms=["ES256"],
            audience="appstoreconnect-v1",
            options={"verify_exp": False, "verify_iat": False},
        )
        assert claims["iss"] == "69a6de70-0000-47e3-e053-5b8c7c11a4d1"
        assert jwt.get_unverified_header(token)["kid"] == "ABC123DEFG"
        if self.status != 200:
            return answer({"errors": []}, self.status, Retry_After="30")
        assert request.path == "/v1/apps/1234/customerReviews"
        if "cursor" in request.query:
            return answer({"data": [_entry("c", "2025-06-12T10:00:00-07:00")], "links": {}})
        assert dict(request.query) == {
            "sort": "-createdDate",
            "limit": "200",
            "include": "response",
        }
        following = "https://api.appstoreconnect.apple.com/v1/apps/1234/customerReviews?cursor=x%3D"
        reviews = [
            _entry("a", "2025-06-14T10:00:00-07:00"),
            _entry("b", "2025-06-13T10:00:00-07:00"),
        ]
        return answer({"data": reviews, "links": {"next": following}})


def _entry(name: str, created: str) -> dict[str, Any]:
    attributes = {"rating": 1, "title": name, "body": f"text {name}", "createdDate": created}
    return {"type": "customerReviews", "id": name, "attributes": attributes}


def _connect(stand: Platform, *secrets: str, **options: str) -> Any:
    given = {
        "app_id": "1234",
        "key_id": "ABC123DEFG",
        "issuer_id": "69a6de70-0000-47e3-e053-5b8c7c11a4d1",
    } | options
    return stand.collector("app_store", secrets or (_pem(EC),), **given)


def test_app_store_connect_is_followed_from_page_to_page() -> None:
    connect = Connect()

    async def scenario() -> None:
        async with platform(connect) as stand:
            pages = await read(_connect(stand), None, cursors())
            assert [item.native_id for page in pages for item in page.delivery.items] == [*"abc"]
            assert pages[-1].cursor == "1749920400000"
            assert stand.paths()[1] == "/v1/apps/1234/customerReviews?cursor=x%3D"
            connect.status = 429
            with pytest.raises(Busy) as busy:
                await read(_connect(stand), None, cursors())
            assert busy.value.retry_after_s == 30
            connect.status = 401
            with pytest.raises(Refused):
                await read(_connect(stand), None, cursors())
            with pytest.raises(Refused, match="no P-256 private key"):
                await read(_connect(stand, "not a key at all"), None, cursors())
            connect.status = 200
            assert await read(_connect(stand, "an old key", _pem(EC)), None, cursors())

    run(scenario)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"app_id": "12/../34"}, "'app_id' should be the number of the app"),
        ({"base_url": "http://apple.example.com"}, "'base_url' should be an https address"),
        ({"base_url": "https://user:password@apple.example.com"}, "'base_url'"),
        ({"base_url": "ftp://127.0.0.1"}, "'base_url'"),
        ({"base_url": "https://[::1"}, "'base_url'"),
        ({"poll_s": "often"}, "'poll_s' should be at least 1 seconds"),
        ({"poll_s": "nan"}, "'poll_s'"),
        ({"poll_s": "0"}, "'poll_s'"),
    ],
)
def test_options_that_will_not_do(options: dict[str, str], why: str) -> None:
    async def scenario() -> None:
        async with platform(Connect()) as stand:
            with pytest.raises(Misconfigured, match=why):
                _connect(stand, **options)

    run(scenario)


@pytest.mark.parametrize(
    "secret",
    ["not JSON", "{}", '{"refresh_token": "r", "token_uri": "http://google.example.com/token"}'],
)
def test_credentials_that_will_not_do(secret: str) -> None:
    async def scenario() -> None:
        async with platform(Play()) as stand:
            with pytest.raises(Misconfigured, match=r"sources\.it"):
                stand.collector("google_play", (secret,), package="com.example.app")

    run(scenario)


class Feed:
    """The public feed: pages of reviews, each of so many hours ago."""

    def __init__(self, *pages: list[float]) -> None:
        self.pages = pages
        self.status = 200

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        if self.status != 200:
            return web.Response(status=self.status)
        number = int(request.path.split("/page=")[1].split("/")[0])
        assert request.path == (
            f"/de/rss/customerreviews/page={number}/id=1234/sortby=mostrecent/json"
        )
        entries = [
            _label(f"{number}-{at}", hours) for at, hours in enumerate(self.pages[number - 1])
        ]
        links = [
            {"attributes": {"rel": rel, "href": f"https://itunes.apple.com/de/rss/page={page}/id"}}
            for rel, page in (
                ("self", number),
                ("next", min(number + 1, len(self.pages))),
                ("last", len(self.pages)),
            )
        ]
        return answer({"feed": {"entry": entries, "link": links}})


def _label(name: str, age_h: float) -> dict[str, Any]:
    at = f"{int(NOW - age_h * HOUR) // 1000}"
    return {
        "id": {"label": name},
        "title": {"label": ""},
        "content": {"label": name},
        "im:rating": {"label": "1"},
        "updated": {"label": at},
    }


def test_the_feed_is_read_to_its_end_and_a_gap_is_reported() -> None:
    feed = Feed(*([float(number)] for number in range(1, 11)))

    async def scenario() -> None:
        async with platform(feed) as stand:
            collector = stand.collector("app_store_feed", app_id="1234", country="DE")
            with capture_logs() as logs:
                pages = await read(collector, None, cursors())
            assert len(pages) == len(stand.asked) == 10
            assert stand.naps.taken == [1.0] * 9
            assert not logs
            with capture_logs() as logs:
                await read(collector, str(NOW - 20 * HOUR), cursors())
            assert [(entry["event"], entry["why"]) for entry in logs] == [
                ("items may have been missed", "too many")
            ]
            with capture_logs() as logs:
                await read(collector, str(NOW - 9 * HOUR), cursors())
            assert not logs

    run(scenario)


@pytest.mark.parametrize("status", [403, 404, 500, 503])
def test_the_feed_never_refuses_for_good(status: int) -> None:
    feed = Feed([1.0])
    feed.status = status

    async def scenario() -> None:
        async with platform(feed) as stand:
            collector = stand.collector("app_store_feed", app_id="1234", country="de")
            with pytest.raises(Transient):
                await read(collector, None, cursors())
            feed.status = 200
            assert await read(collector, "a position of another provider", cursors())

    run(scenario)


def test_pages_that_go_in_circles() -> None:
    async def circle(request: web.Request) -> web.StreamResponse:
        if request.path == "/token":
            return answer({"access_token": "t", "expires_in": 10})
        return answer({"reviews": [_review("1", 1)], "tokenPagination": {"nextPageToken": "x"}})

    async def scenario() -> None:
        async with platform(circle) as stand:
            collector = stand.collector(
                "google_play", (Play().key(stand),), package="com.example.app"
            )
            with pytest.raises(Transient, match="circles"):
                await read(collector, None, cursors())

    run(scenario)
