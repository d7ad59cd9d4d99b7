"""Waiting until the view shows that a command was taken: one poller for all who wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass

import structlog

from shared.errors import Transient
from shared.events import Case

EVERY_S = 0.02
MAX_WAITING = 1_000

Read = Callable[[Collection[str]], Awaitable[Mapping[str, Case]]]

_log = structlog.get_logger(__name__)


def is_settled(case: Case, command_id: str) -> bool:
    """Tell whether ``case`` shows that a command was carried out or refused."""
    return command_id in case.commands or any(one.command_id == command_id for one in case.refused)


@dataclass(eq=False)
class _Waiter:
    case_id: str
    command_id: str
    done: asyncio.Future[Case]


class Waiting:
    """Reads the cases that somebody waits for in one batch, every ``every_s``; else it rests.

    Args:
        read: returns those of the cases that there are; a ``Transient`` is tried again.
        limit: most who wait at a time; whoever comes on top is not kept waiting.
    """

    def __init__(self, read: Read, every_s: float = EVERY_S, limit: int = MAX_WAITING) -> None:
        self._read = read
        self._every_s = every_s
        self._limit = limit
        self._waiters: set[_Waiter] = set()
        self._poller: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._waiters)

    async def shown(self, case_id: str, command_id: str, timeout_s: float) -> Case | None:
        """Return the case once it shows the command, None when it does not in time."""
        if timeout_s <= 0 or len(self._waiters) >= self._limit:
            return None
        loop = asyncio.get_running_loop()
        waiter = _Waiter(case_id, command_id, loop.create_future())
        self._waiters.add(waiter)
        if self._poller is None or self._poller.done():
            self._poller = loop.create_task(self._poll())
        try:
            return await asyncio.wait_for(waiter.done, timeout_s)
        except TimeoutError:
            return None
        finally:
            self._waiters.discard(waiter)

    async def stop(self) -> None:
        """End the poller; who still waits goes on until its time is over."""
        if self._poller is not None:
            self._poller.cancel()
            await asyncio.gather(self._poller, return_exceptions=True)

    async def _poll(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiters:
            started = loop.time()
            try:
                found = await self._read({one.case_id for one in self._waiters})
            except Transient as error:
                _log.warning("the view cannot be read", error=str(error))
                found = {}
            self._settle(found)
            await asyncio.sleep(max(0.001, self._every_s - (loop.time() - started)))

    def _settle(self, found: Mapping[str, Case]) -> None:
        for waiter in self._waiters:
            case = found.get(waiter.case_id)
            if case is None or waiter.done.done():
                continue
            if is_settled(case, waiter.command_id):
                waiter.done.set_result(case)
