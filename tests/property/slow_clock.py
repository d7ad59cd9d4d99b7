"""A clock as the documentation has it, slowly: minute by minute, without any arithmetic of time.

Of each minute it is known whether the clock was active and whether somebody worked. Everything else,
elapsed time, deadline, warnings and breach, is found by walking over the minutes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from services.escalation.domain.calendar import MINUTE
from shared.events import ClockChangeKind, ClockState

WARN = (75, 90)
Change = tuple[ClockChangeKind, int, int | None]
"""What happened, at which minute, and the percent of a warning."""


@dataclass(frozen=True)
class Promise:
    """A target in minutes, by the calendar or (``wall``) round the clock, and the plan's grace."""

    target: int
    wall: bool
    grace: int


@dataclass
class SlowClock:
    """One clock over the minutes of ``working``; minute 0 is where that list begins."""

    working: list[bool]
    promise: Promise
    now: int
    state: ClockState = ClockState.RUNNING
    waiting: bool = False
    since: int | None = None
    active: set[int] = field(default_factory=set)
    warned: int = 0
    floor: int | None = None
    breached: int | None = None
    by_grace: bool = False
    was_running: bool = True
    changes: list[Change] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begin now."""
        self.since = self.now
        self._record(ClockChangeKind.ACTIVATED)

    def pass_time(self, minutes: int) -> None:
        """Let minutes pass: each of them is active or not."""
        for _ in range(minutes):
            if self.state is ClockState.RUNNING:
                self.active.add(self.now)
            self.now += 1

    def elapsed(self, promise: Promise | None = None) -> int:
        """Return how many active minutes were working minutes."""
        given = promise or self.promise
        return sum(1 for minute in self.active if given.wall or self.working[minute])

    def reach(self, amount: int, promise: Promise | None = None) -> int:
        """Return the minute at which ``amount`` are elapsed, if it stays active; not before it began.

        The end of all minutes when that is further away.
        """
        given = promise or self.promise
        minute = self.now if self.since is None else self.since
        used = sum(1 for one in self.active if one < minute and (given.wall or self.working[one]))
        while used < amount and minute < len(self.working):
            used += given.wall or self.working[minute]
            minute += 1
        return minute

    def due(self) -> int:
        """Return when it is over: at the target, and not within the grace of a new one."""
        return max(self.reach(self.promise.target), self.floor or 0)

    def poll(self) -> None:
        """Say what is due: that it is over, else the last warning."""
        if self.state is not ClockState.RUNNING or self._broke():
            return
        if self.breached is None:
            passed = [p for p in WARN if p > self.warned and self._mark(p) <= self.now]
            if passed:
                self.warned = passed[-1]
                self.changes.append((ClockChangeKind.WARNED, self._mark(passed[-1]), passed[-1]))

    def wait(self) -> None:
        """The case waits for the customer."""
        self.waiting = True
        if self.state is ClockState.RUNNING:
            self._broke()
            self.state, self.since = ClockState.PAUSED, None
            self._record(ClockChangeKind.PAUSED)

    def work(self) -> None:
        """The wait is over."""
        self.waiting = False
        if self.state is ClockState.PAUSED:
            self._run()
            self._record(ClockChangeKind.RESUMED)

    def fulfil(self) -> None:
        """The promise is kept."""
        if self.state is not ClockState.FULFILLED:
            self.was_running = self.state is ClockState.RUNNING
            self._broke()
            self.state = ClockState.FULFILLED
            self.ended = self.now
            self._record(ClockChangeKind.FULFILLED)

    def revoke(self) -> None:
        """It was not kept after all: the time since counts as if nothing had been."""
        if self.state is not ClockState.FULFILLED:
            return
        if self.was_running:
            self.active.update(range(self.ended, self.now))
        if self.waiting:
            self.state, self.since = ClockState.PAUSED, None
        elif self.was_running:
            self.state = ClockState.RUNNING
        else:
            self._run()
        self._record(ClockChangeKind.REVOKED)

    def go_on(self) -> None:
        """The case is reopened: the time since does not count."""
        if self.state is ClockState.FULFILLED:
            self.waiting = False
            self._run()
            self._record(ClockChangeKind.RESUMED)

    def retarget(self, given: Promise, *, raised: bool) -> None:
        """Another severity: the plan's target, with its grace; a raise never comes later."""
        if self.state is ClockState.FULFILLED or self._broke() or self.breached is not None:
            return
        if (given.target, given.wall) == (self.promise.target, self.promise.wall):
            return
        over, floor = self.reach(given.target, given), self.now + given.grace
        if raised and max(over, floor if over < floor else 0) >= self.due():
            return
        self.promise, self.floor = given, floor if over < floor else None
        self.warned = max((p for p in WARN if given.target * p // 100 <= self.elapsed()), default=0)
        self._record(ClockChangeKind.TARGET_APPLIED)

    def _run(self) -> None:
        self.state, self.since = ClockState.RUNNING, self.now

    def _mark(self, percent: int) -> int:
        return self.reach(self.promise.target * percent // 100)

    def _broke(self) -> bool:
        """Record a deadline that has passed, once; tell whether that was now."""
        if self.breached is not None or self.state is not ClockState.RUNNING:
            return False
        due = self.due()
        if due > self.now:
            return False
        self.breached, self.by_grace = due, due == self.floor
        self.changes.append((ClockChangeKind.BREACHED, due, None))
        return True

    def _record(self, kind: ClockChangeKind) -> None:
        self.changes.append((kind, self.now, None))


def minutes(change_at: int, first: int) -> int:
    """Return an instant in ms as a minute from ``first`` (a minute since the epoch) on."""
    whole, rest = divmod(change_at, MINUTE)
    assert rest == 0, "everything here happens at whole minutes"
    return whole - first
