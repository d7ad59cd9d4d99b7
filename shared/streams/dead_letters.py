"""The dead-letter path: a record that can never be processed, kept whole, and the limit on them."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

from confluent_kafka import Message

from shared import codec
from shared.errors import Poison, PoisonReason, TooManyDeadLetters
from shared.events import DeadLetter, Struct
from shared.ids import digest
from shared.metrics import Metrics
from shared.streams.records import Chunk, Output, Partition

E = TypeVar("E", bound=Struct)
MAX_KEPT = 600_000
"""Bytes of an original that are kept, key, headers and value together: base64 must still fit into
one record."""
MAX_KEY = 10_000
MAX_HEADERS = 100_000
HEADER_BYTES = 8
"""What a header costs in the JSON besides its name and value; a name may be escaped throughout."""


def letter(
    stage: str, message: Message, poison: Poison, now: int, *, copy: bool = False
) -> DeadLetter:
    """Return the dead letter of ``message``: original bytes and headers, position and reason."""
    key, value = message.key(), message.value()
    headers, left = _kept(message)
    ids = [value for name, value in headers if name == "ce_id"]
    kept_key = None if key is None else key[:MAX_KEY]
    left -= len(kept_key or b"")
    return DeadLetter(
        stage=stage,
        reason=poison.reason.value,
        detail=poison.detail[:500],
        at=now,
        topic=message.topic(),
        partition=message.partition(),
        offset=message.offset(),
        key=kept_key,
        value=None if value is None else value[:left],
        headers=headers,
        copy=copy,
        feedback_id=ids[0].decode("ascii", "replace") if ids else None,
    )


def _kept(message: Message) -> tuple[tuple[tuple[str, bytes], ...], int]:
    """Return the headers that are kept, in order, and how many bytes are left for key and value."""
    kept: list[tuple[str, bytes]] = []
    room = MAX_HEADERS
    for name, value in _headers(message):
        room -= 6 * len(name) + len(value or b"") + HEADER_BYTES
        if room < 0:
            break
        kept.append((name, value or b""))
    return tuple(kept), MAX_KEPT - (MAX_HEADERS - max(room, 0))


def output(topic: str, partition: int, dead: DeadLetter) -> Output:
    """Return the record that carries ``dead``; its id, which is its key, is the same in a replay."""
    where = (str(dead.topic), str(dead.partition), str(dead.offset))
    event_id = digest("", "dead-letter", dead.stage, *where)
    headers = codec.headers(dead, event_id, f"tocsin/{dead.stage}")
    return Output(topic, partition, event_id.encode(), codec.encode(dead), headers)


class Sieve(Generic[E]):
    """Decodes the records of a topic and sets the poison ones aside as dead letters.

    Args:
        stage: the worker's name in dead letters and metrics.
        topic: name of the dead-letter topic on the broker.
        decoder: knows the events that the input topic may carry.
    """

    def __init__(self, stage: str, topic: str, decoder: codec.Decoder[E], metrics: Metrics) -> None:
        self._stage = stage
        self._topic = topic
        self._decoder = decoder
        self._metrics = metrics

    def sift(self, chunk: Chunk, now: int) -> tuple[list[tuple[Message, E]], list[Output]]:
        """Return the good records with their events, and the dead letters of the others."""
        good: list[tuple[Message, E]] = []
        dead: list[Output] = []
        for message in chunk.messages:
            try:
                _check_key(message)
                good.append((message, self._decoder.decode(message.value())))
            except Poison as poison:
                dead.append(self.bury(message, poison, now))
        return good, dead

    def bury(self, message: Message, poison: Poison, now: int, *, copy: bool = False) -> Output:
        """Return the dead letter of one record, and count it; ``copy``: the record goes on."""
        self._metrics.dead_letters.labels(self._stage, poison.reason).inc()
        self._metrics.stage_processed.labels(self._stage, "dead_letter").inc()
        dead = letter(self._stage, message, poison, now, copy=copy)
        return output(self._topic, message.partition() or 0, dead)


def _check_key(message: Message) -> None:
    """Refuse a foreign key that would not fit a record any more beside what a stage adds."""
    if len(message.key() or b"") > MAX_KEY:
        raise Poison(PoisonReason.TOO_LARGE, f"key of more than {MAX_KEY} bytes")


def source_of(message: Message) -> Partition:
    """Return where ``message`` was read."""
    return Partition(message.topic() or "", message.partition() or 0)


def header(message: Message, name: str) -> bytes | None:
    """Return a header of ``message``, or None."""
    return next((value for key, value in _headers(message) if key == name), None)


def _headers(message: Message) -> list[tuple[str, bytes | None]]:
    found = message.headers()
    if not found:
        return []
    pairs = found.items() if isinstance(found, dict) else found
    return [(name, raw.encode() if isinstance(raw, str) else raw) for name, raw in pairs]


class Limit:
    """Stops a worker when poison takes over a partition: a bad deploy must not drain a topic.

    Args:
        run: most consecutive dead letters of one partition.
        ratio: largest share of dead letters among the last ``window`` records of one partition.
    """

    def __init__(self, run: int, ratio: float, window: int) -> None:
        self._run = run
        self._ratio = ratio
        self._window = window
        self._runs: dict[Partition, int] = {}
        self._recent: dict[Partition, deque[tuple[int, int]]] = {}

    def count(self, chunks: Sequence[Chunk], dead: Mapping[Partition, int]) -> None:
        """Record what became of ``chunks``; ``dead`` is the number of dead letters by partition.

        Raises:
            TooManyDeadLetters: the limit of a partition is passed.
        """
        totals: Counter[Partition] = Counter()
        for chunk in chunks:
            totals[chunk.source] += len(chunk.messages)
        for source, total in totals.items():
            bad = min(dead.get(source, 0), total)
            run = self._runs.get(source, 0) + bad if bad == total else 0
            self._runs[source] = run
            recent = self._recent.setdefault(source, deque())
            recent.append((bad, total))
            while sum(count for _, count in recent) - recent[0][1] >= self._window:
                recent.popleft()
            seen = sum(count for _, count in recent)
            share = sum(count for count, _ in recent) / seen
            if run > self._run or (seen >= self._window and share > self._ratio):
                raise TooManyDeadLetters(
                    f"{source.topic}/{source.number}: {run} dead letters in a row, "
                    f"{share:.0%} of the last {seen} records"
                )
