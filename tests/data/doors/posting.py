"""Many web requests at once, sent until they are answered for good, as platforms do it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import aiohttp
import msgspec

from tests.data.doors.ledger import Ledger
from tests.data.doors.sealing import Letter, Sealed, seal
from tests.data.doors.writing import Written

CONCURRENT = 24
ATTEMPTS = 12
TIMEOUT = aiohttp.ClientTimeout(total=30)
BATCH_PATH = "/v1/feedback:batch"


class _Counts(msgspec.Struct):
    """What an answer says about its items; absent where it says nothing."""

    accepted: int = 0
    duplicate: int = 0
    rejected: int = 0


class Parcel(NamedTuple):
    """One request to be made; it is written and signed only when its turn comes.

    ``provider`` "" is the product's own form. ``again``: the same was sent before.
    """

    ledger: Ledger
    provider: str
    write: Callable[[], Written]
    again: bool = False


async def post_all(base: str, parcels: Iterable[Parcel]) -> None:
    """Send ``parcels``, a few at a time."""
    source = iter(parcels)
    connector = aiohttp.TCPConnector(limit=CONCURRENT)
    async with (
        aiohttp.ClientSession(connector=connector, timeout=TIMEOUT) as session,
        asyncio.TaskGroup() as group,
    ):
        for _ in range(CONCURRENT):
            group.create_task(_worker(session, base, source))


async def _worker(session: aiohttp.ClientSession, base: str, parcels: Iterator[Parcel]) -> None:
    for parcel in parcels:
        await _deliver(session, base, parcel)


async def _deliver(session: aiohttp.ClientSession, base: str, parcel: Parcel) -> None:
    written, ledger = parcel.write(), parcel.ledger
    path = f"/v1/hooks/{ledger.source}" if parcel.provider else BATCH_PATH
    fault = "unanswered"
    began = time.monotonic()
    for attempt in range(ATTEMPTS):
        sealed = _sealed(parcel.provider, written, base + path)
        try:
            status, wait, body = await _post(session, base + path, sealed)
        except (aiohttp.ClientError, TimeoutError) as error:
            fault, status, wait, body = type(error).__name__, 0, 0.2, b""
        if 200 <= status < 300:
            seconds = time.monotonic() - began
            ledger.settled(written.items, seconds, attempt, again=parcel.again)
            if body.startswith(b"{"):
                counts = msgspec.json.decode(body, type=_Counts)
                ledger.said(msgspec.structs.asdict(counts), again=parcel.again)
            return
        if status not in {0, 429, 503}:
            fault = str(status)
            break
        await asyncio.sleep(wait)
    ledger.turned_away(fault, len(written.items))


async def _post(
    session: aiohttp.ClientSession, url: str, sealed: Sealed
) -> tuple[int, float, bytes]:
    async with session.post(url, data=sealed.body, headers=sealed.headers) as answer:
        wait = float(answer.headers.get("Retry-After", "0.5"))
        return answer.status, wait, await answer.read()


def _sealed(provider: str, written: Written, url: str) -> Sealed:
    if not provider:
        return Sealed(written.body, {"Content-Type": written.content_type})
    return seal(provider, Letter(written.body, written.content_type, url, int(time.time())))
