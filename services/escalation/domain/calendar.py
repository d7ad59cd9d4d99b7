"""Business calendars: when somebody works, and how much working time lies between two instants.

Every instant is int64 milliseconds since the Unix epoch, UTC; every interval is half-open,
``[start, end)``. A calendar speaks of local days in an IANA zone; its boundaries become UTC so: a
local time that a clock change skips is the first instant after the gap; of one that comes twice a
window starts at the first and ends at the second. A window 00:00-24:00 thus has 23 or 25 hours on
the days of a change. ``always_open`` needs no zone: it is plain arithmetic in UTC.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate, pairwise
from typing import Final
from zoneinfo import ZoneInfo

from shared.events import Struct

SECOND: Final = 1_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
HORIZON: Final = 400 * DAY
"""How far a search for working time looks; a calendar closed for longer is a fault of its author."""
DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_BLOCK: Final = 32 * DAY
_BLOCKS: Final = 64
_BEYOND: Final = timedelta(days=2)
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001  # naive on purpose: the origin of local times
_YEARS: Final = range(2, 9999)  # what datetime holds, less a year: conversions need room
_WINDOW: Final = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)", re.ASCII)
_SPAN: Final = re.compile(r"(\d{1,9})(s|m|h|bm|bh)", re.ASCII)
_AMBIGUOUS: Final = re.compile(r"\s*\d+\s*b?(d|days?|w|weeks?)\s*", re.IGNORECASE)
_UNITS: Final = {"h": HOUR, "m": MINUTE, "s": SECOND}
_BUSINESS_UNITS: Final = {"bh": HOUR, "bm": MINUTE}


class Span(Struct, frozen=True):
    """A duration of ``ms``, of the wall clock or of working time (``business``).

    ValueError unless it is a whole number of seconds, or of minutes of working time.
    """

    ms: int
    business: bool = False

    def __post_init__(self) -> None:
        """Refuse what has no written form."""
        unit = MINUTE if self.business else SECOND
        if self.ms < 0 or self.ms % unit:
            raise ValueError(f"a span of {self.ms} ms is not a whole number of {unit} ms")

    @classmethod
    def parse(cls, text: str) -> Span:
        """Read ``90s``, ``15m``, ``4h`` (wall clock), ``30bm``, ``8bh`` (working time)."""
        if found := _SPAN.fullmatch(text):
            number, unit = int(found[1]), found[2]
            if unit in _UNITS:
                return cls(ms=number * _UNITS[unit])
            return cls(ms=number * _BUSINESS_UNITS[unit], business=True)
        if _AMBIGUOUS.fullmatch(text):
            raise ValueError(f"{text!r}: a day is ambiguous: write 24h or 8bh")
        raise ValueError(f"{text!r} is no duration: write a number and s, m, h, bm or bh")

    def __str__(self) -> str:
        """Return the shortest form that ``parse`` reads back."""
        units = _BUSINESS_UNITS if self.business else _UNITS
        unit, size = next((unit, size) for unit, size in units.items() if self.ms % size == 0)
        return f"{self.ms // size}{unit}"


class Window(Struct, frozen=True):
    """Working hours in minutes of the local day: 0 <= start < end <= 1440, else ValueError."""

    start: int
    end: int

    def __post_init__(self) -> None:
        """Refuse hours that are not within one day."""
        if not 0 <= self.start < self.end <= 1440:
            raise ValueError(f"window {self}: the start is before the end, both within 00:00-24:00")

    @classmethod
    def parse(cls, text: str) -> Window:
        """Read ``09:00-12:00``; the end of the day is ``24:00``."""
        found = _WINDOW.fullmatch(text)
        if not found or int(found[2]) > 59 or int(found[4]) > 59:
            raise ValueError(f"{text!r} is no window: write it as 09:00-12:00")
        start_h, start_m, end_h, end_m = map(int, found.groups())
        return cls(start=start_h * 60 + start_m, end=end_h * 60 + end_m)

    def __str__(self) -> str:
        """Return the form that ``parse`` reads back."""
        return "-".join(f"{at // 60:02}:{at % 60:02}" for at in (self.start, self.end))


class Holiday(Struct, frozen=True):
    """A local ``date`` (ISO 8601) with its own hours; without ``windows`` nobody works.

    One that is not ``active`` has no effect: imported holidays wait for a person's approval.
    """

    date: str
    name: str = ""
    windows: tuple[Window, ...] = ()
    active: bool = True


class Calendar(Struct, frozen=True):
    """Working hours: windows for the seven days of the ``week``, Monday first, in an IANA ``zone``.

    ``always_open`` is 24 hours on all days; zone, week and holidays then have no effect.
    """

    name: str
    zone: str = "UTC"
    week: tuple[tuple[Window, ...], ...] = ()
    holidays: tuple[Holiday, ...] = ()
    always_open: bool = False


def problems(calendar: Calendar) -> list[str]:
    """Return what is wrong with ``calendar``, each with its place; nothing when it can be used."""
    found: list[str] = []
    try:
        ZoneInfo(calendar.zone)
    except (KeyError, ValueError, OSError):  # unknown; not a name; a directory of zones
        found.append(f"zone: {calendar.zone!r} is not an IANA time zone")
    if calendar.week and len(calendar.week) != len(DAYS):
        found.append(f"week: {len(calendar.week)} days instead of 7, Monday first")
    if not calendar.always_open and not any(calendar.week):
        found.append("week: no window at all; give at least one, or always_open")
    for day, windows in zip(DAYS, calendar.week, strict=False):
        found += _disorder(f"week.{day}", windows)
    dates: set[str] = set()
    for number, holiday in enumerate(calendar.holidays):
        place = f"holidays[{number}]"
        if not _is_date(holiday.date):
            found.append(f"{place}: {holiday.date!r} is no date; write it as 2026-12-25")
        elif holiday.date in dates:
            found.append(f"{place}: {holiday.date} is there twice")
        dates.add(holiday.date)
        found += _disorder(f"{place} {holiday.date}", holiday.windows)
    return found


def _disorder(place: str, windows: tuple[Window, ...]) -> Iterator[str]:
    """Yield what is wrong with the order of the windows of one day."""
    for earlier, later in pairwise(windows):
        if later.start < earlier.end and earlier.start < later.end:
            yield f"{place}: {earlier} overlaps {later}"
        elif later.start < earlier.start:
            yield f"{place}: {later} comes before {earlier}; sort the windows"


def _is_date(text: str) -> bool:
    """Tell whether ``text`` is a date as Python writes it (``fromisoformat`` reads more forms)."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


