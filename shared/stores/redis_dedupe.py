"""Dedupe in Redis: one key per id, without any private content, expiring by itself.

Look-ups of concurrent requests share round trips: while one is on the way, the next gathers. When
Redis fails, callers are told at once for a while instead of each waiting for its own time-out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, RedisError  # noqa: A004

from shared.errors import Transient

CHUNK = 1_000
"""Ids in one command: Redis serves others in between."""

HOLD_OFF_S = 1.0
"""How long a failure is taken to last before the next attempt."""

# Answers with one byte per id: redis-py parses one string faster than a thousand elements.
_KNOWN = """
local found = {}
for i, key in ipairs(KEYS) do found[i] = redis.call('EXISTS', key) end
return table.concat(found)
"""
_REMEMBER = """
for _, key in ipairs(KEYS) do redis.call('SET', key, '', 'EX', ARGV[1]) end
return #KEYS
"""

_ONE = ord("1")

_Caller = tuple[Sequence[str], "asyncio.Future[frozenset[str]]"]
Script = Callable[..., Awaitable[Any]]


class RedisDedupe:
    """See ``shared.ports.Dedupe``.

    Args:
        client: made by ``connect``, which keeps it from retrying by itself.
        prefix: begin of every key.
        ttl_s: retention in seconds.
        on_health: told True or False after every round trip.
    """

    def __init__(
        self,
        client: Redis,
        prefix: str,
        ttl_s: float,
        on_health: Callable[[bool], object] = lambda _: None,
    ) -> None:
        self._client = client
        self._prefix = prefix
        self._ttl_s = max(1, int(ttl_s))
        self._on_health = on_health
        self._known: Script = client.register_script(_KNOWN)
        self._remember: Script = client.register_script(_REMEMBER)
        self._held_off_until = 0.0
        self._waiting: list[_Caller] = []
        self._looking: asyncio.Task[None] | None = None

    async def known(self, ids: Sequence[str]) -> frozenset[str]:
        """Return those of ``ids`` that are remembered."""
        if not ids:
            return frozenset()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[frozenset[str]] = loop.create_future()
        self._waiting.append((ids, answer))
        if self._looking is None:
            self._looking = loop.create_task(self._look_up())
        return await answer

    async def remember(self, ids: Sequence[str], ttl_s: float | None = None) -> None:
        """Remember ``ids``; repeating extends the time."""
        ttl = self._ttl_s if ttl_s is None else max(1, int(ttl_s))
        for at in range(0, len(ids), CHUNK):
            await self._call(self._remember, ids[at : at + CHUNK], [ttl])

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _look_up(self) -> None:
        """Answer callers until none is waiting; those who come meanwhile share the next round."""
        try:
            while self._waiting:
                callers, self._waiting = self._waiting, []
                await self._answer([caller for caller in callers if not caller[1].done()])
        finally:
            self._looking = None

    async def _answer(self, callers: list[_Caller]) -> None:
        try:
            found = await self._found([key for ids, _ in callers for key in ids])
        except Exception as error:  # noqa: BLE001 (it is raised in every caller)
            for _, answer in callers:
                if not answer.done():
                    answer.set_exception(error)
            return
        for ids, answer in callers:
            if not answer.done():
                answer.set_result(found.intersection(ids) if found else found)

    async def _found(self, ids: list[str]) -> frozenset[str]:
        found: set[str] = set()
        for at in range(0, len(ids), CHUNK):
            chunk = ids[at : at + CHUNK]
            bits: bytes = await self._call(self._known, chunk, [])
            if _ONE in bits:
                found.update(key for key, bit in zip(chunk, bits, strict=True) if bit == _ONE)
        return frozenset(found)

    async def _call(self, script: Script, ids: Sequence[str], args: list[int]) -> Any:
        clock = asyncio.get_running_loop().time
        if clock() < self._held_off_until:
            raise Transient("redis: failed a moment ago")
        try:
            answer = await script(keys=[self._prefix + key for key in ids], args=args)
        except (RedisError, OSError, TimeoutError) as error:
            self._held_off_until = clock() + HOLD_OFF_S
            self._on_health(False)
            raise Transient(f"redis: {type(error).__name__}") from error
        self._on_health(True)
        return answer


def connect(url: str, timeout_s: float) -> Redis:
    """Return a client that fails after ``timeout_s`` seconds; by default it would retry ten times.

    A connection that broke while it lay in the pool (Redis was restarted) is replaced once.
    """
    return Redis.from_url(
        url,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        retry=Retry(NoBackoff(), 1, supported_errors=(ConnectionError,)),
        decode_responses=False,
    )
