"""Blocking reads of a request, in threads of their own and never too many at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from services.console.api.problems import Problem
from shared.daemon import in_daemon

T = TypeVar("T")


class Reading:
    """Runs blocking work for requests.

    Args:
        at_once: most that run at a time; the others wait their turn.
        timeout_s: how long a request waits; the work it began goes on and keeps its place. What has
            not begun by then is never done: nobody waits for it, and others do.
    """

    def __init__(self, name: str, at_once: int, timeout_s: float) -> None:
        self._name = name
        self._places = asyncio.Semaphore(at_once)
        self._timeout_s = timeout_s
        self._begun: set[asyncio.Task[object]] = set()

    async def run(self, work: Callable[[], T]) -> T:
        """Return what ``work`` returns, or raise what it raises.

        Raises:
            Problem: it does not return in time.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeout_s
        try:
            async with asyncio.timeout_at(deadline):
                await self._places.acquire()
        except TimeoutError as error:
            raise Problem("unavailable", "too many others are reading; ask again later") from error
        task = loop.create_task(self._placed(work))
        self._begun.add(task)
        task.add_done_callback(self._end)
        try:
            return await asyncio.wait_for(asyncio.shield(task), deadline - loop.time())
        except TimeoutError as error:
            text = f"reading takes longer than {self._timeout_s:g} s; it goes on, so ask again"
            raise Problem("unavailable", text) from error

    async def _placed(self, work: Callable[[], T]) -> T:
        try:
            return await in_daemon(work, self._name)
        finally:
            self._places.release()

    def _end(self, task: asyncio.Task[object]) -> None:
        self._begun.discard(task)
        if not task.cancelled():
            task.exception()  # perhaps nobody waits for it any more
