"""Batches → deliveries: every element of a batch stands or falls alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import msgspec

from services.ingest.channels.item import Item
from services.ingest.channels.provider import Delivery, Fetch, Ignored, Unfit
from services.ingest.channels.reading import read_json
from services.ingest.channels.rejection import Rejected

T = TypeVar("T")

Element = Item | Fetch | Ignored | Unfit
"""What one element of a batch becomes."""


def gathered(
    payloads: Iterable[msgspec.Raw | bytes], kind: type[T], read: Callable[[T], Element]
) -> Delivery:
    """Return what ``read`` makes of each of ``payloads``, JSON of the shape ``kind``.

    One that is rejected becomes an ``Unfit`` and costs only itself.
    """
    return delivered(each(payloads, kind, lambda given: (read(given),)))


def each(
    payloads: Iterable[msgspec.Raw | bytes], kind: type[T], read: Callable[[T], Iterable[Element]]
) -> Iterator[Element]:
    """Yield what ``read`` makes of every payload, none of it if something in it is rejected."""
    for raw in payloads:
        payload = bytes(raw)
        try:
            elements = tuple(read(read_json(payload, kind)))
        except Rejected as rejected:
            yield Unfit.of(rejected, payload)
        else:
            yield from elements


def delivered(elements: Iterable[Element]) -> Delivery:
    """Return the delivery that consists of ``elements``."""
    items: list[Item] = []
    unfit: list[Unfit] = []
    ignored: list[Ignored] = []
    fetch: list[Fetch] = []
    for element in elements:
        if isinstance(element, Item):
            items.append(element)
        elif isinstance(element, Unfit):
            unfit.append(element)
        elif isinstance(element, Fetch):
            fetch.append(element)
        else:
            ignored.append(element)
    return Delivery(
        items=tuple(items), unfit=tuple(unfit), ignored=tuple(ignored), fetch=tuple(fetch)
    )
