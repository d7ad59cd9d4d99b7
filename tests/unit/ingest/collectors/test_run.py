"""One source that is read: order of delivery and position, faults, isolation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import msgspec
import pytest

from services.ingest.channels.item import Item
from services.ingest.channels.provider import Capability, Credentials, Delivery, Provider, Settings
from services.ingest.collectors.page import Busy, Collector, Page, Refused
from services.ingest.collectors.run import Outlet, Run
from services.ingest.collectors.supervisor import Supervisor
from services.ingest.collectors.watermarks import Watermarks
from services.ingest.metering import Metering
from services.ingest.prepare import Door
from services.ingest.registry import Configured, Source, Sources
from shared import ids
from shared.errors import Transient
from shared.events import Channel, Watermark
from shared.limits import Limits
from shared.topics import Names

PROVIDER = Provider(
    name="pages", title="Pages", channel=Channel.REVIEWS, capability=Capability(), pull=True
)
Step = Page | Exception


def _source(name: str = "play", **fields: Any) -> Configured:
    source = Source(provider="pages", **fields)
    return Configured(name, source, PROVIDER, Settings(name=name), Credentials())


def _page(*texts: str, cursor: str | None = None, confirm: Any = None) -> Page:
    items = tuple(Item(native_id=text, channel=Channel.REVIEWS, text=text) for text in texts)
    extra = {} if confirm is None else {"confirm": confirm}
    return Page(delivery=Delivery(items=items), cursor=cursor, **extra)


class Script:
    """A source that does what it is told, then stays silent; it notes where each read began."""

    def __init__(self, *steps: Step) -> None:
        self._steps = list(steps)
        self.starts: list[str | None] = []
        self.closed = 0
        self.silent = asyncio.Event()

    async def pages(self, cursor: str | None) -> AsyncIterator[Page]:
        self.starts.append(cursor)
        try:
            while self._steps:
                step = self._steps.pop(0)
                if isinstance(step, Exception):
                    raise step
                yield step
            self.silent.set()
            await asyncio.Event().wait()
        finally:
            self.closed += 1


class Naps:
    """Sleeps that only yield, and are noted."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)
        await asyncio.sleep(0)


def _outlet(rig: Any, naps: Naps) -> Outlet:
    return Outlet(
        rig.intake(0.05),
        Watermarks(rig.log, Names(), rig.clock),
        Limits(rig.clock.monotonic),
        Metering(rig.metrics),
        rig.metrics,
        rig.clock,
        naps,
    )


def _marks(rig: Any) -> list[Watermark]:
    return [msgspec.json.decode(v, type=Watermark) for v in rig.log.values("ingest.watermarks")]


def _texts(rig: Any) -> list[str]:
    return [msgspec.json.decode(v)["text"] for v in rig.log.values("feedback.received")]


async def _read(rig: Any, script: Script, naps: Naps, cursor: str | None = None) -> None:
    run = Run(_source(), Door("play"), script, _outlet(rig, naps))
    task = asyncio.create_task(run.forever(cursor, 7))
    waiting = asyncio.create_task(script.silent.wait())
    await asyncio.wait([task, waiting], return_when="FIRST_COMPLETED", timeout=5)
    task.cancel()
    waiting.cancel()
    await asyncio.wait([task])


def test_a_position_is_stored_after_what_it_covers(rig: Any) -> None:
    seen: list[int] = []

    async def confirm() -> None:
        seen.append(len(rig.log.records))

    async def scenario() -> None:
        script = Script(_page("a", "b", cursor="2", confirm=confirm), _page("c", cursor="3"))
        await _read(rig, script, Naps(), "1")
        assert script.starts == ["1"]
        assert script.closed == 1

    asyncio.run(scenario())
    assert _texts(rig) == ["a", "b", "c"]
    assert seen == [2]  # confirmed after both were written
    assert [(mark.cursor, mark.items) for mark in _marks(rig)] == [("2", 9), ("3", 10)]
    topics = [record.topic for record in rig.log.records]
    assert topics.index("ingest.watermarks") == 2


