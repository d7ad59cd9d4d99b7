"""One request to a platform: bounded in time and size, with faults in the words of collectors."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

import aiohttp

from services.ingest.collectors.page import Busy, Outside, Refused
from shared.errors import Transient

TIMEOUT_S = 30.0
MAX_BYTES = 16_000_000
BUSY_S = 60.0
"""The pause after a 429 that does not say for how long."""

MAX_BUSY_S = 86_400.0
"""No quota lasts longer than a day, whatever a header says."""


class Gone(Refused):
    """What was asked for is not there: an app, a review."""


REFUSALS = frozenset({401, 403, 404, 410})
_GONE = frozenset({404, 410})
_CHUNK = 65_536


@dataclass(frozen=True)
class Answer:
    """What a platform answered; ``retry_after_s`` if it said when to come again."""

    status: int
    body: bytes
    retry_after_s: float | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


async def call(
    outside: Outside,
    method: str,
    url: str,
    *,
    params: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    form: Mapping[str, str] | None = None,
    timeout_s: float = TIMEOUT_S,
    max_bytes: int = MAX_BYTES,
) -> Answer:
    """Return the answer, whatever its status. Redirects are not followed: a token goes along.

    Raises:
        Transient: there is none in time, or it is too large.
    """
    with faults():
        async with outside.http.request(
            method,
            url,
            params=params,
            headers=headers,
            data=form,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=timeout_s),
        ) as response:
            body = await _read(response, max_bytes)
            now = outside.clock.now_ms()
            wait = retry_after(response.headers.get("Retry-After", ""), now)
            return Answer(response.status, body, wait, response.headers)


def checked(answer: Answer, refusals: frozenset[int] = REFUSALS) -> bytes:
    """Return the body of an answer that is one.

    Raises:
        Refused: the status is one of ``refusals``; ``Gone`` if it says that there is no such thing.
        Busy: too many requests, or a pause of a stated length.
        Transient: any other status but 200.
    """
    if answer.status == 200:
        return answer.body
    check(answer.status, answer.retry_after_s, refusals)
    raise Transient(f"status {answer.status}")


def check(status: int, retry_after_s: float | None, refusals: frozenset[int] = REFUSALS) -> None:
    """Raise what a status that is no success means; return if it is one.

    Raises:
        Refused, Busy, Transient: see ``checked``.
    """
    if status in refusals:
        raise (Gone if status in _GONE else Refused)(f"status {status}")
    if status == 429 or (status == 503 and retry_after_s is not None):
        raise Busy(f"status {status}", BUSY_S if retry_after_s is None else retry_after_s)
    if status >= 400:
        raise Transient(f"status {status}")


@contextmanager
def faults() -> Iterator[None]:
    """Turn what can happen to a connection into ``Transient``."""
    try:
        yield
    except TimeoutError as error:
        raise Transient("no answer in time") from error
    except (aiohttp.ClientError, OSError) as error:
        # The text of such errors can repeat the address with what is in it.
        raise Transient(f"the connection failed: {type(error).__name__}") from error


def retry_after(value: str, now_ms: int) -> float | None:
    """Return the seconds in a header ``Retry-After`` (RFC 9110, 10.2.3), None if there are none."""
    text = value.strip()
    try:
        wait = float(text)
    except ValueError:
        try:
            at = parsedate_to_datetime(text)
            at = at if at.tzinfo else at.replace(tzinfo=dt.UTC)
            wait = at.timestamp() - now_ms / 1000.0
        except (ValueError, TypeError, OverflowError, IndexError):
            return None
    return None if math.isnan(wait) else min(MAX_BUSY_S, max(0.0, wait))


async def _read(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    """Return the body; what counts is its size after decompression."""
    body = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK):
        body += chunk
        if len(body) > max_bytes:
            raise Transient(f"an answer of more than {max_bytes} bytes")
    return bytes(body)
