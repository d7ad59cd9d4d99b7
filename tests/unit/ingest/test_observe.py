"""``tocsin observe`` against the door of web hooks, over a real socket; the rest is in memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web
from click.testing import CliRunner, Result

from services.commands.observe import command
from shared import config
from shared.errors import Misconfigured, Transient
from shared.events import DeadLetter, FeedbackReceived
from shared.server import Server
from tests.unit.ingest.test_hooks import _site as site_of

KEY = "the-key-of-the-floor"
SAID = ("The guest at table 7 is furious.", "--observer", "Jana")
AT = ("--at", "2024-05-04T10:10:00Z")
NOWHERE = "http://127.0.0.1:1"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "sources.toml"
    _write(path, "floor")
    return path


def _write(path: Path, *names: str, extra: str = "") -> None:
    tables = [
        f'[sources.{name}]\nprovider = "staff"\nsecrets = ["{KEY}"]\n{extra}' for name in names
    ]
    path.write_text("".join(tables))


def _observe(file: Path, *arguments: str, stdin: str | None = None) -> Result:
    settings = (f"ingest.sources_file={file}",)
    return CliRunner().invoke(
        command, arguments, input=stdin, obj=(None, settings), catch_exceptions=False
    )


Observe = Callable[..., Awaitable[Result]]


@asynccontextmanager
async def _intake(rig: Any, file: Path) -> AsyncIterator[Observe]:
    """Run a door; yield the command, pointed at it."""
    async with site_of(rig, config.Ingest(sources_file=str(file))) as site:

        async def observe(*arguments: str, of: Path = file, stdin: str | None = None) -> Result:
            given = (*arguments, "--url", site.url)
            return await asyncio.to_thread(_observe, of, *given, stdin=stdin)

        yield observe


def _events(rig: Any) -> list[FeedbackReceived]:
    return [
        msgspec.json.decode(v, type=FeedbackReceived) for v in rig.log.values("feedback.received")
    ]


def test_what_is_observed_is_feedback_and_told_once(rig: Any, file: Path) -> None:
    async def scenario() -> tuple[Result, Result]:
        async with _intake(rig, file) as observe:
            given = [*SAID, *AT, "--customer", "ann@example.com", "--channel", "phone"]
            given += ["--location", "b7", "--product", "soup", "--quote", "--language", "en"]
            return await observe(*given), await observe(*given, "--json")

    first, second = asyncio.run(scenario())
    [event] = _events(rig)
    assert first.stdout.split() == [event.feedback_id, "accepted"]
    told = json.loads(second.stdout)
    assert (told["feedback_id"], told["status"]) == (event.feedback_id, "duplicate")
    assert (event.text, event.channel, event.language) == (SAID[0], "phone", "en")
    assert event.attributes == {"observed_by": "Jana", "quote": True, "product": "soup"}
    assert event.product is not None
    assert event.product.location_id == "b7"


def test_an_id_of_ones_own_and_the_time_of_the_clock(rig: Any, file: Path) -> None:
    async def scenario() -> Result:
        async with _intake(rig, file) as observe:
            return await observe(*SAID, "--id", "book-12")

    assert asyncio.run(scenario()).exit_code == 0
    [event] = _events(rig)
    assert event.native_id == "book-12"
    assert event.occurred_at is not None


def test_a_key_from_elsewhere(rig: Any, file: Path, tmp_path: Path) -> None:
    async def scenario() -> Result:
        async with _intake(rig, file) as observe:
            away = tmp_path / "none.toml"
            given = (*SAID, "--source", "floor", "--key-file", "-")
            return await observe(*given, of=away, stdin=KEY + "\n")

    assert asyncio.run(scenario()).exit_code == 0
    assert len(_events(rig)) == 1


def test_what_will_not_do_is_named_and_not_sent(file: Path) -> None:
    for arguments, complaint in (
        ((" ", "--observer", "Jana"), "text: empty"),
        (("x", "--observer", " "), "observer: empty"),
        ((*SAID, "--at", "yesterday"), "observed_at: .*write it as 2026-05-04T10:00:00"),
        ((*SAID, "--at", "2026-05-04T10:00:00"), "observed_at: .*write it as"),
    ):
        with pytest.raises(Misconfigured, match=complaint):
            _observe(file, *arguments, "--url", NOWHERE)


def test_a_source_has_to_be_found(file: Path, tmp_path: Path) -> None:
    none = tmp_path / "none.toml"
    with pytest.raises(Misconfigured, match="tocsin sources add staff --provider staff"):
        _observe(none, *SAID)
    with pytest.raises(Misconfigured, match="'bar' takes observations"):
        _observe(file, *SAID, "--source", "bar")
    _write(file, "floor", "bar")
    with pytest.raises(Misconfigured, match="--source bar"):
        _observe(file, *SAID)
    key = tmp_path / "key"
    key.write_text(KEY)
    with pytest.raises(Misconfigured, match="say by --source"):
        _observe(none, *SAID, "--key-file", str(key))
    key.write_text("\n")
    assert _observe(none, *SAID, "--source", "bar", "--key-file", str(key)).exit_code == 2


def test_an_intake_that_is_away_says_how_to_go_on(file: Path) -> None:
    with pytest.raises(Transient, match=r"tocsin worker ingest.*--at 2024-05-04T10:10:00"):
        _observe(file, *SAID, *AT, "--url", NOWHERE)


def test_a_source_that_is_paused_or_unknown_there(rig: Any, file: Path, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with _intake(rig, file) as observe:
            with pytest.raises(Transient, match="this source is paused; wait, then send it again"):
                await observe(*SAID)
            other = tmp_path / "other.toml"
            _write(other, "bar")
            with pytest.raises(Misconfigured, match="knows no source 'bar' with this key"):
                await observe(*SAID, of=other)

    _write(file, "floor", extra="paused = true\n")
    asyncio.run(scenario())
    assert _events(rig) == []


async def _answered(status: int, body: bytes, file: Path) -> Result:
    """Return what the command makes of an answer of somebody else's."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, body=body)

    app = web.Application()
    app.router.add_post("/v1/hooks/floor", answer)
    server = Server(app, "127.0.0.1", 0, set())
    await server.start()
    try:
        given = (*SAID, *AT, "--url", f"http://127.0.0.1:{server.port}")
        return await asyncio.to_thread(_observe, file, *given)
    finally:
        await server.stop()


