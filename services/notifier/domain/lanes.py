"""Which notification may be sent now: those of one case one after another, those of others beside.

A lane holds what waits for one case at one sink, in order; its head is the only one that may run. A
head that failed waits for its time and holds back its lane, and no other. A page that waits is stale
as soon as a later notification of its lane takes it back (acknowledged, resolved) or belongs to a
newer epoch: it is handed back and never sent.
"""

from __future__ import annotations

import heapq
from collections import deque
from itertools import count
from typing import Generic, TypeVar

from shared.events import Notification, NotificationKind

M = TypeVar("M")


class Waiting(Generic[M]):
    """A notification in its lane. ``mark`` is the caller's; ``stale``: it is not to be sent again.

    ``attempts`` were made so far; ``faulted``: the last one ended with a fault of the target.
    """

    __slots__ = ("attempts", "faulted", "lane", "mark", "notification", "running", "stale", "turn")

    def __init__(self, notification: Notification, mark: M) -> None:
        self.notification = notification
        self.mark = mark
        self.lane = notification.case_id or notification.notification_id
        self.attempts = 0
        self.faulted = False
        self.running = False
        self.stale = False
        self.turn = 0


def takes_back(later: Notification, page: Notification) -> bool:
    """Tell whether ``later``, which came after the ``page`` of the same case, makes it stale."""
    if page.kind is not NotificationKind.PAGE:
        return False
    if later.kind in {NotificationKind.ACKNOWLEDGE, NotificationKind.RESOLVE}:
        return later.epoch is None or page.epoch is None or later.epoch >= page.epoch
    if later.kind is NotificationKind.PAGE:
        return later.epoch is not None and page.epoch is not None and later.epoch > page.epoch
    return False


class Lanes(Generic[M]):
    """All lanes of one sink. Times are seconds on a monotonic clock of the caller."""

    def __init__(self) -> None:
        self._lanes: dict[str, deque[Waiting[M]]] = {}
        self._ready: deque[tuple[Waiting[M], int]] = deque()
        self._later: list[tuple[float, int, Waiting[M], int]] = []
        self._order = count()
        self._size = 0

    def __len__(self) -> int:
        """Return how many there are, running ones included."""
        return self._size

    def add(self, one: Waiting[M]) -> list[Waiting[M]]:
        """Put a notification at the end of its lane; return those that it makes stale.

        They have left the lane, except for one that runs: it stays, marked, until it is told.
        """
        self._size += 1
        lane = self._lanes.get(one.lane)
        if lane is None:
            self._lanes[one.lane] = deque((one,))
            self._make_ready(one)
            return []
        gone = [other for other in lane if takes_back(one.notification, other.notification)]
        lane.append(one)
        for other in gone:
            other.stale = True
        left = [other for other in gone if not other.running]
        for other in left:
            self.remove(other)
        return left

    def start(self, now: float) -> Waiting[M] | None:
        """Return the next head that may run, now running; None when there is none."""
        while self._later and self._later[0][0] <= now:
            _, _, one, turn = heapq.heappop(self._later)
            self._ready.append((one, turn))
        while self._ready:
            one, turn = self._ready.popleft()
            if one.turn == turn:  # else it has left, or got another turn
                one.turn += 1
                one.running = True
                return one
        return None

    @property
    def waits_for_nothing(self) -> bool:
        """Tell whether some head may run now, whatever the time."""
        return bool(self._ready)

    def next_at(self) -> float | None:
        """Return when the next head may run that waits for its time, None when none does."""
        while self._later and self._later[0][2].turn != self._later[0][3]:
            heapq.heappop(self._later)
        return self._later[0][0] if self._later else None

    def retry(self, one: Waiting[M], at: float) -> None:
        """Let a head that runs wait until ``at``; the caller ends one that became stale instead."""
        one.running = False
        heapq.heappush(self._later, (at, next(self._order), one, one.turn))

    def put_back(self, one: Waiting[M]) -> None:
        """Let a head that was started be the next again: it was not sent after all."""
        one.running = False
        self._ready.appendleft((one, one.turn))

    def remove(self, one: Waiting[M]) -> None:
        """Take out a notification that has ended; the next of its lane may run."""
        lane = self._lanes[one.lane]
        head = lane[0] is one
        if head:
            lane.popleft()
        else:
            lane.remove(one)
        one.turn += 1
        one.running = False
        self._size -= 1
        if not lane:
            del self._lanes[one.lane]
        elif head:
            self._make_ready(lane[0])

    def recall(self) -> None:
        """Let the heads that wait because of a fault run at once: the target answers again."""
        kept = []
        for entry in self._later:
            _, _, one, turn = entry
            if one.turn != turn:
                continue
            if one.faulted:
                self._ready.append((one, turn))
            else:
                kept.append(entry)
        heapq.heapify(kept)
        self._later = kept

    def clear(self) -> list[Waiting[M]]:
        """Take out everything that does not run, and return it."""
        gone = [one for lane in self._lanes.values() for one in lane if not one.running]
        for one in gone:
            self.remove(one)
        return gone

    def _make_ready(self, one: Waiting[M]) -> None:
        self._ready.append((one, one.turn))
