"""The senders of the intake runs: raw HTTP/1.1 on kept connections, cheap enough to overload it.

Item n has an id of its own and is never sent twice. What was acknowledged is counted from the answers.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import msgspec
import uvloop

CUSTOMERS = 49_999
TEXTS = (
    "my parcel %d has not arrived after two weeks, and nobody answers the phone any more. I have "
    "written three times; tell me what happens next or I will cancel the contract.",
    "seit gestern Abend geht die Heizung nicht mehr, Vorgang %d. Wir haben kleine Kinder im Haus, "
    "bitte schicken Sie noch heute jemanden vorbei, es sind nur noch zwölf Grad.",
    "la aplicación se cierra cada vez que intento pagar el pedido %d. Ya la instalé de nuevo dos "
    "veces y sigue igual, ¿cuándo piensan arreglarlo de una vez?",
    "thank you for the quick repair of machine %d, the technician was friendly and on time. I "
    "would recommend you to everybody in our street without thinking twice.",
    "la facture %d est fausse pour la deuxième fois, vous avez compté trois mois au lieu d'un. Je "
    "demande une correction et le remboursement avant la fin de la semaine.",
    "charger %d got so hot last night that the cover melted and the table is burnt now. Call me on "
    "+44 20 7946 0018, this is dangerous and should not be sold to anybody.",
    "o pacote %d chegou aberto e faltava metade das peças. Quero saber quem vai pagar o transporte "
    "de volta, porque não pretendo ficar com isto assim.",
    "the second room on booking %d was never made up, and the night desk told us to wait until "
    "Monday. Write to me at guest@example.com about the refund you promised.",
)
_ITEM = (
    b'{"id":"bench-%%d","channel":"email","author":"customer%%d@example.org","thread":"case-%%d",'
    b'"occurred_at":"2026-03-05T08:15:00Z","attributes":{"order":"A-%%d","page":7},"text":"Hello, %s"}'
)
_ITEMS = tuple(_ITEM % text.encode() for text in TEXTS)
_TICK_S = 0.01


class Load(msgspec.Struct, frozen=True):
    """Requests of ``batch`` items from number ``first`` on; ``rate`` items a second, 0: in turns.

    Only what is answered after ``warm_s`` counts for the rate. ``bits``: file for a byte per
    acknowledged item, empty for none.
    """

    port: int
    path: str
    connections: int
    seconds: float
    batch: int = 1
    rate: float = 0.0
    warm_s: float = 0.0
    first: int = 0
    bits: str = ""


class Answers(msgspec.Struct):
    """What came back: requests by status, items by outcome, seconds it took; times in ms."""

    statuses: dict[str, int]
    accepted: int
    measured: int
    seconds: float
    milliseconds: list[float]
    unsent: int = 0


class _Result(msgspec.Struct):
    status: str


class _Batch(msgspec.Struct):
    results: list[_Result]


_batch = msgspec.json.Decoder(_Batch)


def item(number: int) -> bytes:
    """Return item ``number`` as a sender writes it, some 400 bytes."""
    form = _ITEMS[number % len(_ITEMS)]
    customer = number % CUSTOMERS
    return form % (number, customer, customer, number, number)


class Sender:
    """Keeps the connections busy."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.number = load.first
        self.began = time.monotonic()
        self.ends = self.began + load.seconds
        self.idle: list[Connection] = []
        self.statuses: Counter[str] = Counter()
        self.accepted = self.measured = self.unsent = 0
        self.milliseconds: list[float] = []
        self.bits = bytearray()

    def request(self) -> tuple[int, bytes]:
        """Return the first number of the next request, and its bytes."""
        first, load = self.number, self.load
        self.number += load.batch
        body = b"\n".join([item(number) for number in range(first, self.number)])
        kind = b"json" if load.batch == 1 else b"x-ndjson"
        head = b"POST %s HTTP/1.1\r\nHost: bench\r\nContent-Type: application/%s\r\n"
        head %= (load.path.encode(), kind)
        return first, head + b"Content-Length: %d\r\n\r\n" % len(body) + body

    def answered(self, first: int, status: str, body: bytes, seconds: float) -> None:
        """Count one answer."""
        self.statuses[status] += 1
        taken = self._taken(first, status, body)
        self.accepted += taken
        if time.monotonic() >= self.began + self.load.warm_s:
            self.measured += taken
            self.milliseconds.append(seconds * 1e3)

    def _taken(self, first: int, status: str, body: bytes) -> int:
        """Return how many items are acknowledged; of a 503 those that are said to be."""
        if self.load.batch > 1 and status == "503" and b'"results"' in body:
            results = _batch.decode(body).results
            marks = bytes(result.status in ("accepted", "duplicate") for result in results)
        else:
            marks = bytes([status.startswith("2")]) * self.load.batch
        if self.load.bits:
            at = first - self.load.first
            self.bits.extend(bytes(max(0, at + len(marks) - len(self.bits))))
            self.bits[at : at + len(marks)] = marks
        return sum(marks)

    async def run(self) -> Answers:
        """Send until the time is over; return what came back."""
        loop = asyncio.get_running_loop()
        made = [
            loop.create_connection(lambda: Connection(self), "127.0.0.1", self.load.port)
            for _ in range(self.load.connections)
        ]
        connections = [connection for _, connection in await asyncio.gather(*made)]
        self.began = time.monotonic()
        self.ends = self.began + self.load.seconds
        self.idle = list(connections)
        await (self._offer() if self.load.rate else self._in_turns())
        while any(connection.busy for connection in connections):
            await asyncio.sleep(_TICK_S)
        seconds = min(time.monotonic(), self.ends) - self.began - self.load.warm_s
        if self.load.bits:
            Path(self.load.bits).write_bytes(self.bits)
        return Answers(
            dict(self.statuses),
            self.accepted,
            self.measured,
            seconds,
            sorted(self.milliseconds),
            self.unsent,
        )

    async def _in_turns(self) -> None:
        for connection in self.idle:
            connection.send()
        await asyncio.sleep(self.load.seconds)

    async def _offer(self) -> None:
        """Send as many as are due, while there is a free connection; what is left counts as unsent."""
        for due in self._due():
            for _ in range(due):
                if self.idle:
                    self.idle.pop().send()
                else:
                    self.unsent += self.load.batch
            await asyncio.sleep(_TICK_S)

    def _due(self) -> Iterator[int]:
        offered = 0
        while (now := time.monotonic()) < self.ends:
            total = int((now - self.began) * self.load.rate / self.load.batch)
            yield total - offered
            offered = total


