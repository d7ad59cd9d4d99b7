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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from typing import Any, TypeVar

import structlog
from imapclient import SEEN, IMAPClient, SocketTimeout  # type: ignore[import-untyped]
from imapclient.exceptions import (  # type: ignore[import-untyped]
    IMAPClientAbortError,
    IMAPClientError,
    IMAPClientReadOnlyError,
    LoginError,
)

from services.ingest.collectors.imap_mail import (
    MAX_MESSAGE_BYTES,
    Account,
    Batch,
    Found,
    Reached,
)
from services.ingest.collectors.page import Refused
from shared.errors import Transient

PAGE_BYTES = 16_777_216
PAGE_MESSAGES = 50
MAX_HEADER_BYTES = 65_536
WINDOW = 10_000
"""So many numbers are searched at a time: an answer lists all that exist among them."""

FEW = 50_000
"""So many numbers fit into one answer of a search (a line of a megabyte at most)."""

SEARCHES = 100
"""So many searches may find nothing before the caller is told how far they went."""

CONNECT_S = 15.0
_OAUTH = "oauth:"
_AWAY = ("[UNAVAILABLE]", "[INUSE]", "[LIMIT]")  # RFC 5530
_NOT_NOW = tuple(f"FETCH FAILED: {code}" for code in _AWAY)
_LATER = (
    *_AWAY,
    "[SERVERBUG]",
    "TEMPORARY",
    "TRY AGAIN",
    "TOO MANY",
)
T = TypeVar("T")
_FAULTS = (OSError, imaplib.IMAP4.error, ssl.SSLError, EOFError)

_log = structlog.get_logger(__name__)

# It writes what it sends, names and passwords among it.
logging.getLogger("imapclient").setLevel(logging.WARNING)


