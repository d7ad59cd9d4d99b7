"""JSON of others → typed values, with errors that name the fault and the place."""

from __future__ import annotations

import re
from collections.abc import Hashable
from functools import cache
from typing import Any, TypeVar, cast

import msgspec

from services.ingest.channels.rejection import Refusal, Rejected

T = TypeVar("T")
Id = str | int
"""Platforms write the same id as a number here and as text there."""

_AT = re.compile(r" - at `\$\.?(?P<at>.*)`$", re.DOTALL)


def read_json(body: bytes | str, kind: type[T]) -> T:
    """Return ``body`` as a ``kind``, a msgspec Struct that lists the fields we use.

    Unknown fields are skipped: the format is not ours.

    Raises:
        Rejected: whatever is wrong with the bytes, and where.
    """
    if not body or body.isspace():
        raise Rejected(Refusal.EMPTY, "an empty body where JSON was expected")
    try:
        return cast("T", _decoder(kind).decode(body))  # type: ignore[arg-type] # types are
    except msgspec.ValidationError as error:
        raise explained(str(error)) from error
    except msgspec.DecodeError as error:
        raise Rejected(Refusal.BAD_JSON, str(error)) from error
    except UnicodeError as error:
        raise Rejected(Refusal.BAD_UTF8, "not UTF-8") from error
    except RecursionError as error:
        raise Rejected(Refusal.TOO_DEEP, "nested deeper than the parser goes") from error


def explained(message: str) -> Rejected:
    """Return the rejection for a message of msgspec, with the path in front."""
    match = _AT.search(message)
    placed = f"{match['at']}: {message[: match.start()]}" if match else message
    if message.startswith("Object missing required field"):
        return Rejected(Refusal.MISSING_FIELD, placed)
    if message.startswith("Expected `object`") and match is None:
        return Rejected(Refusal.NOT_AN_OBJECT, placed)
    return Rejected(Refusal.BAD_VALUE, placed)


@cache
def _decoder(kind: Hashable) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)
