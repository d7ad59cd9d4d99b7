"""Calls to Redis that are shared by concurrent callers, and that stop for a while when it fails."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Generic, TypeVar

from redis.exceptions import RedisError

from shared.errors import Transient

T = TypeVar("T")

CHUNK = 1_000
"""Keys in one command: Redis serves others in between."""

HOLD_OFF_S = 1.0
"""How long a failure is taken to last before the next attempt."""


class Calls:
    """Calls that become ``Transient`` when Redis fails, and are not even tried for a while then.

    ``on_health`` is told True or False after every call.
    """

    def __init__(self, on_health: Callable[[bool], object] = lambda _: None) -> None:
        self._held_off_until = 0.0
        self._on_health = on_health

    async def __call__(self, call: Callable[[], Awaitable[T]]) -> T:
        """Return what ``call`` returns.

        Raises:
            Transient: Redis did not answer, or failed a moment ago.
        """
        clock = asyncio.get_running_loop().time
        if clock() < self._held_off_until:
            raise Transient("redis: failed a moment ago")
        try:
            answer = await call()
        except (RedisError, OSError, TimeoutError) as error:
            self._held_off_until = clock() + HOLD_OFF_S
            self._on_health(False)
            raise Transient(f"redis: {type(error).__name__}") from error
        self._on_health(True)
        return answer


class Rounds(Generic[T]):
    """Shares look-ups: while one round trip is on the way, the callers of the next one gather.

    Args:
        look_up: given the keys of all callers, each once; what it returns or raises goes to all.
    """

    def __init__(self, look_up: Callable[[Sequence[str]], Awaitable[T]]) -> None:
        self._look_up = look_up
        self._waiting: list[tuple[Iterable[str], asyncio.Future[T]]] = []
        self._running: asyncio.Task[None] | None = None

    async def __call__(self, keys: Iterable[str]) -> T:
        """Return what was found of ``keys``, and of those of others."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        self._waiting.append((keys, answer))
        if self._running is None:
            self._running = loop.create_task(self._run())
        return await answer

    async def _run(self) -> None:
        try:
            while self._waiting:
                callers, self._waiting = self._waiting, []
                await self._answer([caller for caller in callers if not caller[1].done()])
        finally:
            self._running = None

    async def _answer(self, callers: list[tuple[Iterable[str], asyncio.Future[T]]]) -> None:
        try:
            found = await self._look_up(
                list(dict.fromkeys(key for keys, _ in callers for key in keys))
            )
        except Exception as error:  # noqa: BLE001 (it is raised in every caller)
            for _, answer in callers:
                if not answer.done():
                    answer.set_exception(error)
            return
        for _, answer in callers:
            if not answer.done():
                answer.set_result(found)
