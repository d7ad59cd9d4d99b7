"""The Kafka side of a courier: a consumer of ``notifications`` in a thread, for one sink.

What is meant for other sinks is told by the header ``sink`` and never decoded. What is taken goes to
the event loop in order, together with the changes of the assignment; no more is fetched while so many
are open as the window allows.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from confluent_kafka import Message

from shared import codec, topics
from shared.config import Scalar
from shared.errors import Poison
from shared.events import Notification
from shared.metrics import Metrics
from shared.streams.dead_letters import header
from shared.streams.poller import Poller, consumer_settings
from shared.streams.records import Assignment, Chunk, Partition

POLL: Final = 500
HEADER: Final = "sink"
_LEAN: Final = {"queued.min.messages": 2_000, "queued.max.messages.kbytes": 4_096}
"""There may be many sinks, and each fetches everything."""


class Buried(NamedTuple):
    """A record that cannot be read."""

    message: Message
    poison: Poison


class Taken(NamedTuple):
    """What one poll brought of one partition: ``records`` are those for this sink, by offset."""

    generation: int
    partition: Partition
    end: int
    records: Sequence[tuple[int, Notification | Buried]]


Arrival = Taken | int
"""Records, or the generation that begins (0: nothing is assigned)."""


def courier_settings(
    client: Mapping[str, Scalar], group: str, session_timeout_ms: int
) -> dict[str, Scalar]:
    """Return the librdkafka settings of a courier's consumer."""
    return {**consumer_settings(client, group, session_timeout_ms), **_LEAN}


class Feed:
    """Reads for one sink; see ``shared.streams.records.Sink`` for what the poller asks of it.

    Args:
        sink: its name, as in the header.
        settings: see :func:`courier_settings`.
        topic: name of ``notifications`` on the broker.
        window: so many may be open at once.
        arrived: is handed what comes, in order, in the thread of the poller.
        failed: is told once why the thread ended.
    """

    def __init__(
        self,
        sink: str,
        settings: Mapping[str, Scalar],
        topic: str,
        window: int,
        arrived: Callable[[Arrival], None],
        failed: Callable[[BaseException], None],
        metrics: Metrics,
    ) -> None:
        self._sink = sink.encode()
        self._topic = topic
        self._window = window
        self._arrived = arrived
        self._decoder = codec.Decoder[Notification](topics.NOTIFICATIONS.carries)
        self._room = threading.Condition()
        self._open = 0
        self._closed = False
        self._generation = 0
        self._ended: tuple[int, Mapping[Partition, int]] = (0, {})
        self._poller = Poller(
            settings,
            self,
            self._emit,
            lambda _: None,
            failed,
            metrics,
            min(POLL, window),
            self._done,
        )

    # ---- for the courier, in the event loop

    def start(self) -> None:
        """Join the group and begin to read."""
        self._poller.start([self._topic])

    def close(self) -> None:
        """Take nothing any more; what is fetched stays with Kafka."""
        self._closed = True

    def stop(self, timeout_s: float) -> None:
        """Commit, leave the group and end the thread. Blocks."""
        self.close()
        self._poller.stop(timeout_s)

    def release(self, count: int, generation: int, ended: Mapping[Partition, int]) -> None:
        """Make room for ``count`` more; ``ended`` are the next offsets that may be committed."""
        self._ended = (generation, ended)
        with self._room:
            self._open -= count
            self._room.notify()

    def silent_for_s(self) -> float:
        """Seconds since the last poll; 0 before the first."""
        return self._poller.silent_for_s()

    @property
    def assigned(self) -> bool:
        """Tell whether partitions are assigned."""
        return bool(self._poller.assigned)

    # ---- for the poller, in its thread

    idle = True

    def assign(self, assignment: Assignment) -> None:
        """Take over an assignment."""
        self._generation = assignment.generation
        self._arrived(assignment.generation)

    def revoke(self) -> None:
        """Let go of the assignment; what is under way may end, its offsets are void."""
        self._arrived(0)

    def put(self, chunk: Chunk) -> None:
        """Never called: chunks come through ``emit``."""
        raise NotImplementedError

    def await_idle(self, timeout_s: float) -> None:
        """Return at once: there is no transaction to wait for."""

    def room(self, timeout_s: float) -> bool:
        """Wait until fewer are open than the window allows; False on time-out."""
        with self._room:
            return self._room.wait_for(lambda: self._open < self._window, timeout_s)

    def position(self, source: Partition) -> int | None:
        """Return the next offset of what has ended."""
        return self._done().get(source)

    def _done(self) -> Mapping[Partition, int]:
        generation, ended = self._ended
        return ended if generation == self._generation else {}

    def _emit(self, chunks: Sequence[Chunk]) -> None:
        if self._closed:
            return
        for chunk in chunks:
            records = [
                (message.offset() or 0, self._read(message))
                for message in chunk.messages
                if header(message, HEADER) == self._sink
            ]
            with self._room:
                self._open += len(records)
            self._arrived(Taken(chunk.generation, chunk.source, chunk.end, records))

    def _read(self, message: Message) -> Notification | Buried:
        try:
            return self._decoder.decode(message.value())
        except Poison as poison:
            return Buried(message, poison)
