"""When a notification waits: gates that follow a calendar, mutes for maintenance.

A case, its clocks and its timers never wait; only the notification does, and it is decided anew
when the hold ends. Every instant is int64 milliseconds since the Unix epoch, UTC; every interval is
half-open, ``[start, end)``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from services.escalation.domain import calendar
from services.escalation.domain.calendar import HORIZON, Calendar, Window, WorkingTime
from shared.events import Channel, Reason, Severity, Struct

_HARD: Final = frozenset({Reason.SAFETY, Reason.VULNERABLE, Reason.FRAUD_SECURITY, Reason.LEGAL})


class Gate(Struct, frozen=True):
    """A step with this gate is notified only while the named ``calendar`` is open."""

    calendar: str


def resume_at(gate: Gate, at_ms: int, calendars: Mapping[str, WorkingTime]) -> int | None:
    """Return ``at_ms`` when the gate is open, else its next opening; None: not within ``HORIZON``.

    Whether the gate counts is for the caller: ``critical`` ignores gates. KeyError for a calendar
    that ``calendars`` does not have.
    """
    return calendars[gate.calendar].next_open(at_ms)


class Scope(Struct, frozen=True):
    """Which notifications are meant: every field has to match; ``""`` in it, or nothing, is all."""

    tenants: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    severities: tuple[str, ...] = ()
    products: tuple[str, ...] = ()

    def covers(
        self, *, tenant: str, channel: str, source: str, severity: str, product: str
    ) -> bool:
        """Tell whether a notification is meant; a product ``""`` is an unknown one."""
        return (
            _matches(self.tenants, tenant)
            and _matches(self.channels, channel)
            and _matches(self.sources, source)
            and _matches(self.severities, severity)
            and _matches(self.products, product)
        )


class Mute(Scope, frozen=True, kw_only=True):
    """Notifications in scope are held in ``[start, end)``, for ``reason`` (shown to people)."""

    name: str
    start: int
    end: int
    reason: str

    def running(self, at_ms: int) -> Mute | None:
        """Return this mute if it holds at ``at_ms``."""
        return self if self.start <= at_ms < self.end else None


class MuteWeek(Scope, frozen=True, kw_only=True):
    """A mute that comes again every week: windows of the local days in ``zone``, Monday first."""

    name: str
    zone: str
    week: tuple[tuple[Window, ...], ...]
    reason: str


class Recurring:
    """A ``MuteWeek`` made ready; ValueError with all its ``problems``."""

    def __init__(self, mute: MuteWeek) -> None:
        if wrong := problems(mute):
            raise ValueError(f"mute {mute.name}: " + "; ".join(wrong))
        self.mute = mute
        self._time = WorkingTime(_calendar(mute))

    def running(self, at_ms: int) -> Mute | None:
        """Return the rest of the window that holds at ``at_ms``, from ``at_ms`` on.

        Windows that touch, as those over midnight do, are one.
        """
        start, end = next(self._time.intervals(at_ms, at_ms + HORIZON), (None, at_ms))
        if start != at_ms:
            return None
        mute = self.mute
        return Mute(
            name=mute.name,
            start=at_ms,
            end=end,
            reason=mute.reason,
            **{field: getattr(mute, field) for field in Scope.__struct_fields__},
        )


def bypasses(severity: Severity, reasons: Iterable[Reason]) -> bool:
    """Tell whether nothing may hold this case's notifications: critical, with a hard trigger."""
    return severity is Severity.CRITICAL and not _HARD.isdisjoint(reasons)


def muted(
    mutes: Iterable[Mute | Recurring],
    *,
    at: int,
    tenant: str,
    channel: Channel,
    source: str,
    severity: Severity,
    reasons: Iterable[Reason],
    product: str = "",
) -> Mute | None:
    """Return the mute that holds a notification at ``at``, None when it may be sent.

    Of several it is the one that ends last, so that the notification is decided anew only once.
    """
    if bypasses(severity, reasons):
        return None
    holding = (
        mute
        for each in mutes
        if (mute := each.running(at)) is not None
        and mute.covers(
            tenant=tenant, channel=channel, source=source, severity=severity, product=product
        )
    )
    return max(holding, key=lambda mute: mute.end, default=None)


def problems(mute: Mute | MuteWeek) -> list[str]:
    """Return what is wrong with ``mute``, each with its place; nothing when it can be used."""
    found = [] if mute.reason else ["reason: empty; say why nobody is notified"]
    found += _unknown("channels", mute.channels, Channel)
    found += _unknown("severities", mute.severities, Severity)
    if isinstance(mute, MuteWeek):
        found += calendar.problems(_calendar(mute))
        if not any(mute.week):
            found.append("week: no window at all; give at least one")
        elif all(_whole_day(windows) for windows in mute.week):
            found.append("week: mutes all the time, nobody would ever be notified")
    elif mute.end <= mute.start:
        found.append(f"end: {mute.end} is not after the start {mute.start}")
    return found


def _matches(allowed: tuple[str, ...], value: str) -> bool:
    return not allowed or value in allowed or "" in allowed


def _unknown(field: str, given: tuple[str, ...], known: type[Channel | Severity]) -> Iterator[str]:
    """Yield what is no word of a vocabulary."""
    for word in given:
        if word and word not in list(known):
            yield f"{field}: {word!r} is none of {', '.join(known)}"


def _whole_day(windows: tuple[Window, ...]) -> bool:
    """Tell whether sorted ``windows`` leave nothing of a day."""
    return sum(window.end - window.start for window in windows) >= 24 * 60


def _calendar(mute: MuteWeek) -> Calendar:
    nothing = not any(mute.week)  # ``problems`` says so in the words of a mute
    return Calendar(name=mute.name, zone=mute.zone, week=mute.week, always_open=nothing)
