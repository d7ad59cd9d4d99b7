"""The present of a case: what waited for a relay or a retry is sent only if it is still wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, Protocol

import msgspec

from shared.daemon import in_daemon
from shared.events import (
    Case,
    CaseEvent,
    CaseState,
    Clock,
    ClockChangeKind,
    ClockKind,
    ClockState,
    FollowUpState,
    MessageKind,
)
from shared.ids import partition_of, record_key_of_case

_OWED: Final = frozenset({FollowUpState.DUE, FollowUpState.MISSED})

Read = Callable[[int, Sequence[str]], Mapping[str, Case]]
"""Returns those of the cases that a partition has. Blocks; ``Transient`` when the store is away."""


class Present(Protocol):
    """How cases are now."""

    async def of(self, case_id: str) -> Case | None:
        """Return the case, None if nobody knows it.

        Raises:
            Transient: the view does not answer in time.
        """
        ...


class ViewPresent:
    """See :class:`Present`: by the case view, of which there are so many ``partitions``."""

    def __init__(self, read: Read, partitions: int) -> None:
        self._read = read
        self._partitions = partitions

    async def of(self, case_id: str) -> Case | None:
        """See ``Present.of``."""
        try:
            partition = partition_of(record_key_of_case(case_id), self._partitions)
        except ValueError:  # no case of ours
            return None
        try:
            found = await in_daemon(lambda: self._read(partition, (case_id,)), "present")
        except msgspec.DecodeError:  # a newer release wrote it: what the event says is the latest
            return None
        return found.get(case_id)


def is_wanted(kind: MessageKind, event: CaseEvent, then: Case, now: Case) -> bool:
    """Tell whether the customer is still to be told what ``event`` had them told.

    Args:
        then: the case as it was with the event.
        now: the case as it is, not before the event.
    """
    match kind:
        case MessageKind.RECEIPT:
            return any(one.kind is ClockKind.RECEIPT for one in _running(now))
        case MessageKind.PROGRESS:
            warned = {
                (one.clock, one.instance)
                for one in event.clocks
                if one.clock is ClockKind.UPDATE and one.change is ClockChangeKind.WARNED
            }
            runs = any((one.kind, one.instance) in warned for one in _running(now))
            return runs and now.state in Case.UNRESOLVED
        case MessageKind.RESOLUTION:
            return now.state is CaseState.RESOLVED and now.resolved_at == then.resolved_at
        case MessageKind.NUDGE:
            return (now.state, now.nudges) == (then.state, then.nudges)
        case MessageKind.FOLLOW_UP | MessageKind.SURVEY:
            number = None if event.follow_up is None else event.follow_up.number
            return any(one.number == number and one.state in _OWED for one in now.follow_ups)


def _running(case: Case) -> Iterator[Clock]:
    return (one for one in case.clocks if one.state is ClockState.RUNNING)
