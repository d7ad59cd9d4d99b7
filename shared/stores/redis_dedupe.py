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
from redis.exceptions import RedisError

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
        self._waiting: list[str] = []
        self._round: asyncio.Task[frozenset[str]] | None = None
        self._next: asyncio.Task[frozenset[str]] | None = None

    async def known(self, ids: Sequence[str]) -> frozenset[str]:
        """Return those of ``ids`` that are remembered."""
        if not ids:
            return frozenset()
        self._waiting.extend(ids)
        if self._next is None:
            self._next = asyncio.create_task(self._look_up(self._round))
        found = await asyncio.shield(self._next)
        return found.intersection(ids) if found else found

    async def remember(self, ids: Sequence[str]) -> None:
        """Remember ``ids``; repeating extends the time."""
        for at in range(0, len(ids), CHUNK):
            await self._call(self._remember, ids[at : at + CHUNK], [self._ttl_s])

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _look_up(self, before: asyncio.Task[frozenset[str]] | None) -> frozenset[str]:
        """Wait for the round trip before this one, then ask for all that has gathered."""
        if before is not None and not before.done():
            await asyncio.wait([before])
        ids, self._waiting = self._waiting, []
        self._round, self._next = self._next, None
        found: set[str] = set()
        for at in range(0, len(ids), CHUNK):
            chunk = ids[at : at + CHUNK]
            bits: bytes = await self._call(self._known, chunk, [])
            if 0x31 in bits:
                found.update(key for key, bit in zip(chunk, bits, strict=True) if bit == 0x31)
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
    """Return a client that fails after ``timeout_s`` seconds instead of retrying (by default ten times)."""
    return Redis.from_url(
        url,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        retry=Retry(NoBackoff(), 0),
        decode_responses=False,
    )
