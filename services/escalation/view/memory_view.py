"""The view in memory: product code for tests and simulations; keeps encoded bytes as Redis does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from services.escalation.view.model import Changes, Checkpoint, Found, Standing
from services.escalation.view.redis_view import UNACKNOWLEDGED, group_of
from shared.events import Case
from shared.ids import record_key_of_case


@dataclass
class _Partition:
    checkpoint: Checkpoint
    cases: dict[str, dict[str, bytes]] = field(default_factory=dict)
    timers: dict[str, int] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)


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
            held.cases.setdefault(case.record_key, {})[case.case_id] = msgspec.json.encode(case)
            if case.next_due_at is None:
                held.timers.pop(case.case_id, None)
            else:
                held.timers[case.case_id] = case.next_due_at
        for case_id in changes.removed:
            held.cases.get(record_key_of_case(case_id), {}).pop(case_id, None)
            held.timers.pop(case_id, None)
        held.seen.update(changes.outcomes)
        return True

    def due(self, partition: int, checkpoint: Checkpoint, now: int, limit: int) -> Sequence[str]:
        """Return the cases with a deadline at or before ``now``, earliest first."""
        held = self._partitions.get(partition)
        if held is None or held.checkpoint.epoch != checkpoint.epoch:
            return []
        ordered = sorted((due, case_id) for case_id, due in held.timers.items() if due <= now)
        return [case_id for _, case_id in ordered[:limit]]

    def standing(self, partition: int, checkpoint: Checkpoint) -> Standing:
        """Return the counts for the gauges."""
        held = self._partitions.get(partition)
        if held is None or held.checkpoint.epoch != checkpoint.epoch:
            return Standing({}, {}, 0)
        counts: dict[tuple[str, str], int] = {}
        oldest: dict[str, int] = {}
        for case in (_decode(raw) for of in held.cases.values() for raw in of.values()):
            severity, _, standing = group_of(case).partition(":")
            if not standing:
                continue
            pair = (severity, standing)
            counts[pair] = counts.get(pair, 0) + 1
            if standing == UNACKNOWLEDGED:
                oldest[pair[0]] = min(oldest.get(pair[0], case.opened_at), case.opened_at)
        return Standing(counts, oldest, len(held.timers))

    def forget(self, partition: int, epoch: int) -> None:
        """Delete what an earlier incarnation left behind: nothing, it was replaced."""

    def lose(self) -> None:
        """Lose everything, as FLUSHALL does."""
        self._partitions.clear()


def _decode(raw: bytes) -> Case:
    return msgspec.json.decode(raw, type=Case)
