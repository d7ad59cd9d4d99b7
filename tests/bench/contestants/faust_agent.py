"""Faust as its guide shows it: an agent with `take` and `send`, at-least-once, on aiokafka."""

from __future__ import annotations

import asyncio
from typing import cast

import faust
import faust.streams
import faust.transport.conductor
from faust.types import StreamT

from tests.bench.hop import Hop, from_argv, relay


def application(hop: Hop) -> faust.App:
    """Return the app with its one agent; Cython must be on, or it would be measured too slow."""
    if faust.streams.NO_CYTHON or faust.transport.conductor.NO_CYTHON:
        raise RuntimeError("Faust's Cython extensions are missing")
    app = faust.App(
        hop.group,
        broker=f"kafka://{hop.bootstrap}",
        store="memory://",
        web_enabled=False,
        key_serializer="raw",
        value_serializer="raw",
        consumer_auto_offset_reset="earliest",
        producer_linger=0.005,
        producer_max_batch_size=1_000_000,
        producer_compression_type="lz4",
        stream_wait_empty=False,
        stream_buffer_maxsize=16_384,
        broker_max_poll_records=2_000,
        topic_allow_declare=False,
        topic_disable_leader=True,
    )
    source = app.topic(hop.source, value_type=bytes)
    target = app.topic(hop.target, value_type=bytes)

    async def hop_agent(stream: StreamT[bytes]) -> None:
        async for batch in cast("faust.Stream[bytes]", stream).take_events(1_000, within=0.05):
            sends = (target.send(key=event.key, value=relay(event.value)) for event in batch)
            await asyncio.gather(*sends)

    app.agent(source)(hop_agent)
    return app


async def main(hop: Hop) -> None:
    """Relay until killed."""
    await application(hop).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    import uvloop

    uvloop.install()
    asyncio.run(main(from_argv()))
