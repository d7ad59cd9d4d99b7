"""When timers may fire: the guard against a wall clock that jumped."""

from __future__ import annotations

JUMP_S = 60.0
HOLD_S = 60.0


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
