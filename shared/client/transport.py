"""What a stream needs of a broker, and the two ways to call it: at once, or in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol, TypeVar

from shared.client.records import Parked, Partition, Record

if TYPE_CHECKING:
    from shared.client.settings import Settings

T = TypeVar("T")


class Lost(Exception):
    """The member is not in its group any more: what it acknowledges comes too late."""


class Listener(Protocol):
    """Is told about rebalances, from inside ``poll`` and ``close``."""

    def assigned(self, partitions: Iterable[Partition]) -> None:
        """These are ours from now on."""
        ...

    def revoked(self, partitions: Iterable[Partition]) -> Mapping[Partition, int]:
        """These are not ours any more. Return what is still to be committed of them."""
        ...


class Transport(Protocol):
    """One member of a group. Every method may block, and is called by one thread at a time."""

    def open(self, listener: Listener) -> None:
        """Connect and join the group.

        Raises:
            Misconfigured: no broker answers, or a topic is missing.
        """
        ...

    def poll(self, timeout_s: float) -> Record | None:
        """Return the next record, or None after ``timeout_s``."""
        ...

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        """Commit the offsets of the next records.

        Raises:
            Lost: the partitions belong to somebody else.
            Transient: not now; it may be tried again.
        """
        ...

    def pause(self, partition: Partition) -> None:
        """Fetch nothing of a partition for now."""
        ...

    def resume(self, partition: Partition) -> None:
        """Fetch from where it was paused."""
        ...

    def park(self, parked: Parked) -> None:
        """Write a record to the topic of those that are set aside; return when the broker has it.

        Raises:
            Transient: it has not.
        """
        ...

    def now(self) -> float:
        """Return a clock that only goes forward, in seconds."""
        ...

    def close(self) -> None:
        """Leave the group."""
        ...


class Broker(Protocol):
    """Something else than Kafka that a stream can be opened on."""

    def connect(self, settings: Settings) -> Transport:
        """Return a member of the group of ``settings``."""
        ...


class Call(Protocol):
    """A way to call something that blocks."""

    async def __call__(self, work: Callable[[], T]) -> T:
        """Return what ``work`` returns."""
        ...

    def close(self) -> None:
        """Let go of what calling takes."""
        ...


class Direct:
    """Calls at once: the caller waits. A coroutine that only does so never suspends."""

    async def __call__(self, work: Callable[[], T]) -> T:
        """Return what ``work`` returns."""
        return work()

    def close(self) -> None:
        """There is nothing to let go of."""


class Threaded:
    """Calls in one thread of its own, so that the event loop goes on meanwhile."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "tocsin-client")

    async def __call__(self, work: Callable[[], T]) -> T:
        """Return what ``work`` returns; when cancelled, only after it has ended.

        So the thread and the event loop never work on the same stream at once.
        """
        future = asyncio.get_running_loop().run_in_executor(self._thread, work)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            while not future.done():
                with suppress(asyncio.CancelledError):
                    await asyncio.wait([future])
            raise

    def close(self) -> None:
        """End the thread; nothing runs in it any more."""
        self._thread.shutdown(wait=False)


def run(coroutine: Coroutine[object, object, T]) -> T:
    """Return the result of a coroutine that never suspends: that is how one engine serves both kinds.

    Raises:
        RuntimeError: it did suspend: something async was given to a stream that is not.
    """
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    coroutine.close()
    raise RuntimeError("an awaitable in a stream that is not async: use AsyncStream")
