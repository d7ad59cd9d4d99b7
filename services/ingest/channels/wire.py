"""The public JSON shape of an item and its decoder, with errors that name the fault and the place."""

from __future__ import annotations

import datetime as dt
import difflib
import re
from typing import Annotated

import msgspec

from services.ingest.channels.rejection import Refusal, Rejected
from shared.events import Channel


class WireRating(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rating on a scale other than 1 to 5."""

    value: float
    min: float = 1.0
    max: float = 5.0


class WireItem(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One item as a sender writes it; the reference of the HTTP interface."""

    id: str | int
    channel: Channel
    text: str = ""
    source: str | None = None
    author: str | None = None
    thread: str | None = None
    occurred_at: Annotated[dt.datetime, msgspec.Meta(tz=True)] | int | None = None
    language: str | None = None
    rating: float | WireRating | None = None
    attributes: dict[str, str | int | float | bool | None] | None = None


class _Head(msgspec.Struct):
    id: str | int | None = None
    channel: str | None = None


_decoder = msgspec.json.Decoder(WireItem)
_head = msgspec.json.Decoder(_Head)
_FIELDS = {"rating": WireRating.__struct_fields__, "": WireItem.__struct_fields__}
_UNKNOWN = re.compile(
    r"^Object contains unknown field `(?P<field>.*?)`(?: - at `\$\.?(?P<at>.*)`)?$", re.DOTALL
)
_AT = re.compile(r" - at `\$\.?(?P<at>.*)`$", re.DOTALL)


def decode(raw: bytes) -> WireItem:
    """Return the item in ``raw``.

    Raises:
        Rejected: whatever is wrong with the bytes, and where.
    """
    if not raw or raw.isspace():
        raise Rejected(Refusal.EMPTY, "nothing but white space where an object was expected")
    try:
        return _decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise _explain(str(error)) from error
    except msgspec.DecodeError as error:
        raise Rejected(Refusal.BAD_JSON, str(error)) from error
    except UnicodeDecodeError as error:
        raise Rejected(
            Refusal.BAD_UTF8, f"not UTF-8: byte 0x{error.object[error.start]:02x}"
        ) from error
    except RecursionError as error:
        raise Rejected(Refusal.TOO_DEEP, "nested deeper than the parser goes") from error


def peek(raw: bytes) -> tuple[str | None, Channel | None]:
    """Return id and channel of an item that was rejected, as far as they can be read."""
    try:
        head = _head.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None, None
    native_id = None if head.id is None else str(head.id)[:512]
    return native_id, next((kind for kind in Channel if kind == head.channel), None)


def _explain(message: str) -> Rejected:
    if match := _UNKNOWN.match(message):
        return Rejected(Refusal.UNKNOWN_FIELD, _unknown_field(match["field"], match["at"] or ""))
    if message.startswith("Object missing required field"):
        return Rejected(Refusal.MISSING_FIELD, _placed(message))
    if message.startswith("Expected `object`") and " - at " not in message:
        return Rejected(Refusal.NOT_AN_OBJECT, message)
    if message.startswith("Invalid enum value"):
        return Rejected(Refusal.BAD_VALUE, f"{_placed(message)}; known: {', '.join(Channel)}")
    return Rejected(Refusal.BAD_VALUE, _placed(message))


def _placed(message: str) -> str:
    """Move the path to the front: ``attributes[...]: Expected …``."""
    match = _AT.search(message)
    return f"{match['at']}: {message[: match.start()]}" if match else message


def _unknown_field(field: str, at: str) -> str:
    path = f"{at}.{field}" if at else field
    nearest = difflib.get_close_matches(field, _FIELDS.get(at, ()), n=1, cutoff=0.0)
    hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
    return f"{path[:80]}: unknown field{hint} Free data goes into 'attributes'."
