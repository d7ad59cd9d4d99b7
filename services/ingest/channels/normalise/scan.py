"""What the redaction passes share: where they are, how often they struck, how much they may still do.

Every pass goes through a text once, from left to right, and is linear in its length. What decides
about a piece of text is that piece and at most ``CONTEXT`` characters in front of it, never beyond a
placeholder, so redacting a redacted text changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum

import msgspec

CONTEXT = 40
MAX_CHECKS = 200
"""Costly checks (numbering plans, check digits) that one text may take: 4 ms at worst."""

_GLUE = re.compile(r"[A-Za-z0-9@_+#=/~%'-]")
DATE = re.compile(
    r"(?<!\d)(?:\d{1,2}([-./])\d{1,2}\1(?:19|20)\d\d|(?:19|20)\d\d([-./])\d{1,2}\2\d{1,2})(?!\d)"
)
"""A full date; what has one in it is a list of dates and no number of anybody."""

PLACEHOLDER = re.compile(r"\[(?:email|phone|card|iban|national_id|ip|secret)\]")


class Kind(StrEnum):
    """What was taken out; the value is the key of the counts and the word in the placeholder."""

    EMAIL = "email"
    PHONE = "phone"
    CARD = "card"
    IBAN = "iban"
    NATIONAL_ID = "national_id"
    IP = "ip"
    SECRET = "secret"  # noqa: S105 # the name of a kind

    @property
    def placeholder(self) -> str:
        """Return what stands in the text instead."""
        return f"[{self.value}]"


class Found(msgspec.Struct, frozen=True):
    """A span of the text to take out, half-open."""

    start: int
    end: int
    kind: Kind


class Scan:
    """State of the redaction of one text.

    ``glued``: something was taken out that its surroundings belonged to, so what is left of them may
    now be a number or an address of its own.
    """

    def __init__(self, region: str | None) -> None:
        self.region = region
        self.glued = False
        self.counts: dict[str, int] = {}
        self._checks = MAX_CHECKS

    def may_check(self) -> bool:
        """Take one costly check, if there is one left."""
        self._checks -= 1
        return self._checks >= 0

    def replace(self, text: str, found: Iterator[Found]) -> str:
        """Return ``text`` with placeholders; the spans come in order and do not overlap."""
        parts: list[str] = []
        at = 0
        for span in found:
            parts += (text[at : span.start], span.kind.placeholder)
            at = span.end
            self.glued |= _GLUE.match(text, at) is not None
            self.glued |= span.start > 0 and _GLUE.match(text, span.start - 1) is not None
            self.counts[span.kind.value] = self.counts.get(span.kind.value, 0) + 1
        return "".join([*parts, text[at:]]) if parts else text


def before(text: str, start: int, since: int = 0) -> str:
    """Return what stands in front of ``start``, folded, back to ``since`` or the last placeholder."""
    context = text[max(since, start - CONTEXT) : start]
    return context[context.rfind("]") + 1 :].casefold()
