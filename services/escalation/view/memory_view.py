"""The view in memory: product code for tests and simulations; keeps encoded bytes as Redis does."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from services.escalation.view.model import (
    STEPPING,
    UNACKNOWLEDGED,
    WAITING,
    Changes,
    Checkpoint,
    Found,
    Place,
    Standing,
    place_of,
    standing_of,
)
from shared.events import Case, CaseState, Severity
from shared.ids import record_key_of_case


@dataclass
class _Partition:
    checkpoint: Checkpoint
    cases: dict[str, dict[str, bytes]] = field(default_factory=dict)
    timers: dict[str, int] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    erased: dict[str, int] = field(default_factory=dict)
    walked: str = ""

    def all(self) -> Iterator[Case]:
        """Yield every case."""
        return (_decode(raw) for of in self.cases.values() for raw in of.values())

    def live(self) -> Iterator[Case]:
        """Yield the cases that have not ended."""
        return (case for case in self.all() if case.state not in Case.ENDED)


class MemoryView:
    """See :class:`services.escalation.view.model.View`."""

    def __init__(self) -> None:
        self._partitions: dict[int, _Partition] = {}

    def checkpoint(self, partition: int) -> Checkpoint | None:
        """Return the checkpoint, or None when there is no view."""
        found = self._partitions.get(partition)
        return found.checkpoint if found else None

    def fetch(self, partition: int, feedback_ids: Sequence[str], keys: Sequence[str]) -> Found:
        """Return which of ``feedback_ids`` have their outcome and the cases of the record keys."""
        held = self._partitions.get(partition)
        if held is None:
            return Found(None, frozenset(), {key: {} for key in keys})
        return Found(
            held.checkpoint,
            frozenset(held.seen.intersection(feedback_ids)),
            {
                key: {cid: _decode(raw) for cid, raw in held.cases.get(key, {}).items()}
                for key in keys
            },
            {key: held.erased[key] for key in keys if key in held.erased},
        )

    def apply(
        self, partition: int, expected: Checkpoint | None, new: Checkpoint, changes: Changes
    ) -> bool:
        """Write ``changes`` and the new checkpoint; False when another one was found."""
        if self.checkpoint(partition) != expected:
            return False
        held = self._partitions.get(partition)
        if held is None or held.checkpoint.epoch != new.epoch:
            held = self._partitions[partition] = _Partition(new)
        held.checkpoint = new
        for case in changes.cases:
            raw = changes.encoded.get(case.case_id) or msgspec.json.encode(case)
            held.cases.setdefault(case.record_key, {})[case.case_id] = raw
            if case.next_due_at is None:
                held.timers.pop(case.case_id, None)
            else:
                held.timers[case.case_id] = case.next_due_at
        for case_id in changes.removed:
            held.cases.get(record_key_of_case(case_id), {}).pop(case_id, None)
            held.timers.pop(case_id, None)
        held.seen.update(changes.outcomes)
        held.erased.update(changes.erased)
        return True

    def due(self, partition: int, checkpoint: Checkpoint, now: int, limit: int) -> Sequence[str]:
        """Return the cases with a deadline at or before ``now``, earliest first."""
        held = self._of(partition, checkpoint)
        ordered = sorted((due, case_id) for case_id, due in held.timers.items() if due <= now)
        return [case_id for _, case_id in ordered[:limit]]

    def standing(self, partition: int, checkpoint: Checkpoint) -> Standing:
        """Return the counts for the gauges."""
        held = self._of(partition, checkpoint)
        counts: dict[tuple[str, str], int] = {}
        oldest: dict[str, int] = {}
        for case in held.live():
            pair = (str(case.severity), standing_of(case))
            counts[pair] = counts.get(pair, 0) + 1
            if pair[1] == UNACKNOWLEDGED:
                oldest[pair[0]] = min(oldest.get(pair[0], case.opened_at), case.opened_at)
        return Standing(counts, oldest, len(held.timers))

    def load(self, partition: int, checkpoint: Checkpoint) -> Mapping[tuple[str, str], int]:
        """Return how many live cases each assignee has, by (assignee, severity)."""
        counts: dict[tuple[str, str], int] = {}
        for case in self._of(partition, checkpoint).live():
            if case.assignee:
                pair = (case.assignee, str(case.severity))
                counts[pair] = counts.get(pair, 0) + 1
        return counts

    def unattended(
        self, partition: int, checkpoint: Checkpoint, before_ms: int, limit: int
    ) -> Sequence[str]:
        """Return live cases without a deadline, or whose deadline was before ``before_ms``."""
        held = self._of(partition, checkpoint)
        live = {case.case_id: case for case in held.live()}
        ahead = [case_id for case_id in sorted(live) if case_id > held.walked][:limit]
        held.walked = ahead[-1] if len(ahead) == limit else ""
        return [
            case_id
            for case_id in ahead
            if held.timers.get(case_id, -math.inf) < before_ms or _is_unstepped(live[case_id])
        ]

    def by_id(self, partition: int, case_ids: Sequence[str]) -> Mapping[str, Case]:
        """Return those of the cases that there are."""
        held = self._partitions.get(partition)
        return {
            case.case_id: case for case in (held.all() if held else ()) if case.case_id in case_ids
        }

    def page(
        self,
        partition: int,
        limit: int,
        *,
        states: Collection[CaseState] = (),
        severities: Collection[Severity] = (),
        behind: Place | None = None,
    ) -> list[Case]:
        """Return up to ``limit`` cases, the latest opened first, from ``behind`` on."""
        held = self._partitions.get(partition)
        found = (
            case
            for case in (held.all() if held else ())
            if (not states or case.state in states)
            and (not severities or case.severity in severities)
            and (behind is None or place_of(case) < behind)
        )
        return sorted(found, key=place_of, reverse=True)[:limit]

    def _of(self, partition: int, checkpoint: Checkpoint) -> _Partition:
        """Return what is held of an incarnation: nothing of one that was replaced or lost."""
        held = self._partitions.get(partition)
        same = held is not None and held.checkpoint.epoch == checkpoint.epoch
        return held if held is not None and same else _Partition(checkpoint)

    def forget(self, partition: int, epoch: int) -> None:
        """Delete what an earlier incarnation left behind: nothing, it was replaced."""

    def lose(self) -> None:
        """Lose everything, as FLUSHALL does."""
        self._partitions.clear()


def _is_unstepped(case: Case) -> bool:
    raw = msgspec.json.encode(case).decode()
    waits = standing_of(case) == UNACKNOWLEDGED and any(mark in raw for mark in WAITING)
    return waits and not any(mark in raw for mark in STEPPING)


def _decode(raw: bytes) -> Case:
    return msgspec.json.decode(raw, type=Case)
