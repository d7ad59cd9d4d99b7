"""What the view of one partition is: the words, and the port that every store implements.

The view holds the cases by customer, which feedback has its outcome, and when which case has
something due. It carries a checkpoint: the position in Kafka up to which it is complete. Whoever
reads also reads the checkpoint, in one step; whoever writes names the checkpoint it expects. So a
view that was lost, or is older than the worker thinks, is noticed before anything is decided on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from shared.events import Case, CaseState

BACKFILLED = "backfilled"
"""How an open case stands that nobody is asked to acknowledge; every other stands by its state."""
STANDINGS = (CaseState.OPEN, CaseState.ACKNOWLEDGED, CaseState.RESOLVED, BACKFILLED)


class Checkpoint(msgspec.Struct, frozen=True):
    """Position up to which a view is complete; topic ids tell a topic that was created anew.

    ``epoch`` names the incarnation of the view: a rebuild starts a new one beside the old keys.
    """

    epoch: int
    state_topic: str
    state_offset: int
    outcomes_topic: str
    outcomes_offset: int
    at: int


@dataclass(frozen=True)
class Changes:
    """What to write: whole snapshots, removed cases, feedback that has its outcome now.

    ``outcomes`` maps a feedback id to the time in ms until which it has to be remembered.
    """

    cases: Sequence[Case] = ()
    removed: Sequence[str] = ()
    outcomes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """What was read, with the checkpoint it is true for (None: there is no view)."""

    checkpoint: Checkpoint | None
    decided: frozenset[str]
    cases: Mapping[str, Mapping[str, Case]]


@dataclass(frozen=True)
class Standing:
    """Counts for the gauges: live cases by (severity, standing), oldest unacknowledged opening."""

    open: Mapping[tuple[str, str], int]
    oldest_unacknowledged: Mapping[str, int]
    timers: int


class View(Protocol):
    """The port. ``partition`` is a partition number; all errors of the store are ``Transient``."""

    def checkpoint(self, partition: int) -> Checkpoint | None:
        """Return the checkpoint, or None when there is no (usable) view."""
        ...

    def fetch(self, partition: int, feedback_ids: Sequence[str], keys: Sequence[str]) -> Found:
        """Return which of ``feedback_ids`` have their outcome and the cases of the record keys."""
        ...

    def apply(
        self, partition: int, expected: Checkpoint | None, new: Checkpoint, changes: Changes
    ) -> bool:
        """Write ``changes`` and the new checkpoint in one step; False when another one was found."""
        ...

    def due(self, partition: int, checkpoint: Checkpoint, now: int, limit: int) -> Sequence[str]:
        """Return the cases with a deadline at or before ``now``, earliest first."""
        ...

    def standing(self, partition: int, checkpoint: Checkpoint) -> Standing:
        """Return the counts for the gauges."""
        ...

    def forget(self, partition: int, epoch: int) -> None:
        """Delete what an earlier incarnation left behind."""
        ...
