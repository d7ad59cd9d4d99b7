"""Records on their way into Kafka, and the requests that wait for them. Event loop only."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Callable

from shared.codec import Headers


class Fate(enum.Enum):
    """What became of a record."""

    PENDING = "pending"
    WRITTEN = "written"
    KNOWN = "known"
    FAILED = "failed"


class Record:
    """One record to be written once, however many requests ask for it.

    ``id`` is deterministic, so equal ids mean equal content. ``fault`` says why it failed,
    ``taken`` that the log has it and will settle it, ``on_settled`` is told first. ``size`` is in bytes.
    ``owner`` decides on the partition: the key, unless another is given.
    """

    __slots__ = (
        "_waiting", "fate", "fault", "headers", "id", "key", "on_settled", "owner", "size", "taken",
        "topic", "value",
    )  # fmt: skip

    def __init__(
        self,
        id_: str,
        topic: str,
        key: bytes,
        value: bytes,
        headers: Headers,
        owner: bytes | None = None,
    ) -> None:
        self.id = id_
        self.topic = topic
        self.key = key
        self.owner = key if owner is None else owner
        self.value = value
        self.headers = headers
        self.size = len(key) + len(value)
        self.fate = Fate.PENDING
        self.fault = ""
        self.taken = False
        self.on_settled: Callable[[Record], None] | None = None
        self._waiting: list[Gathering] = []

    def rewrite(self, value: bytes) -> None:
        """Replace the value of a record that was not handed to the log yet."""
        self.size += len(value) - len(self.value)
        self.value = value

    def settle(self, fate: Fate, fault: str = "") -> None:
        """Decide its fate, once, and wake who waits."""
        if self.fate is not Fate.PENDING:
            return
        self.fate, self.fault = fate, fault
        if self.on_settled is not None:
            self.on_settled(self)
        waiting, self._waiting = self._waiting, []
        for gathering in waiting:
            gathering.settled()

    def tell(self, gathering: Gathering) -> None:
        """Have ``gathering`` told when the fate is decided."""
        self._waiting.append(gathering)


class Gathering:
    """One future for all the records of a request: cheaper than one future per record."""

    __slots__ = ("_done", "_open")

    def __init__(self, records: list[Record]) -> None:
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        pending = [record for record in records if record.fate is Fate.PENDING]
        self._open = len(pending)
        for record in pending:
            record.tell(self)
        if not pending:
            self._done.set_result(None)

    def settled(self) -> None:
        """Count one record down."""
        self._open -= 1
        if self._open == 0 and not self._done.done():
            self._done.set_result(None)

    async def wait(self, timeout_s: float) -> None:
        """Return when all are settled, or after ``timeout_s`` seconds."""
        if self._done.done():
            return
        alarm = asyncio.get_running_loop().call_later(max(0.0, timeout_s), self._expire)
        try:
            await self._done
        finally:
            alarm.cancel()

    def _expire(self) -> None:
        if not self._done.done():
            self._done.set_result(None)