class Session:
    """The mailbox of an account, once ``open`` has returned; only ``abort`` is for other threads."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._client: Any = None
        self._known: deque[int] = deque()
        self._end = 1
        self._count = 0
        self._marks = account.mark_seen
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

    def start(self, since: dt.date, after: int) -> Reached:
        """Look behind number ``after`` for what arrived on ``since`` or later, for a while.

        Once that is done, ``uid`` is the number before that of the first such message.
        """
        with _faults("search"):
            for low, high in islice(self._windows(after), SEARCHES):
                if found := self._client.search(["UID", f"{low}:{high}", "SINCE", since]):
                    return Reached(int(min(found)) - 1, done=True)
                after = high
        return Reached(after, done=after + 1 >= self._end)

    def fetch(self, after: int) -> Batch | None:
        """Return the next messages behind number ``after``, few enough for memory; None if none.

        After long searches a batch may be empty: there may be more behind its ``last``.
        """
        with _faults("fetch"):
            while self._known and self._known[0] <= after:
                self._known.popleft()
            if not self._known:
                reached = self._search(after)
                if not reached.done:
                    return Batch((), reached.uid)
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
        """Mark messages as read, if the server lets us: they are taken all the same."""
        with _faults("store"):
            if not uids or not self._marks:
                return
            try:
                self._client.add_flags(list(uids), [SEEN], silent=True)
            except IMAPClientAbortError:
                raise
            except IMAPClientError as error:
                _log.warning("mail could not be marked as read", fault=str(error))

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
            try:
                answer = self._client.select_folder(account.folder, readonly=not self._marks)
            except IMAPClientReadOnlyError:
                _log.warning("mail cannot be marked as read", folder=account.folder)
                self._marks = False
                answer = self._client.select_folder(account.folder, readonly=True)
        except (IMAPClientAbortError, OSError) as error:
            raise Transient(f"select: {error}") from error
        except IMAPClientError as error:
            if "NONEXISTENT" in str(error).upper():
                raise Refused(f"select: {error}") from error
            raise Transient(f"select: {error}") from error
        self.has_idle = self._client.has_capability("IDLE")
        self._end = int(answer.get(b"UIDNEXT", 1))
        self._count = int(answer.get(b"EXISTS", 0))
        return int(answer.get(b"UIDVALIDITY", 0))

    def _windows(self, after: int) -> Iterator[tuple[int, int]]:
        """Yield the first and last numbers to search, up to what was there when we came.

        Numbers may be spread over thousands of millions: where few exist, one window will do.
        """
        size = self._end if self._count <= FEW else WINDOW
        for low in range(after + 1, self._end, size):
            yield low, min(low + size, self._end) - 1

    def _search(self, after: int) -> Reached:
        """Note the next numbers in use, in order: from one window, or of all that is new."""
        for low, high in islice(self._windows(after), SEARCHES):
            if found := self._client.search(["UID", f"{low}:{high}"]):
                self._known.extend(sorted(map(int, found)))
                return Reached(after, done=True)
            after = high
        if after + 1 < self._end:
            return Reached(after, done=False)
        found = self._client.search(["UID", f"{after + 1}:*"])
        self._known.extend(sorted(int(uid) for uid in found if uid > after)[:WINDOW])
        return Reached(after, done=True)

    def _fetched(self, uids: list[int]) -> Batch:
        sizes = self._sizes(uids)
        taken = list(_affordable(sizes))
        parts: dict[str, list[int]] = {}
        for uid in taken:
            parts.setdefault(_part(sizes[uid]), []).append(uid)
        raw = {uid: part for name in parts for uid, part in self._contents(parts[name], name)}
        found = tuple(_found(uid, sizes[uid], raw[uid]) for uid in taken)
        return Batch(found, taken[-1] if len(taken) < len(sizes) else uids[-1])

    def _sizes(self, uids: list[int]) -> dict[int, int | None]:
        """Return the sizes of those messages that still exist, None if one cannot be had."""
        sizes = self._asked(uids, "RFC822.SIZE", lambda answer: int(answer[b"RFC822.SIZE"]))
        if missing := [uid for uid in uids if uid not in sizes]:
            there = self._client.search(["UID", f"{missing[0]}:{missing[-1]}"])
            sizes |= {uid: None for uid in missing if uid in there}
        return dict(sorted(sizes.items()))

    def _contents(self, uids: list[int], part: str) -> Iterator[tuple[int, bytes | None]]:
        """Yield each message's content, None if it cannot be had; one left out is asked for alone."""
        answers = self._asked(uids, part, _body)
        for uid in uids:
            if uid not in answers:
                answers |= self._asked([uid], part, _body)
            yield uid, answers.get(uid)

    def _asked(
        self, uids: list[int], part: str, read: Callable[[Mapping[bytes, Any]], T]
    ) -> dict[int, T | None]:
        """Return a part of each message that the server names; of one that breaks us it is None."""
        try:
            answers = self._client.fetch(uids, [part])
            return {uid: read(answers[uid]) for uid in uids if uid in answers}
        except (imaplib.IMAP4.abort, OSError):
            raise
        except Exception as error:  # a parser may say anything about a stranger's mail
            if str(error).upper().startswith(_NOT_NOW):
                raise
            if len(uids) > 1:
                return {
                    uid: found
                    for one in uids
                    for uid, found in self._asked([one], part, read).items()
                }
            _log.warning("a message cannot be fetched", uid=uids[0], fault=type(error).__name__)
            return {uids[0]: None}


def _affordable(sizes: Mapping[int, int | None]) -> Iterator[int]:
    """Yield the first messages: at least one, and not more than may be in memory."""
    total = 0
    for uid, size in sizes.items():
        cost = PAGE_BYTES if size is None else size
        if cost > MAX_MESSAGE_BYTES:
            cost = MAX_HEADER_BYTES
        if total and total + cost > PAGE_BYTES:
            return
        total += cost
        yield uid


def _part(size: int | None) -> str:
    """Return what to ask for of a message: all of it, if that is known to be bounded."""
    if size is None:
        return f"BODY.PEEK[]<0.{MAX_MESSAGE_BYTES + 1}>"
    if size > MAX_MESSAGE_BYTES:
        return f"BODY.PEEK[HEADER]<0.{MAX_HEADER_BYTES}>"
    return "BODY.PEEK[]"


def _found(uid: int, size: int | None, raw: bytes | None) -> Found:
    if size is None and raw is not None and len(raw) > MAX_MESSAGE_BYTES:
        return Found(uid, len(raw), raw[:MAX_HEADER_BYTES])
    return Found(uid, size or 0, raw)


def _body(answer: Mapping[bytes, Any]) -> bytes:
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
