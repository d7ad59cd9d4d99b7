"""The one HTTP client of the sinks: what leaves the process leaves here.

A target is somebody's setting, so it is not trusted (server-side request forgery). Only ``https`` to
public addresses is spoken. The address is checked where the socket is made, for every connection:
exactly that address is connected to, whatever name, odd spelling or literal it came from, so a name
that resolves to something else a moment later gains nothing. Ports are free, since TLS comes first
and no other service takes part in that. Nothing follows redirects, reads proxies or ``.netrc`` from
the environment, keeps cookies or unpacks bodies. ``allow_private`` opens ``http`` and all addresses to
a sink, which has connections of its own: none is lent to a sink that may not have it.

How an attempt ended is a ``Result``: time-outs, failed connections, 408, 425, 429 and 5xx can be
retried; so can a refused address, since a name may be given back to its owner (the give-up time ends
it). 410 says the sink is gone. Redirects and all other answers never get better.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from ssl import SSLContext
from typing import Final, NamedTuple, TypeVar

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver
from aiohttp.typedefs import LooseHeaders
from yarl import URL

from services.notifier.ports import Result, Verdict
from services.notifier.sinks.addresses import why_refused
from shared.errors import Misconfigured

MAX_ANSWER: Final = 65_536
"""So many bytes of an answer are read, and the connection is dropped if there are more."""
BODY_S: Final = 2.0
"""So long the body of an answer may take once its status is known."""
MAX_RETRY_AFTER_S: Final = 86_400.0
_CONNECTIONS_PER_HOST: Final = 100
_KEEP_ALIVE_S: Final = 4.0  # many servers hang up after 5 s, and a request may meet that half-way
_SHOWN: Final = 200
_RETRYABLE: Final = frozenset({408, 425, 429})
T = TypeVar("T")
_NO_HEADERS: Final = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


class Refused(OSError):
    """An address that nothing is sent to: as one that cannot be reached, so the next one is tried."""

    def __init__(self, why: str) -> None:
        super().__init__(errno.EACCES, f"refused: the host's address is {why}")


class Target(NamedTuple):
    """Where requests go; made by :func:`target`, and by nothing else."""

    url: URL
    allow_private: bool


class Answer(NamedTuple):
    """What came of a request. ``status`` 0: no answer. ``body``: as much of it as was asked for.

    ``whole``: that is all of it.
    """

    result: Result
    status: int = 0
    body: bytes = b""
    whole: bool = False


def target(url: str, *, allow_private: bool, what: str) -> Target:
    """Return where requests to ``url`` go.

    Args:
        what: names the setting in the message.

    Raises:
        Misconfigured: no absolute URL, not ``https``, or it has a user, a password or a fragment.
    """
    try:
        parsed = URL(url)
    except ValueError as error:
        raise Misconfigured(f"{what}: not a URL") from error
    schemes = ("https", "http") if allow_private else ("https",)
    if parsed.scheme not in schemes or not parsed.host:
        raise Misconfigured(
            f"{what}: must begin with https:// and name a host"
            + ("" if allow_private else " (allow_private = true opens http and private addresses)")
        )
    if parsed.raw_user is not None or parsed.raw_password is not None:
        raise Misconfigured(f"{what}: no user or password in a URL")
    if parsed.raw_fragment:
        raise Misconfigured(f"{what}: no fragment (#…) in a URL")
    return Target(parsed, allow_private)


class Outbound:
    """Sends requests; one for all sinks of a process, closed once.

    Args:
        tls: what to verify servers with; None is the system's certificates.
        resolver: how names are resolved; None is the system's way.
        refuse: says why nothing is sent to an address, None if it may be.
        now: wall clock, s since the epoch.
    """

    def __init__(
        self,
        *,
        tls: SSLContext | None = None,
        resolver: AbstractResolver | None = None,
        refuse: Callable[[str], str | None] = why_refused,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._tls = tls
        self._resolver = resolver
        self._refuse = refuse
        self._now = now
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    async def post(
        self, to: Target, body: bytes, headers: LooseHeaders, timeout_s: float
    ) -> Answer:
        """Send ``body`` as it is; ``headers`` are all there are but Host and Content-Length.

        Never raises for what the other side does.
        """
        return await self.request("POST", to, body, headers, timeout_s)

    async def request(
        self,
        method: str,
        to: Target,
        body: bytes | None,
        headers: LooseHeaders,
        timeout_s: float,
        *,
        most: int = MAX_ANSWER,
    ) -> Answer:
        """Send a request within ``timeout_s``, connecting included; see :meth:`post`.

        At most ``most`` bytes of the answer are read.
        """
        session = self._sessions.get(to.allow_private) or self._session(to.allow_private)
        try:
            async with session.request(
                method,
                to.url,
                data=body,
                headers=headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=timeout_s),
            ) as response:
                content, whole = await _body(response, most)
                return Answer(
                    self._judge(response.status, response.headers, content),
                    response.status,
                    content,
                    whole,
                )
        except TimeoutError:
            return Answer(
                Result(Verdict.RETRYABLE, f"no answer within {timeout_s:g} s", fault=True)
            )
        # uvloop has RuntimeErrors where asyncio has OSErrors; aiohttp lets some ValueErrors through
        except (aiohttp.ClientError, OSError, ValueError, RuntimeError) as error:
            return Answer(Result(Verdict.RETRYABLE, _said(error), fault=True))

    async def close(self) -> None:
        """End the connections."""
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()

    def _session(self, allow_private: bool) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=0,  # the limit per host keeps one dead target from taking what others need
            limit_per_host=_CONNECTIONS_PER_HOST,
            keepalive_timeout=_KEEP_ALIVE_S,
            ttl_dns_cache=0,  # one look-up for all that wait for it, but none is remembered
            resolver=self._resolver,
            ssl=self._tls or True,
            socket_factory=None if allow_private else self._checked_socket,
        )
        session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            skip_auto_headers=_NO_HEADERS,
        )
        self._sessions[allow_private] = session
        return session

    def _checked_socket(self, address: aiohttp.AddrInfoType) -> socket.socket:
        """Make the socket for one address, which is then connected to."""
        family, kind, protocol, _, where = address
        if why := self._refuse(str(where[0])):
            raise Refused(why)
        return socket.socket(family, kind, protocol)

    def _judge(self, status: int, headers: Mapping[str, str], body: bytes) -> Result:
        if 200 <= status < 300:
            return Result(Verdict.DELIVERED)
        detail = _described(status, body)
        if status == 410:
            return Result(Verdict.GONE, detail)
        if status in _RETRYABLE or status >= 500:
            after = retry_after(headers.get("Retry-After", ""), self._now())
            # The target works while it says when to come back: only its failures open the circuit.
            return Result(Verdict.RETRYABLE, detail, after, fault=status >= 500)
        if 300 <= status < 400:
            return Result(Verdict.PERMANENT, f"HTTP {status}: redirects are not followed")
        return Result(Verdict.PERMANENT, detail)


def read(answer: Answer, kind: type[T]) -> T | None:
    """Return what stands in an answer as JSON, None if it is something else."""
    try:
        return msgspec.json.decode(answer.body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def retry_after(value: str, now: float) -> float | None:
    """Return how many seconds ``Retry-After`` (RFC 9110, 10.2.3) asks to wait, None if it says nothing.

    Both forms are read, a number of seconds and a date; what lies in the past is 0, and nothing is
    longer than ``MAX_RETRY_AFTER_S``.
    """
    value = value.strip()
    if value.isascii() and value.isdigit():
        return min(float(value[:9]), MAX_RETRY_AFTER_S)
    try:
        seconds = parsedate_to_datetime(value).timestamp() - now
    except (ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S)


async def _body(response: aiohttp.ClientResponse, left: int) -> tuple[bytes, bool]:
    """Return what there is of the body in time, and whether it is all; the status stands either way."""
    stream = response.content
    if stream.at_eof():
        return b"", True
    parts: list[bytes] = []
    try:
        async with asyncio.timeout(BODY_S):
            while left > 0 and (part := await stream.read(left)):
                parts.append(part)
                left -= len(part)
    except (TimeoutError, aiohttp.ClientError):
        return b"".join(parts), False
    return b"".join(parts), stream.at_eof()


def _described(status: int, body: bytes) -> str:
    """Return the status and how the body begins, in one printable line."""
    beginning = body[: 4 * _SHOWN].decode("utf-8", "replace")
    said = "".join(character if character.isprintable() else " " for character in beginning)
    said = " ".join(said.split())[:_SHOWN]
    return f"HTTP {status}: {said}" if said else f"HTTP {status}"


def _said(error: Exception) -> str:
    """Return what went wrong without addresses or URLs, which may hold secrets."""
    if isinstance(error, aiohttp.ClientSSLError):
        return "TLS failed: no valid certificate of the host, or no protocol in common"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "the host's name does not resolve"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"no connection: {error.os_error.strerror or type(error.os_error).__name__}"[:_SHOWN]
    return f"the connection failed: {type(error).__name__}"
