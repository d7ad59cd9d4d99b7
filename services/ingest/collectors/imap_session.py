"""A connection to an IMAP server: blocking calls, for a thread of their own.

Traps met: a connection that is lost while logging in looks like a wrong password; ``UID n:*`` always
returns the last message; a server that ends the connection makes ``idle_check`` return at once.
"""

from __future__ import annotations

import datetime as dt
import imaplib
import logging
import socket
import ssl
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from typing import Any

import msgspec
import structlog
from imapclient import SEEN, IMAPClient, SocketTimeout  # type: ignore[import-untyped]
from imapclient.exceptions import (  # type: ignore[import-untyped]
    IMAPClientAbortError,
    IMAPClientError,
    LoginError,
)

from services.ingest.collectors.page import Refused
from shared.errors import Transient

MAX_MESSAGE_BYTES = 33_554_432
PAGE_BYTES = 16_777_216
PAGE_MESSAGES = 50
MAX_HEADER_BYTES = 65_536
WINDOW = 10_000
"""So many numbers are searched at a time: an answer lists all that exist among them."""

CONNECT_S = 15.0
_OAUTH = "oauth:"
_LATER = (
    "[UNAVAILABLE]",
    "[INUSE]",
    "[LIMIT]",
    "[SERVERBUG]",
    "TEMPORARY",
    "TRY AGAIN",
    "TOO MANY",
)
_FAULTS = (OSError, imaplib.IMAP4.error, ssl.SSLError, EOFError)

_log = structlog.get_logger(__name__)

# It writes what it sends, names and passwords among it.
logging.getLogger("imapclient").setLevel(logging.WARNING)


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """Where the mailbox is. ``tls`` is ``yes``, ``starttls`` or ``no``; secrets are newest first."""

    host: str
    port: int
    tls: str
    user: str
    secrets: tuple[str, ...]
    folder: str
    mark_seen: bool
    timeout_s: float


class Found(msgspec.Struct, frozen=True):
    """A message; ``raw`` is its header only if it is too large, None if it cannot be had."""

    uid: int
    size: int
    raw: bytes | None

    @property
    def too_large(self) -> bool:
        """Return whether only the header was fetched."""
        return self.size > MAX_MESSAGE_BYTES


class Batch(msgspec.Struct, frozen=True):
    """Some messages; ``last`` is the number up to which there are no others."""

    found: tuple[Found, ...]
    last: int


