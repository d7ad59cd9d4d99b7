"""Dedupe in Redis: one key per id, without any private content, expiring by itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import hiredis
from redis.asyncio import Connection, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError  # noqa: A004

from shared.stores.redis_rounds import CHUNK, Calls, Rounds

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
        self._known: Script = client.register_script(_KNOWN)
        self._remember: Script = client.register_script(_REMEMBER)
        self._calls = Calls(on_health)
        self._rounds = Rounds(self._look_up)

    async def known(self, ids: Sequence[str]) -> frozenset[str]:
        """Return those of ``ids`` that are remembered."""
        if not ids:
            return frozenset()
        found = await self._rounds(ids)
        return found.intersection(ids) if found else found

    async def remember(self, ids: Sequence[str], ttl_s: float | None = None) -> None:
        """Remember ``ids``; repeating extends the time."""
        ttl = self._ttl_s if ttl_s is None else max(1, int(ttl_s))
        for at in range(0, len(ids), CHUNK):
            await self._call(self._remember, ids[at : at + CHUNK], [ttl])

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _look_up(self, ids: Sequence[str]) -> frozenset[str]:
        found: set[str] = set()
        for at in range(0, len(ids), CHUNK):
            chunk = ids[at : at + CHUNK]
            bits: bytes = await self._call(self._known, chunk, [])
            if _ONE in bits:
                found.update(key for key, bit in zip(chunk, bits, strict=True) if bit == _ONE)
        return frozenset(found)

    async def _call(self, script: Script, ids: Sequence[str], args: list[int]) -> Any:
        keys = [self._prefix + key for key in ids]
        return await self._calls(lambda: script(keys=keys, args=args))


class _Connection(Connection):
    """Packs commands in C: in redis-py's asyncio half a command of 500 keys takes 0.6 ms."""

    def pack_command(self, *args: Any) -> list[bytes]:
        """Return the bytes of one command."""
        words = args[0].encode().split() if isinstance(args[0], str) else args[0].split()
        return [hiredis.pack_command((*words, *args[1:]))]


def connect(url: str, timeout_s: float) -> Redis:
    """Return a client that fails after ``timeout_s`` seconds; by default it would retry ten times.

    A connection that broke while it lay in the pool (Redis was restarted) is replaced once.
    """
    return Redis.from_url(
        url,
        connection_class=_Connection,  # a URL of another scheme brings its own
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        retry=Retry(NoBackoff(), 1, supported_errors=(ConnectionError,)),
        decode_responses=False,
    )
