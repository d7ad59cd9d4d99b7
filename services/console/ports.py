"""What the API needs of the outside: the cases, the record, and a way to send commands.

The composition root fits the other services to these ports. What blocks is called from a thread.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from shared.events import (
    Case,
    CaseCommand,
    CaseState,
    EraseCustomer,
    PolicyVersion,
    Severity,
    Struct,
)


class Place(NamedTuple):
    """Where a case is in the list, which is sorted by opening (ms), the latest first."""

    opened_at: int
    case_id: str


class Customer(NamedTuple):
    """The cases of a customer by id, and when the customer was erased last (ms; None: never)."""

    cases: Mapping[str, Case]
    erased_at: int | None


class Cases(Protocol):
    """The case view. Every method blocks, and raises ``Transient`` when the view is away."""

    def by_id(self, case_ids: Collection[str]) -> Mapping[str, Case]:
        """Return those of the cases that there are; an id that cannot be one is passed over."""
        ...

    def newest(
        self, states: Collection[CaseState], severities: Collection[Severity], behind: Place | None
    ) -> Iterator[Case]:
        """Yield cases from ``behind`` on, the latest opened first, read as they are taken.

        Without ``states`` (``severities``) those of any.
        """
        ...

    def customer(self, record_key: str) -> Customer:
        """Return what there is of a customer."""
        ...


class Line(Struct, frozen=True, omit_defaults=False):
    """One thing that happened to a case; times in ms since the epoch, details as name and words.

    ``at`` is when it happened or was due, ``recorded_at`` when it was decided. ``case_seq`` is 0 of what
    is no event of the case: a delivery.
    """

    at: int
    recorded_at: int
    case_seq: int
    who: str
    what: str
    why: str
    details: tuple[tuple[str, str], ...] = ()


class Hit(Struct, frozen=True, omit_defaults=False):
    """A text that was found, and what is known of its case; ``at`` in ms since the epoch."""

    kind: str
    case_id: str | None
    feedback_id: str | None
    severity: str
    channel: str
    at: int
    state: str | None
    resolution: str | None
    snippet: str


class Record(Protocol):
    """The durable record in Kafka. Every method blocks, and raises ``Transient``."""

    def timeline(self, case_id: str) -> Sequence[Line]:
        """Return what happened to a case, in order; empty when nothing is kept of it.

        Raises:
            ValueError: ``case_id`` is not a case id.
        """
        ...

    def search(self, query: str, limit: int) -> Sequence[Hit]:
        """Return what was found, the best first.

        Raises:
            ValueError: there is no word to look for.
        """
        ...

    def policy(self) -> PolicyVersion | None:
        """Return the policy that is in force, None before one was published."""
        ...


class Commands(Protocol):
    """The way to the topic of commands."""

    async def send(self, command: CaseCommand | EraseCustomer) -> None:
        """Return when Kafka has the command.

        Raises:
            Transient: Kafka has not acknowledged it in time. It may have it all the same: sent again
                under the same id it counts once.
        """
        ...
