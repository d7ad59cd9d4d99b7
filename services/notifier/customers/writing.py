"""What the ways to write to customers have in common."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from services.notifier.ports import Result, Verdict
from shared.events import MessageKind, NoReply
from shared.routes import Route


class Outgoing(NamedTuple):
    """A message to one customer. ``name`` is the same for all attempts; ``at`` is now, ms."""

    name: str
    kind: MessageKind
    language: str
    subject: str
    text: str
    at: int


class Writer(Protocol):
    """One way to write to customers."""

    def is_public(self, route: Route) -> bool | None:
        """Tell whether everybody reads what goes this way; None: it does not go this way at all."""
        ...

    async def write(self, route: Route, message: Outgoing) -> Result:
        """Try once; never raise for what the other side does.

        The reference of a delivery is the message's id on the channel, by which a bounce or an echo
        names it.
        """
        ...


def refused(detail: str) -> Result:
    """Return that the customer cannot be told this way, so a person has to find another."""
    return Result(Verdict.UNSUITABLE, detail, why=NoReply.REFUSED)
