"""The senders of the pipeline runs: one POST each 1/rate seconds, late ones are not forgiven."""

from __future__ import annotations

import asyncio
import json
import sys
import time

import aiohttp
import msgspec

TEXT = (
    "[{number}] The battery of your charger exploded last night and burned my hand, I had to go "
    "to hospital. Nobody answers the phone, I want somebody to call me back today."
)


class Requests(msgspec.Struct, frozen=True):
    """Request n of `count` is due n/rate seconds after `began_ns`."""

    url: str
    began_ns: int
    rate: float
    count: int


def body(number: int) -> bytes:
    """Return an item that has to be escalated, of a customer of its own."""
    item = {
        "id": f"bench-{number}",
        "channel": "email",
        "author": f"customer{number}@example.org",
        "text": TEXT.format(number=number),
        "language": "en",
    }
    return json.dumps(item).encode()


async def main(load: Requests) -> int:
    """Send all requests; return how many were not accepted."""
    connector = aiohttp.TCPConnector(limit=256)
    headers = {"Content-Type": "application/json"}
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def send(number: int) -> bool:
            async with session.post(load.url, data=body(number)) as answer:
                await answer.read()
                return answer.status == 202

        tasks: list[asyncio.Task[bool]] = []
        for number in range(load.count):
            due = load.began_ns / 1e9 + number / load.rate
            await asyncio.sleep(max(0.0, due - time.time()))
            tasks.append(asyncio.create_task(send(number)))
        return (await asyncio.gather(*tasks)).count(False)


if __name__ == "__main__":
    refused = asyncio.run(main(msgspec.json.decode(sys.argv[1], type=Requests)))
    sys.exit(f"{refused} requests were not accepted" if refused else 0)