class _Block:
    """The working time of one block of UTC time: intervals, and what lies before each of them."""

    __slots__ = ("before", "ends", "starts", "total")

    def __init__(self, intervals: list[tuple[int, int]]) -> None:
        self.starts = [start for start, _ in intervals]
        self.ends = [end for _, end in intervals]
        self.before = list(accumulate((end - start for start, end in intervals), initial=0))
        self.total = self.before[-1]

    def until(self, at_ms: int) -> int:
        """Return the working time from the begin of the block to ``at_ms`` within it."""
        index = bisect_right(self.starts, at_ms) - 1
        if index < 0:
            return 0
        end = self.ends[index]
        return self.before[index] + min(at_ms, end) - self.starts[index]


class WorkingTime:
    """A calendar made ready for questions about it; ValueError with all its ``problems``.

    It keeps the intervals of the latest blocks of 32 days that were asked about, so most answers
    are two binary searches. A time outside the years 2 to 9998 is a ValueError.
    """

    def __init__(self, calendar: Calendar) -> None:
        if wrong := problems(calendar):
            raise ValueError(f"calendar {calendar.name}: " + "; ".join(wrong))
        self.calendar = calendar
        self._always_open = calendar.always_open
        self._zone = ZoneInfo(calendar.zone)
        self._holidays = {
            date.fromisoformat(holiday.date): holiday.windows
            for holiday in calendar.holidays
            if holiday.active
        }
        self._blocks: dict[int, _Block] = {}

    def elapsed(self, start_ms: int, end_ms: int) -> int:
        """Return the working time in ``[start_ms, end_ms)``, 0 when it is empty."""
        if end_ms <= start_ms:
            return 0
        if self._always_open:
            return end_ms - start_ms
        first, last = start_ms // _BLOCK, end_ms // _BLOCK
        # The end is asked first: a time that is out of range fails before the blocks are walked.
        elapsed = self._block(last).until(end_ms) - self._block(first).until(start_ms)
        for index in range(first, last):
            elapsed += self._block(index).total
        return elapsed

    def add(self, start_ms: int, duration_ms: int) -> int | None:
        """Return the first instant at which ``duration_ms`` have elapsed since ``start_ms``.

        None when that is more than ``HORIZON`` away (``always_open`` searches nothing and has no
        horizon). No duration is ``start_ms`` itself, a negative one a ValueError.
        """
        if duration_ms < 0:
            raise ValueError(f"a duration of {duration_ms} ms")
        if self._always_open or not duration_ms:
            return start_ms + duration_ms
        index = start_ms // _BLOCK
        latest = start_ms + HORIZON
        block = self._block(index)
        wanted = block.until(start_ms) + duration_ms
        while wanted > block.total:
            wanted -= block.total
            index += 1
            if index * _BLOCK >= latest:
                return None
            block = self._block(index)
        interval = bisect_left(block.before, wanted) - 1
        at_ms = block.starts[interval] + wanted - block.before[interval]
        return at_ms if at_ms <= latest else None

    def is_open(self, at_ms: int) -> bool:
        """Tell whether somebody works at ``at_ms``."""
        return self.next_open(at_ms) == at_ms

    def next_open(self, at_ms: int) -> int | None:
        """Return ``at_ms`` when somebody works then, else the next such instant within HORIZON."""
        return next((start for start, _ in self.intervals(at_ms, at_ms + HORIZON)), None)

    def intervals(self, start_ms: int, end_ms: int) -> Iterator[tuple[int, int]]:
        """Yield the working time within ``[start_ms, end_ms)``, in order; no two parts touch."""
        if end_ms > start_ms:
            yield from _joined(self._parts(start_ms, end_ms))

    def _parts(self, start_ms: int, end_ms: int) -> Iterator[tuple[int, int]]:
        """Yield what ``intervals`` does, cut where a block ends."""
        if self._always_open:
            yield start_ms, end_ms
            return
        for index in range(start_ms // _BLOCK, (end_ms - 1) // _BLOCK + 1):
            block = self._block(index)
            for position in range(bisect_right(block.ends, start_ms), len(block.starts)):
                if block.starts[position] >= end_ms:
                    return
                yield max(block.starts[position], start_ms), min(block.ends[position], end_ms)

    def _block(self, index: int) -> _Block:
        """Return a block, the kept one or anew; the one made first makes room."""
        if (block := self._blocks.get(index)) is not None:
            return block
        begin, end = index * _BLOCK, (index + 1) * _BLOCK
        whole = ((max(s, begin), min(e, end)) for s, e in _joined(self._around(begin, end)))
        block = _Block([(start, stop) for start, stop in whole if start < stop])
        if len(self._blocks) >= _BLOCKS:
            del self._blocks[next(iter(self._blocks))]
        self._blocks[index] = block
        return block

    def _around(self, begin: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield the windows in UTC of every local day that can reach into ``[begin, end)``."""
        try:
            first = _EPOCH + timedelta(milliseconds=begin) - _BEYOND
            last = _EPOCH + timedelta(milliseconds=end) + _BEYOND
        except OverflowError:
            raise ValueError(f"{begin} ms is not within the years 2 to 9998") from None
        if first.year not in _YEARS or last.year not in _YEARS:
            raise ValueError(f"{begin} ms is not within the years 2 to 9998")
        for number in range((last - first).days + 1):
            day = first.date() + timedelta(days=number)
            midnight = datetime.combine(day, datetime.min.time())
            for window in self._holidays.get(day, self.calendar.week[day.weekday()]):
                start = utc_ms(midnight + timedelta(minutes=window.start), self._zone, fold=0)
                stop = utc_ms(midnight + timedelta(minutes=window.end), self._zone, fold=1)
                if start < stop:  # a clock change can skip all of it
                    yield start, stop


def _joined(intervals: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield sorted ``intervals`` with those that touch or overlap made one."""
    held: tuple[int, int] | None = None
    for start, end in intervals:
        if held is None:
            held = start, end
        elif start <= held[1]:
            held = held[0], max(held[1], end)
        else:
            yield held
            held = start, end
    if held is not None:
        yield held


def utc_ms(local: datetime, zone: ZoneInfo, *, fold: int) -> int:
    """Return the instant of a ``local`` time: of two the ``fold``-th, in a gap the gap's end."""
    at = local.replace(tzinfo=zone, fold=fold).astimezone(UTC)
    if at.astimezone(zone).replace(tzinfo=None, fold=0) == local:
        return _ms(at.replace(tzinfo=None))
    # PEP 495: in a gap fold=1 gives an instant before it and fold=0 one after it.
    before = _ms(local.replace(tzinfo=zone, fold=1).astimezone(UTC).replace(tzinfo=None)) // SECOND
    after = _ms(local.replace(tzinfo=zone, fold=0).astimezone(UTC).replace(tzinfo=None)) // SECOND
    seconds = range(before, after + 1)
    gap_end = bisect_left(
        seconds, local, key=lambda second: datetime.fromtimestamp(second, zone).replace(tzinfo=None)
    )
    return SECOND * seconds[gap_end]


def _ms(at: datetime) -> int:
    """Return a naive UTC time as milliseconds since the epoch."""
    return (at - _EPOCH) // timedelta(milliseconds=1)
