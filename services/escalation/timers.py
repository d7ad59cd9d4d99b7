"""When timers may fire, and how many at once: the guard against a clock that jumped, and the pace."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

JUMP_S = 60.0
HOLD_S = 60.0
AGAIN_S = 60.0


class JumpGuard:
    """Compares the wall clock with the monotonic one; after a jump timers are held for a while.

    A jump forward would fire every timer at once, one back would fire none. Holding gives whoever
    is alerted the time to look; afterwards the new time is taken for the truth, for waiting longer
    would be a loss of its own.
    """

    def __init__(self) -> None:
        self._baseline: float | None = None
        self._held_since: float | None = None

    def may_fire(self, wall_ms: int, monotonic_s: float) -> bool:
        """Return False while timers are held."""
        difference = wall_ms / 1000.0 - monotonic_s
        if self._baseline is None:
            self._baseline = difference
        if abs(difference - self._baseline) <= JUMP_S:
            self._held_since = None
            return True
        if self._held_since is None:
            self._held_since = monotonic_s
        if monotonic_s - self._held_since < HOLD_S:
            return False
        self._baseline = difference
        self._held_since = None
        return True


ALONE_S, BESIDE_S = 0.25, 0.06
"""How long a transaction full of timers may take: alone, and while feedback comes in as well."""
TIMES = 1.0
"""Where a transaction of feedback alone takes longer than that, one of timers may take as long: each has
a price of its own. With four times as long, a quiet machine fired 5.2k timers/s instead of 4.4k, and
feedback waited 532 ms (p99) instead of 194."""
QUIET_S = 1.0
"""Without feedback for so long, timers are alone."""
FEWEST, MOST = 300, 6_000


class Pace:
    """How many due timers a transaction takes, and of which partitions.

    Feedback waits for the running transaction, so the length of one full of timers is held near a
    goal: the next one takes more or fewer. While more timers are due than were taken, they and the
    feedback have every other transaction each, when there is feedback: neither waits for the other to
    end. A transaction then takes timers of few partitions, the next one those of others: Kafka writes a
    marker into each partition that a transaction touches.
    """

    def __init__(self) -> None:
        self._limit = FEWEST
        self._first = 0
        self._full_since: float | None = None
        self._feedback_since: float | None = None
        self._feedback_s = 0.0
        self._feedback_at = -QUIET_S
        self.behind = False

    def limit(self, feedback: bool, now_s: float) -> int:
        """Return how many timers the transaction that begins may take; 0 when it is not their turn."""
        if feedback:
            self._feedback_at = now_s
        self._learn(now_s)
        since, self._full_since = self._full_since, None
        if since is not None:
            ratio = self._goal(now_s) / max(now_s - since, 1e-3)
            self._limit = round(min(MOST, max(FEWEST, self._limit * min(2.0, max(0.5, ratio)))))
            if feedback:
                self._feedback_since = now_s
                return 0
        return self._limit

    def _learn(self, now_s: float) -> None:
        """Learn how long transactions take that feedback has for itself."""
        since, self._feedback_since = self._feedback_since, None
        if since is not None:
            self._feedback_s += (now_s - since - self._feedback_s) / 4

    def _goal(self, now_s: float) -> float:
        if now_s - self._feedback_at >= QUIET_S:
            return ALONE_S
        return min(ALONE_S, max(BESIDE_S, TIMES * self._feedback_s))

    def order(self, numbers: Iterable[int]) -> Iterator[int]:
        """Yield the partitions; the next time, those first that were not asked for now."""
        for number in sorted(numbers, key=lambda number: (number < self._first, number)):
            self._first = number + 1
            yield number

    def taken(self, count: int, limit: int, now_s: float) -> None:
        """Tell how many timers of ``limit`` the transaction takes that began at ``now_s``."""
        self._full_since = now_s if self.behind and count >= limit else None
        self.behind = count >= limit


class Stuck:
    """Cases that cannot be decided on when they are due: each is left alone for a minute at a time.

    So they keep nobody waiting, and go on by themselves when what was wrong has gone: a policy was
    edited, or a command has changed the case.
    """

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def add(self, case_id: str, now_s: float) -> None:
        """Leave a case alone from now on."""
        self._until.pop(case_id, None)  # the earliest one stays the first
        self._until[case_id] = now_s + AGAIN_S

    def now(self, now_s: float) -> Collection[str]:
        """Return the cases that are left alone still."""
        while self._until and next(iter(self._until.values())) <= now_s:
            del self._until[next(iter(self._until))]
        return self._until.keys()
