"""Reads a mailbox by IMAP: what came while nobody looked, then each mail as it arrives.

The cursor is the mailbox's UIDVALIDITY with the last UID that was read. Should the server number the
mailbox anew, reading starts over; mails are recognised by their Message-ID. Nothing is marked as read
before Kafka has it.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import queue
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import msgspec
import structlog

from services.ingest.channels.email.message import parse_message
from services.ingest.channels.email.parts import Envelope
from services.ingest.channels.item import Item
from services.ingest.channels.provider import Delivery, Unfit
from services.ingest.channels.providers.imap import HISTORY_DAYS
from services.ingest.channels.rejection import Refusal, Rejected
from services.ingest.collectors import options
from services.ingest.collectors.imap_mail import MAX_MESSAGE_BYTES, Account, Found, Reached
from services.ingest.collectors.imap_session import Session
from services.ingest.collectors.pace import Pace
from services.ingest.collectors.page import Page, Surroundings
from services.ingest.registry import Configured
from shared.clock import Clock
from shared.config import is_loopback
from shared.errors import Misconfigured

MAX_IDLE_S = 1_740.0
"""Servers log out who is silent for 30 minutes (RFC 2177, 3)."""

GAP_S = 5.0
"""Two log-ins are no closer together: one that succeeds proves nothing about reading."""

LOOK_GAP_S = 2.0
"""Two looks that found nothing are no closer together: some servers announce mail at every look."""

T = TypeVar("T")
_log = structlog.get_logger(__name__)


class Position(msgspec.Struct, frozen=True):
    """How far the mailbox was read; as JSON it is the cursor."""

    uidvalidity: int
    uid: int

    @classmethod
    def of(cls, cursor: str | None) -> Position | None:
        """Return the position that ``cursor`` states, None if it states none."""
        try:
            return msgspec.json.decode(cursor or "", type=cls)
        except msgspec.DecodeError:
            return None

    @property
    def cursor(self) -> str:
        """Return it as a cursor."""
        return msgspec.json.encode(self).decode()


class Mailbox:
    """One mailbox; each reading has a connection and a thread of its own."""

    def __init__(
        self,
        source: Configured,
        account: Account,
        around: Surroundings,
        idle_s: float,
        poll_s: float,
    ) -> None:
        self._source = source
        self._account = account
        self._around = around
        self._idle_s = idle_s
        self._poll_s = poll_s
        self._pace = Pace(GAP_S, around.sleep)

    async def pages(self, cursor: str | None) -> AsyncGenerator[Page, None]:
        """Yield new mail, and an empty page whenever the server has shown that there is none."""
        await self._pace.wait()
        looks = Pace(LOOK_GAP_S, self._around.sleep)
        session, thread = Session(self._account), _Thread(f"imap {self._source.name}")
        try:
            validity = await thread.run(session.open)
            position = Position.of(cursor)
            if position is None or position.uidvalidity != validity:
                since, reached = self._since(anew=position is not None), Reached(0, done=False)
                while not reached.done:
                    reached = await thread.run(partial(session.start, since, reached.uid))
                    if not reached.done:
                        yield Page()
                position = Position(validity, reached.uid)
            yield Page(cursor=position.cursor)
            while True:
                batch = await thread.run(partial(session.fetch, position.uid))
                if batch is not None:
                    position = Position(position.uidvalidity, batch.last)
                    read = partial(delivery_of, batch.found, self._source, self._around.clock)
                    yield Page(
                        delivery=await thread.run(read),
                        cursor=position.cursor,
                        confirm=partial(self._seen, session, thread, batch.found),
                    )
                    continue
                await self._wait(session, thread)
                await looks.wait()
                yield Page()
        finally:
            session.abort()
            thread.end()

    def _since(self, *, anew: bool) -> dt.date:
        if anew:
            _log.warning("the mailbox was numbered anew", source=self._source.name)
        now = dt.datetime.fromtimestamp(self._around.clock.now_ms() / 1000.0, dt.UTC)
        return now.date() - dt.timedelta(days=HISTORY_DAYS)

    async def _wait(self, session: Session, thread: _Thread) -> None:
        if session.has_idle:
            await thread.run(partial(session.wait, self._idle_s))
        else:
            await self._around.sleep(self._poll_s)
            await thread.run(session.look)

    async def _seen(self, session: Session, thread: _Thread, found: tuple[Found, ...]) -> None:
        if self._account.mark_seen:
            await thread.run(partial(session.mark, [message.uid for message in found]))


def delivery_of(found: tuple[Found, ...], source: Configured, clock: Clock) -> Delivery:
    """Return the items in messages; one that cannot be read costs no other."""
    entries = [_entry(message, source, clock.now_ms()) for message in found]
    return Delivery(
        items=tuple(entry for entry in entries if isinstance(entry, Item)),
        unfit=tuple(entry for entry in entries if isinstance(entry, Unfit)),
    )


def _entry(message: Found, source: Configured, now: int) -> Item | Unfit:
    raw = message.raw
    if raw is None:
        return Unfit(Refusal.BAD_VALUE, f"message {message.uid} cannot be fetched", b"")
    if message.too_large:
        detail = f"{message.size} bytes, at most {MAX_MESSAGE_BYTES}: only the header was fetched"
        return Unfit(Refusal.TOO_LARGE, detail, raw)
    try:
        return parse_message(raw, Envelope(trusted=True), source.settings, now)
    except Rejected as rejected:
        return Unfit.of(rejected, raw)
    except Exception as error:  # noqa: BLE001 (a bug must not end the reading of a mailbox for ever)
        _log.exception("a message broke its parser", source=source.name, uid=message.uid)
        return Unfit(Refusal.FAILED, f"the parser failed: {type(error).__name__}", raw)


class _Thread:
    """Runs blocking calls one after another; never waited for, so that no server can hold us up."""

    def __init__(self, name: str) -> None:
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        threading.Thread(target=self._work, name=name, daemon=True).start()

    async def run(self, call: Callable[[], T]) -> T:
        """Return the result of ``call``, or raise what it raises."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()

        def work() -> None:
            try:
                settle: Callable[[Any], None] = done.set_result
                outcome: Any = call()
            except Exception as error:  # noqa: BLE001 (it is raised where the call is awaited)
                settle, outcome = done.set_exception, error
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(_settle, done, settle, outcome)

        self._calls.put(work)
        return await done

    def end(self) -> None:
        """End after the call that is under way."""
        self._calls.put(None)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            call()


