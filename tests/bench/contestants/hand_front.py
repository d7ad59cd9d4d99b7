"""The hand-written pipeline's HTTP front: parse, produce, answer once Kafka has acknowledged."""

from __future__ import annotations

import asyncio
import sys
import threading
import time

import msgspec
import uvloop
from aiohttp import web
from confluent_kafka import KafkaError, Message, Producer

from shared import ids
from shared.events import Channel, FeedbackReceived


class Front(msgspec.Struct, frozen=True):
    """Where to listen, where to write."""

    bootstrap: str
    target: str
    port: int


class Item(msgspec.Struct):
    """What senders write."""

    id: str
    channel: Channel
    author: str
    text: str
    language: str | None = None


_items = msgspec.json.Decoder(Item)


def feedback(item: Item) -> FeedbackReceived:
    """Return the event of `item`."""
    customer = ids.digest("bench", "customer", item.author)
    return FeedbackReceived(
        feedback_id=ids.digest("bench", "feedback", item.id),
        tenant="bench",
        source="api",
        channel=item.channel,
        native_id=item.id,
        record_key=f"bench:{customer}",
        customer_key=customer,
        received_at=time.time_ns() // 1_000_000,
        text=item.text,
        language=item.language,
    )


class Door:
    """One producer, one thread that polls it."""

    def __init__(self, front: Front) -> None:
        settings: dict[str, str | int | float | bool] = {
            "bootstrap.servers": front.bootstrap,
            "enable.idempotence": True,
            "linger.ms": 1,
            "compression.type": "lz4",
        }
        self._producer = Producer(settings)
        self._target = front.target
        threading.Thread(target=self._poll, daemon=True).start()

    def _poll(self) -> None:
        while True:
            self._producer.poll(0.5)

    async def post(self, request: web.Request) -> web.Response:
        """Accept one item."""
        event = feedback(_items.decode(await request.read()))
        loop = asyncio.get_running_loop()
        done: asyncio.Future[KafkaError | None] = loop.create_future()

        def delivered(error: KafkaError | None, _: Message) -> None:
            loop.call_soon_threadsafe(done.set_result, error)

        value, key = msgspec.json.encode(event), event.record_key.encode()
        self._producer.produce(self._target, value, key, on_delivery=delivered)
        error = await done
        answer = {"feedback_id": event.feedback_id}
        return web.json_response(answer, status=503 if error else 202)


async def main(front: Front) -> None:
    """Serve until killed."""
    app = web.Application()
    app.router.add_post("/v1/feedback", Door(front).post)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", front.port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.install()
    asyncio.run(main(msgspec.json.decode(sys.argv[1], type=Front)))
