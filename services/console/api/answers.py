"""What the API answers when all is well."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec
from aiohttp import web

from services.console.api.problems import etag
from services.console.ports import Hit, Line
from shared.events import Case, Refused

_encoder = msgspec.json.Encoder()


class CasePage(msgspec.Struct, frozen=True):
    """Cases, the latest opened first; ``next`` is the cursor of the page behind, None at the end.

    A page can be shorter than its limit, even empty, and still have a next one: the search for what
    was asked goes on there.
    """

    cases: tuple[Case, ...]
    next: str | None


class Timeline(msgspec.Struct, frozen=True):
    """What happened to a case, in order, with the reasons."""

    case_id: str
    lines: tuple[Line, ...]


class Hits(msgspec.Struct, frozen=True):
    """What was found, the best first."""

    hits: tuple[Hit, ...]


class CommandStatus(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of a command.

    ``pending``: no worker has taken it yet (or so many came after it that the case does not remember
    it any more). ``case_seq`` is where the case stands now.
    """

    command_id: str
    case_id: str
    status: Literal["pending", "done", "refused"]
    case_seq: int
    refused: Refused | None = None


class ErasureStatus(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is left of a customer: ``held`` cases are under legal hold, which forbids to erase.

    ``erased_at`` is the last erasure, ms since the epoch. ``command_id`` stands in the answer to the
    request alone.
    """

    record_key: str
    cases: int
    held: tuple[str, ...] = ()
    erased_at: int | None = None
    command_id: str | None = None


def answer(
    body: msgspec.Struct, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Return ``body`` as JSON."""
    return web.Response(
        status=status,
        body=_encoder.encode(body),
        content_type="application/json",
        headers=headers,
    )


def of_case(case: Case, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return a case with its entity tag."""
    return answer(case, headers={"ETag": etag(case.case_seq), **(headers or {})})
