"""Reading what a request brings, as types: query, body, headers."""

from __future__ import annotations

import asyncio
import base64
import re
from typing import Annotated, TypeVar

import msgspec
from aiohttp import web
from msgspec import Meta

from services.console.api.problems import Problem, misshapen
from services.console.ports import Place
from shared.events import CaseState, Channel, Severity

MAX_BODY = 47 * 1024
"""A worker takes no command of more than 50,000 bytes: what is let in must fit one."""
BODY_TIMEOUT_S = 10.0
MAX_LIMIT = 200

T = TypeVar("T", bound=msgspec.Struct)

_ETAG = re.compile(r'"(\d{1,16})"')
_KEY = re.compile(r"[\x21-\x7e]{1,200}")
_places = msgspec.json.Decoder(Place)

Limit = Annotated[int, Meta(ge=1, le=MAX_LIMIT)]
Short = Annotated[str, Meta(max_length=200)]


class Query(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all queries: a parameter that is not known is an error, not silence."""


class CasesQuery(Query, frozen=True):
    """Which cases are listed; ``state`` and ``severity`` may be given several times.

    An empty ``assignee`` or ``team`` asks for cases without one. ``cursor`` is the ``next`` of the page
    before.
    """

    state: tuple[CaseState, ...] = ()
    severity: tuple[Severity, ...] = ()
    channel: Channel | None = None
    assignee: Short | None = None
    team: Short | None = None
    limit: Limit = 50
    cursor: Annotated[str, Meta(max_length=1000)] | None = None


class SearchQuery(Query, frozen=True):
    """What is looked for: all words of ``q``; "a phrase", -without, begin*."""

    q: Annotated[str, Meta(min_length=1, max_length=500)]
    limit: Limit = 20


class CommandQuery(Query, frozen=True):
    """Which case the command was for."""

    case: Short


def read_query(request: web.Request, kind: type[T]) -> T:
    """Return the query of a request.

    Raises:
        Problem: a parameter is unknown, missing or not valid.
    """
    fields = {one.name: one for one in msgspec.structs.fields(kind)}
    given: dict[str, str | list[str]] = {}
    for name in request.query:
        several = name in fields and fields[name].default == ()
        values = request.query.getall(name)
        if not several and len(values) > 1:
            raise Problem("invalid", "it is given more than once", field=name)
        given[name] = values if several else values[0]
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise misshapen(error) from error


async def read_body(request: web.Request, kind: type[T]) -> T:
    """Return the body of a request; an empty one is an empty object.

    Raises:
        Problem: it is encoded, too large, too slow, no JSON, or not of its type.
    """
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Problem("wrong_media_type", "Content-Encoding is not supported: send it plain")
    if request.body_exists and request.content_type not in {
        "application/json",
        "application/octet-stream",  # aiohttp's word for none
    }:
        raise Problem("wrong_media_type", f"{request.content_type}: send application/json")
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            raw = await request.read()
    except TimeoutError as error:
        raise Problem("too_slow", f"not within {BODY_TIMEOUT_S:g} s") from error
    except (web.RequestPayloadError, ConnectionError) as error:
        raise Problem("unreadable", "the body ended early") from error
    try:
        return msgspec.json.decode(raw or b"{}", type=kind)
    except msgspec.ValidationError as error:
        raise misshapen(error) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Problem("unreadable", str(error)) from error


def read_expected(request: web.Request, in_body: int | None) -> int | None:
    """Return the number that the case is expected to have, of ``If-Match`` or the body.

    Raises:
        Problem: the header is no entity tag of a case, or the two differ.
    """
    given = request.headers.get("If-Match")
    if given is None or given.strip() == "*":
        return in_body
    found = _ETAG.fullmatch(given.strip())
    if found is None:
        raise Problem("invalid", 'expected the ETag of the case: "12"', field="If-Match")
    if in_body is not None and in_body != int(found[1]):
        raise Problem("invalid", "If-Match says something else", field="expected_seq")
    return int(found[1])


def read_key(request: web.Request) -> str | None:
    """Return the idempotency key of a request, None without one.

    Raises:
        Problem: it is longer than 200 characters or not of printable ASCII.
    """
    given = request.headers.get("Idempotency-Key")
    if given is not None and not _KEY.fullmatch(given):
        text = "1 to 200 printable ASCII characters without spaces"
        raise Problem("invalid", text, field="Idempotency-Key")
    return given


def read_record_key(request: web.Request) -> str:
    """Return the customer that the path names.

    Raises:
        Problem: it is no record key. A case id is none: it would name a customer whom nobody has.
    """
    given = request.match_info["record_key"]
    parts = given.split(":")
    if len(parts) != 2 or not all(parts):
        raise Problem("invalid", "expected tenant:customer, as case ids begin", field="record_key")
    return given


def cursor_of(place: Place) -> str:
    """Return a place as an opaque cursor."""
    raw = msgspec.json.encode(place)
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def place_of(cursor: str | None) -> Place | None:
    """Return the place that a cursor stands for.

    Raises:
        Problem: it is none of ours.
    """
    if cursor is None:
        return None
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        return _places.decode(raw)
    except (ValueError, msgspec.MsgspecError) as error:
        raise Problem("invalid", "it is not the `next` of a page", field="cursor") from error
