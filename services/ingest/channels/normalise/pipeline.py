"""An item as its provider stated it → as it may be written: clean, bounded, without personal data."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from services.ingest.channels.item import Item, Scalar
from services.ingest.channels.normalise import limits
from services.ingest.channels.normalise.language import language
from services.ingest.channels.normalise.redact import redact, redact_url
from services.ingest.channels.normalise.repair import clean_and_repaired
from services.ingest.channels.provider import Settings
from services.ingest.channels.text import MAX_TEXT
from shared.events import Attachment, Call, LanguageSource, Turn

_SLACK = 1_024
"""So much more is looked at, lest the cut at ``MAX_TEXT`` leaves half a number unrecognised."""

_PLAIN = re.compile(r"[A-Za-z]-[0-9]{1,6}|[0-9]{1,4}|[A-Za-z_-]{1,14}")
"""Short values as attributes mostly have them, in which nothing can be to take out or to clean."""


class Normalised(msgspec.Struct, frozen=True, kw_only=True):
    """``item`` is safe to write but for ``author``, ``aliases`` and ``original``.

    ``redacted`` counts what was taken out of all its fields, by kind.
    """

    item: Item
    redacted: dict[str, int] = {}
    language: str | None = None
    language_source: LanguageSource | None = None
    language_confidence: float | None = None


def normalise(item: Item, settings: Settings) -> Normalised:
    """Return the item cleaned, redacted and bounded, with its language."""
    fields = _Fields(settings.region)
    text, truncated = fields.text(item.text, MAX_TEXT)
    turns, cut = fields.turns(item.turns) if item.turns else ((), False)
    changed: dict[str, object] = {
        "native_id": limits.bounded_id(item.native_id),
        "text": text,
        "truncated": item.truncated or truncated or cut,
    }
    if turns:
        changed["turns"] = turns
    if item.thread_id is not None:
        changed["thread_id"] = limits.bounded_id(item.thread_id) or None
    if item.parent_id is not None:
        changed["parent_id"] = limits.bounded_id(item.parent_id) or None
    if item.title is not None:
        changed["title"] = fields.line(item.title, limits.MAX_TITLE)
    if item.display_name is not None:
        changed["display_name"] = fields.line(item.display_name, limits.MAX_NAME)
    if item.handle is not None:
        changed["handle"] = limits.bounded_line(item.handle, limits.MAX_NAME) or None
    if item.url is not None:
        changed["url"] = fields.url(item.url)
    if item.attachments:
        changed["attachments"] = fields.attachments(item.attachments)
    if item.attributes:
        changed["attributes"] = fields.attributes(item.attributes)
    if item.call is not None:
        changed["call"] = fields.call(item.call)
    if item.product is not None:
        changed["product"] = limits.bounded_strings(item.product)
    if item.authenticity is not None:
        changed["authenticity"] = limits.bounded_strings(item.authenticity)
    found = language(text, item.language) if text else None
    return Normalised(
        item=msgspec.structs.replace(item, **changed),
        redacted=fields.counts,
        language=found.tag if found else None,
        language_source=found.source if found else None,
        language_confidence=found.confidence if found else None,
    )


class _Fields:
    """Cleans the fields of one item and counts what it takes out."""

    def __init__(self, region: str | None) -> None:
        self._region = region
        self.counts: dict[str, int] = {}

    def text(self, text: str, limit: int) -> tuple[str, bool]:
        """Return a text as it may be written, and whether it was cut."""
        cut = len(text) > limit + _SLACK
        plain = clean_and_repaired(text[: limit + _SLACK] if cut else text, limit + _SLACK)
        plain = self._redacted(plain)
        while len(plain) > limit:  # what is left of a cut may look like a number of its own
            cut = True
            plain = self._redacted(plain[:limit].rstrip())
        return plain, cut

    def _redacted(self, text: str) -> str:
        redacted = redact(text, self._region)
        self._count(redacted.counts)
        return redacted.text

    def _count(self, counts: Mapping[str, int]) -> None:
        for kind, number in counts.items():
            self.counts[kind] = self.counts.get(kind, 0) + number

    def line(self, text: str, limit: int) -> str | None:
        """Return a short text on one line; None if nothing is left."""
        plain, _ = self.text(limits.bounded_line(text, limit + _SLACK), limit)
        return plain or None

    def url(self, url: str, query: bool = True) -> str | None:
        """Return a URL; ``query`` False: its query may be a signature that opens the file."""
        redacted = redact_url(limits.bounded_line(url, limits.MAX_URL), query)
        self._count(redacted.counts)
        return redacted.text or None

    def call(self, call: Call) -> Call:
        """Return a call with a link to its recording that may be written."""
        link = call.recording_url
        url = self.url(link, query=False) if link is not None else None
        return limits.bounded_strings(msgspec.structs.replace(call, recording_url=url))

    def turns(self, turns: tuple[Turn, ...]) -> tuple[tuple[Turn, ...], bool]:
        """Return the turns within their common budget, and whether something was cut."""
        kept: list[Turn] = []
        left = MAX_TEXT
        cut = len(turns) > limits.MAX_TURNS
        for turn in turns[: limits.MAX_TURNS]:
            if left <= 0:
                return tuple(kept), True
            text, shortened = self.text(turn.text, left)
            cut = cut or shortened
            left -= len(text)
            kept.append(msgspec.structs.replace(turn, text=text))
        return tuple(kept), cut

    def attachments(self, attachments: tuple[Attachment, ...]) -> tuple[Attachment, ...]:
        """Return the first ``MAX_ATTACHMENTS``, with names and links that may be written."""
        return tuple(
            msgspec.structs.replace(
                attachment,
                name=self.line(attachment.name, limits.MAX_NAME) if attachment.name else None,
                url=self.url(attachment.url, query=False) if attachment.url else None,
            )
            for attachment in attachments[: limits.MAX_ATTACHMENTS]
        )

    def attributes(self, attributes: dict[str, Scalar]) -> dict[str, Scalar]:
        """Return the attributes that fit, texts redacted; names are the provider's, not people's."""
        plain: dict[str, Scalar] = {
            name: self.line(value, limits.MAX_ATTRIBUTE_BYTES) or ""
            if isinstance(value, str) and not _PLAIN.fullmatch(value)
            else value
            for name, value in attributes.items()
        }
        return limits.bounded_attributes(plain)
