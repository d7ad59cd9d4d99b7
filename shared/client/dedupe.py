"""Passing over what a consumer has seen: by the number of a case's event, or by the event's id.

Kafka delivers at least once. Either helper is asked before a body and told after it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable
from typing import Protocol

from shared.client.reading import event_id
from shared.events import CaseEvent, Struct


class Dedupe(Protocol):
    """What a stream asks before a body, and tells after it. Both may be coroutines in an async stream.

    ``topic`` is part of the question: the topics of one case do not wait for each other. A method
    that raises is logged and counts as "not known": it saves work, it does not decide.
    """

    def known(self, topic: str, event: Struct) -> bool | Awaitable[bool]:
        """Tell whether the event was dealt with, or is older than what was."""
        ...

    def remember(self, topic: str, event: Struct) -> Awaitable[None] | None:
        """The body has ended well."""
        ...


class Latest:
    """Passes over what is not above the last ``case_seq`` of its case, in memory.

    Every event of a case carries the whole case, so an older one tells nothing new. Events without
    a case always pass.

    Args:
        cases: how many are remembered; those that were longest quiet are forgotten first.
    """

    def __init__(self, cases: int = 100_000) -> None:
        self._cases = cases
        self._last: OrderedDict[tuple[str, str], int] = OrderedDict()

    def known(self, topic: str, event: Struct) -> bool:
        """Tell whether a later event of the case was dealt with, or this one."""
        if not isinstance(event, CaseEvent) or event.case is None:
            return False
        return event.case_seq <= self._last.get((topic, event.case_id), -1)

    def remember(self, topic: str, event: Struct) -> None:
        """Keep the number of the event."""
        if isinstance(event, CaseEvent) and event.case is not None:
            self._last[topic, event.case_id] = event.case_seq
            self._last.move_to_end((topic, event.case_id))
            if len(self._last) > self._cases:
                self._last.popitem(last=False)


class Ids(Protocol):
    """Where ids of events are kept, in memory or elsewhere (Redis: ``EXISTS``, ``SET … EX``)."""

    def known(self, event: str) -> bool | Awaitable[bool]:
        """Tell whether the id is kept."""
        ...

    def remember(self, event: str) -> Awaitable[None] | None:
        """Keep the id."""
        ...


class MemoryIds:
    """The last ``most`` ids, in memory."""

    def __init__(self, most: int = 100_000) -> None:
        self._most = most
        self._ids: OrderedDict[str, None] = OrderedDict()

    def known(self, event: str) -> bool:
        """Tell whether the id is among the last ones."""
        return event in self._ids

    def remember(self, event: str) -> None:
        """Keep the id, as the youngest."""
        self._ids[event] = None
        self._ids.move_to_end(event)
        if len(self._ids) > self._most:
            self._ids.popitem(last=False)


class Seen:
    """Passes over events whose id was dealt with."""

    def __init__(self, ids: Ids | None = None) -> None:
        self._ids = ids if ids is not None else MemoryIds()

    def known(self, topic: str, event: Struct) -> bool | Awaitable[bool]:
        """Tell whether the id of the event is kept."""
        return self._ids.known(f"{topic}/{event_id(event)}") if event_id(event) else False

    def remember(self, topic: str, event: Struct) -> Awaitable[None] | None:
        """Keep the id of the event."""
        return self._ids.remember(f"{topic}/{event_id(event)}") if event_id(event) else None