def test_nothing_is_left_out_while_kafka_is_away(rig: Any) -> None:
    async def scenario() -> None:
        naps, script = Naps(), Script(_page("a", cursor="1"))
        failures = iter([True, True, False])

        def fail() -> Exception:
            if not next(failures):
                rig.log.fail_with = None
            return Transient("away")

        rig.log.fail_with = fail
        await _read(rig, script, naps)
        assert script.starts == [None]
        assert len(naps.taken) == 3

    asyncio.run(scenario())
    assert _texts(rig) == ["a"]
    assert [mark.cursor for mark in _marks(rig)] == ["1"]


def test_a_position_that_cannot_be_stored_is_no_reason_to_leave_the_stream(rig: Any) -> None:
    async def scenario() -> None:
        async def kafka_fails() -> None:
            rig.log.fail_with = lambda: Transient("away")

        async def kafka_is_back() -> None:
            rig.log.fail_with = None

        script = Script(_page(cursor="1", confirm=kafka_fails), _page(confirm=kafka_is_back))
        await _read(rig, script, Naps(), "0")
        assert script.starts == ["0"]

    asyncio.run(scenario())
    assert [mark.cursor for mark in _marks(rig)] == ["1"]  # at the end


def test_nothing_is_read_of_a_new_source_before_its_first_position_is_stored(rig: Any) -> None:
    """Else a death before the second would begin anew, "from now on", and lose what came between."""

    async def scenario() -> None:
        class Outage(Naps):
            async def __call__(self, seconds: float) -> None:
                await super().__call__(seconds)
                if len(self.taken) == 2:
                    rig.log.fail_with = None

        naps = Outage()
        rig.log.fail_with = lambda: Transient("away")
        await _read(rig, Script(_page(cursor="1"), _page("a", cursor="2")), naps)
        assert len(naps.taken) == 2

    asyncio.run(scenario())
    assert [record.topic for record in rig.log.records[:2]] == [
        "ingest.watermarks",
        "feedback.received",
    ]


def test_a_fault_is_waited_out_longer_each_time_and_reading_goes_on_where_it_was(rig: Any) -> None:
    async def scenario() -> None:
        faults = [Transient("503"), Transient("503"), Transient("503"), ValueError("a bug")]
        naps, script = Naps(), Script(_page("a", cursor="1"), *faults, _page("b", cursor="2"))
        await _read(rig, script, naps)
        assert script.starts == [None, "1", "1", "1", "1"]
        first, second, third, bug = naps.taken
        assert 0.5 <= first <= 1 <= second * 1.0001 <= 2.0002
        assert 2 <= third <= 4
        assert bug == 300

    asyncio.run(scenario())
    assert _texts(rig) == ["a", "b"]
    assert rig.metric("tocsin_source_errors_total", source="play", reason="transient") == 4


def test_a_quota_says_itself_how_long(rig: Any) -> None:
    async def scenario() -> None:
        naps = Naps()
        await _read(rig, Script(Busy("429", 42.0), _page("a")), naps)
        assert naps.taken == [42.0]

    asyncio.run(scenario())
    assert rig.metric("tocsin_source_errors_total", source="play", reason="busy") == 1


def test_a_refusal_ends_it_loudly(rig: Any) -> None:
    async def scenario() -> None:
        naps, script = Naps(), Script(_page("a"), Refused("the token was revoked"))
        run = Run(_source(), Door("play"), script, _outlet(rig, naps))
        await asyncio.wait_for(run.forever(None, 0), 5)
        assert naps.taken == []

    asyncio.run(scenario())
    assert rig.metric("tocsin_source_errors_total", source="play", reason="refused") == 1
    assert rig.metric("tocsin_source_up", source="play") == 0


class Book:
    """A registry that is changed by hand."""

    def __init__(self, sources: Sources) -> None:
        self.sources = sources
        self._listeners: list[Callable[[Sources], None]] = []

    def listen(self, listener: Callable[[Sources], None]) -> None:
        self._listeners.append(listener)

    def change(self, sources: Sources) -> None:
        self.sources = sources
        for listener in self._listeners:
            listener(sources)


async def _until(condition: Callable[[], bool]) -> None:
    async def turn() -> None:
        while not condition():  # noqa: ASYNC110 (conditions of many parts, none of which tells)
            await asyncio.sleep(0)

    await asyncio.wait_for(turn(), 5)


