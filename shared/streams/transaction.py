"""The chunk transaction: the one mechanism for not losing and not doubling.

One thread takes whatever chunks have queued up, hands them to the handler, and commits its outputs
together with the next offsets in one Kafka transaction (KIP-98, KIP-447). A crash at any point
aborts; a zombie's offsets are refused by generation; the transactional id is stable per worker slot,
so a restarted worker ends its predecessor's open transaction at once.

Two invariants are checked on every chunk: it belongs to the present generation, and it continues
exactly where the last one of its partition ended. A violation ends the process, nothing committed.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence

import structlog

from shared.errors import Transient
from shared.metrics import Metrics
from shared.streams.dead_letters import Limit
from shared.streams.producer import Fenced, Stale, TransactionalProducer
from shared.streams.records import Assignment, Chunk, Handler, Partition, Work

REVOKE_S = 30.0
BACKOFF_S = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)

log = structlog.get_logger(__name__)


class Transactor:
    """Runs a handler's chunk transactions in a thread of its own. A :class:`records.Sink`.

    Args:
        handler: the worker's own part.
        settings: librdkafka configuration, see :func:`producer.producer_settings`.
        limit: stops the worker when poison takes over.
        failed: called once with the error that ended the thread.
        max_records, max_bytes: bounds of one transaction.
        queue_bytes: above this the poller stops fetching.
    """

    def __init__(
        self,
        handler: Handler,
        settings: Mapping[str, str | int | float | bool],
        metrics: Metrics,
        limit: Limit,
        failed: Callable[[BaseException], None],
        *,
        max_records: int,
        max_bytes: int,
        queue_bytes: int,
    ) -> None:
        self._handler = handler
        self._metrics = metrics
        self._limit = limit
        self._failed = failed
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._queue_bytes = queue_bytes
        self._producer = TransactionalProducer(
            settings, handler.tracked, handler.stage, metrics, self._go_on
        )
        self._thread = threading.Thread(target=self._run, name="transactor", daemon=True)
        self._wake = threading.Condition()
        self._queue: deque[Chunk] = deque()
        self._outstanding = 0
        self._assignment: Assignment | None = None
        self._ready: Assignment | None = None
        self._positions: dict[Partition, int] = {}
        self._expected: dict[Partition, int] = {}
        self._busy = False
        self._stopping = False
        self._next_tick = 0.0
        self._progress = time.monotonic()
        self._spent = {
            state: metrics.worker_seconds.labels(handler.stage, state)
            for state in ("idle", "process", "catch_up", "backpressure")
        }

    # ---- life

    def start(self) -> None:
        """Start the thread; the first thing it does is to fence the slot's predecessor."""
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Finish the running transaction, drop what is queued (it was not committed), end."""
        with self._wake:
            self._stopping = True
            self._wake.notify_all()
        self._thread.join(timeout_s)

    @property
    def alive(self) -> bool:
        """True while the thread runs."""
        return self._thread.is_alive()

    def silent_for_s(self) -> float:
        """Seconds since the loop last made progress."""
        return time.monotonic() - self._progress

    @property
    def assigned(self) -> bool:
        """True when the group has given this worker an assignment, be it empty (a standby)."""
        return self._assignment is not None

    @property
    def ready(self) -> bool:
        """True when partitions are assigned and their state is caught up."""
        return self._ready is not None and self._ready is self._assignment

    # ---- Sink: called by the poller's thread, put() by the agent's

    def expect(self, size: int) -> None:
        """Count bytes that the poller has taken and the queue will get."""
        with self._wake:
            self._outstanding += size

    def assign(self, assignment: Assignment) -> None:
        """Take over an assignment."""
        with self._wake:
            self._drop()
            self._expected = dict(assignment.positions)
            self._positions = dict(assignment.positions)
            self._assignment = assignment
            self._wake.notify_all()

    def revoke(self) -> None:
        """Let go; return when the running transaction has ended.

        Raises:
            Fenced: it did not end in time, so its fate is unknown here.
        """
        with self._wake:
            self._assignment = None
            self._drop()
            self._wake.notify_all()
            if not self._wake.wait_for(lambda: not self._busy, REVOKE_S):
                raise Fenced(f"a transaction did not end within {REVOKE_S} s of the revocation")
            self._ready = None
            self._metrics.partitions_ready.labels(self._handler.stage).set(0)

    def put(self, chunk: Chunk) -> None:
        """Queue a chunk; one of an earlier generation is dropped.

        Raises:
            RuntimeError: it does not continue where the last one of its partition ended.
        """
        with self._wake:
            if self._assignment is None or chunk.generation != self._assignment.generation:
                return
            if self._expected.get(chunk.source) != chunk.start:
                raise RuntimeError(
                    f"{chunk.source}: chunk starts at {chunk.start}, "
                    f"expected {self._expected.get(chunk.source)}"
                )
            self._expected[chunk.source] = chunk.end
            self._queue.append(chunk)
            self._wake.notify_all()

    @property
    def idle(self) -> bool:
        """True when nothing is queued and no transaction runs."""
        return not self._busy and not self._queue

    def await_idle(self, timeout_s: float) -> None:
        """Wait until nothing is queued and no transaction runs, at most ``timeout_s``."""
        with self._wake:
            self._wake.wait_for(lambda: self.idle, timeout_s)

    def room(self, timeout_s: float) -> bool:
        """Wait until less than ``queue_bytes`` are queued; False on time-out."""
        if self._outstanding < self._queue_bytes:
            return True
        began = time.monotonic()
        with self._wake:
            found = self._wake.wait_for(lambda: self._outstanding < self._queue_bytes, timeout_s)
        self._spent["backpressure"].inc(time.monotonic() - began)
        return found

    def position(self, source: Partition) -> int | None:
        """Next offset that the last transaction committed for ``source``."""
        return self._positions.get(source)

    def _drop(self) -> None:
        self._queue.clear()
        self._outstanding = 0

    # ---- the thread

    def _run(self) -> None:
        try:
            self._producer.start()
            while self._turn():
                self._progress = time.monotonic()
                self._metrics.last_progress.labels(self._handler.stage).set_to_current_time()
        except BaseException as error:  # noqa: BLE001  the process must end, whatever it was
            self._failed(error)
        finally:
            with self._wake:
                self._busy = False
                self._wake.notify_all()

    def _go_on(self) -> bool:
        self._progress = time.monotonic()
        return not self._stopping

    def _turn(self) -> bool:
        """Do one thing: catch up, a transaction, a tick, or wait. Return False when stopping."""
        began = time.monotonic()
        with self._wake:
            self._busy = False
            self._wake.notify_all()
            self._wake.wait_for(self._due, self._patience())
            if self._stopping:
                return False
            assignment = self._assignment
            if assignment is None:
                return True
            chunks = self._take() if assignment is self._ready else []
            self._busy = True
        self._spent["idle"].inc(time.monotonic() - began)
        if assignment is not self._ready:
            self._catch_up(assignment)
        else:
            self._transact(assignment, chunks)
        return True

    def _due(self) -> bool:
        if self._stopping or (self._assignment is not None and self._assignment is not self._ready):
            return True
        if self._assignment is None:
            return False
        return bool(self._queue) or self._tick_due()

    def _tick_due(self) -> bool:
        return self._handler.tick_s is not None and time.monotonic() >= self._next_tick

    def _patience(self) -> float:
        if self._handler.tick_s is None or self._assignment is None:
            return 1.0
        return min(1.0, max(0.0, self._next_tick - time.monotonic()))

    def _take(self) -> list[Chunk]:
        """Take what has queued up, for all partitions, within the bounds of one transaction."""
        taken: list[Chunk] = []
        records = size = 0
        while self._queue:
            chunk = self._queue[0]
            if taken and (
                records + len(chunk.messages) > self._max_records
                or size + chunk.size > self._max_bytes
            ):
                break
            taken.append(self._queue.popleft())
            records += len(chunk.messages)
            size += chunk.size
        return taken

    def _released(self, chunks: Sequence[Chunk], assignment: Assignment) -> None:
        with self._wake:
            if self._assignment is assignment:
                self._outstanding -= sum(chunk.size for chunk in chunks)
                self._wake.notify_all()

    def _gone(self, assignment: Assignment) -> bool:
        return self._stopping or self._assignment is not assignment

    def _interrupted(self, assignment: Assignment) -> bool:
        """Answer a handler's question during something long: who asks makes progress."""
        self._progress = time.monotonic()
        return self._gone(assignment)

    def _catch_up(self, assignment: Assignment) -> None:
        began = time.monotonic()
        attempt = 0
        while not self._gone(assignment):
            self._progress = time.monotonic()
            try:
                self._handler.assigned(assignment, lambda: self._interrupted(assignment))
            except Transient as error:
                self._wait_out(error, attempt)
                attempt += 1
                continue
            if not self._gone(assignment):
                self._ready = assignment
                ready = self._metrics.partitions_ready.labels(self._handler.stage)
                ready.set(len(assignment.numbers))
                log.info("ready", partitions=sorted(assignment.numbers))
            break
        self._spent["catch_up"].inc(time.monotonic() - began)

    def _transact(self, assignment: Assignment, chunks: Sequence[Chunk]) -> None:
        """Process ``chunks`` until they are committed or the assignment is gone."""
        began = time.monotonic()
        if self._handler.tick_s is not None:
            self._next_tick = began + self._handler.tick_s
        attempt = 0
        while not self._gone(assignment):
            self._progress = time.monotonic()
            try:
                work = self._handler.process(chunks, lambda: self._interrupted(assignment))
                self._spent["process"].inc(time.monotonic() - self._progress)
                if chunks or work.outputs:
                    self._commit(assignment, chunks, work)
            except Transient as error:
                self._wait_out(error, attempt)
                attempt += 1
                continue
            except Stale:
                log.warning("generation is over; dropping what is queued")
                with self._wake:
                    if self._assignment is assignment:
                        self._assignment = None
                        self._drop()
                return
            if chunks:
                self._finished(chunks, time.monotonic() - began)
            break
        self._released(chunks, assignment)

    def _finished(self, chunks: Sequence[Chunk], took_s: float) -> None:
        stage = self._handler.stage
        records = sum(len(chunk.messages) for chunk in chunks)
        self._metrics.stage_processed.labels(stage, "ok").inc(records)
        self._metrics.chunk_records.labels(stage).observe(records)
        self._metrics.stage_duration.labels(stage).observe(took_s)

    def _wait_out(self, error: Transient, attempt: int) -> None:
        delay = BACKOFF_S[min(attempt, len(BACKOFF_S) - 1)]
        if attempt in {0, 5} or attempt % 30 == 0:
            log.warning("transient fault; trying again", error=str(error), attempt=attempt)
        self._metrics.stage_errors.labels(self._handler.stage, "transient").inc()
        with self._wake:
            before = self._assignment
            self._wake.wait_for(lambda: self._stopping or self._assignment is not before, delay)

    # ---- Kafka

    def _commit(self, assignment: Assignment, chunks: Sequence[Chunk], work: Work) -> None:
        next_offsets = {chunk.source: chunk.end for chunk in chunks}
        if not next_offsets:  # a tick: any position makes the broker check the generation
            source, at = next(iter(self._positions.items()))
            next_offsets = {source: at}
        delivered = self._producer.commit(work.outputs, next_offsets, assignment.membership)
        self._positions.update(next_offsets)
        self._limit.count(chunks, work.dead_letters)
        work.committed(delivered)
