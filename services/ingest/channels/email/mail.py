"""A message between reading and judging: headers by name, texts, attachments, reports."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from email.utils import parseaddr
from typing import NamedTuple

import msgspec

from services.ingest.channels.text import clean_line
from shared.events import Attachment

MAX_ADDRESS = 320  # RFC 5321: 64 + 1 + 255
_MAX_FIELD = 2_048
_ANGLED = re.compile(r"<\s*([^<>\s@]+@[^<>\s@]+)\s*>")
_BARE = re.compile(r"[^\s<>(),;:\"\[\]@]+@[^\s<>(),;:\"\[\]@]+")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_COMMENT = re.compile(r"\(([^()]*)\)")


class Address(NamedTuple):
    """A mailbox of a header: ``address`` is "" if there is none in it."""

    address: str
    name: str | None
    alone: bool

    @property
    def local(self) -> str:
        """Return the part before the @ in lower case."""
        return self.address.partition("@")[0].lower()

    @property
    def domain(self) -> str:
        """Return the part behind the @ in lower case."""
        return self.address.rpartition("@")[2].lower()


class Headers:
    """The fields of a header block by lower-case name, in their order."""

    def __init__(self, fields: Mapping[str, Sequence[str]]) -> None:
        self._fields: dict[str, list[str]] = {}
        for name, values in fields.items():
            self._fields.setdefault(name.lower(), []).extend(values)

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str]]) -> Headers:
        """Return the headers in ``pairs``."""
        fields: dict[str, list[str]] = {}
        for name, value in pairs:
            fields.setdefault(name.strip(), []).append(value)
        return cls(fields)

    def first(self, name: str) -> str:
        """Return the topmost field, "" if there is none; ``name`` in lower case."""
        values = self._fields.get(name)
        return values[0].strip() if values else ""

    def all(self, name: str) -> Sequence[str]:
        """Return all fields of that name, topmost first."""
        return self._fields.get(name, ())

    def __contains__(self, name: str) -> bool:
        return name in self._fields

    def __bool__(self) -> bool:
        return bool(self._fields)


class Report(NamedTuple):
    """A part that says something about another message: a delivery status, or the message itself."""

    media_type: str
    content: bytes


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """A parsed message. ``cut``: something of it was left out (limits), so the raw one is kept."""

    headers: Headers
    sender: str = ""
    subject: str = ""
    date: str = ""
    text: str = ""
    html: str = ""
    stripped: str = ""
    attachments: tuple[Attachment, ...] = ()
    omitted: int = 0
    reports: tuple[Report, ...] = ()
    raw: bytes | None = None
    cut: bool = False


def address(value: str) -> Address:
    """Return the first mailbox in the value of an address header, already decoded.

    What stands in quotes or brackets is a name that somebody chose (RFC 5322, 3.4): an address in it
    counts only if there is no other.
    """
    value = value[:_MAX_FIELD]
    for plain in (_COMMENT.sub(_blank, _QUOTED.sub(_blank, value)), value):
        if angled := _ANGLED.search(plain):
            alone = len(_ANGLED.findall(plain)) == 1
            return _address(angled[1], value[: angled.start()], alone=alone)
        if bare := _BARE.findall(plain):
            comment = _COMMENT.search(value)
            return _address(bare[0], comment[1] if comment else "", alone=len(bare) == 1)
    return _address(parseaddr(value)[1] if "@" in value else "", value, alone=False)


def addresses(value: str) -> list[str]:
    """Return all addresses in the value of an address header, at most those of 2 KiB."""
    return _BARE.findall(value[:_MAX_FIELD])


def _blank(name: re.Match[str]) -> str:
    return " " * len(name[0])


def _address(found: str, name: str, *, alone: bool) -> Address:
    shown = clean_line(name.partition("<")[0]).strip(" \"'")
    # A name that is an address would carry it past the redaction of texts.
    return Address(
        clean_line(found)[:MAX_ADDRESS],
        shown[:128] if shown and "@" not in shown else None,
        alone,
    )
