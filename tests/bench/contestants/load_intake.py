"""The senders of the intake runs: raw HTTP/1.1 and SMTP, cheap enough to overload it.

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

CUSTOMERS = 499_979
TEXTS = (
    (
        "my parcel %d has not arrived after two weeks, and nobody answers the phone any more. I have "
        "written three times; tell me what happens next or I will cancel the contract."
    ),
    (
        "seit gestern Abend geht die Heizung nicht mehr, Vorgang %d. Wir haben kleine Kinder im Haus, "
        "bitte schicken Sie noch heute jemanden vorbei, es sind nur noch zwölf Grad."
    ),
    (
        "la aplicación se cierra cada vez que intento pagar el pedido %d. Ya la instalé de nuevo dos "
        "veces y sigue igual, ¿cuándo piensan arreglarlo de una vez?"
    ),
    (
        "thank you for the quick repair of machine %d, the technician was friendly and on time. I "
        "would recommend you to everybody in our street without thinking twice."
    ),
    (
        "la facture %d est fausse pour la deuxième fois, vous avez compté trois mois au lieu d'un. Je "
        "demande une correction et le remboursement avant la fin de la semaine."
    ),
    (
        "charger %d got so hot last night that the cover melted and the table is burnt now. Call me on "
        "+44 20 7946 0018, this is dangerous and should not be sold to anybody."
    ),
    (
        "o pacote %d chegou aberto e faltava metade das peças. Quero saber quem vai pagar o transporte "
        "de volta, porque não pretendo ficar com isto assim."
    ),
    (
        "the second room on booking %d was never made up, and the night desk told us to wait until "
        "Monday. Write to me at guest@example.com about the refund you promised."
    ),
)
_ITEM = (
    b'{"id":"bench-%%d","channel":"email","author":"customer%%d@example.org","thread":"case-%%d",'
    b'"occurred_at":"2026-03-05T08:15:00Z","attributes":{"order":"A-%%d","page":7},"text":"Hello, %s"}'
)
_ITEMS = tuple(_ITEM % text.encode() for text in TEXTS)
_ENVELOPE = b"MAIL FROM:<customer%d@example.org>\r\nRCPT TO:<help@shop.example>\r\nDATA\r\n"
_MAIL = (
    b"From: A Customer <customer%d@example.org>\r\nTo: help@shop.example\r\n"
    b"Subject: About number %d\r\nMessage-ID: <bench-%d@example.org>\r\n"
    b"Date: Thu, 05 Mar 2026 08:15:00 +0000\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    b"Hello,\r\n%s\r\nRegards\r\n.\r\n"
)
_TICK_S = 0.01


class Load(msgspec.Struct, frozen=True):
    """Requests of ``batch`` items from number ``first`` on; ``rate`` items a second, 0: in turns.

    ``path`` is that of HTTP; an empty one means SMTP. Only what is answered after ``warm_s`` counts
    for the rate. ``bits``: file for a byte per acknowledged item, empty for none.
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


def mail(number: int) -> bytes:
    """Return mail ``number`` with the dot that ends it, some 700 bytes."""
    text = TEXTS[number % len(TEXTS)] % number
    return _MAIL % (number % CUSTOMERS, number, number, text.encode())


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

    def next(self) -> int:
        """Return the first number of the next request."""
        first = self.number
        self.number += self.load.batch
        return first

    def answered(self, first: int, status: str, body: bytes, seconds: float) -> None:
        """Count one answer."""
        self.statuses[status] += 1
        taken = self._taken(first, status, body)
        self.accepted += taken
        if time.monotonic() >= self.began + self.load.warm_s:
            self.measured += taken
            if not self.load.bits:
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
        kind = Http if self.load.path else Smtp
        made = [
            loop.create_connection(lambda: kind(self), "127.0.0.1", self.load.port)
            for _ in range(self.load.connections)
        ]
        connections = [connection for _, connection in await asyncio.gather(*made)]
        self.began = time.monotonic()
        self.ends = self.began + self.load.seconds
        self.idle = list(connections)
        await (self._offer() if self.load.rate else self._in_turns())
        while any(connection.busy for connection in connections):  # noqa: ASYNC110
            await asyncio.sleep(_TICK_S)
        seconds = min(time.monotonic(), self.ends) - self.began - self.load.warm_s
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

    def connection_lost(self, error: Exception | None) -> None:
        """Count a request that got no answer."""
        self._transport = None
        if self.busy:
            self.busy = False
            self._sender.statuses["cut"] += 1

    def send(self) -> None:
        """Send the next request."""
        if self._transport is None:
            return
        self._first = self._sender.next()
        self.busy, self._since = True, time.monotonic()
        self._write(self._transport)

    def _write(self, transport: asyncio.Transport) -> None:
        raise NotImplementedError

    def _answered(self, status: str, body: bytes) -> None:
        self.busy = False
        self._sender.answered(self._first, status, body, time.monotonic() - self._since)
        if self._sender.load.rate:
            self._sender.idle.append(self)
        elif time.monotonic() < self._sender.ends:
            self.send()


class Http(Connection):
    """HTTP/1.1."""

    def _write(self, transport: asyncio.Transport) -> None:
        load = self._sender.load
        numbers = range(self._first, self._first + load.batch)
        body = b"\n".join([item(number) for number in numbers])
        kind = b"json" if load.batch == 1 else b"x-ndjson"
        head = b"POST %s HTTP/1.1\r\nHost: bench\r\nContent-Type: application/%s\r\n"
        head %= (load.path.encode(), kind)
        transport.write(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)

    def data_received(self, data: bytes) -> None:
        """Read an answer; one that is complete makes room for the next request."""
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
        self._answered(status, body)


class Smtp(Connection):
    """SMTP with pipelining, as mail servers speak it."""

    _ready = False

    def _write(self, transport: asyncio.Transport) -> None:
        if self._ready:
            transport.write(_ENVELOPE % (self._first % CUSTOMERS))

    def data_received(self, data: bytes) -> None:
        """Follow the dialogue: greeting, EHLO, then mails."""
        self._got += data
        while (end := self._got.find(b"\r\n")) >= 0:
            line = bytes(self._got[:end])
            del self._got[: end + 2]
            if line[3:4] != b"-":
                self._reply(line)

    def _reply(self, line: bytes) -> None:
        transport = self._transport
        if transport is None:
            return
        if line.startswith(b"220"):
            transport.write(b"EHLO bench.example.org\r\n")
        elif not self._ready:
            self._ready = True
            if self.busy:
                self._write(transport)
        elif line.startswith(b"354"):
            transport.write(mail(self._first))
        elif not line.startswith((b"250 OK", b"250 2.1")):
            self._answered(line[:3].decode(), b"")


async def main(load: Load) -> Answers:
    """Send; return what came back."""
    sender = Sender(load)
    answers = await sender.run()
    if load.bits:
        Path(load.bits).write_bytes(sender.bits)  # noqa: ASYNC240
    return answers


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        found = runner.run(main(msgspec.json.decode(sys.argv[1], type=Load)))
    sys.stdout.buffer.write(msgspec.json.encode(found) + b"\n")
