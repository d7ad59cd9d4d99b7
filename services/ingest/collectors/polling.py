"""Sources that list their items newest first: asked again and again, down to what is known already."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass

import structlog

from services.ingest.channels.item import Item
from services.ingest.channels.rejection import Rejected
from services.ingest.channels.reviews.page import Page as Reviews
from services.ingest.collectors.pace import Pace
from services.ingest.collectors.page import Page, Surroundings
from shared.errors import Transient

HEARTBEAT_S = 45.0
RETRY_GAP_S = 60.0
"""Two sweeps begin no closer together than this (or than the interval, if that is shorter)."""

JITTER = 0.1
Read = Callable[[str | None], Awaitable[Reviews]]
"""Returns the page for a token, None for the newest; raises ``Rejected`` for what is no page."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How often and how far a source is read; times in seconds.

    ``first_s`` is how far back the first reading goes, ``overlap_s`` how far every other one goes
    behind the newest item known (platforms publish late, under the time of writing), ``kept_s`` how
    long the platform keeps items. ``pause_s`` lies between two pages. Should ``max_pages`` not reach
    what is known, there is a gap, which is reported.
    """

    interval_s: float
    first_s: float
    overlap_s: float
    kept_s: float | None = None
    pause_s: float = 0.0
    max_pages: int = 2_000


class Poller:
    """Reads a list from its newest item on. The cursor is the time of the newest item, ms."""

    def __init__(self, name: str, surroundings: Surroundings, plan: Plan, read: Read) -> None:
        self._name = name
        self._around = surroundings
        self._plan = plan
        self._read_page = read
        self._pace = Pace(min(plan.interval_s, RETRY_GAP_S), surroundings.sleep)

    async def pages(self, cursor: str | None) -> AsyncGenerator[Page, None]:
        """Yield what is new, at every interval; meanwhile empty pages."""
        while True:
            await self._pace.wait()  # a sweep that failed begins from the top
            async with aclosing(self._sweep(_position(cursor))) as sweep:
                async for page in sweep:
                    cursor = page.cursor or cursor
                    yield page
            async with aclosing(self._rest()) as rest:
                async for page in rest:
                    yield page

    async def _sweep(self, known: int | None) -> AsyncGenerator[Page, None]:
        """Yield pages until one holds nothing new; only then, with the last one, the cursor moves."""
        now = self._around.clock.now_ms()
        floor = self._floor(known, now)
        newest = known or 0
        token: str | None = None
        asked: set[str | None] = set()
        for number in range(1, self._plan.max_pages + 1):
            if number > 1:
                await self._around.sleep(self._plan.pause_s)
            asked.add(token)
            page = await self._read(token)
            times = [at for item in page.delivery.items if (at := _time(item)) is not None]
            newest = max([newest, *(min(at, now) for at in times)])  # a future one hides the others
            token = page.next_token
            if token in asked and token is not None:
                raise Transient("the pages go in circles")
            reached = bool(times) and max(times) < floor
            if reached or token is None or number == self._plan.max_pages:
                if number == self._plan.max_pages and not reached:
                    self._gap(known, times)
                yield Page(delivery=page.delivery, cursor=str(newest) if newest else None)
                return
            yield Page(delivery=page.delivery)

    async def _read(self, token: str | None) -> Reviews:
        try:
            return await self._read_page(token)
        except Rejected as rejected:
            raise Transient(f"no such answer as documented: {rejected}") from rejected

    def _floor(self, known: int | None, now: int) -> int:
        """Return the time (ms) below which everything is known, or of no interest."""
        if known is None:
            return now - int(self._plan.first_s * 1000)
        if self._plan.kept_s is not None and now - known > self._plan.kept_s * 1000:
            _log.error("items may have been missed", source=self._name, since=known, why="too old")
        return known - int(self._plan.overlap_s * 1000)

    def _gap(self, known: int | None, times: list[int]) -> None:
        if known is not None and times and min(times) > known:
            _log.error("items may have been missed", source=self._name, since=known, why="too many")

    async def _rest(self) -> AsyncGenerator[Page, None]:
        jitter = random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311
        left = self._plan.interval_s * jitter
        while left > 0:
            part = min(left, HEARTBEAT_S)
            await self._around.sleep(part)
            left -= part
            if left > 0:
                yield Page()


def _position(cursor: str | None) -> int | None:
    """Return the time in a cursor; one that is none (of another provider) begins anew."""
    return int(cursor) if cursor and cursor.isascii() and cursor.isdecimal() else None


def _time(item: Item) -> int | None:
    return item.occurred_at if item.edited_at is None else item.edited_at
