"""Times as people write them, and as they are written for people."""

from __future__ import annotations

import datetime as dt
import re

_SPAN = re.compile(r"(?P<count>\d{1,9})(?P<unit>[smhdw])")
_UNIT_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}


def moment(text: str, now_ms: int) -> int:
    """Return the time that ``text`` names, in ms since the epoch.

    Args:
        text: RFC 3339 with its offset (``2026-05-01T12:00:00Z``), its full-date (midnight UTC), or a
            span back from now: a number and one of s, m, h, d, w (``7d``).
        now_ms: what a span is counted from.

    Raises:
        ValueError: it is none of these.
    """
    if span := _SPAN.fullmatch(text):
        return max(0, now_ms - int(span["count"]) * _UNIT_MS[span["unit"]])
    try:
        day = re.fullmatch(r"\d{4}-\d\d-\d\d", text)
        at = dt.datetime.fromisoformat(text + "T00:00:00Z" if day else text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise ValueError(
            f"{text!r}: expected a time such as 2026-05-01T12:00:00Z, or a span back such as 7d or 24h"
        )
    return round(at.timestamp() * 1000)


def rfc3339(at_ms: int) -> str:
    """Return a time as RFC 3339 in UTC with milliseconds; what no calendar holds stays a number."""
    try:
        at = dt.datetime.fromtimestamp(at_ms // 1000, dt.UTC)
    except (ValueError, OverflowError, OSError):
        return str(at_ms)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03}Z" if at.year >= 1000 else at.isoformat()
