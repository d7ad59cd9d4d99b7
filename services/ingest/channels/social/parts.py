"""Batches of social platforms → deliveries: every element stands or falls alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import msgspec

from services.ingest.channels.item import Item
from services.ingest.channels.provider import Delivery, Ignored, Unfit
from services.ingest.channels.reading import read_json
from services.ingest.channels.rejection import Refusal, Rejected

T = TypeVar("T")

Part = Item | Unfit | Ignored
Id = str | int
"""Platforms write the same id as a number here and as text there."""
Time = str | int | float | None
Raws = list[msgspec.Raw] | None

_INT64 = 1 << 63


def gathered(parts: Iterable[Part]) -> Delivery:
    """Return the delivery that consists of ``parts``."""
    items: list[Item] = []
    unfit: list[Unfit] = []
    ignored: list[Ignored] = []
    for part in parts:
        if isinstance(part, Item):
            items.append(part)
        elif isinstance(part, Unfit):
            unfit.append(part)
        else:
            ignored.append(part)
    return Delivery(items=tuple(items), unfit=tuple(unfit), ignored=tuple(ignored))


def each(raws: Raws, kind: type[T], read: Callable[[T], Iterable[Part]]) -> Iterator[Part]:
    """Yield what ``read`` makes of every element; one that is rejected becomes an ``Unfit``."""
    for raw in raws or ():
        payload = bytes(raw)
        try:
            parts = list(read(read_json(payload, kind)))
        except Rejected as rejected:
            yield Unfit.of(rejected, payload)
        else:
            yield from parts


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
