"""How values stand in a policy document: each form reads a part and writes a value back."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final, Generic, TypeVar

import msgspec

from services.escalation.domain.calendar import DAYS, Span, Window
from services.escalation.policies.parts import Part, Wrong, nearest
from shared.events import Struct

Plain = str | int | bool | list["Plain"] | dict[str, "Plain"]
"""What YAML is made of."""

Week = tuple[tuple[Window, ...], ...]
T = TypeVar("T")
S = TypeVar("S", bound=Struct)
E = TypeVar("E", bound=enum.StrEnum)

NONE: Final = "none"
LONGEST_MS: Final = 10 * 366 * 86_400_000


@dataclass(frozen=True)
class Form(Generic[T]):
    """Reads a value from a part (``Wrong`` when it cannot), writes it as plain data."""

    read: Callable[[Part], T]
    write: Callable[[T], Plain]


TEXT: Final = Form[str](Part.text, str)
NAME: Final = Form[str](Part.name, str)
FLAG: Final = Form[bool](Part.flag, bool)


def number(low: int, high: int) -> Form[int]:
    """Return the form of a whole number in bounds."""
    return Form(lambda part: part.number(low, high), int)


def word(known: type[E]) -> Form[E]:
    """Return the form of one word of a vocabulary."""

    def read(part: Part) -> E:
        found = part.text()
        if found not in list(known):
            raise part.wrong(f"{found!r} is unknown{nearest(found, list(known))}")
        return known(found)

    return Form(read, str)


def list_of(form: Form[T], least: int = 0, most: int = 1_000) -> Form[tuple[T, ...]]:
    """Return the form of a list; one item may stand there by itself."""

    def read(part: Part) -> tuple[T, ...]:
        if not part.is_list:
            return (form.read(part),)
        items = part.items()
        if not least <= len(items) <= most:
            raise part.wrong(f"{len(items)} entries, not {least} to {most}")
        values: list[T] = []
        for item in items:
            try:
                values.append(form.read(item))
            except Wrong:
                continue
        return tuple(values)

    return Form(read, lambda values: [form.write(value) for value in values])


def optional(form: Form[T]) -> Form[T | None]:
    """Return a form that knows the word ``none`` as well."""

    def read(part: Part) -> T | None:
        if not part.is_list and not part.is_mapping and part.written() == NONE:
            return None
        return form.read(part)

    return Form(read, lambda value: NONE if value is None else form.write(value))


def list_or_none(form: Form[tuple[T, ...]]) -> Form[tuple[T, ...]]:
    """Return the form of a list that may be empty, which people write ``none``."""
    inner = optional(form)
    return Form(lambda part: inner.read(part) or (), form.write)


def or_empty(form: Form[str]) -> Form[str]:
    """Return the form of a name that may be missing, written ``none`` and kept as ``""``."""
    inner = optional(form)
    return Form(lambda part: inner.read(part) or "", lambda value: inner.write(value or None))


def _read_span(part: Part) -> Span:
    written = part.written()
    try:
        span = Span.parse(written)
    except ValueError as error:
        hint = ""
        if written.isdigit():
            hint = f"; without a unit {written} could be {written}s, {written}m or {written}h"
        raise part.wrong(f"{error}{hint}") from None
    if span.ms > LONGEST_MS:
        raise part.wrong(f"{span} is more than ten years")
    return span


SPAN: Final = Form[Span](_read_span, str)


def wall(low_ms: int = 0, high_ms: int = LONGEST_MS) -> Form[int]:
    """Return the form of a span of the wall clock, in milliseconds."""

    def read(part: Part) -> int:
        span = _read_span(part)
        if span.business:
            raise part.wrong(f"{span} is working time; here the wall clock counts: write h, m or s")
        if not low_ms <= span.ms <= high_ms:
            raise part.wrong(f"{span} is not between {Span(ms=low_ms)} and {Span(ms=high_ms)}")
        return span.ms

    return Form(read, lambda ms: str(Span(ms=ms)))


def _read_instant(part: Part) -> int:
    written = part.written()
    try:
        at = dt.datetime.fromisoformat(written)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise part.wrong(f"{written!r} is no instant: write it as 2026-12-24T18:00:00+01:00")
    if not 1970 <= at.year < 9000 or at.microsecond:
        raise part.wrong(f"{written} is not a whole second of the years 1970 to 8999")
    return int(at.timestamp()) * 1000


def instant_text(at_ms: int) -> str:
    """Return an instant in RFC 3339, UTC."""
    return dt.datetime.fromtimestamp(at_ms // 1000, dt.UTC).isoformat().replace("+00:00", "Z")


INSTANT: Final = Form[int](_read_instant, instant_text)
WRITTEN: Final = Form[str](Part.written, str)


def _read_window(part: Part) -> Window:
    try:
        return Window.parse(part.written())
    except ValueError as error:
        raise part.wrong(str(error)) from None


WINDOWS: Final = list_of(Form[Window](_read_window, str))


def _read_week(part: Part) -> Week:
    days: dict[str, tuple[Window, ...]] = {}
    for key, hours in part.entries().items():
        windows = hours.attempt(WINDOWS.read, ())
        named = days_of(key)
        if not named:
            hours.wrong("is neither a day nor days: write mon, or mon-fri")
        for day in named:
            if day in days:
                hours.wrong(f"{day} has its hours already")
            days[day] = windows
    return tuple(days.get(day, ()) for day in DAYS) if days else ()


def days_of(key: str) -> tuple[str, ...]:
    """Return the days that ``mon`` or ``mon-fri`` means; nothing when it is none."""
    first, dash, last = key.partition("-")
    if first not in DAYS or (dash and last not in DAYS):
        return ()
    start, end = DAYS.index(first), DAYS.index(last) if dash else DAYS.index(first)
    return tuple(DAYS[number % 7] for number in range(start, end + (7 if end < start else 0) + 1))


def _write_week(week: Week) -> Plain:
    written: dict[str, Plain] = {}
    for windows, group in groupby(zip(DAYS, week, strict=False), key=lambda pair: pair[1]):
        days = [day for day, _ in group]
        if windows:
            key = days[0] if len(days) == 1 else f"{days[0]}-{days[-1]}"
            written[key] = WINDOWS.write(windows)
    return written


WEEK: Final = Form[Week](_read_week, _write_week)


class Record(Generic[S]):
    """The form of a Struct: ``fields`` maps each key to an attribute and its form.

    A key that is not there leaves the attribute as it is in what the record is read over (the
    defaults of the Struct, when that is nothing). ``single`` is the key of a value without keys.
    """

    def __init__(
        self,
        kind: type[S],
        fields: Mapping[str, tuple[str, Form[Any]] | Form[Any]],
        single: str | None = None,
    ) -> None:
        self._kind = kind
        self._single = single
        self.fields = {
            key: (key, given) if isinstance(given, Form) else given for key, given in fields.items()
        }
        known = {one.name: one for one in msgspec.structs.fields(kind)}
        self._required = {key: a for key, (a, _) in self.fields.items() if known[a].required}
        self._defaults = {name: one.default for name, one in known.items()}

    def values(self, part: Part) -> dict[str, Any]:
        """Return the attributes that are written there and right."""
        if self._single is not None and part.is_empty:
            return {}
        if self._single is not None and not part.is_mapping:
            name, form = self.fields[self._single]
            return {name: form.read(part)}
        found: dict[str, Any] = {}
        for key, below in part.fields(self.fields).items():
            name, form = self.fields[key]
            try:
                found[name] = form.read(below)
            except Wrong:
                continue
        return found

    def over(self, part: Part, base: S) -> S:
        """Return ``base`` with what is written there."""
        return msgspec.structs.replace(base, **self.values(part))

    def made(self, part: Part, **given: object) -> S:
        """Return a new Struct of what is written there and ``given``."""
        values = self.values(part) | given
        written = part.entries() if part.is_mapping else {self._single: part}
        for key, name in self._required.items():
            if name not in values and key not in written:
                part.wrong(f"needs {key!r}")
        if any(name not in values for name in self._required.values()):
            raise Wrong
        return self._kind(**values)

    def plain(self, value: S, *, whole: bool = False) -> dict[str, Plain]:
        """Return what has to be written for ``value``; a default only if it is to be ``whole``."""
        return {
            key: form.write(getattr(value, name))
            for key, (name, form) in self.fields.items()
            if whole or key in self._required or getattr(value, name) != self._defaults[name]
        }

    @property
    def form(self) -> Form[S]:
        """Return this as a form."""
        return Form(self.made, self.plain)


def named(record: Record[S], *, whole: bool = False) -> Form[tuple[S, ...]]:
    """Return the form of a mapping from names to Structs that have a ``name``."""

    def read(part: Part) -> tuple[S, ...]:
        found = []
        for name, below in part.entries().items():
            try:
                found.append(record.made(below, name=name))
            except Wrong:
                continue
        return tuple(found)

    def write(values: tuple[S, ...]) -> Plain:
        return {str(getattr(one, "name", "")): record.plain(one, whole=whole) for one in values}

    return Form(read, write)
