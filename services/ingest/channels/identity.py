"""Who an item is from: the string behind the customer's pseudonym, with the kinds kept apart.

An e-mail address or an international number is the same person on every channel; any other name is
only known within its source and channel, since merging two people is worse than splitting one.
Items without an author are kept together by thread, else each stands alone.
"""

from __future__ import annotations

import re

import msgspec
import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat

from services.ingest.channels.item import Item
from shared.events import Author, Channel, Role

MAX_IDENTIFIERS = 16
"""Verified identifiers of one item that are looked at; more are a mistake of the platform."""

_EMAIL = re.compile(
    r"(?:mailto:|email:)?([^\s@<>?]{1,64}@[^\s@<>?]{1,255}\.[^\s@<>.?]{1,63})(?:\?\S{0,500})?"
)
_NAMED_EMAIL = re.compile(r"[^<>]*<(?:mailto:)?([^\s@<>]+@[^\s@<>]+)>")
_NUMBER = re.compile(r"(?:tel:)?(\+?[0-9][0-9 ()./-]{4,30})(?:;\S{0,100})?")
_PLAIN_E164 = re.compile(r"\+[0-9]{8,15}")
_NOT_DIGIT = re.compile(r"[^0-9]")
_NOBODY = frozenset({
    "anonymous", "anonymous user", "unknown", "guest", "none", "null", "nil", "n/a", "na", "-", "?",
    "private", "restricted", "unavailable", "withheld", "caller id blocked", "deleted", "[deleted]",
    "[removed]", "a google user", "google user",
})  # fmt: skip
_NOTHING_SHOWN = Author(role=Role.CUSTOMER)
_PUBLIC_NAMES = frozenset({Channel.SOCIAL, Channel.REVIEWS})


class Identifiers(msgspec.Struct, frozen=True):
    """``primary`` makes the pseudonym; ``verified`` are those that the platform proved to be theirs.

    Only what is in ``verified`` of one item may ever link two customers.
    """

    primary: str
    verified: tuple[str, ...] = ()

    @property
    def known(self) -> bool:
        """Tell whether this is somebody, and not only one thread or one item."""
        return not self.primary.startswith(("thread:", "item:"))


def identity(item: Item, source: str, region: str | None = None) -> str:
    """Return what stands for the customer; it goes through a keyed hash and nowhere else.

    ``region`` (ISO 3166) is that of telephone numbers without a country code.
    """
    author = _folded(item.author)
    if author is not None:
        return _identifier(author, item.channel, source, region)
    for alias in item.aliases:
        if alias.verified and (value := _folded(alias.value)) is not None:
            return _alias(value, item.channel, source, region)
    if item.thread_id is not None:
        return f"thread:{source}:{item.thread_id}"
    return f"item:{source}:{item.native_id}"


def identifiers(item: Item, source: str, region: str | None = None) -> Identifiers:
    """Return all that is known of who the customer is, each in the form of ``identity``."""
    primary = identity(item, source, region)
    verified: dict[str, None] = {}
    if item.author_verified and _folded(item.author) is not None:
        verified[primary] = None
    for alias in item.aliases:
        value = _folded(alias.value)
        if alias.verified and value is not None and len(verified) < MAX_IDENTIFIERS:
            verified[_alias(value, item.channel, source, region)] = None
    return Identifiers(primary, tuple(verified))


def public_author(item: Item) -> Author | None:
    """Return the author for display: public names only, never an address or a number."""
    handle = item.handle
    if (
        handle is None
        and item.channel in _PUBLIC_NAMES
        and (author := _folded(item.author)) is not None
        and not _is_address(author, item.channel)
    ):
        handle = item.author
    name = item.display_name
    if name is not None and (
        (folded := _folded(name)) is None or _is_address(folded, Channel.PHONE)
    ):
        name = None
    shown = Author(
        name=name, handle=handle, role=item.role, verified=item.badge, country=item.country
    )
    return None if shown == _NOTHING_SHOWN else shown


def _is_address(folded: str, channel: Channel) -> bool:
    return "@" in folded.removeprefix("@") or _number(folded, channel, None) is not None


def _folded(author: str | None) -> str | None:
    folded = "" if author is None else author.casefold().strip()
    return None if not folded or folded in _NOBODY else folded


def _identifier(folded: str, channel: Channel, source: str, region: str | None) -> str:
    if email := _email(folded):
        return f"email:{email}"
    if number := _number(folded, channel, region):
        return number if number.startswith("tel:+") else f"{number}:{source}"
    return f"handle:{channel}:{source}:{folded.removeprefix('@')}"


def _alias(folded: str, channel: Channel, source: str, region: str | None) -> str:
    """Aliases say what they are: ``tel:`` is a number on every channel."""
    kind = Channel.PHONE if folded.startswith("tel:") else channel
    return _identifier(folded, kind, source, region)


def _email(author: str) -> str | None:
    match = _EMAIL.fullmatch(author) or _NAMED_EMAIL.fullmatch(author)
    return match[1] if match else None


def _number(author: str, channel: Channel, region: str | None) -> str | None:
    """Bare digits are a telephone number only on the telephone; elsewhere they are account ids."""
    match = _NUMBER.fullmatch(author)
    if not match:
        return None
    number = match[1]
    if not (channel is Channel.PHONE or number.startswith("+")):
        return None
    if e164 := _e164(number, region):
        return f"tel:{e164}"
    plus = "+" if number.startswith(("+", "00")) else ""
    digits = _NOT_DIGIT.sub("", number)
    return f"tel:{plus}{digits.removeprefix('00') if plus else digits}"


def _e164(number: str, region: str | None) -> str | None:
    """Return the number as the numbering plan has it, None if the plan does not know it."""
    if _PLAIN_E164.fullmatch(number):
        return number
    if number.startswith("00"):
        number = "+" + number[2:]
    elif region is None and not number.startswith("+"):
        return None
    try:
        parsed = phonenumbers.parse(number, region)
    except NumberParseException:
        return None
    if not phonenumbers.is_valid_number(parsed):
        return None
    return phonenumbers.format_number(parsed, PhoneNumberFormat.E164)
