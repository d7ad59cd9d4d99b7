"""A circuit breaker: a target that is away is left alone, and asked now and then by one attempt.

Only faults of the target as a whole count. Closed lets all pass; so many faults in a row open it, and
nothing passes until the cool-down is over; then one probe may pass (half-open), whose result closes
the circuit or opens it again, for longer.
"""

from __future__ import annotations

from typing import Final

import msgspec

FAULTS: Final = 5
"""So many in a row open the circuit."""
COOL_DOWN_S: Final = 5.0
MOST_COOL_DOWN_S: Final = 60.0


class Breaker(msgspec.Struct, frozen=True):
    """The state; times are seconds on a monotonic clock of the caller.

    ``until`` is None while the circuit is closed; ``probing``: the probe is on its way. ``opened``
    counts the openings in a row.
    """

    faults: int = 0
    opened: int = 0
    until: float | None = None
    probing: bool = False

    @property
    def closed(self) -> bool:
        """Tell whether everything passes."""
        return self.until is None


def may_pass(state: Breaker, now: float) -> bool:
    """Tell whether an attempt may begin; when the circuit is not closed it is the probe."""
    return state.until is None or (not state.probing and now >= state.until)


def begun(state: Breaker) -> Breaker:
    """Return the state after an attempt began that might pass."""
    if state.until is None:
        return state
    return msgspec.structs.replace(state, probing=True)


def ended(state: Breaker, fault: bool, now: float, *, probe: bool) -> Breaker:
    """Return the state after an attempt ended.

    Args:
        fault: the target as a whole failed.
        probe: the attempt began while the circuit was not closed.
    """
    if not fault:
        return _CLOSED  # whatever attempt it was: the target answers
    if state.until is None:
        faults = state.faults + 1
        if faults < FAULTS:
            return Breaker(faults=faults)
        return Breaker(faults=faults, opened=1, until=now + COOL_DOWN_S)
    if not probe:
        return state  # it began before the circuit opened and says nothing new
    wait = min(COOL_DOWN_S * 2.0 ** min(state.opened, 8), MOST_COOL_DOWN_S)
    return Breaker(faults=state.faults + 1, opened=state.opened + 1, until=now + wait)


_CLOSED: Final = Breaker()
