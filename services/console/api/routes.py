"""What a route is: its address, who may take it, what it takes and answers.

The table of routes mounts the API and makes its OpenAPI document, so neither knows more than the other.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec
from aiohttp import web

from services.console.tokens import Caller, Role

PREFIX = "/api/v1"

Handler = Callable[[web.Request, Caller], Awaitable[web.Response]]
Label = Literal["read", "record", "command"]


@dataclass(frozen=True)
class Route:
    """One operation of the API.

    Args:
        name: operation id, and the name of the route.
        path: behind the prefix, with parameters in braces.
        role: who may; None: everybody, without a token.
        label: under which its duration is counted.
        answers: status → type of the body, None for one of no type of its own.
        problems: codes of what else it may answer, besides what every route may.
        query: parameters, as a type.
        body: what it takes.
        example: of ``body``.
        headers: request headers it reads, with what they mean.
    """

    name: str
    method: Literal["GET", "POST"]
    path: str
    role: Role | None
    label: Label
    summary: str
    handler: Handler
    answers: Mapping[int, type[msgspec.Struct] | None]
    problems: Sequence[str] = ()
    query: type[msgspec.Struct] | None = None
    body: type[msgspec.Struct] | None = None
    example: msgspec.Struct | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
