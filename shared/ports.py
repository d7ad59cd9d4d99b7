"""Protocols at the edges: what the services need of the outside, and nothing of how it is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol


class Contacts(Protocol):
    """Remembers what customers said last, so that a repetition is recognised.

    A hint, not a record: what it forgets is one contact that is not marked as repeated.
    """

    async def recent(self, customers: Sequence[str]) -> Sequence[bytes | None]:
        """Return what is remembered of each of ``customers``, in order; None: nothing.

        Raises:
            Transient: the store does not answer in time.
        """
        ...

    async def remember(self, contacts: Mapping[str, bytes]) -> None:
        """Replace what is remembered of customers, from now on for the time of retention.

        Raises:
            Transient: the store does not answer in time; some may have been remembered.
        """
        ...


class Nonces(Protocol):
    """Remembers what was signed without its body, so that it cannot be used for another one."""

    async def claim(self, nonce: str, digest: str) -> bool:
        """Return whether ``nonce`` is new or was claimed with the same ``digest`` before.

        Raises:
            Transient: the store does not answer in time.
        """
        ...


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

    async def remember(self, ids: Sequence[str], ttl_s: float | None = None) -> None:
        """Remember ``ids`` from now on for ``ttl_s`` seconds (None: the default); safe to repeat.

        Raises:
            Transient: the store does not answer in time; some may have been remembered.
        """
        ...

    async def close(self) -> None:
        """Let go of the store."""
        ...