class Connection(asyncio.Protocol):
    """One kept connection with one request at a time."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._transport: asyncio.Transport | None = None
        self._got = bytearray()
        self._first = 0
        self._since = 0.0
        self.busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def send(self) -> None:
        """Send the next request."""
        if self._transport is None:
            return
        self._first, raw = self._sender.request()
        self.busy, self._since = True, time.monotonic()
        self._transport.write(raw)

    def data_received(self, data: bytes) -> None:
        """Read answers; one that is complete makes room for the next request."""
        self._got += data
        head = self._got.find(b"\r\n\r\n")
        if head < 0:
            return
        length = self._got.lower().index(b"content-length:") + 15
        size = int(self._got[length : self._got.index(b"\r\n", length)])
        if len(self._got) < head + 4 + size:
            return
        status, body = self._got[9:12].decode(), bytes(self._got[head + 4 :])
        self._got.clear()
        self.busy = False
        self._sender.answered(self._first, status, body, time.monotonic() - self._since)
        if self._sender.load.rate:
            self._sender.idle.append(self)
        elif time.monotonic() < self._sender.ends:
            self.send()

    def connection_lost(self, error: Exception | None) -> None:
        """Count a request that got no answer."""
        self._transport = None
        if self.busy:
            self.busy = False
            self._sender.statuses["cut"] += 1


async def main(load: Load) -> Answers:
    """Send; return what came back."""
    return await Sender(load).run()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        found = runner.run(main(msgspec.json.decode(sys.argv[1], type=Load)))
    sys.stdout.buffer.write(msgspec.json.encode(found) + b"\n")
