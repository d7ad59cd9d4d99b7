"""Raw message → ``Mail``: fast-mail-parser within limits, the standard library for what it refuses.

Both need a time that grows with the square of the encoded words in one header, so headers are cut
down before; a message that is nested or split beyond reason is read as one plain text.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from email.message import Message
from email.parser import BytesHeaderParser

import fast_mail_parser as fast

from services.ingest.channels import charsets
from services.ingest.channels.email import standard
from services.ingest.channels.email.mail import Headers, Mail, Report
from services.ingest.channels.rejection import Refusal, Rejected
from shared.events import Attachment

MAX_BYTES = 67_108_864
MAX_BODY = 1_048_576  # characters of text that are looked at: 32 times what an event holds
MAX_PARTS = 100
MAX_REPORT = 65_536

_PLAIN_HEADERS = 16_384  # header blocks up to this size are parsed as they are
_MAX_HEADERS = 65_536
_MAX_FIELD = 8_192
_MAX_WORDS = 1_000
_MAX_SLOW_BYTES = 4_194_304
_MAX_SLOW_PARTS = 50
_END = re.compile(rb"\r?\n\r?\n")
_FOLD = re.compile(rb"\r?\n(?![ \t])")
_FIELD = re.compile(rb"([!-9;-~]{1,76})[ \t]*:")
_MBOX_FROM = re.compile(rb">?From [^\r\n]*\r?\n")
_BOUNDARY = re.compile(rb"(?m)^--[^\r\n]{1,200}\r?$")
_CHARSET = re.compile(
    rb"charset\s{0,8}=\s{0,8}\"?((?!us-ascii)[a-z0-9][a-z0-9._:-]{1,40})", re.IGNORECASE
)
_HEADERS_ONLY = BytesHeaderParser()  # never looks at parameters, on which the whole one fails
_MIME_LINE = re.compile(r"--\S|(?:content-[a-z-]+|mime-version):", re.IGNORECASE)
_REPORTS = ("message/", "text/rfc822")


def read(raw: bytes) -> Mail:
    """Return the message in ``raw``.

    Raises:
        Rejected: there is nothing in it, or it is larger than any mail server takes.
    """
    if not raw.strip():
        raise Rejected(Refusal.EMPTY, "an empty message")
    if len(raw) > MAX_BYTES:
        raise Rejected(Refusal.TOO_LARGE, f"{len(raw)} bytes, at most {MAX_BYTES}")
    prepared = _prepared(raw)
    try:
        return _fast(prepared, raw)
    except fast.HeaderParseError:
        prepared = _trimmed(prepared)
    except fast.ParseError:
        return _slow(prepared, raw)
    try:
        return _fast(prepared, raw)
    except fast.ParseError:  # of a part, where nothing was mended
        return _slow(prepared, raw)


def _prepared(raw: bytes) -> bytes:
    data = raw.lstrip(b"\r\n") if raw[:1] in b"\r\n" else raw
    if data.startswith((b"From ", b">From ")) and (match := _MBOX_FROM.match(data)):
        data = data[match.end() :]
    if b"\n" not in data[:_MAX_HEADERS] and b"\n" not in data:
        data = data.replace(b"\r", b"\n")
    end = _END.search(data, 0, _PLAIN_HEADERS)
    if end is None:
        data = _trimmed(data)
    if data.count(b"=?", _PLAIN_HEADERS) > _MAX_WORDS:
        data = data[:_PLAIN_HEADERS] + data[_PLAIN_HEADERS:].replace(b"=?", b"= ?")
    return data


def _trimmed(data: bytes) -> bytes:
    """Return the message with a header block that is small enough and well-formed."""
    end = _END.search(data)
    head, body = (data, b"") if end is None else (data[: end.start()], data[end.end() :])
    if end is None and not _FIELD.match(data):
        return b"\n" + data
    kept, size = [], 0
    for whole in _FOLD.split(head):
        field = whole[:_MAX_FIELD]
        if size + len(field) > _MAX_HEADERS:
            break
        if name := _FIELD.match(field):
            kept.append(name[1] + b":" + field[name.end() :])
            size += len(field)
    return b"\r\n".join(kept) + b"\r\n\r\n" + body


def _fast(data: bytes, raw: bytes) -> Mail:
    parsed = fast.parse_email(data, mode="lazy")
    text, html = _joined(parsed.text_plain), _joined(parsed.text_html)
    if not (text.isascii() and html.isascii()) and _charset_is_wrong(data, text, html):
        text, html = _decoded_again(data, text, html)
    parts = parsed.attachments
    if not (parts or text.strip() or html):
        return _flat(data, raw)  # such as a multipart without its boundary
    headers = Headers(parsed.headers)
    kept = parts[:MAX_PARTS]
    return Mail(
        headers=headers,
        sender=headers.first("from"),
        subject=headers.first("subject"),
        date=headers.first("date"),
        text=text,
        html=html,
        attachments=tuple([_described(part) for part in kept]),
        omitted=len(parts) - len(kept),
        reports=tuple(
            [
                Report(part.mimetype.lower(), _content(part)[:MAX_REPORT])
                for part in kept
                if part.mimetype.lower().startswith(_REPORTS)
            ]
        ),
        raw=raw,
        cut=len(parsed.text_plain) > MAX_PARTS or len(text) >= MAX_BODY,
    )


def _joined(texts: Iterable[str]) -> str:
    texts = list(texts)[:MAX_PARTS]
    return (texts[0] if len(texts) == 1 else "\n".join(texts))[:MAX_BODY]


def _content(part: fast.PyLazyAttachment) -> bytes:
    try:
        return part.content
    except fast.ParseError:
        return b""


def _described(part: fast.PyLazyAttachment) -> Attachment:
    try:
        content = part.content
    except fast.ParseError:  # broken base64: there is an attachment, whatever it is
        return Attachment(
            name=part.filename or None, media_type=part.mimetype or None, size=part.encoded_size
        )
    return described(part.filename, part.mimetype, content)


def described(name: str | None, media_type: str | None, content: bytes) -> Attachment:
    """Return the description of an attachment with this content."""
    return Attachment(
        name=charsets.whole(name or "") or None,
        media_type=charsets.whole(media_type or "").lower() or None,
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )


def _charset_is_wrong(data: bytes, text: str, html: str) -> bool:
    """Return whether bytes could not be decoded, or 8-bit ones were sent without a charset."""
    return "\ufffd" in text or "\ufffd" in html or not _CHARSET.search(data)


def _decoded_again(data: bytes, text: str, html: str) -> tuple[str, str]:
    """Read the texts again without trust in the stated charset."""
    found: dict[str, list[str]] = {"text/plain": [], "text/html": []}
    try:
        for index, part in enumerate(fast.walk(fast.parse_email_tree(data, mode="lazy"))):
            if index > MAX_PARTS:
                break
            wanted = found.get(part.content_type.lower())
            if wanted is not None and part.content and part.disposition != "attachment":
                stated = _CHARSET.search(_content_type(part.headers))
                wanted.append(guessed(part.content, stated[1].decode() if stated else None))
    except fast.ParseError:
        return text, html
    return _joined(found["text/plain"]) or text, _joined(found["text/html"]) or html


def guessed(content: bytes, charset: str | None = None) -> str:
    """Return text of which the charset is uncertain: as stated, as UTF-8, as cp1252."""
    for name in (charsets.known(charset or ""), charsets.UTF_8):
        try:
            return content.decode(name)
        except UnicodeError:
            continue
    return content.decode("cp1252", "replace")


def _content_type(headers: Mapping[str, Sequence[str]]) -> bytes:
    return "".join(
        f"{name}: {';'.join(values)}"
        for name, values in headers.items()
        if name.lower() == "content-type"
    ).encode("ascii", "replace")[:1_000]


def _slow(data: bytes, raw: bytes) -> Mail:
    """Read what the fast parser refuses, such as broken base64 in a body."""
    small = len(data) <= _MAX_SLOW_BYTES and data.count(b"boundary") <= _MAX_SLOW_PARTS
    if not small or len(_BOUNDARY.findall(data)) > _MAX_SLOW_BYTES // 4096:
        return _flat(data, raw)
    message = standard.parsed(data)
    if message is None:
        return _flat(data, raw)
    try:
        return _standard(message, raw)
    except standard.FAILURES:
        return _flat(data, raw)


def _standard(message: Message, raw: bytes) -> Mail:
    texts: dict[str, list[str]] = {"text/plain": [], "text/html": []}
    attachments: list[Attachment] = []
    reports: list[Report] = []
    leaves = [part for part in message.walk() if not part.is_multipart()][:MAX_PARTS]
    for part in leaves:
        media_type = part.get_content_type()
        payload = part.get_payload(decode=True)
        content = payload if isinstance(payload, bytes) else b""
        if media_type in texts and part.get_content_disposition() != "attachment":
            texts[media_type].append(guessed(content, part.get_content_charset()))
            continue
        attachments.append(described(part.get_filename(), media_type, content))
        if media_type.startswith(_REPORTS):
            reports.append(Report(media_type, content[:MAX_REPORT]))
    headers = _headers(message)
    return Mail(
        headers=headers,
        sender=headers.first("from"),
        subject=headers.first("subject"),
        date=headers.first("date"),
        text=_joined(texts["text/plain"]),
        html=_joined(texts["text/html"]),
        attachments=tuple(attachments),
        reports=tuple(reports),
        raw=raw,
        cut=True,
    )


def _flat(data: bytes, raw: bytes) -> Mail:
    """Read a message whose structure is beyond reason as one text below its header."""
    trimmed = _trimmed(data)
    head, _, body = trimmed.partition(b"\r\n\r\n")
    text = "\n".join(
        line for line in guessed(body[:MAX_BODY]).splitlines() if not _MIME_LINE.match(line)
    )
    headers = _headers(_HEADERS_ONLY.parsebytes(head[:_MAX_HEADERS] + b"\r\n\r\n"))
    return Mail(
        headers=headers,
        sender=headers.first("from"),
        subject=headers.first("subject"),
        date=headers.first("date"),
        text=text,
        raw=raw,
        cut=True,
    )


def _headers(message: Message) -> Headers:
    """Decode the headers with the fast parser: both entries see the same."""
    pairs = ((name, str(value)) for name, value in message.raw_items())
    block = "".join(f"{name}: {value}\r\n" for name, value in pairs)
    try:
        return Headers(fast.parse_email(block.encode("utf-8", "surrogateescape")).headers)
    except fast.ParseError:
        return Headers.of((name, charsets.whole(str(value))) for name, value in message.raw_items())
