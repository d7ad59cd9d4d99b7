"""The hop that every contestant makes: decode, change one field, encode. Needs msgspec only."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator

import msgspec

EVENT_BYTES = 450
PARTITIONS = 4
_VOCABULARY = (
    "the my was not order delivery broken refund charged twice support nobody answers waiting "
    "since week phone app crashes login account cancelled price great helpful service late"
)


class Event(msgspec.Struct):
    """A customer's feedback of about 450 bytes of JSON; `sent_ns` is the producer's clock."""

    id: int
    sent_ns: int
    customer: str
    channel: str
    rating: int
    hops: int
    text: str


class Hop(msgspec.Struct, frozen=True):
    """What a contestant is told: read `source` as `group`, write `target`."""

    bootstrap: str
    source: str
    target: str
    group: str


_decoder = msgspec.json.Decoder(Event)
_encoder = msgspec.json.Encoder()


def decode(raw: bytes) -> Event:
    """Return the event in `raw`."""
    return _decoder.decode(raw)


def relay(raw: bytes) -> bytes:
    """The pure function of the hop."""
    event = _decoder.decode(raw)
    event.hops += 1
    return _encoder.encode(event)


def events(count: int, seed: int = 7) -> Iterator[Event]:
    """Yield `count` events with ids from 0, of 1,000 customers, each time the same ones."""
    rng = random.Random(seed)
    words = _VOCABULARY.split()
    texts = [" ".join(rng.choices(words, k=80))[:400] for _ in range(500)]
    for number in range(count):
        event = Event(number, 0, f"c{number % 1000:04}", "email", number % 5 + 1, 0, "")
        room = EVENT_BYTES - 19 - len(_encoder.encode(event))
        event.text = texts[number % len(texts)][:room]
        yield event


def encode(event: Event) -> bytes:
    """Return the JSON of `event`."""
    return _encoder.encode(event)


def from_argv() -> Hop:
    """Return what the bench passed as the only argument."""
    return msgspec.json.decode(sys.argv[1], type=Hop)


def to_argv(hop: Hop) -> str:
    """Return `hop` as the argument of a contestant."""
    return msgspec.json.encode(hop).decode()
