"""Who is on duty: rotations that hand over in local time, in layers, with overrides.

Every instant is int64 milliseconds since the Unix epoch, UTC; every interval is half-open,
``[start, end)``. A hand-over keeps its local time across clock changes: when a change skips that
time, it is the first instant after the gap; when it comes twice, the first of the two.
"""

from __future__ import annotations

import enum
from bisect import bisect_right
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from heapq import merge
from itertools import count, takewhile
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from services.escalation.domain import calendar
from services.escalation.domain.calendar import DAY, Calendar, Window, WorkingTime, utc_ms
from shared.events import Struct

_REMEMBERED: Final = 4096  # hand-overs of a rotation: eleven years of daily ones
_LONGEST: Final = 366  # turns of more days or weeks are a slip of the pen
_YEARS: Final = range(1970, 9000)  # far enough from the ends of what datetime can hold


class Unit(enum.StrEnum):
    """What the length of a turn is counted in: local days, or seven of them."""

    DAY = "day"
    WEEK = "week"


class Rotation(Struct, frozen=True):
    """One layer: people who take turns of ``every`` ``unit``, in the order of ``members``.

    ``starts`` is the local time, in the IANA ``zone``, at which the first member takes over, such
    as ``2026-01-05T09:00``; before it nobody is on duty. ``during`` restricts the duty to windows
    of the seven local days, Monday first: turns go on outside them, but nobody is on duty.
    """

    name: str
    members: tuple[str, ...]
    zone: str
    starts: str
    unit: Unit
    every: int = 1
    during: tuple[tuple[Window, ...], ...] | None = None


class Override(Struct, frozen=True):
    """``person`` (None: nobody) is on duty in ``[start, end)``, whatever the rotations say."""

    rota: str
    start: int
    end: int
    person: str | None = None
    note: str = ""


class Rota(Struct, frozen=True):
    """Rotations as layers: each contributes at most one person, in this order, each person once.

    While overrides run, the one listed last replaces all layers. ``fallback`` is on duty when no
    layer has anybody; an override to nobody means nobody.
    """

    name: str
    rotations: tuple[Rotation, ...] = ()
    overrides: tuple[Override, ...] = ()
    fallback: str | None = None


class Handover(NamedTuple):
    """At ``at`` those ``before`` go off duty, and those ``after`` are on."""

    at: int
    before: tuple[str, ...]
    after: tuple[str, ...]


def on_duty(rota: Rota, at_ms: int) -> tuple[str, ...]:
    """Return who is on duty at ``at_ms``; ``Duty`` answers many such questions faster."""
    return Duty(rota).on_duty(at_ms)


def handovers(rota: Rota, start_ms: int, end_ms: int) -> list[Handover]:
    """Return every instant in ``[start_ms, end_ms)`` at which the people on duty change."""
    return list(Duty(rota).handovers(start_ms, end_ms))


def next_change(rota: Rota, at_ms: int, horizon_days: int = 400) -> int | None:
    """Return when those on duty change after ``at_ms``; None: not within the horizon."""
    return Duty(rota).next_change(at_ms, horizon_days)


class Duty:
    """A rota made ready for questions about it; ValueError with all its ``problems``.

    Answers are arithmetic on the number of the turn, and keep the hand-overs once computed. A time
    outside the years 1 to 9998 is a ValueError or an OverflowError.
    """

    def __init__(self, rota: Rota) -> None:
        if wrong := problems(rota):
            raise ValueError(f"rota {rota.name}: " + "; ".join(wrong))
        self.rota = rota
        self._layers = tuple(_Layer(rotation) for rotation in rota.rotations)
        self._fallback = () if rota.fallback is None else (rota.fallback,)
        self._edges = sorted({edge for one in rota.overrides for edge in (one.start, one.end)})
        self._overriding = [_overriding(rota, edge) for edge in self._edges]

    def on_duty(self, at_ms: int) -> tuple[str, ...]:
        """Return who is on duty at ``at_ms``, in the order of the layers; may be nobody."""
        edge = bisect_right(self._edges, at_ms) - 1
        if edge >= 0 and (override := self._overriding[edge]) is not None:
            return () if override.person is None else (override.person,)
        people = {
            person: None for layer in self._layers if (person := layer.person(at_ms)) is not None
        }
        return tuple(people) or self._fallback

    def handovers(self, start_ms: int, end_ms: int) -> Iterator[Handover]:
        """Yield every change in ``[start_ms, end_ms)``; one at ``start_ms`` itself is among them."""
        before = self.on_duty(start_ms - 1)
        layers = (layer.edges(start_ms, end_ms) for layer in self._layers)
        edges = self._edges[bisect_right(self._edges, start_ms) :]
        candidates = merge((start_ms,), edges, *layers)
        for at in takewhile(lambda edge: edge < end_ms, candidates):
            after = self.on_duty(at)
            if after != before:
                yield Handover(at, before, after)
            before = after

    def next_change(self, at_ms: int, horizon_days: int = 400) -> int | None:
        """Return when those on duty change after ``at_ms``; None: not within the horizon."""
        changes = self.handovers(at_ms + 1, at_ms + 1 + horizon_days * DAY)
        return next((change.at for change in changes), None)


