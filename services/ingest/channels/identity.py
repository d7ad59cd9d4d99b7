"""Who an item is from: the string behind the customer's pseudonym, with the kinds kept apart.

An e-mail address or an international number is the same person on every channel; any other name is
only known within its source and channel, since merging two people is worse than splitting one.
Items without an author are kept together by thread, else each stands alone.
"""

from __future__ import annotations

import re

from services.ingest.channels.item import Item
from shared.events import Author, Channel

_EMAIL = re.compile(r"(?:mailto:)?([^\s@<>]{1,64}@[^\s@<>]{1,255}\.[^\s@<>.]{1,63})")
_NAMED_EMAIL = re.compile(r"[^<>]*<([^\s@<>]+@[^\s@<>]+)>")
_NUMBER = re.compile(r"(?:tel:)?(\+?[0-9][0-9 ()./-]{4,30})")
_NOT_DIGIT = re.compile(r"[^0-9]")
_NOBODY = frozenset({
    "anonymous", "anonymous user", "unknown", "guest", "none", "null", "nil", "n/a", "na", "-", "?",
    "private", "restricted", "unavailable", "withheld", "caller id blocked", "deleted", "[deleted]",
    "[removed]", "a google user", "google user",
})  # fmt: skip
_PUBLIC_NAMES = frozenset({Channel.SOCIAL, Channel.REVIEWS})


def identity(item: Item, source: str) -> str:
    """Return what stands for the customer; it goes through a keyed hash and nowhere else."""
    author = _folded(item.author)
    if author is not None:
        if email := _email(author):
            return f"email:{email}"
        if number := _number(author, item.channel):
            return number if number.startswith("tel:+") else f"{number}:{source}"
        return f"handle:{item.channel}:{source}:{author.removeprefix('@')}"
    if item.thread_id is not None:
        return f"thread:{source}:{item.thread_id}"
    return f"item:{source}:{item.native_id}"


def public_author(item: Item) -> Author | None:
    """Return the author for display: public handles only, never an address or a number."""
    author = _folded(item.author)
    if author is None or item.channel not in _PUBLIC_NAMES:
        return None
    if "@" in author.removeprefix("@") or _number(author, item.channel):
        return None
    return Author(handle=item.author)


def _folded(author: str | None) -> str | None:
    folded = "" if author is None else author.casefold().strip()
    return None if not folded or folded in _NOBODY else folded


def _email(author: str) -> str | None:
    match = _EMAIL.fullmatch(author) or _NAMED_EMAIL.fullmatch(author)
    return match[1] if match else None


def _number(author: str, channel: Channel) -> str | None:
    """Bare digits are a telephone number only on the telephone; elsewhere they are account ids."""
    match = _NUMBER.fullmatch(author)
    if not match or not (channel is Channel.PHONE or match[1].startswith("+")):
        return None
    plus = "+" if match[1].startswith(("+", "00")) else ""
    digits = _NOT_DIGIT.sub("", match[1])
    return f"tel:{plus}{digits.removeprefix('00') if plus else digits}"
