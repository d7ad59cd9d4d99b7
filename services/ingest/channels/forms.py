"""Bodies of HTML forms: ``application/x-www-form-urlencoded`` and ``multipart/form-data`` (RFC 7578).

Values stay bytes until somebody asks for text, because some platforms state a charset for each field.
Work and memory are linear in the body: the number of fields and the size of headers are limited, and
percent signs are decoded in steps (``urllib`` splits at each: 1.5 GB and 4.6 s for 8 MB of them).
"""

from __future__ import annotations

import binascii
import hashlib
import re

import msgspec
from multipart import (  # type: ignore[import-untyped]
    MultipartError,
    MultipartSegment,
    ParserLimitReached,
    PushMultipartParser,
    parse_options_header,
)

from services.ingest.channels.charsets import decoded
from services.ingest.channels.hook import Hook
from services.ingest.channels.rejection import Refusal, Rejected
from shared.events import Attachment

MAX_FIELDS = 1_000
MAX_HEADER_BYTES = 8_192
MAX_HEADERS = 8
URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"

_ESCAPES = re.compile(rb"(?:%[0-9A-Fa-f]{2})+")
_STEP = 1 << 16


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One field. ``filename`` is set for files (it may be empty); all but ``content`` is a claim."""

    name: str
    content: bytes
    filename: str | None = None
    media_type: str | None = None
    charset: str | None = None

    def attachment(self) -> Attachment:
        """Return what is kept of a file: all but its content."""
        return Attachment(
            name=self.filename or None,
            media_type=self.media_type,
            size=len(self.content),
            sha256=hashlib.sha256(self.content).hexdigest(),
        )


class Form(msgspec.Struct, frozen=True):
    """The fields of a form in the order in which they came; of equal names the first counts."""

    parts: tuple[Part, ...]

    def part(self, name: str) -> Part | None:
        """Return the field ``name``."""
        return next((part for part in self.parts if part.name == name), None)

    def raw(self, name: str) -> bytes:
        """Return the bytes of a field, empty if it is missing."""
        part = self.part(name)
        return b"" if part is None else part.content

    def text(self, name: str, charset: str = "") -> str:
        """Return a field as text in ``charset``, else in what the part itself says, else UTF-8."""
        part = self.part(name)
        return "" if part is None else decoded(part.content, charset or part.charset or "")

    def files(self) -> tuple[Part, ...]:
        """Return the parts that were sent as files."""
        return tuple(part for part in self.parts if part.filename is not None)

    def digest(self) -> str:
        """Return a digest of the fields: the same when they are sent again in another encoding."""
        fields = sorted(
            msgspec.json.encode((part.name, part.filename, hashlib.sha256(part.content).digest()))
            for part in self.parts
        )
        return hashlib.sha256(b"\n".join(fields)).hexdigest()


def read_form(hook: Hook) -> Form:
    """Return the form in the body of ``hook``.

    Raises:
        Rejected: it is empty, no form, malformed, cut off, or over a limit.
    """
    if not hook.body:
        raise Rejected(Refusal.EMPTY, "an empty body where a form was expected")
    if hook.content_type == URLENCODED:
        return Form(tuple(Part(name=_utf8(name), content=raw) for name, raw in _pairs(hook.body)))
    if hook.content_type == MULTIPART:
        return Form(multipart(hook.body, hook.header("content-type")))
    raise Rejected(Refusal.BAD_VALUE, f"expected {MULTIPART} or {URLENCODED}")


def urlencoded(body: bytes) -> list[tuple[str, str]]:
    """Return the fields of an urlencoded body in their order, empty values too, as UTF-8.

    Raises:
        Rejected: there are more than ``MAX_FIELDS``.
    """
    return [(_utf8(name), _utf8(value)) for name, value in _pairs(body)]


def multipart(body: bytes, content_type: str) -> tuple[Part, ...]:
    """Return the parts of a multipart body; ``content_type`` is the header that has its boundary.

    Raises:
        Rejected: there is no boundary, the body is malformed or cut off, or over a limit.
    """
    boundary = parse_options_header(content_type[:MAX_HEADER_BYTES])[1].get("boundary", "")
    found: list[Part] = []
    segment: MultipartSegment | None = None
    chunks: list[bytes] = []
    try:
        with PushMultipartParser(
            boundary.encode("utf-8", "surrogateescape"),
            max_header_size=MAX_HEADER_BYTES,
            max_header_count=MAX_HEADERS,
            max_segment_count=MAX_FIELDS,
            header_charset="latin-1",  # any byte will do; _repaired gives it its meaning
        ) as parser:
            for event in parser.parse(body):
                if isinstance(event, MultipartSegment):
                    segment, chunks = event, []
                elif event:
                    chunks.append(event)
                elif segment is not None:
                    found.append(_part(segment, b"".join(chunks)))
    except ParserLimitReached as error:
        raise Rejected(Refusal.TOO_LARGE, str(error)) from error
    except (MultipartError, UnicodeError) as error:
        raise Rejected(Refusal.BAD_VALUE, f"malformed multipart body: {error}") from error
    return tuple(found)


def _part(segment: MultipartSegment, content: bytes) -> Part:
    return Part(
        name=_repaired(segment.name) or "",
        content=content,
        filename=_repaired(segment.filename),
        media_type=segment.content_type,
        charset=segment.charset,
    )


def _repaired(text: str | None) -> str | None:
    """Return a header value that was read as Latin-1 as the UTF-8 it nearly always is."""
    if text is None or text.isascii():
        return text
    raw = text.encode("latin-1")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return text


def _pairs(body: bytes) -> list[tuple[bytes, bytes]]:
    fields = body.split(b"&", MAX_FIELDS)
    if len(fields) > MAX_FIELDS:
        raise Rejected(Refusal.TOO_LARGE, f"more than {MAX_FIELDS} fields")
    pairs = (field.partition(b"=") for field in fields if field)
    return [(_unquoted(name), _unquoted(value)) for name, _, value in pairs]


def _unquoted(raw: bytes) -> bytes:
    raw = raw.replace(b"+", b" ")
    if b"%" not in raw:
        return raw
    result = bytearray()
    at = 0
    while at < len(raw):
        end = at + _STEP
        cut = raw.rfind(b"%", end - 2, end)  # an escape across the edge belongs to the next step
        end = cut if cut > at else end
        result += _ESCAPES.sub(_bytes, raw[at:end])
        at = end
    return bytes(result)


def _bytes(escapes: re.Match[bytes]) -> bytes:
    return binascii.unhexlify(escapes[0].replace(b"%", b""))


def _utf8(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
