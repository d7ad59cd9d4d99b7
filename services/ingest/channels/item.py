"""What every channel adapter hands to intake: one item, not yet bound to a customer or redacted."""

from __future__ import annotations

import hashlib

import msgspec

from shared.events import (
    Attachment,
    Authenticity,
    Call,
    Channel,
    Engagement,
    Flag,
    Medium,
    Operation,
    Origin,
    Product,
    Rating,
    Role,
    TimeQuality,
    Turn,
)

Scalar = str | int | float | bool

DERIVED = "derived:"
"""So begin ids and revisions that were made of an item's words (``derived``)."""


class Alias(msgspec.Struct, frozen=True):
    """Another identifier of the author: ``email:…``, ``tel:…`` or an account id.

    ``verified``: the platform proved that it is theirs. Only verified ones ever link two customers.
    """

    value: str
    verified: bool = False

    @classmethod
    def of_email(cls, address: str | None) -> tuple[Alias, ...]:
        """Return the alias of an address that is on file; anybody can state one, so not verified."""
        return (cls(f"email:{address.strip().casefold()}"),) if address else ()


class Answerable(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where an item can be answered; it is sealed, and never leaves intake as it stands here.

    ``address`` is what the platform sends to, ``via`` the platform's word for the way (None: the
    provider), ``account`` ours that was written to. ``reply_to`` is the message that is answered,
    ``references`` its thread, oldest first.
    """

    address: str
    via: str | None = None
    account: str = ""
    name: str = ""
    subject: str = ""
    reply_to: str = ""
    references: tuple[str, ...] = ()


class Item(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One revision of one item of a source.

    ``author`` identifies the customer within the source (address, number, handle, account id) and
    never leaves intake as such; ``display_name`` and ``handle`` are public names and may.
    ``author_verified`` says that the platform proved it. ``occurred_at`` is what the source states (ms
    since the epoch, UTC), even if it lies in the future. ``source`` None: whatever the door says.

    ``revision`` None derives it from the content, so an edit is a new revision by itself. ``text`` is
    what is classified: the customer's own words, of a conversation only theirs (``turns`` has all),
    with the title in front where the platform shows it so (``with_title``).
    ``original`` is the untouched message, where stripping quotes or signatures lost something.
    ``answerable`` None: as far as the author tells, an address or a number.
    """

    native_id: str
    channel: Channel
    text: str
    truncated: bool = False
    source: str | None = None
    author: str | None = None
    thread_id: str | None = None
    occurred_at: int | None = None
    language: str | None = None
    rating: Rating | None = None
    attributes: dict[str, Scalar] = {}

    op: Operation = Operation.CREATE
    revision: str | None = None
    medium: Medium | None = None
    title: str | None = None
    parent_id: str | None = None
    url: str | None = None
    edited_at: int | None = None
    time_quality: TimeQuality | None = None
    role: Role = Role.CUSTOMER
    author_verified: bool = False
    display_name: str | None = None
    handle: str | None = None
    badge: bool = False
    country: str | None = None
    aliases: tuple[Alias, ...] = ()
    turns: tuple[Turn, ...] = ()
    call: Call | None = None
    attachments: tuple[Attachment, ...] = ()
    engagement: Engagement | None = None
    product: Product | None = None
    authenticity: Authenticity | None = None
    origin: Origin = Origin.HUMAN
    may_auto_respond: bool = True
    flags: tuple[Flag, ...] = ()
    original: bytes | None = None
    answerable: Answerable | None = None


def with_title(title: str | None, text: str) -> str:
    """Return ``text`` under its title, unless it begins with it anyway."""
    title = (title or "").strip()
    if not title or text.lstrip().startswith(title):
        return text
    return f"{title}\n\n{text}".rstrip()


def derived(*words: str | None) -> str:
    """Return an id, or a revision, for what the platform gives none: the same words have the same one.

    What will be redacted could be found in it by trying, so intake hashes it once more under its own
    key; ids of a platform's never begin so.
    """
    content = "\0".join("" if word is None else word for word in words)
    digest = hashlib.blake2b(content.encode("utf-8", "replace"), digest_size=16)
    return DERIVED + digest.hexdigest()
