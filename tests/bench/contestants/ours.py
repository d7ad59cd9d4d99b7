"""Tocsin: Faust's chunk transport and the chunk transaction, exactly-once."""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import time
import traceback
from collections.abc import Sequence

import uvloop
from prometheus_client import CollectorRegistry

from shared.config import Streams
from shared.metrics import Metrics
from shared.streams.dead_letters import Limit
from shared.streams.poller import consumer_settings
from shared.streams.producer import producer_settings
from shared.streams.records import Assignment, Chunk, Interrupted, Output, Work
from shared.streams.transaction import Transactor
from shared.streams.transport import ChunkApp, chunk_app
from shared.worker import tune_garbage_collection
from tests.bench.hop import Hop, encode, events, from_argv, relay


class Relay:
    """The handler of the hop."""

    stage = "relay"
    tracked: frozenset[str] = frozenset()
    tick_s: float | None = None

    def __init__(self, hop: Hop) -> None:
        self.inputs: Sequence[str] = (hop.source,)
        self._target = hop.target

    def assigned(self, assignment: Assignment, interrupted: Interrupted) -> None:
        """There is no state to bring up to date."""

    def process(self, chunks: Sequence[Chunk], interrupted: Interrupted) -> Work:
        """Return one output for each record."""
        outputs: list[Output] = []
        for chunk in chunks:
            number = chunk.source.number
            outputs += [
                Output(self._target, number, message.key(), relay(message.value() or b""), [])
                for message in chunk.messages
            ]
        return Work(outputs)


def _failed(error: BaseException) -> None:
    traceback.print_exception(error)
    sys.stderr.flush()
    os._exit(72)


def pure_us(count: int = 20_000, rounds: int = 5) -> float:
    """Return the CPU time of the pure function alone, in microseconds an event."""
    sample = [encode(event) for event in events(count)]
    took: list[float] = []
    for _ in range(rounds):
        began = time.thread_time()
        for raw in sample:
            relay(raw)
        took.append((time.thread_time() - began) / count * 1e6)
    return statistics.median(took)


async def main(hop: Hop) -> None:
    """Run until killed; the first line of output is the cost of the pure function."""
    bounds = Streams()
    metrics = Metrics(CollectorRegistry())
    client: dict[str, str | int | float | bool] = {"bootstrap.servers": hop.bootstrap}
    transactor = Transactor(
        Relay(hop),
        producer_settings(client, hop.group, 10_000),
        metrics,
        Limit(bounds.dead_letter_run, bounds.dead_letter_ratio, bounds.dead_letter_window),
        _failed,
        max_records=bounds.max_records,
        max_bytes=bounds.max_bytes,
        queue_bytes=bounds.queue_bytes,
    )
    settings = consumer_settings(client, hop.group, 6_000)
    app = ChunkApp(hop.group, settings, transactor, _failed, metrics, bounds.max_records)
    chunk_app(app, [hop.source])
    transactor.start()
    await app.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    print(pure_us(), flush=True)
    tune_garbage_collection()
    uvloop.install()
    asyncio.run(main(from_argv()))
