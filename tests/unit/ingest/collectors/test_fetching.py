"""Reviews that Google only announces: pushed over a real socket, fetched from a platform, written."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import jwt
import msgspec
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa

from services.ingest.channels.provider import Fetch
from services.ingest.channels.reviews.google_push import KEYS_URL
from services.ingest.metering import Metering
from services.ingest.registry import Registry
from services.ingest.sources import fetching
from services.ingest.sources.body import Bodies
from services.ingest.sources.fetching import Fetcher
from services.ingest.sources.gate import Gate
from services.ingest.sources.hooks import HookDoor
from services.ingest.sources.public_keys import PublicKeys
from shared import config
from shared.errors import Transient
from shared.events import DeadLetter, FeedbackReceived
from shared.limits import Limits
from shared.server import Server
from shared.stores.memory_contacts import MemoryNonces
from tests.unit.ingest.collectors.platform import Platform, answer, platform, run

KEY = rsa.generate_private_key(65537, 2048)
PUSHER = "push@project.iam.gserviceaccount.com"
NAME = "accounts/1/locations/2/reviews/AbC"
HOOK = "https://feedback.example.com/v1/hooks/maps"


class Google:
    """Tokens and one review."""

    def __init__(self) -> None:
        self.review: web.StreamResponse | None = None
        self.good = True
        self.slow = False

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        if self.slow:
            await asyncio.Event().wait()
        if request.path == "/token":
            form = await request.post()
            assert (form["grant_type"], form["refresh_token"]) == ("refresh_token", "refresh")
            token = {"access_token": "access", "expires_in": 3599}
            return answer(token) if self.good else answer({"error": "invalid_grant"}, 400)
        assert request.path == f"/v4/{NAME}"
        assert request.headers["Authorization"] == "Bearer access"
        if self.review is not None:
            return self.review
        return answer({"name": NAME, "starRating": "ONE", "comment": "Never again."})


class Site:
    """The door of hooks, and a platform behind it."""

    def __init__(self, url: str, stand: Platform, fetcher: Fetcher, registry: Registry) -> None:
        self._url = url
        self._stand = stand
        self.fetcher = fetcher
        self.source = registry.sources["maps"]

    async def push(self) -> tuple[int, dict[str, Any], Any]:
        data = base64.b64encode(json.dumps({"type": "NEW_REVIEW", "reviewName": NAME}).encode())
        now = self._stand.clock.now_ms() // 1000
        claims = {
            "iss": "https://accounts.google.com",
            "aud": HOOK,
            "email": PUSHER,
            "email_verified": True,
            "iat": now,
            "exp": now + 3600,
        }
        token = jwt.encode(claims, KEY, algorithm="RS256", headers={"kid": "k1"})
        async with self._stand.session.post(
            f"{self._url}/v1/hooks/maps",
            json={"message": {"data": data.decode(), "messageId": "1"}},
            headers={"Authorization": f"Bearer {token}"},
        ) as got:
            return got.status, await got.json(), got.headers


async def _keys(url: str) -> bytes:
    assert url == KEYS_URL
    key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key()))
    return json.dumps({"keys": [key | {"kid": "k1", "alg": "RS256", "use": "sig"}]}).encode()


def _configure(path: Path, stand: Platform) -> None:
    secret = {
        "type": "authorized_user",
        "client_id": "id",
        "client_secret": "secret",
        "refresh_token": "refresh",
        "token_uri": f"{stand.base}/token",
    }
    path.write_text(
        f"[sources.maps]\nprovider = 'google_business'\nsecrets = ['{json.dumps(secret)}']\n"
        f"options = {{ service_account = '{PUSHER}', base_url = '{stand.base}' }}\n"
    )


@asynccontextmanager
async def _site(rig: Any, google: Google, path: Path) -> AsyncIterator[Site]:
    async with platform(google) as stand:
        _configure(path, stand)
        settings = config.Ingest(sources_file=str(path), public_url="https://feedback.example.com")
        gate, app, registry = Gate(rig.metrics), web.Application(), Registry(path)
        fetcher = Fetcher(rig.clock, rig.metrics)
        await fetcher.start()
        HookDoor(
            rig.intake(),
            registry,
            Bodies(settings.max_in_flight_bytes),
            PublicKeys(_keys, rig.clock.monotonic),
            MemoryNonces(3600.0, rig.clock.monotonic),
            Limits(rig.clock.monotonic),
            Metering(rig.metrics),
            rig.clock,
            settings,
            fetcher,
        ).add_routes(app, gate)
        server = Server(app, "127.0.0.1", 0, gate.connections)
        await server.start()
        try:
            yield Site(f"http://127.0.0.1:{server.port}", stand, fetcher, registry)
        finally:
            await server.stop()
            await fetcher.stop()


@pytest.fixture
def site(rig: Any, tmp_path: Path) -> Callable[[Google, Callable[[Site], Any]], None]:
    def play(google: Google, scenario: Callable[[Site], Any]) -> None:
        async def whole() -> None:
            async with _site(rig, google, tmp_path / "sources.toml") as found:
                await scenario(found)

        run(whole)

    return play


def test_an_announced_review_is_fetched_and_written(rig: Any, site: Any) -> None:
    async def scenario(maps: Site) -> None:
        status, body, _ = await maps.push()
        assert (status, body["accepted"]) == (200, 1)
        status, body, _ = await maps.push()
        assert (status, body["duplicate"]) == (200, 1)

    site(Google(), scenario)
    [value] = rig.log.values("feedback.received")
    event = msgspec.json.decode(value, type=FeedbackReceived)
    assert (event.native_id, event.text) == ("AbC", "Never again.")
    assert rig.metric("tocsin_source_up", source="maps") == 1


@pytest.mark.parametrize(
    ("review", "reason"),
    [(answer({}, 500), "transient"), (answer({}, 429), "busy"), (answer({}, 403), "refused")],
)
def test_what_cannot_be_fetched_now_is_to_be_announced_again(
    rig: Any, site: Any, review: web.Response, reason: str
) -> None:
    google = Google()

    async def scenario(maps: Site) -> None:
        google.review = review
        status, body, headers = await maps.push()
        assert (status, body["reason"]) == (503, "not_fetched")
        assert int(headers["Retry-After"]) > 0
        assert rig.metric("tocsin_source_up", source="maps") == 0
        assert not rig.log.records
        google.review = None
        assert (await maps.push())[0] == 200

    site(google, scenario)
    assert rig.metric("tocsin_source_errors_total", source="maps", reason=reason) == 1
    assert len(rig.log.values("feedback.received")) == 1


def test_revoked_credentials_are_loud(rig: Any, site: Any) -> None:
    google = Google()
    google.good = False

    async def scenario(maps: Site) -> None:
        assert (await maps.push())[0] == 503

    site(google, scenario)
    assert rig.metric("tocsin_source_errors_total", source="maps", reason="refused") == 1


@pytest.mark.parametrize(
    ("review", "detail"),
    [
        (answer({}, 404), "gone"),
        (web.Response(text="<html>"), "bad_json"),
        (answer({}), "reviewId"),
    ],
)
def test_what_is_gone_or_unreadable_is_a_dead_letter(
    rig: Any, site: Any, review: web.Response, detail: str
) -> None:
    google = Google()
    google.review = review

    async def scenario(maps: Site) -> None:
        status, body, _ = await maps.push()
        assert (status, body["rejected"]) == (200, 1)

    site(google, scenario)
    [value] = rig.log.values("dead-letters")
    letter = msgspec.json.decode(value, type=DeadLetter)
    assert detail in f"{letter.reason}: {letter.detail}"


def test_an_answer_that_does_not_come(rig: Any, site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "TIMEOUT_S", 0.2)
    google = Google()
    google.slow = True

    async def scenario(maps: Site) -> None:
        began = time.monotonic()
        with pytest.raises(Transient):
            await maps.fetcher.get(maps.source, Fetch(f"https://any.example/v4/{NAME}", "AbC"))
        assert time.monotonic() - began < 5

    site(google, scenario)


def test_many_at_once_share_one_token(site: Any) -> None:
    google = Google()

    async def scenario(maps: Site) -> None:
        fetch = Fetch(f"https://mybusiness.googleapis.com/v4/{NAME}", "AbC")
        async with asyncio.TaskGroup() as group:
            for _ in range(20):
                group.create_task(maps.fetcher.get(maps.source, fetch))
        tokens = [each for each in maps._stand.asked if each.path == "/token"]
        assert (len(tokens), len(maps._stand.asked)) == (1, 21)

    site(google, scenario)
