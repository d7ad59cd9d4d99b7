"""Protocols at the edges: what the services need of the outside, and nothing of how it is done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Dedupe(Protocol):
    """Remembers ids that Kafka has acknowledged, so that a second delivery is recognised.

    It saves work, it does not decide: what it forgets is dropped further down by its deterministic
    id. Hence every method may raise ``Transient``, and the caller goes on without.
    """

    async def known(self, ids: Sequence[str]) -> frozenset[str]:
        """Return those of ``ids`` that are remembered.

        Raises:
            Transient: the store does not answer in time.
        """
        ...

    async def remember(self, ids: Sequence[str]) -> None:
        """Remember ``ids`` from now on for the time of retention; safe to repeat.

        Raises:
            Transient: the store does not answer in time; some may have been remembered.
        """
        ...

    async def close(self) -> None:
        """Let go of the store."""
        ...