def _settle(done: asyncio.Future[Any], settle: Callable[[Any], None], outcome: Any) -> None:
    if not done.done():
        settle(outcome)


def collector(source: Configured, around: Surroundings) -> Mailbox:
    """Return the collector of ``source``.

    Raises:
        Misconfigured: an option will not do.
    """
    tls = _one_of(source, "tls", ("yes", "starttls", "no"))
    host = options.required(source, "host", r"[\w.:-]{1,255}")
    if tls == "no" and not is_loopback(host):
        raise Misconfigured(f"sources.{source.name}: tls may be 'no' on this machine only")
    port = options.seconds(source, "port", 993 if tls == "yes" else 143)
    account = Account(
        host=host,
        port=int(port),
        tls=tls,
        user=options.required(source, "user", r"[^\x00-\x1f]{1,255}"),
        secrets=tuple(secret.decode() for secret in source.credentials.secrets),
        folder=source.settings.option("folder", "INBOX"),
        mark_seen=_one_of(source, "mark_seen", ("yes", "no")) == "yes",
        timeout_s=options.seconds(source, "timeout_s", 30.0, least=0.1),
    )
    idle_s = min(MAX_IDLE_S, options.seconds(source, "idle_s", 120.0, least=0.1))
    poll_s = options.seconds(source, "poll_s", 60.0, least=0.1)
    return Mailbox(source, account, around, idle_s, poll_s)


def _one_of(source: Configured, name: str, words: tuple[str, ...]) -> str:
    word = source.settings.option(name, words[0]).strip().lower()
    if word not in words:
        raise Misconfigured(
            f"sources.{source.name}: option {name!r} should be {' or '.join(words)}"
        )
    return word
