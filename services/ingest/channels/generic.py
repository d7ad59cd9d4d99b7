"""The generic channel: the product's own JSON → Item. Pure; the first of the channel adapters."""

from __future__ import annotations

import datetime as dt
import re

from services.ingest.channels import wire
from services.ingest.channels.item import Item, Scalar
from services.ingest.channels.rejection import Refusal, Rejected
from services.ingest.channels.text import clean, clean_line
from shared.events import Rating

MAX_ID = 512
MAX_AUTHOR = 320  # the longest e-mail address: RFC 5321, 64 + 1 + 255
MAX_ATTRIBUTES = 32
MAX_ATTRIBUTE_NAME = 64
MAX_ATTRIBUTE_VALUE = 1_024
RESERVED_PREFIX = "tocsin."
EARLIEST_MS = 631_152_000_000  # 1990: below lie epoch seconds and the zero dates of other systems
LATEST_MS = 253_402_300_799_999  # year 9999

_INT64 = 1 << 63
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MILLISECOND = dt.timedelta(milliseconds=1)
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8}){0,4}")
_SOURCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def parse(raw: bytes) -> Item:
    """Return the item in ``raw``, normalised.

    Raises:
        Rejected: for any bytes that are not an acceptable item; nothing else is ever raised.
    """
    given = wire.decode(raw)
    text, truncated = clean(given.text)
    rating = _rating(given.rating)
    if not text and rating is None:
        raise Rejected(Refusal.EMPTY_TEXT, "text: empty, and there is no rating either")
    return Item(
        native_id=_required("id", str(given.id), MAX_ID),
        channel=given.channel,
        text=text,
        truncated=truncated,
        source=None if given.source is None else source_name(given.source),
        author=_optional("author", given.author, MAX_AUTHOR),
        thread_id=_optional("thread", given.thread, MAX_ID),
        occurred_at=_time(given.occurred_at),
        language=_language(given.language),
        rating=rating,
        attributes=_attributes(given.attributes) if given.attributes else {},
    )


def source_name(name: str) -> str:
    """Return ``name`` if it is a valid name of a source.

    Raises:
        Rejected: empty, too long or with characters that do not belong.
    """
    if _SOURCE.fullmatch(name):
        return name
    raise Rejected(Refusal.BAD_VALUE, "source: 1 to 64 of A-Z a-z 0-9 . _ - are allowed")


def _optional(field: str, value: str | None, limit: int) -> str | None:
    if value is None:
        return None
    line = clean_line(value)
    if len(line) > limit:
        raise Rejected(Refusal.BAD_VALUE, f"{field}: {len(line)} characters, at most {limit}")
    return line or None


def _required(field: str, value: str, limit: int) -> str:
    line = _optional(field, value, limit)
    if line is None:
        raise Rejected(Refusal.BAD_VALUE, f"{field}: empty")
    return line


def _time(value: dt.datetime | int | None) -> int | None:
    if value is None:
        return None
    at = value if isinstance(value, int) else (value - _EPOCH) // _MILLISECOND
    if not EARLIEST_MS <= at <= LATEST_MS:
        hint = "; epoch milliseconds are expected, not seconds" if isinstance(value, int) else ""
        raise Rejected(Refusal.BAD_VALUE, f"occurred_at: not between 1990 and 9999{hint}")
    return at


def _language(value: str | None) -> str | None:
    if value is None or not value.strip():
        return None
    tag = value.strip().replace("_", "-")
    if not _LANGUAGE.fullmatch(tag):
        raise Rejected(Refusal.BAD_VALUE, "language: not a BCP 47 tag such as 'en' or 'pt-BR'")
    return tag


def _rating(value: float | wire.WireRating | None) -> Rating | None:
    if value is None:
        return None
    given = value if isinstance(value, wire.WireRating) else wire.WireRating(float(value))
    if not given.min < given.max:
        raise Rejected(
            Refusal.BAD_VALUE, f"rating: min {given.min:g} is not below max {given.max:g}"
        )
    if not given.min <= given.value <= given.max:
        span = f"{given.min:g} to {given.max:g}"
        raise Rejected(Refusal.BAD_VALUE, f"rating: {given.value:g} is not within {span}")
    return Rating(value=given.value, min=given.min, max=given.max)


def _attributes(given: dict[str, Scalar | None]) -> dict[str, Scalar]:
    if len(given) > MAX_ATTRIBUTES:
        raise Rejected(
            Refusal.BAD_VALUE, f"attributes: {len(given)} keys, at most {MAX_ATTRIBUTES}"
        )
    return {
        _attribute_name(name): _attribute(name, value)
        for name, value in given.items()
        if value is not None
    }


def _attribute_name(name: str) -> str:
    line = clean_line(name)
    if not 0 < len(line) <= MAX_ATTRIBUTE_NAME or line.startswith(RESERVED_PREFIX):
        rule = f"names have 1 to {MAX_ATTRIBUTE_NAME} characters and no prefix {RESERVED_PREFIX!r}"
        raise Rejected(Refusal.BAD_VALUE, f"attributes.{line[:80]}: {rule}")
    return line


def _attribute(name: str, value: Scalar) -> Scalar:
    if isinstance(value, str):
        line = clean_line(value)
        if len(line) > MAX_ATTRIBUTE_VALUE:
            fault = f"{len(line)} characters, at most {MAX_ATTRIBUTE_VALUE}"
            raise Rejected(Refusal.BAD_VALUE, f"attributes.{name[:80]}: {fault}")
        return line
    if isinstance(value, int) and not -_INT64 <= value < _INT64:
        raise Rejected(Refusal.BAD_VALUE, f"attributes.{name[:80]}: outside of 64 bits")
    return value
