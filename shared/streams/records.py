"""The words of the stream runtime, defined before any code that uses them.

*offset* is the position of one record; *next offset* is the offset after the last record taken, which
is what a commit stores. A *chunk* is what one poll returned for one partition. A *generation* counts
the assignments this process has received: what belongs to an older one is void. An *output* is a
record still to be produced; a *transaction* carries outputs and next offsets, or nothing at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from confluent_kafka import Message

Headers = list[tuple[str, bytes]]


class Partition(NamedTuple):
    """A topic partition."""

    topic: str
    number: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """Records of one partition, in order: ``start`` ≤ every offset < ``end``."""

    source: Partition
    generation: int
    start: int
    end: int
    size: int
    messages: Sequence[Message]


class Output(NamedTuple):
    """A record to produce inside the transaction; the partition is always explicit."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Headers


@dataclass(frozen=True, slots=True)
class Assignment:
    """What the group coordinator gave this process, with the positions to start from.

    ``membership`` is librdkafka's consumer group metadata: passed along with the offsets, it lets the
    broker refuse a zombie by generation (KIP-447).
    """

    generation: int
    positions: Mapping[Partition, int]
    membership: object

    @property
    def numbers(self) -> frozenset[int]:
        """Partition numbers assigned; equal for all co-partitioned input topics."""
        return frozenset(source.number for source in self.positions)


Delivered = Mapping[Partition, int]
"""Next offset per output partition, for the topics a handler tracks."""


def _nothing(_: Delivered) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Work:
    """What a handler made of some chunks: outputs, and what to do once they are committed.

    ``committed`` may fail or never run (a crash): whatever it does must be rebuildable.
    """

    outputs: Sequence[Output] = ()
    dead_letters: Mapping[Partition, int] = field(default_factory=dict)
    committed: Callable[[Delivered], None] = _nothing


Interrupted = Callable[[], bool]
"""True once the assignment that a long operation works for is gone."""


class Handler(Protocol):
    """A worker's own part: chunks in, outputs out. All calls come from one thread, in turn."""

    stage: str
    inputs: Sequence[str]
    tracked: frozenset[str]
    tick_s: float | None

    def assigned(self, assignment: Assignment, interrupted: Interrupted) -> None:
        """Bring the state of the assigned partitions up to date; nothing is processed before.

        Raises:
            Transient: to be called again after a while.
        """
        ...

    def process(self, chunks: Sequence[Chunk], interrupted: Interrupted) -> Work:
        """Decide what to produce for ``chunks``; also called without any when a tick is due.

        Raises:
            Transient: the same chunks are handed over again after a while.
        """
        ...


class Sink(Protocol):
    """Where polled chunks and changes of the assignment go."""

    def assign(self, assignment: Assignment) -> None:
        """Take over an assignment; chunks of earlier generations are void from here on."""
        ...

    def revoke(self) -> None:
        """Let go of the assignment; returns when the running transaction has ended."""
        ...

    def put(self, chunk: Chunk) -> None:
        """Queue a chunk."""
        ...

    @property
    def idle(self) -> bool:
        """True when nothing is queued and no transaction runs."""
        ...

    def await_idle(self, timeout_s: float) -> None:
        """Wait until nothing is queued and no transaction runs, at most ``timeout_s``."""
        ...

    def room(self, timeout_s: float) -> bool:
        """Wait until the queue has room again; False on time-out."""
        ...

    def position(self, source: Partition) -> int | None:
        """Next offset that the last transaction committed for ``source``."""
        ...
