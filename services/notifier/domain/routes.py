"""What planning asks of the sinks: who is told by which of them, and what each follows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from shared.events import Channel, MessageKind

PAGER: Final = "pagerduty"
WEBHOOK: Final = "webhook"
SYSTEMS: Final = frozenset({WEBHOOK, "ticket"})
"""Kinds of sinks that a program reads. All others reach people, whom the same text tells only once."""


class Routes(Protocol):
    """Sinks and people as they are now. Only sinks that exist and are enabled are ever named."""

    def via(self, target: str, tenant: str) -> Sequence[str]:
        """Return the sinks by which ``target`` is told, else ``default``; none: it is out of reach."""
        ...

    def reaches(self, sink: str, target: str) -> bool:
        """Tell whether ``sink`` has a place of its own for ``target``, not one for everybody."""
        ...

    def followers(self, kind: str, tenant: str) -> Sequence[str]:
        """Return the sinks that follow events of this kind."""
        ...

    def takers(self, tenant: str) -> Sequence[tuple[str, str]]:
        """Return where a page stays open until it is taken back, as sink and target ("": its own)."""
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
