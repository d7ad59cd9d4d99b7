"""What a caller is told when something is wrong: problem details (RFC 9457)."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec
from aiohttp import web

from shared.events import Refusal, Refused

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 2
TYPE = "urn:tocsin:problem:"

CODES: Mapping[str, tuple[int, str]] = {
    "unreadable": (400, "The body is no JSON, or a parameter cannot be read"),
    "unauthorized": (401, "A valid token is needed"),
    "not_allowed": (403, "The caller may not do this"),
    "unknown_path": (404, "There is no such address"),
    "unknown_case": (404, "There is no such case"),
    "no_policy": (404, "No policy was published yet"),
    "wrong_method": (405, "The address does not know this method"),
    "too_slow": (408, "The body did not arrive in time"),
    "wrong_state": (409, "The case is not in a state in which this can be done"),
    "no_such_follow_up": (409, "The case has no such follow-up"),
    "not_clarified": (409, "The case has to be clarified first"),
    "cycle": (409, "The cases would be merged in a circle"),
    "other_tenant": (409, "The other case belongs to another tenant"),
    "legal_hold": (409, "A legal hold forbids this"),
    "seq_mismatch": (412, "The case has moved on"),
    "too_large": (413, "The body is too large"),
    "wrong_media_type": (415, "The body is not sent as plain JSON"),
    "missing": (422, "Something is missing"),
    "invalid": (422, "Something is not valid"),
    "key_reused": (422, "The idempotency key was used for another request"),
    "rate_limited": (429, "Too many requests"),
    "failed": (500, "The request failed"),
    "unavailable": (503, "Something outside is away"),
    "draining": (503, "The process is about to stop"),
}
"""Every code with its status and title; those of refusals are the words of the events."""

_PATH = re.compile(r" - at `(?:key in )?\$\.?(?P<path>[^`]*)`$")
_FIELD = re.compile(r"\bfield `(?P<name>\w+)`")
_LEADING = re.compile(r"(?P<name>[a-z_]+(?:\.[a-z_]+)*)(?::|$)")


class ProblemDetails(msgspec.Struct, frozen=True, omit_defaults=True):
    """RFC 9457: what is wrong (``code``, ``title``, ``detail``) and where (``field``).

    ``case_seq`` is where the case stands, ``command_id`` the command that this is about.
    """

    type: str
    title: str
    status: int
    code: str
    detail: str
    field: str | None = None
    command_id: str | None = None
    case_seq: int | None = None


class Problem(Exception):
    """Ends a request with problem details.

    Args:
        code: one of ``CODES``, which says the status.
        detail: what exactly, for a person.
        field: which part of the request, in the dots of its JSON; or the name of a header.
        headers: go along with the answer.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        field: str | None = None,
        headers: Mapping[str, str] | None = None,
        command_id: str | None = None,
        case_seq: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, title = CODES[code]
        self.details = ProblemDetails(
            type=TYPE + code,
            title=title,
            status=self.status,
            code=code,
            detail=detail,
            field=field,
            command_id=command_id,
            case_seq=case_seq,
        )
        self.headers = dict(headers or {})
        if self.status == 401:
            self.headers.setdefault("WWW-Authenticate", 'Bearer realm="tocsin"')
        elif self.status == 503:
            self.headers.setdefault("Retry-After", str(RETRY_AFTER_S))

    def response(self) -> web.Response:
        """Return the answer."""
        return web.Response(
            status=self.status,
            body=msgspec.json.encode(self.details),
            content_type=MEDIA_TYPE,
            headers=self.headers,
        )


def misshapen(error: msgspec.ValidationError) -> Problem:
    """Return the problem of a body or query that is not of its type, with the field."""
    text = str(error)
    path = _PATH.search(text)
    named = _FIELD.search(text)
    parts = [path["path"] if path else "", named["name"] if named else ""]
    missing = "missing required" in text or "is needed" in text
    where = ".".join(part for part in parts if part) or None
    return Problem("missing" if missing else "invalid", _PATH.sub("", text), field=where)


def refused(found: Refused, case_seq: int) -> Problem:
    """Return the problem of a command that the engine refused."""
    known = found.refusal in {str(one) for one in Refusal}
    code = found.refusal if known else str(Refusal.WRONG_STATE)
    named = _LEADING.match(found.detail) if CODES[code][0] == 422 else None
    return Problem(
        code,
        found.detail or CODES[code][1],
        field=named["name"].rpartition(".")[2] if named else None,
        headers={"ETag": etag(case_seq)},
        command_id=found.command_id,
        case_seq=case_seq,
    )


def etag(case_seq: int) -> str:
    """Return the entity tag of a case: its number, quoted."""
    return f'"{case_seq}"'
