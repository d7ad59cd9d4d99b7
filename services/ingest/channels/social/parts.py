"""Batches of social platforms → deliveries: every element stands or falls alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import msgspec

from services.ingest.channels import gathering, reading
from services.ingest.channels.rejection import Refusal, Rejected

T = TypeVar("T")

Part = gathering.Element
Id = reading.Id
Time = str | int | float | None
Raws = list[msgspec.Raw] | None

_INT64 = 1 << 63


def each(raws: Raws, kind: type[T], read: Callable[[T], Iterable[Part]]) -> Iterator[Part]:
    """Yield what ``read`` makes of every element there is; one that is rejected is an ``Unfit``."""
    return gathering.each(raws or (), kind, read)


def required(field: str, value: Id | None) -> str:
    """Return an id as text.

    Raises:
        Rejected: there is none.
    """
    text = optional(value)
    if text is None:
        raise Rejected(Refusal.MISSING_FIELD, f"{field}: an item needs an id")
    return text


def optional(value: Id | None) -> str | None:
    """Return an id as text, None if it is missing or empty."""
    text = "" if value is None else str(value).strip()
    return text or None


def count(value: int | None) -> int | None:
    """Return a number of people, None if it cannot be one."""
    return value if value is not None and 0 <= value < _INT64 else None
