"""Contacts and nonces in Redis; both expire by themselves, and may be lost without harm."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from itertools import islice
from typing import TypeVar, cast

from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared.errors import Transient

T = TypeVar("T")
CHUNK = 1_000
HOLD_OFF_S = 1.0
"""How long a failure is taken to last before the next attempt."""


class _Calls:
    """Calls that become ``Transient`` when Redis fails, and are not even tried for a while then."""

    def __init__(self) -> None:
        self._held_off_until = 0.0

    async def __call__(self, call: Awaitable[T]) -> T:
        try:
            return await call
        except (RedisError, OSError, TimeoutError) as error:
            self._held_off_until = asyncio.get_running_loop().time() + HOLD_OFF_S
            raise Transient(f"redis: {type(error).__name__}") from error

    def check(self) -> None:
        if asyncio.get_running_loop().time() < self._held_off_until:
            raise Transient("redis: failed a moment ago")


class RedisContacts:
    """See ``shared.ports.Contacts``; ``client`` is made by ``redis_dedupe.connect``."""

    def __init__(self, client: Redis, prefix: str, ttl_s: float) -> None:
        self._client = client
        self._prefix = prefix
        self._ttl_s = max(1, int(ttl_s))
        self._calls = _Calls()

    async def recent(self, customers: Sequence[str]) -> Sequence[bytes | None]:
        """Return what is remembered of each of ``customers``."""
        found: list[bytes | None] = []
        for at in range(0, len(customers), CHUNK):
            self._calls.check()
            keys = [self._prefix + customer for customer in customers[at : at + CHUNK]]
            found.extend(
                await self._calls(cast("Awaitable[list[bytes | None]]", self._client.mget(keys)))
            )
        return found

    async def remember(self, contacts: Mapping[str, bytes]) -> None:
        """Replace what is remembered."""
        pairs = iter(contacts.items())
        while chunk := list(islice(pairs, CHUNK)):
            self._calls.check()
            pipeline = self._client.pipeline(transaction=False)
            for customer, said in chunk:
                pipeline.set(self._prefix + customer, said, ex=self._ttl_s)
            await self._calls(pipeline.execute())


class RedisNonces:
    """See ``shared.ports.Nonces``."""

    def __init__(self, client: Redis, prefix: str, ttl_s: float) -> None:
        self._client = client
        self._prefix = prefix
        self._ttl_s = max(1, int(ttl_s))
        self._calls = _Calls()

    async def claim(self, nonce: str, digest: str) -> bool:
        """Return whether ``nonce`` is new or was claimed with the same ``digest`` before."""
        self._calls.check()
        key = self._prefix + nonce
        if await self._calls(self._client.set(key, digest, nx=True, ex=self._ttl_s)):
            return True
        before = await self._calls(cast("Awaitable[bytes | None]", self._client.get(key)))
        return before is None or before == digest.encode()
