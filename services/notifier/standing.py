"""How cases stand, as the case view tells; the view belongs to the escalation and is handed in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import Final

import msgspec

from services.notifier.ports import Now
from shared.daemon import in_daemon
from shared.errors import Transient
from shared.events import Case, EscalationStatus, FollowUpState
from shared.ids import partition_of, record_key_of_case

_AWAITED: Final = frozenset({EscalationStatus.PENDING, EscalationStatus.EXHAUSTED})

Read = Callable[[int, Sequence[str]], Mapping[str, Case]]
"""Returns those of the cases that a partition has. Blocks; ``Transient`` when the store is away."""

IsWhole = Callable[[int], bool]
"""Tells whether the view of a partition is there and not being rebuilt. As ``Read``."""


def now_of(case: Case) -> Now:
    """Return what makes a page of this case stale."""
    awaits = case.escalation.status in _AWAITED and case.state in Case.UNRESOLVED
    missed = any(one.state is FollowUpState.MISSED for one in case.follow_ups)
    return Now(case.escalation.epoch, awaits, owes=missed and case.state not in Case.ENDED)


class ViewStanding:
    """See :class:`services.notifier.ports.Standing`."""

    def __init__(self, read: Read, is_whole: IsWhole, partitions: int) -> None:
        self._read = read
        self._is_whole = is_whole
        self._partitions = partitions

    async def of(self, case_ids: Collection[str]) -> Mapping[str, Now | None]:
        """Return how those of the cases stand that the view has; None: it is being rebuilt."""
        wanted: dict[int, list[str]] = defaultdict(list)
        for case_id in case_ids:
            with suppress(ValueError):  # no case of ours: nobody knows how it stands
                wanted[partition_of(record_key_of_case(case_id), self._partitions)].append(case_id)
        if not wanted:
            return {}
        return await in_daemon(lambda: self._look(wanted), "standing")

    def _look(self, wanted: Mapping[int, Sequence[str]]) -> dict[str, Now | None]:
        found: dict[str, Now | None] = {}
        for partition, case_ids in wanted.items():
            try:
                cases = self._read(partition, case_ids)
            except msgspec.DecodeError as error:  # a newer release wrote it
                raise Transient("the view of the cases cannot be read") from error
            found |= {case_id: now_of(case) for case_id, case in cases.items()}
            missing = [case_id for case_id in case_ids if case_id not in cases]
            if missing and not self._is_whole(partition):
                found |= dict.fromkeys(missing)
        return found
