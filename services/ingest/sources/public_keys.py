"""Fetches the public keys and certificates that some signatures are checked with, and keeps them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import aiohttp

from shared.errors import Transient

KEEP_S = 3_600.0
REFRESH_S = 60.0
"""A key that did not help is asked for again, in case it was replaced, but no more often than this."""

RETRY_S = 30.0
TIMEOUT_S = 5.0
MAX_BYTES = 256_000
MAX_KEYS = 64

Fetch = Callable[[str], Awaitable[bytes]]


async def fetch(url: str) -> bytes:
    """Return the bytes at ``url``; https only, no redirects, bounded in size and time.

    Raises:
        Transient: it cannot be had now.
    """
    if not url.startswith("https://"):
        raise Transient("public keys are fetched over https only")
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)) as session,
            session.get(url, allow_redirects=False) as response,
        ):
            if response.status != 200:
                raise Transient(f"status {response.status} for a public key")
            body = await response.content.read(MAX_BYTES + 1)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise Transient(f"a public key cannot be fetched: {type(error).__name__}") from error
    if len(body) > MAX_BYTES:
        raise Transient("a public key is too large")
    return body


class PublicKeys:
    """Keys by URL. Concurrent requests for one share a fetch, and a failure is not repeated at once.

    Modules have checked that a URL belongs to their provider before it comes here.
    """

    def __init__(self, fetch_key: Fetch, monotonic: Callable[[], float]) -> None:
        self._fetch = fetch_key
        self._monotonic = monotonic
        self._kept: dict[str, tuple[float, bytes]] = {}
        self._failed: dict[str, tuple[float, str]] = {}
        self._under_way: dict[str, asyncio.Task[None]] = {}

    def known(self) -> dict[str, bytes]:
        """Return the keys that are still good."""
        now = self._monotonic()
        return {url: key for url, (expiry, key) in self._kept.items() if expiry > now}

    async def get(self, url: str) -> bool:
        """Get the key at ``url``; return whether it is newer than what ``known`` told before.

        Raises:
            Transient: it cannot be had now.
        """
        now = self._monotonic()
        expiry, _ = self._kept.get(url, (0.0, b""))
        if expiry - KEEP_S + REFRESH_S > now:
            return False
        until, fault = self._failed.get(url, (0.0, ""))
        if until > now:
            raise Transient(fault)
        task = self._under_way.get(url)
        if task is None:
            task = self._under_way[url] = asyncio.create_task(self._load(url))
            task.add_done_callback(lambda _: self._under_way.pop(url, None))
        await asyncio.shield(task)
        return True

    async def _load(self, url: str) -> None:
        try:
            key = await self._fetch(url)
        except Transient as error:
            self._bound(self._failed)
            self._failed[url] = (self._monotonic() + RETRY_S, str(error))
            raise
        self._bound(self._kept)
        self._kept[url] = (self._monotonic() + KEEP_S, key)

    @staticmethod
    def _bound(entries: dict[str, tuple[float, bytes]] | dict[str, tuple[float, str]]) -> None:
        while len(entries) >= MAX_KEYS:
            entries.pop(next(iter(entries)))
