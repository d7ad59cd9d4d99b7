"""Up to where everything of a partition has ended: what may be committed.

Records end in any order, a commit is one number. Only what is open is kept, so the size is bounded by
the window of open records, however long one of them takes and however many end behind it.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import Generic, NamedTuple, TypeVar

P = TypeVar("P")
"""What names a partition."""

_SLACK = 64


class Mark(NamedTuple, Generic[P]):
    """One record of one assignment."""

    partition: P
    generation: int
    offset: int


class _Open:
    """The open offsets of one partition; those that ended are dropped from the heap lazily."""

    def __init__(self) -> None:
        self.position = 0
        self.offsets: set[int] = set()
        self._heap: list[int] = []

    def add(self, offset: int) -> None:
        self.offsets.add(offset)
        heapq.heappush(self._heap, offset)
        if len(self._heap) > 2 * len(self.offsets) + _SLACK:
            self._heap = sorted(self.offsets)

    def low(self) -> int:
        while self._heap and self._heap[0] not in self.offsets:
            heapq.heappop(self._heap)
        return self._heap[0] if self._heap else self.position


class Offsets(Generic[P]):
    """The open records of the partitions that are assigned; other generations are void."""

    def __init__(self) -> None:
        self.generation = 0
        self._open: dict[P, _Open] = {}

    def assign(self, generation: int) -> None:
        """Begin a new assignment, of which nothing was read yet."""
        self.generation = generation
        self._open.clear()

    def taken(self, partition: P, end: int, opened: Iterable[int]) -> None:
        """Note that everything below ``end`` was read, and that the offsets ``opened`` are to end.

        What else was read concerns nobody here. Offsets come in ascending order.
        """
        known = self._open.setdefault(partition, _Open())
        known.position = end
        for offset in opened:
            known.add(offset)

    def ended(self, mark: Mark[P]) -> None:
        """Note that a record ended; one of another generation is passed over."""
        if mark.generation == self.generation and mark.partition in self._open:
            self._open[mark.partition].offsets.discard(mark.offset)

    def next_offsets(self) -> dict[P, int]:
        """Return the next offset of each partition from which was read: all below has ended."""
        return {partition: known.low() for partition, known in self._open.items()}
