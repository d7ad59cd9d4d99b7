"""Who is next: the partitions of a member, what waits in each, and what may be committed. Pure.

Each partition is worked off in order; one that waits for a retry does not hold up the others. A
partition that is taken away takes its lane along: whatever still holds the lane is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from shared.client.records import Lane, Partition, Record


class Book:
    """The lanes of one member of a group."""

    def __init__(self) -> None:
        self._lanes: dict[Partition, Lane] = {}
        self.joined = False

    def assign(self, partitions: Iterable[Partition]) -> None:
        """Begin with these partitions."""
        self.joined = True
        for at in partitions:
            self._lanes[at] = Lane(at)

    def revoke(self, partitions: Iterable[Partition]) -> None:
        """Forget these partitions, with all that waits in them."""
        for at in partitions:
            self._lanes.pop(at, None)

    def holds(self, lane: Lane) -> bool:
        """Tell whether ``lane`` is still ours: not that of an assignment that is over."""
        return self._lanes.get(lane.at) is lane

    def add(self, record: Record) -> None:
        """Append a record; one of a partition that is not ours any more is dropped."""
        lane = self._lanes.get(record.at)
        if lane is not None:
            lane.queue.append(record)

    def take(self, now: float) -> Lane | None:
        """Return a lane whose first record may be handed over now, and keep it busy."""
        lane = next((lane for lane in self._lanes.values() if _ready(lane, now)), None)
        if lane is not None:
            lane.busy = True
            self._lanes[lane.at] = self._lanes.pop(lane.at)  # the others come first next time
        return lane

    def finish(self, lane: Lane) -> None:
        """End the first record of ``lane``: it can be committed, and the next one follows."""
        lane.done = lane.queue.pop(0).offset + 1
        lane.busy, lane.attempts, lane.due = False, 0, 0.0

    def again(self, lane: Lane, due: float) -> None:
        """Let ``lane`` wait until ``due``; its first record stays the first."""
        lane.busy, lane.due = False, due

    def release(self, lane: Lane) -> None:
        """Take back what was handed over, as if it had not been."""
        lane.busy = False

    def to_resume(self, now: float) -> list[Partition]:
        """Return the paused partitions that have nothing left to wait for."""
        found = [lane for lane in self._lanes.values() if lane.paused and not lane.queue]
        found += [
            lane for lane in self._lanes.values() if lane.paused and lane.queue and lane.due <= now
        ]
        for lane in found:
            lane.paused = False
        return [lane.at for lane in found]

    def wait_s(self, now: float, most_s: float) -> float:
        """Return how long there is nothing to hand over, at most ``most_s``."""
        dues = [lane.due for lane in self._lanes.values() if lane.queue and not lane.busy]
        return max(0.0, min([most_s, *(due - now for due in dues)]))

    @property
    def empty(self) -> bool:
        """Tell whether nothing waits."""
        return not any(lane.queue for lane in self._lanes.values())

    def uncommitted(self, of: Iterable[Partition] | None = None) -> dict[Partition, int]:
        """Return the offsets to commit (of some partitions): that of the first record not ended."""
        lanes = (
            self._lanes if of is None else {at: self._lanes[at] for at in of if at in self._lanes}
        )
        return {at: lane.done for at, lane in lanes.items() if lane.done is not None}

    def committed(self, offsets: Mapping[Partition, int]) -> None:
        """Forget offsets that were committed."""
        for at, offset in offsets.items():
            lane = self._lanes.get(at)
            if lane is not None and lane.done == offset:
                lane.done = None


def _ready(lane: Lane, now: float) -> bool:
    return bool(lane.queue) and not lane.busy and lane.due <= now