class Session:
    """The mailbox of an account, once ``open`` has returned; only ``abort`` is for other threads."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._client: Any = None
        self._known: deque[int] = deque()
        self._end = 1
        self._ended = False
        self.has_idle = False

    def open(self) -> int:
        """Log in and open the folder; return its UIDVALIDITY.

        Raises:
            Refused: the server will not have us.
            Transient: it is away, or says that it is.
        """
        refused: Refused | None = None
        for secret in self._account.secrets:
            with _faults("connect"):
                self._client = self._connected()
            if self._ended:
                self.abort()
                raise Transient("closed while connecting")
            try:
                self._log_in(secret)
            except Refused as error:
                refused = error
                self._cut()
            else:
                return self._selected()
        raise refused or Refused("no secret is configured")

    def start(self, since: dt.date) -> int:
        """Return the number before that of the first message that arrived on ``since`` or later."""
        with _faults("search"):
            for low in range(1, self._end, WINDOW):
                high = min(low + WINDOW, self._end) - 1
                if found := self._client.search(["UID", f"{low}:{high}", "SINCE", since]):
                    return int(min(found)) - 1
        return self._end - 1

    def fetch(self, after: int) -> Batch | None:
        """Return the next messages behind number ``after``, few enough for memory; None if none."""
        with _faults("fetch"):
            while self._known and self._known[0] <= after:
                self._known.popleft()
            if not self._known:
                self._known.extend(self._search(after))
            return self._fetched(list(islice(self._known, PAGE_MESSAGES))) if self._known else None

    def wait(self, timeout_s: float) -> None:
        """Return when there is new mail, or after ``timeout_s`` seconds."""
        with _faults("idle"):
            # What came during the last search was announced with its answer, and is not again.
            if self._client._imap.response("EXISTS")[1] != [None]:
                return
            deadline = time.monotonic() + timeout_s
            self._client.idle()
            while (left := deadline - time.monotonic()) > 0:
                heard = self._client.idle_check(left)
                if not heard or any(b"EXISTS" in line for line in heard):
                    break
            self._client.idle_done()

    def look(self) -> None:
        """Make the server tell what is new, where there is no IDLE."""
        with _faults("noop"):
            self._client.noop()

    def mark(self, uids: Sequence[int]) -> None:
        """Mark messages as read."""
        with _faults("store"):
            if uids:
                self._client.add_flags(list(uids), [SEEN], silent=True)

    def abort(self) -> None:
        """End it, from whichever thread: a call that waits for the server ends at once."""
        self._ended = True
        self._cut()

    def _cut(self) -> None:
        if self._client is not None:
            with suppress(OSError, AttributeError):
                self._client.socket().shutdown(socket.SHUT_RDWR)

    def _connected(self) -> Any:
        account = self._account
        context = None if account.tls == "no" else ssl.create_default_context()
        client = IMAPClient(
            account.host,
            account.port,
            ssl=account.tls == "yes",
            ssl_context=context if account.tls == "yes" else None,
            timeout=SocketTimeout(min(CONNECT_S, account.timeout_s), account.timeout_s),
        )
        if account.tls == "starttls":
            client.starttls(context)
        return client

    def _log_in(self, secret: str) -> None:
        client, user = self._client, self._account.user
        try:
            if secret.startswith(_OAUTH):
                client.oauth2_login(user, secret.removeprefix(_OAUTH))
            elif client.has_capability("AUTH=PLAIN"):
                client.plain_login(user, secret)  # any characters, unlike LOGIN
            else:
                client.login(user, secret)
        except LoginError as error:
            text = str(error)
            lost = isinstance(error.__context__, imaplib.IMAP4.abort)
            if lost or any(word in text.upper() for word in _LATER):
                raise Transient(f"log in: {text}") from error
            raise Refused(f"log in: {text}") from error
        except _FAULTS as error:
            raise Transient(f"log in: {error}") from error

    def _selected(self) -> int:
        account = self._account
        try:
            answer = self._client.select_folder(account.folder, readonly=not account.mark_seen)
        except (IMAPClientAbortError, OSError) as error:
            raise Transient(f"select: {error}") from error
        except IMAPClientError as error:
            if "NONEXISTENT" in str(error).upper():
                raise Refused(f"select: {error}") from error
            raise Transient(f"select: {error}") from error
        self.has_idle = self._client.has_capability("IDLE")
        self._end = int(answer.get(b"UIDNEXT", 1))
        return int(answer.get(b"UIDVALIDITY", 0))

    def _search(self, after: int) -> list[int]:
        """Return the next numbers in use, in order: from one window, or of all that is new."""
        while after + 1 < self._end:
            high = min(after + WINDOW, self._end - 1)
            if found := self._client.search(["UID", f"{after + 1}:{high}"]):
                return sorted(map(int, found))
            after = high
        found = self._client.search(["UID", f"{after + 1}:*"])
        return sorted(int(uid) for uid in found if uid > after)[:WINDOW]

    def _fetched(self, uids: list[int]) -> Batch:
        answers = self._client.fetch(uids, ["RFC822.SIZE"])
        sizes = {uid: int(answers[uid].get(b"RFC822.SIZE", 0)) for uid in uids if uid in answers}
        taken = list(_affordable(sizes))
        whole = [uid for uid in taken if sizes[uid] <= MAX_MESSAGE_BYTES]
        raw = self._contents(whole, "BODY.PEEK[]")
        raw |= self._contents(
            [uid for uid in taken if sizes[uid] > MAX_MESSAGE_BYTES],
            f"BODY.PEEK[HEADER]<0.{MAX_HEADER_BYTES}>",
        )
        found = tuple(Found(uid, sizes[uid], raw[uid]) for uid in taken if uid in raw)
        return Batch(found, taken[-1] if len(taken) < len(sizes) else uids[-1])

    def _contents(self, uids: list[int], part: str) -> dict[int, bytes | None]:
        """Return the contents of those messages that still exist; one that breaks us is None."""
        if not uids:
            return {}
        try:
            answers = self._client.fetch(uids, [part])
            return {uid: _body(answers[uid]) for uid in uids if uid in answers}
        except (imaplib.IMAP4.abort, OSError):
            raise
        except Exception as error:  # noqa: BLE001 (what a parser says about a stranger's mail)
            if len(uids) > 1:
                return {
                    uid: raw for one in uids for uid, raw in self._contents([one], part).items()
                }
            _log.warning("a message cannot be fetched", uid=uids[0], fault=type(error).__name__)
            return {uids[0]: None}


def _affordable(sizes: Mapping[int, int]) -> Iterator[int]:
    """Yield the first messages: at least one, and not more than may be in memory."""
    total = 0
    for uid, size in sizes.items():
        cost = size if size <= MAX_MESSAGE_BYTES else MAX_HEADER_BYTES
        if total and total + cost > PAGE_BYTES:
            return
        total += cost
        yield uid


def _body(answer: Mapping[bytes, object]) -> bytes:
    for name, value in answer.items():
        if name.startswith(b"BODY["):
            return value if isinstance(value, bytes) else b""
    raise ValueError("an answer without the content")


@contextmanager
def _faults(what: str) -> Iterator[None]:
    """Turn what the network and the server do into ``Transient``."""
    try:
        yield
    except _FAULTS as error:
        raise Transient(f"{what}: {str(error) or type(error).__name__}") from error