def _supervise(
    rig: Any, play: Callable[[Supervisor, Book, dict[str, Script]], Awaitable[None]]
) -> None:
    async def scenario() -> None:
        scripts = {
            "bad": Script(Refused("revoked")),
            "good": Script(_page("a", cursor="1")),
        }
        book = Book({name: _source(name) for name in scripts})

        def make(source: Configured) -> Collector:
            return scripts[source.name]

        supervisor = Supervisor(book, make, _outlet(rig, Naps()))  # type: ignore[arg-type]
        try:
            await play(supervisor, book, scripts)
        finally:
            await supervisor.stop()

    asyncio.run(scenario())


def test_a_revoked_token_stops_one_source_only(rig: Any) -> None:
    async def play(supervisor: Supervisor, book: Book, scripts: dict[str, Script]) -> None:
        await supervisor.own(frozenset(range(4)), 4, {})
        await _until(lambda: supervisor.running() == {"good"} and scripts["good"].silent.is_set())
        assert _texts(rig) == ["a"]
        # A new token is a new configuration: it is tried again.
        scripts["bad"] = Script(_page("b"))
        book.change({**book.sources, "bad": _source("bad", rate=9.0)})
        await _until(scripts["bad"].silent.is_set)
        assert supervisor.running() == {"bad", "good"}
        assert len(scripts["good"].starts) == 1

    _supervise(rig, play)


def test_only_owned_sources_are_read_and_from_their_position(rig: Any) -> None:
    async def play(supervisor: Supervisor, book: Book, scripts: dict[str, Script]) -> None:
        mine = ids.partition_of("good", 4)
        assert ids.partition_of("bad", 4) != mine
        mark = Watermark(source="good", cursor="0", at=1, items=3)
        await supervisor.own(frozenset({mine}), 4, {"good": mark})
        await _until(scripts["good"].silent.is_set)
        assert supervisor.running() == {"good"}
        assert scripts["good"].starts == ["0"]
        await supervisor.disown()
        assert supervisor.running() == frozenset()
        assert scripts["good"].closed == 1

    _supervise(rig, play)


@pytest.mark.parametrize("paused", [True, False])
def test_a_paused_source_is_let_go_and_goes_on_where_it_was(rig: Any, paused: bool) -> None:
    async def play(supervisor: Supervisor, book: Book, scripts: dict[str, Script]) -> None:
        await supervisor.own(frozenset(range(4)), 4, {})
        await _until(scripts["good"].silent.is_set)
        book.change({"good": _source("good", paused=True)})
        await _until(lambda: not supervisor.running())
        if paused:
            return
        scripts["good"].silent.clear()
        book.change({"good": _source("good")})
        await _until(scripts["good"].silent.is_set)
        assert scripts["good"].starts == [None, "1"]

    _supervise(rig, play)


def test_a_collector_that_hangs_in_its_end_holds_nobody_up(
    rig: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.ingest.collectors.supervisor.END_S", 0.05)

    class Hanging(Script):
        async def pages(self, cursor: str | None) -> AsyncIterator[Page]:
            try:
                async for page in super().pages(cursor):
                    yield page
            finally:
                self.closed += 1
                for _ in range(40):
                    with suppress(asyncio.CancelledError):
                        await asyncio.sleep(0.01)

    async def play(supervisor: Supervisor, book: Book, scripts: dict[str, Script]) -> None:
        scripts["good"] = Hanging(_page("a"))
        await supervisor.own(frozenset(range(4)), 4, {})
        await _until(scripts["good"].silent.is_set)
        await asyncio.wait_for(supervisor.disown(), 2)
        assert supervisor.running() == frozenset()

    _supervise(rig, play)


def test_a_collector_that_cannot_be_made_stops_no_other(rig: Any) -> None:
    async def scenario() -> None:
        script = Script(_page("a"))
        book = Book({name: _source(name) for name in ("bad", "good")})

        def make(source: Configured) -> Collector:
            if source.name == "bad":
                raise ValueError("not a key")
            return script

        supervisor = Supervisor(book, make, _outlet(rig, Naps()))  # type: ignore[arg-type]
        await supervisor.own(frozenset(range(4)), 4, {})
        await _until(script.silent.is_set)
        assert supervisor.running() == {"good"}
        await supervisor.stop()

    asyncio.run(scenario())
    assert rig.metric("tocsin_source_errors_total", source="bad", reason="refused") == 1
