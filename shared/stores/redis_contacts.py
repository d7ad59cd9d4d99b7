"""Contacts and nonces in Redis; both expire by themselves, and may be lost without harm."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from itertools import islice
from typing import cast

from redis.asyncio import Redis

from shared.stores.redis_dedupe import Script
from shared.stores.redis_rounds import CHUNK, Calls, Rounds

# One answer for all: a pipeline of SETs costs redis-py ten times as much.
_REMEMBER = """
for i, key in ipairs(KEYS) do redis.call('SET', key, ARGV[i + 1], 'EX', ARGV[1]) end
return #KEYS
"""


class RedisContacts:
    """See ``shared.ports.Contacts``; ``client`` is made by ``redis_dedupe.connect``."""

    def __init__(self, client: Redis, prefix: str, ttl_s: float) -> None:
        self._client = client
        self._prefix = prefix
        self._ttl_s = max(1, int(ttl_s))
        self._calls = Calls()
        self._rounds = Rounds(self._look_up)
        self._remember: Script = client.register_script(_REMEMBER)

    async def recent(self, customers: Sequence[str]) -> Sequence[bytes | None]:
        """Return what is remembered of each of ``customers``."""
        if not customers:
            return []
        found = await self._rounds(customers)
        return [found[customer] for customer in customers]

    async def remember(self, contacts: Mapping[str, bytes]) -> None:
        """Replace what is remembered."""
        pairs = iter(contacts.items())
        while chunk := list(islice(pairs, CHUNK)):
            keys = [self._prefix + customer for customer, _ in chunk]
            args: list[int | bytes] = [self._ttl_s]
            args += [said for _, said in chunk]
            await self._store(keys, args)

    async def _store(self, keys: list[str], args: list[int | bytes]) -> None:
        await self._calls(lambda: self._remember(keys=keys, args=args))

    async def _look_up(self, customers: Sequence[str]) -> dict[str, bytes | None]:
        found: dict[str, bytes | None] = {}
        for at in range(0, len(customers), CHUNK):
            chunk = customers[at : at + CHUNK]
            found.update(zip(chunk, await self._get(chunk), strict=True))
        return found

    async def _get(self, customers: Sequence[str]) -> list[bytes | None]:
        keys = [self._prefix + customer for customer in customers]
        return await self._calls(
            lambda: cast("Awaitable[list[bytes | None]]", self._client.mget(keys))
        )


class RedisNonces:
    """See ``shared.ports.Nonces``."""

    def __init__(self, client: Redis, prefix: str, ttl_s: float) -> None:
        self._client = client
        self._prefix = prefix
        self._ttl_s = max(1, int(ttl_s))
        self._calls = Calls()

    async def claim(self, nonce: str, digest: str) -> bool:
        """Return whether ``nonce`` is new or was claimed with the same ``digest`` before."""
        key = self._prefix + nonce
        if await self._calls(lambda: self._client.set(key, digest, nx=True, ex=self._ttl_s)):
            return True
        before = await self._calls(lambda: cast("Awaitable[bytes | None]", self._client.get(key)))
        return before is None or before == digest.encode()
