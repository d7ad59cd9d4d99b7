"""Sends items through the real HTTP door: one by one at a visible pace, or in batches at full speed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator

import aiohttp
import msgspec

from deploy.demo.tally import Tally

BATCH_ITEMS = 500
CONCURRENCY = 4
RETRY_S = 0.5


class _Result(msgspec.Struct):
    status: str
    feedback_id: str | None = None


class _BatchAnswer(msgspec.Struct):
    results: list[_Result]


class Sender:
    """Sends lines and records the answers in ``tally``.

    Args:
        base_url: address of the door.
        rate: items per second; 0 sends batches as fast as they are answered.
    """

    def __init__(self, base_url: str, rate: float, tally: Tally) -> None:
        self._base = base_url
        self._rate = rate
        self._tally = tally
        self.done = False

    async def run(self, lines: Iterable[bytes]) -> None:
        """Send everything; what Kafka could not take is sent again until it can."""
        async with aiohttp.ClientSession() as session:
            if self._rate > 0:
                await self._paced(session, lines)
            else:
                await self._batched(session, lines)
        self.done = True

    async def _paced(self, session: aiohttp.ClientSession, lines: Iterable[bytes]) -> None:
        began = time.monotonic()
        pending: set[asyncio.Task[None]] = set()
        for number, line in enumerate(lines):
            delay = began + number / self._rate - time.monotonic()
            if delay > 0:
                await asyncio.sleep(delay)
            task = asyncio.create_task(self._one(session, line))
            pending.add(task)
            task.add_done_callback(pending.discard)
        await asyncio.gather(*pending)

    async def _one(self, session: aiohttp.ClientSession, line: bytes) -> None:
        sent_at = time.monotonic()
        body = await self._post(session, "/v1/feedback", line, "application/json")
        result = msgspec.json.decode(body, type=_Result)
        self._tally.answer(result.feedback_id, result.status, sent_at)

    async def _batched(self, session: aiohttp.ClientSession, lines: Iterable[bytes]) -> None:
        batches = _batches(lines)

        async def work() -> None:
            while (batch := await asyncio.to_thread(next, batches, None)) is not None:
                await self._batch(session, batch)

        await asyncio.gather(*(work() for _ in range(CONCURRENCY)))

    async def _batch(self, session: aiohttp.ClientSession, batch: list[bytes]) -> None:
        sent_at = time.monotonic()
        payload = b"\n".join(batch)
        body = await self._post(session, "/v1/feedback:batch", payload, "application/x-ndjson")
        for result in msgspec.json.decode(body, type=_BatchAnswer).results:
            self._tally.answer(result.feedback_id, result.status, sent_at)

    async def _post(
        self, session: aiohttp.ClientSession, path: str, body: bytes, content_type: str
    ) -> bytes:
        while True:
            try:
                async with session.post(
                    self._base + path, data=body, headers={"Content-Type": content_type}
                ) as answer:
                    content = await answer.read()
                    if answer.status != 503:
                        return content
            except aiohttp.ClientError:
                pass  # the door is being started again: sending once more is always safe
            await asyncio.sleep(RETRY_S)


class _Locked(Iterator[list[bytes]]):
    """Batches of lines; ``next`` may be called from several threads."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        import threading

        self._lines = iter(lines)
        self._lock = threading.Lock()

    def __next__(self) -> list[bytes]:
        with self._lock:
            batch: list[bytes] = []
            for line in self._lines:
                batch.append(line)
                if len(batch) == BATCH_ITEMS:
                    break
        if not batch:
            raise StopIteration
        return batch


def _batches(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    return _Locked(lines)
