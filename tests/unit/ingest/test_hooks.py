"""The door of providers over a real socket, with intake's outside in memory."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web
from yarl import URL

from services.ingest.channels import providers
from services.ingest.channels.hook import Hook
from services.ingest.channels.item import Item
from services.ingest.channels.provider import (
    Capability,
    Credentials,
    Delivery,
    Ignored,
    KeyNeeded,
    Proof,
    Provider,
    Reply,
    Settings,
    Unfit,
)
from services.ingest.channels.rejection import Refusal, Rejected
from services.ingest.metering import Metering
from services.ingest.registry import Registry
from services.ingest.sources.body import Bodies
from services.ingest.sources.fetching import Fetcher
from services.ingest.sources.gate import Gate
from services.ingest.sources.hooks import HookDoor
from services.ingest.sources.public_keys import PublicKeys
from shared import config
from shared.errors import Transient
from shared.events import Channel, DeadLetter, FeedbackReceived
from shared.limits import Limits
from shared.server import Server
from shared.signatures import Unauthentic, check_hmac
from shared.stores.memory_contacts import MemoryNonces

SECRET = b"a-secret-of-the-shop"
KEY_URL = "https://keys.example.com/current.pem"


def _verify(hook: Hook, credentials: Credentials, settings: Settings) -> Proof:
    check_hmac(credentials.secrets, hook.url.encode() + hook.body, hook.header("x-signature"))
    if settings.option("key") and KEY_URL not in credentials.keys:
        raise KeyNeeded(KEY_URL)
    return Proof(
        "hmac", nonce=hook.header("x-nonce") or None, digest=hook.header("x-digest") or None
    )


def _parse(hook: Hook, settings: Settings) -> Delivery:
    try:
        words = json.loads(hook.body)
    except ValueError as error:
        raise Rejected(Refusal.BAD_JSON, "not JSON") from error
    return Delivery(
        items=tuple(
            Item(native_id=w, channel=Channel.SOCIAL, text=w) for w in words if w.isalpha()
        ),
        unfit=tuple(Unfit(Refusal.BAD_VALUE, "no word", w.encode()) for w in words if w.isdigit()),
        ignored=tuple(Ignored.PING for w in words if not w),
    )


def _challenge(hook: Hook, credentials: Credentials, settings: Settings) -> Reply | None:
    if "challenge" not in hook.query:
        return None
    if hook.query.get("token", "").encode() not in credentials.secrets:
        raise Unauthentic("wrong token")
    return Reply(body=hook.query["challenge"].encode())


PROVIDER = Provider(
    name="words",
    title="Words",
    channel=Channel.SOCIAL,
    capability=Capability(),
    secret="any",
    verify=_verify,
    parse=_parse,
    challenge=_challenge,
    options={"key": "whether a key has to be fetched"},
)


class Site:
    def __init__(self, url: str, session: aiohttp.ClientSession, fetched: list[str]) -> None:
        self.url = url
        self.session = session
        self.fetched = fetched

    async def send(
        self, words: Any, source: str = "shop", secret: bytes = SECRET, **headers: str
    ) -> tuple[int, dict[str, Any], Any]:
        body = words if isinstance(words, bytes) else json.dumps(words).encode()
        public = f"https://feedback.example.com/v1/hooks/{source}?a=%20b"
        sign = hmac.new(secret, public.encode() + body, hashlib.sha256).hexdigest()
        named = {"X-Signature": sign} | {k.replace("_", "-"): v for k, v in headers.items()}
        url = f"{self.url}/v1/hooks/{source}?a=%20b"
        async with self.session.post(URL(url, encoded=True), data=body, headers=named) as got:
            return got.status, json.loads(await got.read()), got.headers


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> config.Ingest:
    monkeypatch.setattr(providers, "load", lambda: {"words": PROVIDER})
    path = tmp_path / "sources.toml"
    text = f'provider = "words"\nsecrets = ["{SECRET.decode()}"]\n'
    path.write_text(
        f"[sources.shop]\n{text}[sources.asleep]\npaused = true\n{text}"
        f'[sources.slow]\nrate = 0.1\nburst = 1\n{text}[sources.keyed]\n{text}options = {{key = "1"}}\n'
    )
    return config.Ingest(
        sources_file=str(path), public_url="https://feedback.example.com/", max_hook_bytes=1_000
    )


@asynccontextmanager
async def _site(rig: Any, settings: config.Ingest, *, away: bool = False) -> AsyncIterator[Site]:
    fetched: list[str] = []

    async def fetch(url: str) -> bytes:
        fetched.append(url)
        if away:
            raise Transient("no answer")
        return b"key"

    gate, app = Gate(rig.metrics), web.Application()
    HookDoor(
        rig.intake(),
        Registry(Path(settings.sources_file)),
        Bodies(settings.max_in_flight_bytes),
        PublicKeys(fetch, rig.clock.monotonic),
        MemoryNonces(3600.0, rig.clock.monotonic),
        Limits(rig.clock.monotonic),
        Metering(rig.metrics),
        rig.clock,
        settings,
        Fetcher(rig.clock, rig.metrics),
    ).add_routes(app, gate)
    server = Server(app, "127.0.0.1", 0, gate.connections)
    await server.start()
    async with aiohttp.ClientSession() as session:
        yield Site(f"http://127.0.0.1:{server.port}", session, fetched)
    await server.stop()


def _play(scenario: Any) -> None:
    asyncio.run(scenario())


def test_items_letters_and_what_is_ignored(rig: Any, settings: config.Ingest) -> None:
    async def scenario() -> None:
        async with _site(rig, settings) as site:
            status, answer, _ = await site.send(["broken", "7", ""])
            counts = {"accepted": 1, "duplicate": 0, "rejected": 1, "ignored": 1}
            assert (status, answer) == (200, counts)
            status, answer, _ = await site.send(["broken"])
            assert (status, answer["duplicate"]) == (200, 1)

    _play(scenario)
    [event] = [
        msgspec.json.decode(v, type=FeedbackReceived) for v in rig.log.values("feedback.received")
    ]
    assert (event.source, event.provider, event.native_id) == ("shop", "words", "broken")
    [letter] = [msgspec.json.decode(v, type=DeadLetter) for v in rig.log.values("dead-letters")]
    assert (letter.value, letter.reason) == (b"7", "bad_value")
    assert rig.metric("tocsin_events_ignored_total", channel="social", reason="ping") == 1
    assert rig.metric("tocsin_source_last_heard_timestamp_seconds", source="shop") > 0


def test_what_cannot_be_read_is_kept_and_not_sent_again(rig: Any, settings: config.Ingest) -> None:
    async def scenario() -> None:
        async with _site(rig, settings) as site:
            status, answer, _ = await site.send(b"{broken")
            assert (status, answer["rejected"]) == (200, 1)

    _play(scenario)
    [letter] = [msgspec.json.decode(v, type=DeadLetter) for v in rig.log.values("dead-letters")]
    assert letter.value == b"{broken"


def test_strangers_learn_nothing(rig: Any, settings: config.Ingest) -> None:
    async def scenario() -> None:
        async with _site(rig, settings) as site:
            unknown = await site.send(["a"], source="nobody")
            forged = await site.send(["a"], secret=b"another-secret")
            assert unknown[:2] == forged[:2]
            assert unknown[0] == 401

    _play(scenario)
    assert not rig.log.records
    assert rig.metric("tocsin_source_unauthentic_total", provider="words") == 1


def test_a_challenge_is_answered_only_with_the_right_token(
    rig: Any, settings: config.Ingest
) -> None:
    async def scenario() -> None:
        async with _site(rig, settings) as site:
            for token, status in ((SECRET.decode(), 200), ("wrong", 401)):
                query = {"challenge": "42", "token": token}
                async with site.session.get(f"{site.url}/v1/hooks/shop", params=query) as got:
                    assert got.status == status
                    assert (await got.text() == "42") is (status == 200)

    _play(scenario)


def test_a_nonce_serves_one_body(rig: Any, settings: config.Ingest) -> None:
    async def scenario() -> None:
        async with _site(rig, settings) as site:
            assert (await site.send(["a"], X_Nonce="n"))[0] == 200
            assert (await site.send(["a"], X_Nonce="n"))[0] == 200
            assert (await site.send(["b"], X_Nonce="n"))[0] == 401

    _play(scenario)
    assert len(rig.log.records) == 1


def test_a_nonce_serves_what_the_provider_says_is_the_same(
    rig: Any, settings: config.Ingest
) -> None:
    async def scenario() -> None:
        async with _site(rig, settings) as site:
            assert (await site.send(["a"], X_Nonce="n", X_Digest="d"))[0] == 200
            assert (await site.send(["a", ""], X_Nonce="n", X_Digest="d"))[0] == 200
            assert (await site.send(["a"], X_Nonce="n", X_Digest="e"))[0] == 401

    _play(scenario)


def test_a_paused_source_keeps_its_sender_waiting(rig: Any, settings: config.Ingest) -> None:
    async def scenario() -> None:
        async with _site(rig, settings) as site:
            status, answer, headers = await site.send(["a"], source="asleep")
            assert (status, answer["reason"]) == (503, "paused")
            assert int(headers["Retry-After"]) > 0

    _play(scenario)


def test_too_fast_a_source_is_told_when_to_come_back(rig: Any, settings: config.Ingest) -> None:
    async def scenario() -> None:
        async with _site(rig, settings) as site:
            assert (await site.send(["a", "b", "c"], source="slow"))[0] == 200
            status, _, headers = await site.send(["d"], source="slow")
            assert (status, headers["Retry-After"]) == (429, "30")
            assert (await site.send(["d"]))[0] == 200

    _play(scenario)


def test_a_key_is_fetched_once(rig: Any, settings: config.Ingest) -> None:
    async def scenario() -> None:
        async with _site(rig, settings) as site:
            answers = await asyncio.gather(*(site.send(["a"], source="keyed") for _ in range(5)))
            assert {status for status, _, _ in answers} == {200}
            assert site.fetched == [KEY_URL]

    _play(scenario)


def test_without_the_key_the_sender_shall_try_again(rig: Any, settings: config.Ingest) -> None:
    async def scenario() -> None:
        async with _site(rig, settings, away=True) as site:
            for _ in range(3):
                assert (await site.send(["a"], source="keyed"))[0] == 503
            assert site.fetched == [KEY_URL]

    _play(scenario)


def test_kafka_away_is_503_and_a_body_too_large_413(rig: Any, settings: config.Ingest) -> None:
    async def scenario() -> None:
        async with _site(rig, settings) as site:
            rig.log.fail_with = lambda: Transient("away")
            assert (await site.send(["a"]))[0] == 503
            assert (await site.send(b"x" * 1_001))[0] == 413

    _play(scenario)


def test_a_bug_is_an_answer_a_metric_and_no_end(
    rig: Any, settings: config.Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    async def scenario() -> None:
        async with _site(rig, settings) as site:
            with monkeypatch.context() as patched:
                patched.setattr(HookDoor, "_read", broken)
                status, answer, _ = await site.send(["a"])
                assert (status, answer["reason"]) == (500, "failed")
            assert (await site.send(["a"]))[0] == 200

    _play(scenario)
    name = "tocsin_http_request_duration_seconds_count"
    assert rig.metric(name, route="hooks", status="500") == 1


def test_one_source_may_hold_half_of_the_memory(rig: Any, settings: config.Ingest) -> None:
    small = msgspec.structs.replace(settings, max_hook_bytes=1_000, max_in_flight_bytes=1_500)

    async def slowly() -> AsyncIterator[bytes]:
        yield b"x" * 900
        await asyncio.sleep(5)  # the pause is the point

    async def scenario() -> None:
        async with _site(rig, small) as site:
            url = f"{site.url}/v1/hooks/shop"
            stranger = asyncio.create_task(site.session.post(url, data=slowly()).__aenter__())
            answers = await asyncio.gather(stranger, return_exceptions=True)
            [answer] = answers
            assert isinstance(answer, aiohttp.ClientResponse)
            assert answer.status == 503
            assert (await site.send(["a"], source="keyed"))[0] == 200

    _play(scenario)