@pytest.mark.parametrize(
    ("status", "body"), [(200, b"<html>"), (200, b'{"accepted": 1}'), (404, b"\xff"), (302, b"{}")]
)
def test_what_is_no_intake_is_told_so(status: int, body: bytes, file: Path) -> None:
    with pytest.raises(Misconfigured, match="no intake of this version"):
        asyncio.run(_answered(status, body, file))


def test_a_refusal_of_intake_is_told_with_its_reason(file: Path) -> None:
    result = {"status": "rejected", "reason": "bad_value", "detail": "text: too rude"}
    found = asyncio.run(_answered(200, json.dumps({"results": [result]}).encode(), file))
    assert found.exit_code == 1
    assert found.stderr == "tocsin: refused (bad_value): text: too rude\n"
    with pytest.raises(Misconfigured, match="over the bound"):
        asyncio.run(_answered(413, b'{"detail": "over the bound"}', file))


def test_other_senders_are_told_of_every_item(rig: Any, file: Path) -> None:
    good = {"observed_at": "2024-05-04T10:10:00Z", "observer": "Jana", "text": "He left angry."}
    bad = good | {"observer": " "}

    async def scenario() -> tuple[int, Any]:
        async with site_of(rig, config.Ingest(sources_file=str(file))) as site:
            headers = {"Authorization": f"Bearer {KEY}"}
            url = f"{site.url}/v1/hooks/floor"
            async with site.session.post(url, json=[good, bad], headers=headers) as got:
                return got.status, await got.json()

    status, answer = asyncio.run(scenario())
    assert (status, answer["accepted"], answer["rejected"]) == (200, 1, 1)
    [event] = _events(rig)
    taken, refused = answer["results"]
    assert taken["feedback_id"] == event.feedback_id
    assert (refused["reason"], refused["detail"]) == (
        "bad_value",
        "observer: empty; who observed it?",
    )
    [letter] = [msgspec.json.decode(v, type=DeadLetter) for v in rig.log.values("dead-letters")]
    assert json.loads(letter.value or b"") == bad
