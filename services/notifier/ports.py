"""What the notifier needs of the outside, and what its parts need of one another."""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from confluent_kafka import Message

from shared.errors import Poison
from shared.events import CaseCommand, Delivery, NoReply, Notification, ReplyDue
from shared.routes import Route


class Verdict(enum.StrEnum):
    """What became of one attempt.

    ``retryable``: the same later may work; ``permanent``: it never will; ``gone``: the whole sink is
    disabled by the other side (HTTP 410); ``unsuitable``: it cannot be told to a customer this way;
    ``stale``: nobody needs it any more.
    """

    DELIVERED = "delivered"
    RETRYABLE = "retryable"
    PERMANENT = "permanent"
    GONE = "gone"
    UNSUITABLE = "unsuitable"
    STALE = "stale"


class Result(NamedTuple):
    """The answer of a sink.

    ``retry_after_s`` is what the other side asks for. ``reference`` is its name of what was delivered.
    ``fault`` of the target as a whole (it is away) counts for the circuit breaker, a refusal of one
    message does not. ``why`` and ``draft`` go with ``unsuitable``. ``commands`` follow from a delivery
    (the receipt was sent): they are sent after it and before it is recorded, with ids of their own.
    """

    verdict: Verdict
    detail: str = ""
    retry_after_s: float | None = None
    reference: str = ""
    fault: bool = False
    why: NoReply | None = None
    draft: str = ""
    commands: tuple[CaseCommand, ...] = ()


class Sink(Protocol):
    """One way to tell somebody. Safe to do twice: the other side sees the same notification id."""

    name: str

    async def deliver(self, notification: Notification) -> Result:
        """Try once, within the time-out of the sink; never raise for what the other side does."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


class Now(NamedTuple):
    """How a case stands: what makes a page stale.

    ``awaits``: nobody has acknowledged the epoch. ``owes``: a promise to the customer is broken, of
    which people are paged although the case is resolved.
    """

    epoch: int
    awaits: bool
    owes: bool = False


class Standing(Protocol):
    """The present of cases, from the case view."""

    async def of(self, case_ids: Collection[str]) -> Mapping[str, Now | None]:
        """Return how those of the cases stand that the view has; None: it is being rebuilt.

        Raises:
            Transient: the view does not answer in time; the caller goes on without.
        """
        ...


class Directory(Protocol):
    """The people of the policy in force."""

    def via(self, target: str) -> Sequence[str]:
        """Return the names of the sinks by which a person or a team is told; none: it is unknown."""
        ...


class Told(Protocol):
    """Remembers what was told, so that it is not told again: written after success."""

    async def known(self, notification_ids: Sequence[str]) -> frozenset[str]:
        """Return those that ended before.

        Raises:
            Transient: the store does not answer in time.
        """
        ...

    async def remember(self, notification_ids: Sequence[str]) -> None:
        """Remember them for longer than ``notifications`` keeps them; safe to repeat.

        Raises:
            Transient: the store does not answer in time.
        """
        ...


class Ledger(Protocol):
    """What the notifier writes to Kafka. Each method returns when Kafka has it, else ``Transient``."""

    async def deliveries(self, ended: Sequence[Delivery]) -> None:
        """Write what was told to whom."""
        ...

    async def commands(self, commands: Sequence[CaseCommand]) -> None:
        """Send commands that follow from deliveries."""
        ...

    async def reply_due(self, due: Sequence[ReplyDue]) -> None:
        """Say that a person has to write."""
        ...

    async def park(self, notification: Notification, detail: str) -> None:
        """Write a notification to the dead letters, from where it can be replayed."""
        ...

    async def bury(self, message: Message, poison: Poison) -> None:
        """Write a record that cannot be read to the dead letters, as it is."""
        ...


class Addresses(Protocol):
    """Finds where a customer can be answered."""

    async def find(self, record_key: str, source: str, thread_id: str | None) -> Route | None:
        """Return the route of the thread, else the latest of the customer at that source, else None.

        Raises:
            Transient: the store does not answer in time.
        """
        ...
