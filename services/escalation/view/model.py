"""What the view of one partition is: the words, and the port that every store implements.

The view holds the cases by customer, which feedback has its outcome, and when which case has
something due. It carries a checkpoint: the position in Kafka up to which it is complete. Whoever
reads also reads the checkpoint, in one step; whoever writes names the checkpoint it expects. So a
view that was lost, or is older than the worker thinks, is noticed before anything is decided on it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import msgspec

from shared.events import Case, CaseState, EscalationStatus, Severity, TimerKind

UNACKNOWLEDGED = CaseState.OPEN
BACKFILLED = "backfilled"
"""How an open case stands that nobody is asked to acknowledge; every other stands by its state."""
STANDINGS = (*(state for state in CaseState if state not in Case.ENDED), BACKFILLED)
"""How a live case can stand; first that it waits for an acknowledgement."""


WAITING = tuple(
    f'"status":"{one}"' for one in (EscalationStatus.PENDING, EscalationStatus.EXHAUSTED)
)
STEPPING = tuple(
    f'"kind":"{one}"' for one in (TimerKind.STEP, TimerKind.HELD, TimerKind.SNOOZE_END)
)
"""Marks in the JSON of a case whose ladder waits for somebody, and of one that has a next step: good
for a first look at many cases, :func:`services.escalation.domain.audit.violation` is the judge."""


class Checkpoint(msgspec.Struct, frozen=True):
    """Position up to which a view is complete; topic ids tell a topic that was created anew.

    ``epoch`` names the incarnation of the view: a rebuild starts a new one beside the old keys.
    ``former`` is the one before it as long as its keys are still there (0: they are not). ``building``:
    it is not complete yet.
    """

    epoch: int
    state_topic: str
    state_offset: int
    outcomes_topic: str
    outcomes_offset: int
    at: int
    former: int = 0
    building: bool = False


@dataclass(frozen=True)
class Changes:
    """What to write: whole snapshots, removed cases, feedback that has its outcome now.

    ``outcomes`` maps a feedback id to the time in ms until which it has to be remembered, ``erased``
    the record key of an erased customer to the time of the erasure. ``encoded`` may hold the JSON of
    cases by id, for who has it already.
    """

    cases: Sequence[Case] = ()
    removed: Sequence[str] = ()
    outcomes: Mapping[str, int] = field(default_factory=dict)
    erased: Mapping[str, int] = field(default_factory=dict)
    encoded: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """What was read, with the checkpoint it is true for (None: there is no view).

    ``erased`` has those of the record keys whose customer was erased, with the time in ms.
    """

    checkpoint: Checkpoint | None
    decided: frozenset[str]
    cases: Mapping[str, Mapping[str, Case]]
    erased: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Standing:
    """Counts for the gauges: live cases by (severity, standing), oldest unacknowledged opening."""

    open: Mapping[tuple[str, str], int]
    oldest_unacknowledged: Mapping[str, int]
    timers: int


class Place(NamedTuple):
    """Where a case is in a list that is sorted by opening: lists go on behind a place."""

    opened_at: int
    case_id: str


def place_of(case: Case) -> Place:
    """Return the place of a case."""
    return Place(case.opened_at, case.case_id)


def standing_of(case: Case) -> str:
    """Return how a case stands: its state, or ``BACKFILLED``."""
    quiet = case.backfilled and case.state is UNACKNOWLEDGED
    return BACKFILLED if quiet else case.state


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

    def load(self, partition: int, checkpoint: Checkpoint) -> Mapping[tuple[str, str], int]:
        """Return how many live cases each assignee has, by (assignee, severity); none is left out."""
        ...

    def unattended(
        self, partition: int, checkpoint: Checkpoint, before_ms: int, limit: int
    ) -> Sequence[str]:
        """Return live cases without a deadline, or whose deadline was before ``before_ms``.

        And, whatever else they have, those that wait for an acknowledgement without a next step.

        Looks at about ``limit`` cases, the next call at the next ones, and so on in a circle: whoever
        calls often enough hears of every such case.
        """
        ...

    def by_id(self, partition: int, case_ids: Sequence[str]) -> Mapping[str, Case]:
        """Return those of the cases that there are."""
        ...

    def page(
        self,
        partition: int,
        limit: int,
        *,
        states: Collection[CaseState] = (),
        severities: Collection[Severity] = (),
        behind: Place | None = None,
    ) -> list[Case]:
        """Return up to ``limit`` cases, the latest opened first, from ``behind`` on.

        Without ``states`` cases of any state are listed, closed ones as well; likewise severities.
        """
        ...

    def forget(self, partition: int, epoch: int) -> None:
        """Delete what an earlier incarnation left behind."""
        ...
