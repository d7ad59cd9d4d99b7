"""What a sender is told, and by which status.

One rule covers both routes: 2xx means every item is durably taken (do not send it again), 4xx that
sending the same again is pointless, 503 that it is right, all of it. So a batch in which a single
item is unavailable is a 503: whoever looks at nothing but the status never loses an item, and what
was taken already is recognised as a duplicate.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from aiohttp import web

from services.ingest.channels.rejection import UNREADABLE, Refusal
from services.ingest.outcome import Result, Status

RETRY_AFTER_S = 2
_STATUS = {
    Status.ACCEPTED: 202,
    Status.DUPLICATE: 200,
    Status.REJECTED: 422,
    Status.UNAVAILABLE: 503,
}
_encoder = msgspec.json.Encoder()


class BatchAnswer(msgspec.Struct, frozen=True):
    """Body of the answer to a batch: a result per item, in order, and how many of each."""

    accepted: int
    duplicate: int
    rejected: int
    unavailable: int
    results: Sequence[Result]


class HookAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """Body of the answer to a provider: how many of each. Rejected ones are in the dead letters.

    ``results`` has one for each item, to senders that want to know.
    """

    accepted: int
    duplicate: int
    rejected: int
    ignored: int
    results: Sequence[Result] = ()


class Refused(Exception):
    """A request as a whole is turned away before any of its items is looked at."""

    def __init__(
        self, status: int, reason: str, detail: str, retry_after_s: int | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.reason = reason
        self.detail = detail
        self.retry_after_s = retry_after_s

    def response(self) -> web.Response:
        """Return the answer."""
        response = respond(self.status, Problem("refused", self.reason, self.detail))
        if self.retry_after_s is not None:
            response.headers["Retry-After"] = str(self.retry_after_s)
        return response


class Problem(msgspec.Struct, frozen=True):
    """Body of the answer to a request that is turned away as a whole; ``status`` is ``refused``."""

    status: str
    reason: str
    detail: str


def single(result: Result) -> web.Response:
    """Return the answer to one item."""
    status = _STATUS[result.status]
    if result.status is Status.REJECTED:
        if result.reason in UNREADABLE:
            status = 400
        elif result.reason == Refusal.FOREIGN_SOURCE:
            status = 403
        elif result.reason == Refusal.TOO_LARGE:
            status = 413
    return respond(status, result)


def batch(results: Sequence[Result]) -> web.Response:
    """Return the answer to a batch."""
    count = dict.fromkeys(Status, 0)
    for result in results:
        count[result.status] += 1
    if count[Status.UNAVAILABLE]:
        status = 503
    elif count[Status.ACCEPTED]:
        status = 202
    else:
        status = 200 if count[Status.DUPLICATE] else 422
    return respond(
        status,
        BatchAnswer(
            count[Status.ACCEPTED],
            count[Status.DUPLICATE],
            count[Status.REJECTED],
            count[Status.UNAVAILABLE],
            results,
        ),
    )


def hook(results: Sequence[Result], ignored: int, *, itemised: bool = False) -> web.Response:
    """Return the answer to a provider whose items are all durable, as items or as dead letters."""
    return respond(
        200,
        HookAnswer(
            sum(result.status is Status.ACCEPTED for result in results),
            sum(result.status is Status.DUPLICATE for result in results),
            sum(result.status is Status.REJECTED for result in results),
            ignored,
            results if itemised else (),
        ),
    )


def respond(status: int, body: msgspec.Struct) -> web.Response:
    """Return ``body`` as JSON, with what HTTP wants to go along with ``status``."""
    response = web.Response(
        status=status, body=_encoder.encode(body), content_type="application/json"
    )
    if status == 503:
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    elif status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="tocsin"'
    return response
