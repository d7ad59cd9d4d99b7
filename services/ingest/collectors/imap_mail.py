"""What a session with an IMAP server is told and what it tells."""

from __future__ import annotations

import msgspec

MAX_MESSAGE_BYTES = 33_554_432


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """Where the mailbox is. ``tls`` is ``yes``, ``starttls`` or ``no``; secrets are newest first."""

    host: str
    port: int
    tls: str
    user: str
    secrets: tuple[str, ...]
    folder: str
    mark_seen: bool
    timeout_s: float


class Found(msgspec.Struct, frozen=True):
    """A message; ``raw`` is its header only if it is too large, None if it cannot be had."""

    uid: int
    size: int
    raw: bytes | None

    @property
    def too_large(self) -> bool:
        """Return whether only the header was fetched."""
        return self.size > MAX_MESSAGE_BYTES


class Batch(msgspec.Struct, frozen=True):
    """Some messages; ``last`` is the number up to which there are no others."""

    found: tuple[Found, ...]
    last: int


class Reached(msgspec.Struct, frozen=True):
    """How far a search went: there is nothing wanted up to number ``uid``."""

    uid: int
    done: bool
