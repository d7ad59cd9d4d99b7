"""What planning asks of the sinks: who is told by which of them, and what each follows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from shared.events import Channel, MessageKind

PAGER: Final = "pagerduty"
SYSTEMS: Final = frozenset({"webhook", "ticket"})
"""Kinds of sinks that a program reads. All others reach people, whom the same text tells only once."""


class Routes(Protocol):
    """Sinks and people as they are now. Only sinks that exist and are enabled are ever named."""

    def via(self, target: str, tenant: str) -> Sequence[str]:
        """Return the sinks by which ``target`` is told, else ``default``; none: it is out of reach."""
        ...

    def address(self, sink: str, target: str) -> str:
        """Return where ``sink`` reaches ``target``; "" where it has one place for everybody."""
        ...

    def followers(self, kind: str, tenant: str) -> Sequence[str]:
        """Return the sinks that follow events of this kind."""
        ...

    def takers(self, tenant: str) -> Sequence[str]:
        """Return the sinks at which a page stays open until it is taken back."""
        ...

    def is_system(self, sink: str) -> bool:
        """Tell whether a program reads it (``SYSTEMS``)."""
        ...

    def is_automatic(self, message: MessageKind) -> bool:
        """Tell whether customers get this kind of message without a person."""
        ...

    def writes(self, channel: Channel) -> bool:
        """Tell whether there is a writer for customers of ``channel``."""
        ...
