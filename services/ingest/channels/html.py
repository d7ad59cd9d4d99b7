"""HTML of mails and posts → plain text, in bounded time whatever the markup."""

from __future__ import annotations


def to_text(html: str) -> str:
    """Return the visible text of ``html``, without quoted history; blocks become lines."""
    raise NotImplementedError