class _Layer:
    """A rotation made ready: which turn it is, and whose."""

    def __init__(self, rotation: Rotation) -> None:
        self._members = rotation.members
        self._zone = ZoneInfo(rotation.zone)
        self._first = datetime.fromisoformat(rotation.starts)
        self._length = timedelta(days=rotation.every * (7 if rotation.unit is Unit.WEEK else 1))
        self._length_ms = self._length.days * DAY
        self._hours = WorkingTime(_hours(rotation))
        self._begin = lru_cache(maxsize=_REMEMBERED)(self._hand_over)
        self._start = self._begin(0)

    def person(self, at_ms: int) -> str | None:
        """Return who is on duty at ``at_ms``."""
        # One millisecond of working time is the cheapest way to ask whether it is open.
        if at_ms < self._start or not self._hours.elapsed(at_ms, at_ms + 1):
            return None
        return self._members[self._turn(at_ms) % len(self._members)]

    def edges(self, start_ms: int, end_ms: int) -> Iterator[int]:
        """Yield in order, within the span, every instant after its start where the person changes."""
        turns = (self._begin(turn) for turn in count(self._turn(start_ms) + 1))
        windows = self._hours.intervals(start_ms, end_ms)
        return merge(
            takewhile(lambda begin: begin < end_ms, turns),
            (edge for window in windows for edge in window),
        )

    def _turn(self, at_ms: int) -> int:
        """Return the number of the turn at ``at_ms``, the first is 0; negative before it."""
        if at_ms < self._start:
            return -1
        # Exact but for the clock changes since the first hand-over, so at most a turn off (or two
        # where a zone crossed the date line).
        turn = (at_ms - self._start) // self._length_ms
        while at_ms < self._begin(turn):
            turn -= 1
        while at_ms >= self._begin(turn + 1):
            turn += 1
        return turn

    def _hand_over(self, turn: int) -> int:
        """Return when a turn begins."""
        return utc_ms(self._first + turn * self._length, self._zone, fold=0)


def problems(rota: Rota) -> list[str]:
    """Return what is wrong with ``rota``, each with its place; nothing when it can be used."""
    found: list[str] = []
    if not rota.rotations and rota.fallback is None:
        found.append("rotations: none, and no fallback: nobody is ever on duty")
    if rota.fallback == "":
        found.append("fallback: the name is empty")
    for number, rotation in enumerate(rota.rotations):
        place = f"rotations[{number}] {rotation.name}"
        found += (f"{place}: {wrong}" for wrong in _wrong_rotation(rotation))
    for number, override in enumerate(rota.overrides):
        place = f"overrides[{number}]"
        found += (f"{place}: {wrong}" for wrong in _wrong_override(override, rota.name))
    return found


def _wrong_rotation(rotation: Rotation) -> Iterator[str]:
    if not rotation.members:
        yield "members: none; name at least one person"
    if "" in rotation.members:
        yield "members: a name is empty"
    if not 1 <= rotation.every <= _LONGEST:
        yield f"every: {rotation.every} is not between 1 and {_LONGEST}"
    if not _is_local_time(rotation.starts):
        yield f"starts: {rotation.starts!r} is no local time; write it as 2026-01-05T09:00"
    if rotation.during is not None and not any(rotation.during):
        yield "during: no window at all; give at least one, or leave it out"
    for wrong in calendar.problems(_hours(rotation)):
        yield f"during.{wrong}" if wrong.startswith("week") else wrong


def _wrong_override(override: Override, rota: str) -> Iterator[str]:
    if override.rota != rota:
        yield f"rota: {override.rota!r} is unknown here, this is {rota!r}"
    if override.end <= override.start:
        yield f"end: {override.end} is not after the start {override.start}"
    if override.person == "":
        yield "person: the name is empty; leave it out for nobody"


def _is_local_time(text: str) -> bool:
    """Tell whether ``text`` is a date and a time of day without an offset."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return False
    return at.tzinfo is None and at.year in _YEARS and "T" in text


def _hours(rotation: Rotation) -> Calendar:
    """Return when a rotation has somebody on duty."""
    week = rotation.during or ()
    return Calendar(name=rotation.name, zone=rotation.zone, week=week, always_open=not any(week))


def _overriding(rota: Rota, at_ms: int) -> Override | None:
    """Return the override that holds at ``at_ms``: of several the one listed last."""
    running = (one for one in reversed(rota.overrides) if one.start <= at_ms < one.end)
    return next(running, None)
