"""What a replay found."""

from __future__ import annotations

import enum
from collections import Counter
from typing import Final, NamedTuple

import msgspec

from shared.events import CaseEvent, Struct

MAX_SHOWN: Final = 50
MAX_VALUE: Final = 200
"""Characters of a value that are shown."""


class Of(enum.StrEnum):
    """What differs from the log of events: the decision, the numbering, ``case.state``, the view."""

    DECISION = "decision"
    NUMBERING = "numbering"
    STATE = "case.state"
    VIEW = "view"


class Difference(Struct, frozen=True, omit_defaults=False):
    """One difference: the first field that differs, as the log has it and as it was found.

    ``where`` is the record of the event: ``topic[partition] at offset``.
    """

    of: Of
    case_id: str
    field: str
    logged: str
    found: str
    where: str = ""


class Skipped(enum.StrEnum):
    """Why a decision was not made again.

    ``input``: the feedback or command is not kept any more; ``history``: the first events of a case of
    this customer are not; ``policy``: nor is the policy; ``erased``: nor may anything of the customer
    be looked at; ``before``: it was made before the time that was asked for.
    """

    INPUT = "input"
    HISTORY = "history"
    POLICY = "policy"
    ERASED = "erased"
    BEFORE = "before"


class Logged(NamedTuple):
    """An event as the log has it; ``where`` is its place, for people, ``at`` its offset."""

    event: CaseEvent
    raw: bytes
    where: str
    at: int


class Report:
    """Counts, and the first differences; those of several partitions add up."""

    def __init__(self) -> None:
        self.events = 0
        self.cases = 0
        self.in_view: int | None = None
        self.decisions = 0
        self.redecided = 0
        self.skipped: Counter[Skipped] = Counter()
        self.differing: Counter[Of] = Counter()
        self.differences: list[Difference] = []

    @property
    def is_same(self) -> bool:
        """Tell whether nothing differs."""
        return not self.differing

    def add(self, difference: Difference) -> None:
        """Take note of a difference."""
        self.differing[difference.of] += 1
        if len(self.differences) < MAX_SHOWN:
            self.differences.append(difference)

    def seen(self, cases: int) -> None:
        """Count cases of the view that were compared."""
        self.in_view = (self.in_view or 0) + cases


def difference(
    of: Of, case_id: str, logged: object, found: object, where: str = ""
) -> Difference | None:
    """Return the first field in which two events or snapshots differ, None if there is none."""
    first = _first("", msgspec.to_builtins(logged), msgspec.to_builtins(found))
    if first is None:
        return None
    field, one, other = first
    return Difference(
        of=of,
        case_id=case_id,
        field=field or "all of it",
        logged=_shown(one),
        found=_shown(other),
        where=where,
    )


def _first(path: str, one: object, other: object) -> tuple[str, object, object] | None:
    if one == other:
        return None
    if isinstance(one, dict) and isinstance(other, dict):
        for name in dict.fromkeys([*one, *other]):
            below = f"{path}.{name}" if path else str(name)
            found = _first(below, one.get(name), other.get(name))
            if found is not None:
                return found
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        for number in range(max(len(one), len(other))):
            mine = one[number] if number < len(one) else None
            yours = other[number] if number < len(other) else None
            found = _first(f"{path}[{number}]", mine, yours)
            if found is not None:
                return found
    return path, one, other


def _shown(value: object) -> str:
    text = "nothing" if value is None else msgspec.json.encode(value).decode()
    return text if len(text) <= MAX_VALUE else text[:MAX_VALUE] + "…"
