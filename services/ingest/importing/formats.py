"""Which format a file has: what its beginning looks like decides, then its name."""

from __future__ import annotations

import enum
import re
from pathlib import Path

import msgspec

from services.ingest.sources.files import SEPARATOR

_HEADER = re.compile(rb"[!-9;-~]+:[ \t]")
_NAMED = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".tsv": "csv",
    ".eml": "eml",
    ".mbox": "mbox",
}


class Format(enum.StrEnum):
    """What a file is read as."""

    JSONL = "jsonl"
    CSV = "csv"
    EML = "eml"
    MBOX = "mbox"
    ZENDESK = "zendesk"
    CHATWOOT = "chatwoot"


class Unrecognised(ValueError):
    """The format of a file cannot be told; the message says what to do."""


class _Marks(msgspec.Struct, frozen=True):
    """Fields that only these exports have together."""

    id: msgspec.Raw = msgspec.Raw()
    requester: msgspec.Raw = msgspec.Raw()
    requester_id: msgspec.Raw = msgspec.Raw()
    via: msgspec.Raw = msgspec.Raw()
    messages: msgspec.Raw = msgspec.Raw()
    meta: msgspec.Raw = msgspec.Raw()
    payload: msgspec.Raw = msgspec.Raw()
    event: msgspec.Raw = msgspec.Raw()
    conversation: msgspec.Raw = msgspec.Raw()


_marks = msgspec.json.Decoder(_Marks)


def recognise(path: Path, head: bytes) -> Format:
    """Return the format of the file at ``path`` that begins with ``head``.

    Raises:
        Unrecognised: it is none of them, or several objects in one JSON array.
    """
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
    if start.startswith(b"[") and suffix in {".json", ".jsonl", ".ndjson"}:
        raise Unrecognised(f"{path}: a JSON array; one object a line is needed: jq -c '.[]'")
    if start.startswith(b"{"):
        return _of_objects(start.split(b"\n", 1)[0])
    if SEPARATOR.match(start):
        return Format.MBOX
    named = _NAMED.get(suffix)
    if named is not None:
        return Format(named)
    if _HEADER.match(start) and b"\nFrom:" in head.replace(b"\r", b""):
        return Format.EML
    raise Unrecognised(f"{path}: what is in it? Say so with --format")


def _of_objects(line: bytes) -> Format:
    try:
        marks = _marks.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Format.JSONL  # cut off by the end of the head, or a bad line: said when it is read
    if bytes(marks.via) and (bytes(marks.requester) or bytes(marks.requester_id)):
        return Format.ZENDESK
    hooked = bytes(marks.event) and bytes(marks.conversation)
    if hooked or (bytes(marks.meta) and (bytes(marks.messages) or bytes(marks.payload))):
        return Format.CHATWOOT
    return Format.JSONL
