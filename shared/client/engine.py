"""What a stream does, for both kinds: which record is next, and what becomes of it after its body."""

from __future__ import annotations

import inspect
import logging
from collections import Counter
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from shared.client.book import Book
from shared.client.policy import Again, Aside
from shared.client.reading import Read, Reader, Unknown
from shared.client.records import Lane, Parked, Partition, Record
from shared.client.settings import Measured, Settings, What
from shared.client.transport import Call, Lost, Transport
from shared.errors import Poison, Transient
from shared.events import Struct

E = TypeVar("E", bound=Struct)
T = TypeVar("T")

POLL_S = 0.2
"""The longest wait for a record: so soon a stream that is told to stop does."""

log = logging.getLogger("tocsin.client")


@dataclass(eq=False)
class Handed(Generic[E]):
    """A record in the hands of the program."""

    lane: Lane
    record: Record
    read: Read[E]
    attempt: int
    began: float


class Engine(Generic[E]):
    """One opened stream. ``call`` reaches the transport; one body runs at a time."""

    def __init__(self, settings: Settings, transport: Transport, call: Call) -> None:
        self._settings = settings
        self._transport = transport
        self._call = call
        self._reader: Reader[E] = Reader(settings.topics)
        self._book = Book()
        self._handed: Handed[E] | None = None
        self._quiet = 0.0
        self._committed_at = 0.0
        self.counts: Counter[What] = Counter()
        self.stopping = False

    # ---- called by the transport, inside its calls

    def assigned(self, partitions: Iterable[Partition]) -> None:
        """Begin with partitions."""
        self._book.assign(partitions)
        self._quiet = self._transport.now()

    def revoked(self, partitions: Iterable[Partition]) -> Mapping[Partition, int]:
        """Let go of partitions; return the offsets that are to be committed before."""
        gone = list(partitions)
        offsets = self._book.uncommitted(gone)
        self._book.revoke(gone)
        return offsets

    # ---- called by the stream

    async def open(self) -> None:
        """Join the group (``Misconfigured`` when that is impossible)."""
        try:
            await self._call(lambda: self._transport.open(self))
        except BaseException:
            await self._leave()
            raise

    async def next(self) -> Handed[E] | None:
        """Return what is next, or None when the stream has ended.

        Raises:
            RuntimeError: the last delivery was never ended.
        """
        if self._handed is not None:
            raise RuntimeError("the last delivery was not ended: wrap the body in `with delivery:`")
        self._quiet = self._transport.now()
        while not self.stopping:
            await self._call(self._turn)
            lane = self._book.take(self._transport.now())
            if lane is not None:
                self._quiet = self._transport.now()
                handed = await self._hand(lane)
                if handed is not None:
                    return handed
            elif self._idle():
                return None
        return None

    async def end(self, handed: Handed[E], error: Exception | None) -> bool:
        """Take a delivery back; return whether it is dealt with, or ``error`` is the program's."""
        self._handed = None
        spent = self._transport.now() - handed.began
        if not self._book.holds(handed.lane):
            self._tell(What.REFUSED, handed.record, spent, "the partition went to another member")
            return True
        if error is None:
            try:
                await self._remember(handed)
            except BaseException:  # cancelled: it comes again, and its partition goes on
                self._book.release(handed.lane)
                raise
            self._tell(What.ACKNOWLEDGED, handed.record, spent)
            await self._finish(handed.lane)
            return True
        match self._settings.on_error.judge(error, handed.attempt):
            case Again(after_s):
                log.warning("%s: again in %g s", _where(handed.record), after_s, exc_info=error)
                self._tell(What.RETRIED, handed.record, spent, str(error))
                await self._again(handed.lane, after_s)
            case Aside(reason, detail):
                log.error("%s: parked", _where(handed.record), exc_info=error)
                await self._park(handed.lane, reason, detail)
            case _:
                self._book.release(handed.lane)
                return False
        return True

    def abandon(self, handed: Handed[E]) -> None:
        """Take back a delivery whose body was interrupted; it is not acknowledged."""
        self._handed = None
        self._book.release(handed.lane)

    async def close(self) -> None:
        """Commit what is acknowledged and leave the group."""
        try:
            await self._call(lambda: self._commit(force=True))
        finally:
            await self._leave()

    # ---- inside

    async def _leave(self) -> None:
        try:
            await self._call(self._transport.close)
        finally:
            self._call.close()

    def _turn(self) -> None:
        now = self._transport.now()
        wait_s = self._book.wait_s(now, POLL_S)
        self._commit(force=False)
        for partition in self._book.to_resume(now):
            self._transport.resume(partition)
        record = self._transport.poll(wait_s)
        if record is not None:
            self._book.add(record)
        else:
            self._commit(force=True)  # nothing comes: there is nothing to gather

    def _idle(self) -> bool:
        idle_s = self._settings.idle_s
        if idle_s is None or not self._book.joined or not self._book.empty:
            return False
        return self._transport.now() - self._quiet >= idle_s

    async def _hand(self, lane: Lane) -> Handed[E] | None:
        record = lane.head
        try:
            read = self._reader.read(record.value)
            if await self._known(record, read.event):
                self._tell(What.DUPLICATE, record)
                await self._finish(lane)
                return None
        except Unknown as unknown:
            self._tell(What.SKIPPED, record, 0.0, str(unknown))
            await self._finish(lane)
            return None
        except Poison as poison:
            log.error("%s: parked: %s", _where(record), poison)
            await self._park(lane, poison.reason.value, poison.detail)
            return None
        except BaseException:
            self._book.release(lane)
            raise
        lane.attempts += 1
        if read.left_out and lane.attempts == 1:
            self._tell(What.TRIMMED, record, 0.0, "; ".join(read.left_out))
        self._tell(What.HANDED, record)
        self._handed = Handed(lane, record, read, lane.attempts, self._transport.now())
        return self._handed

    async def _finish(self, lane: Lane) -> None:
        self._book.finish(lane)
        if self._settings.commit_every_s <= 0:
            await self._call(lambda: self._commit(force=True))

    async def _again(self, lane: Lane, after_s: float) -> None:
        self._book.again(lane, self._transport.now() + after_s)
        lane.paused = True
        await self._call(lambda: self._transport.pause(lane.at))

    async def _park(self, lane: Lane, reason: str, detail: str) -> None:
        """Set the first record of a lane aside; while that fails the partition waits."""
        parked = Parked(lane.head, reason, detail, lane.attempts)
        taker = self._settings.park
        try:
            if taker is None:
                await self._call(lambda: self._transport.park(parked))
            else:
                await _settled(taker(parked))
        except Exception:
            log.exception("%s: cannot be parked, the partition waits", _where(lane.head))
            lane.attempts += 1
            await self._again(lane, self._settings.on_error.wait_s(lane.attempts))
            return
        except BaseException:
            self._book.release(lane)
            raise
        self._tell(What.PARKED, parked.record, 0.0, f"{reason}: {detail}")
        await self._finish(lane)

    def _commit(self, *, force: bool) -> None:
        offsets = self._book.uncommitted()
        now = self._transport.now()
        if not offsets or not (force or now - self._committed_at >= self._settings.commit_every_s):
            return
        try:
            self._transport.commit(offsets)
        except Lost as lost:
            log.warning("acknowledged too late, it comes again elsewhere: %s", lost)
            for at, offset in offsets.items():
                self._tell(What.REFUSED, Record(at, offset - 1, None), 0.0, str(lost))
        except Transient as fault:
            log.warning("not committed, tried again: %s", fault)
            return
        self._committed_at = now
        self._book.committed(offsets)

    async def _known(self, record: Record, event: E) -> bool:
        if self._settings.dedupe is None:
            return False
        try:
            return await _settled(self._settings.dedupe.known(record.at.topic, event))
        except Exception:
            log.exception("%s: cannot ask whether it is known", _where(record))
            return False

    async def _remember(self, handed: Handed[E]) -> None:
        if self._settings.dedupe is None:
            return
        try:
            topic = handed.record.at.topic
            await _settled(self._settings.dedupe.remember(topic, handed.read.event))
        except Exception:
            log.exception("%s: cannot be remembered", _where(handed.record))

    def _tell(self, what: What, record: Record, seconds: float = 0.0, detail: str = "") -> None:
        self.counts[what] += 1
        if self._settings.metrics is not None:
            self._settings.metrics(Measured(what, record.at, record.offset, seconds, detail))


async def _settled(value: T | Awaitable[T]) -> T:
    """Return a value that may have to be awaited."""
    if inspect.isawaitable(value):
        awaited: T = await value
        return awaited
    return value


def _where(record: Record) -> str:
    return f"{record.at.topic}/{record.at.number}/{record.offset}"
