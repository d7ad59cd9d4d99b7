"""How cases stand, as the case view tells; the view belongs to the escalation and is handed in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import Final

from services.notifier.ports import Now
from shared.daemon import in_daemon
from shared.events import Case, EscalationStatus
from shared.ids import partition_of, record_key_of_case

_AWAITED: Final = frozenset({EscalationStatus.PENDING, EscalationStatus.EXHAUSTED})

Read = Callable[[int, Sequence[str]], Mapping[str, Case]]
"""Returns those of the cases that a partition has. Blocks; ``Transient`` when the store is away."""


def now_of(case: Case) -> Now:
    """Return what makes a page of this case stale."""
    awaits = case.escalation.status in _AWAITED and case.state in Case.UNRESOLVED
    return Now(case.escalation.epoch, awaits)


class ViewStanding:
    """See :class:`services.notifier.ports.Standing`."""

    def __init__(self, read: Read, partitions: int) -> None:
        self._read = read
        self._partitions = partitions

    async def of(self, case_ids: Collection[str]) -> Mapping[str, Now]:
        """Return how those of the cases stand that the view has."""
        wanted: dict[int, list[str]] = defaultdict(list)
        for case_id in case_ids:
            with suppress(ValueError):  # no case of ours: nobody knows how it stands
                wanted[partition_of(record_key_of_case(case_id), self._partitions)].append(case_id)
        if not wanted:
            return {}
        return await in_daemon(lambda: self._look(wanted), "standing")

    def _look(self, wanted: Mapping[int, Sequence[str]]) -> dict[str, Now]:
        found: dict[str, Now] = {}
        for partition, case_ids in wanted.items():
            for case_id, case in self._read(partition, case_ids).items():
                found[case_id] = now_of(case)
        return found
