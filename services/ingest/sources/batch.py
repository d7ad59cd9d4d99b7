"""A batch body → the bytes of its items. NDJSON, or a JSON array."""

from __future__ import annotations

import msgspec

from services.ingest.channels.rejection import Refusal, Rejected
from services.ingest.prepare import Raw

NDJSON_TYPES = frozenset(
    {"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"}
)
_BOM = b"\xef\xbb\xbf"
_array = msgspec.json.Decoder(list[msgspec.Raw])


def split(body: bytes, content_type: str, max_items: int) -> list[Raw]:
    """Return the items of ``body``, each with its line (NDJSON) or its place (array), from 1.

    Blank lines are no items. The content type decides; one that says neither leaves it to the
    first character.

    Raises:
        Rejected: there are no items, too many, or the array cannot be told apart.
    """
    body = body.removeprefix(_BOM)
    if content_type not in NDJSON_TYPES and body.lstrip()[:1] == b"[":
        raws = _elements(body)
    else:
        lines = enumerate(body.split(b"\n"), 1)
        raws = [Raw(line, number) for number, line in lines if line and not line.isspace()]
    if not raws:
        raise Rejected(Refusal.EMPTY, "the batch has no items")
    if len(raws) > max_items:
        raise Rejected(Refusal.TOO_LARGE, f"{len(raws)} items, at most {max_items} in one batch")
    return raws


def _elements(body: bytes) -> list[Raw]:
    try:
        return [Raw(bytes(item), place) for place, item in enumerate(_array.decode(body), 1)]
    except msgspec.DecodeError as error:
        raise Rejected(Refusal.BAD_JSON, f"the array: {error}") from error
    except UnicodeDecodeError as error:  # in a key that had to be skipped
        raise Rejected(Refusal.BAD_UTF8, "the array: not UTF-8") from error
    except RecursionError as error:
        raise Rejected(Refusal.TOO_DEEP, "the array: nested deeper than the parser goes") from error
