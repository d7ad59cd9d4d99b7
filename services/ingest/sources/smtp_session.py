"""One SMTP or LMTP connection: aiosmtpd's dialogue with receiving, bounds and farewells of our own.

aiosmtpd keeps every line of a message as an object of its own (32 MB of empty lines take a gigabyte)
and counts no memory, so DATA is read here: in chunks, up to ``CR LF . CR LF`` and nothing like it
(a lone LF ends no line, so no message can be smuggled into another).
"""

from __future__ import annotations

import asyncio
import collections
import re
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from typing import Any, cast

import structlog
from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, Envelope, Session

from services.ingest.sources.smtp_delivery import REPLIES, Outcome, Postroom, Sent
from services.ingest.sources.smtp_house import House

NAME = "tocsin"
"""Our name in greetings. Not the host's: Postfix would take it for itself and see a loop."""

MAX_RECIPIENTS = 100
MAX_FAULTS = 20
_VERDICTS = ("550", "552")
"""On a recipient or on a mail: no faults of the peer, which may use its connection for many mails."""

_CHUNK = 32_768
_COMMAND_BYTES = 1_024
_LINE_END = b"\r\n"
_END = b"\r\n.\r\n"
_CALLS = {"*": 50, "MAIL": 1_000_000, "RCPT": 10_000_000, "DATA": 1_000_000, "RSET": 1_000_000}
_PATH = re.compile(r"<([\w!#$%&'*+/=?^`{|}~.-]{1,255}@[\w.-]{1,255})>(.*)", re.ASCII | re.DOTALL)
_DRAINING = "421 4.3.2 This process is about to stop, try again"
_log = structlog.get_logger(__name__)


class _TurnedAway(asyncio.Protocol):
    """What is left of a connection that was refused."""


class _Rules:
    """What we say to single commands; the dialogue is aiosmtpd's."""

    def __init__(self, postroom: Postroom) -> None:
        self._postroom = postroom

    async def handle_EHLO(  # noqa: N802
        self, server: MailSession, session: Session, envelope: Envelope, name: str, lines: list[str]
    ) -> list[str]:
        session.host_name = name
        offered = [line for line in lines if not line.startswith(("250-AUTH", "250 HELP"))]
        return ["\r\n".join([*offered, "250 PIPELINING"])]

    async def handle_RCPT(  # noqa: N802
        self,
        server: MailSession,
        session: Session,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        if len(envelope.rcpt_tos) >= MAX_RECIPIENTS:
            return "452 4.5.3 Too many recipients"
        refusal = self._postroom.refusal(address)
        if refusal is None:
            envelope.rcpt_tos.append(address)
        return refusal or "250 OK"

    async def handle_VRFY(  # noqa: N802
        self, server: MailSession, session: Session, envelope: Envelope, address: str
    ) -> str:
        return "252 2.1.5 Send mail and see"


class MailSession(SMTP):
    """A connection of a mail server."""

    protocol = "smtp"
    line_length_limit = _CHUNK

    def __init__(self, house: House) -> None:
        self._house = house
        self._inside = self._busy = self._receiving = self._leaving = False
        self._replies: list[str] = []
        self._faults = 0
        self._held = 0
        super().__init__(
            _Rules(house.postroom),
            data_size_limit=house.max_bytes,
            enable_SMTPUTF8=True,
            hostname=NAME,
            ident="ready",
            tls_context=house.tls,
            require_starttls=house.tls is not None,
            timeout=house.command_timeout_s,
            command_call_limit=_CALLS,
            loop=asyncio.get_running_loop(),
        )
        # aiosmtpd's is one dictionary for all connections, and grows with every EHLO.
        self.command_size_limits = collections.defaultdict(lambda: _COMMAND_BYTES)

    def __dir__(self) -> Iterable[str]:
        """Return the commands: aiosmtpd looks for them on every connection, which takes long."""
        return _commands(type(self))  # type: ignore[arg-type]  # classes are hashable

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, unless the peer is turned away; after STARTTLS it begins a second time."""
        if not self._inside:
            refusal = self._house.enter(self, str(transport.get_extra_info("peername")[0]))
            if refusal is not None:
                plain = cast("asyncio.Transport", transport)
                plain.set_protocol(_TurnedAway())
                plain.write(refusal.encode() + b"\r\n")
                plain.close()
                return
            self._inside = True
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """End."""
        self._house.left(self)
        super().connection_lost(error)

    def leave(self) -> None:
        """Say good-bye now, or as soon as the mail that is under way is answered."""
        self._leaving = True
        if not self._busy:
            self.cut(_DRAINING)

    def stop_receiving(self) -> None:
        """End now, unless a mail that has come in is being handed to Kafka."""
        if self._receiving or not self._busy:
            self.cut()

    def cut(self, farewell: str = _DRAINING) -> None:
        """End now; what was not answered will be sent again."""
        transport = cast("asyncio.Transport | None", self.transport)
        if transport is not None and not transport.is_closing():
            self._replies.append(farewell)
            transport.write(self._unsent().encode() + b"\r\n")
            transport.close()

    async def push(self, status: Any) -> None:
        """Answer; consent waits for the reply to the command that is here already (RFC 2920, 3.2).

        Too many faults end the connection; what is said of a recipient or of a mail is none.
        """
        self._replies.append(str(status))
        if status[:3] == "250" and b"\n" in self._reader._buffer:  # type: ignore[attr-defined]
            return
        await super().push(self._unsent())
        if status[:1] == "5" and status[:3] not in _VERDICTS:
            self._faults += 1
            if self._faults >= MAX_FAULTS:
                self.cut("421 4.7.0 Too many errors")

    async def smtp_DATA(self, arg: str | None) -> None:  # noqa: N802
        """Take a mail; it is answered once Kafka has it."""
        if await self.check_helo_needed():
            return
        envelope = self.envelope
        if envelope is None or not envelope.rcpt_tos:
            await self.push("503 Error: need RCPT command")
            return
        if arg:
            await self.push("501 Syntax: DATA")
            return
        self._busy = self._receiving = True
        parts: list[bytes] = []
        try:
            await self.push("354 End data with <CR><LF>.<CR><LF>")
            self._reset_timeout(self._house.data_timeout_s)
            fault = await self._receive(parts)
            self._reset_timeout()
            self._receiving = False
            rcpts = len(envelope.rcpt_tos)
            outcomes = [fault] * rcpts if fault else await self._deliver(envelope, parts)
        finally:
            self._house.allowance.give(self._held)
            self._held = 0
            self._busy = self._receiving = False
            self._set_post_data_state()  # type: ignore[no-untyped-call]
        self._house.postroom.count(_worst(outcomes))
        await self.push(self._reply(outcomes))
        if self._leaving:
            self.cut()

    async def handle_exception(self, error: Exception) -> str:
        """Return the reply to what should not have happened."""
        _log.error("smtp session failed", fault=type(error).__name__, exc_info=error)
        return "451 4.3.0 Internal error"

    def _reply(self, outcomes: list[Outcome]) -> str:
        """Return one reply for all recipients."""
        return REPLIES[_worst(outcomes)]

    def _unsent(self) -> str:
        replies, self._replies = self._replies, []
        return "\r\n".join(replies)

    async def _receive(self, parts: list[bytes]) -> Outcome | None:
        """Read a mail into ``parts``, accounted for; to its end even if it cannot be taken."""
        house, reader = self._house, self._reader
        # The end of a message begins with the end of a line: that of DATA if it is empty.
        reader._buffer[:0] = _LINE_END  # type: ignore[attr-defined]
        fault: Outcome | None = None
        size, ended = 0, False
        while not ended:
            try:
                part = await reader.readuntil(_END)
                ended = True
            except asyncio.LimitOverrunError as more:
                part = await reader.read(more.consumed)
            size += len(part)
            if fault is None:
                if size > house.max_bytes + len(_LINE_END) + len(_END):
                    fault = Outcome.TOO_LARGE
                elif not house.allowance.take(len(part)):
                    fault = Outcome.OVERLOADED
                else:
                    self._held += len(part)
                    parts.append(part)
                    continue
                parts.clear()
                house.allowance.give(self._held)
                self._held = 0
        return fault

    async def _deliver(self, envelope: Envelope, parts: list[bytes]) -> list[Outcome]:
        raw = _message(parts)
        parts.clear()
        sender = "" if envelope.mail_from == "<>" else _text(envelope.mail_from or "")
        recipients = tuple(map(_text, envelope.rcpt_tos))
        try:
            return await self._house.postroom.deliver(Sent(sender, recipients, raw))
        except Exception as error:  # noqa: BLE001 (LMTP has to answer for each recipient)
            await self.handle_exception(error)
            return [Outcome.UNAVAILABLE] * len(recipients)

    async def _handle_client(self) -> None:
        with suppress(ConnectionError):
            await super()._handle_client()

    def _timeout_cb(self) -> None:
        self.cut("421 4.4.2 Too slow")

    def _getaddr(self, arg: str) -> tuple[str | None, str | None]:
        """Return the address and what follows it; the usual forms without aiosmtpd's slow parser."""
        if match := _PATH.fullmatch(arg):
            return match[1], match[2]
        if arg.startswith("<>"):
            return "<>", arg[2:]
        return super()._getaddr(arg)


class LmtpSession(MailSession, LMTP):
    """The same in the dialect of mail servers for delivery: one reply for each recipient."""

    protocol = "lmtp"

    def __init__(self, house: House) -> None:
        super().__init__(house)
        # Before TLS aiosmtpd allows EHLO but not LHLO, without which nobody learns of STARTTLS.
        self.require_starttls = False

    async def check_helo_needed(self, helo: str = "LHLO") -> bool:
        """Answer a command for mail that comes too early; return whether it did."""
        if self.tls_context and (self.session is None or self.session.ssl is None):
            await self.push("530 Must issue a STARTTLS command first")
            return True
        return await super().check_helo_needed("LHLO")

    def _reply(self, outcomes: list[Outcome]) -> str:
        return "\r\n".join(REPLIES[outcome] for outcome in outcomes)


@cache
def _commands(kind: type[MailSession]) -> tuple[str, ...]:
    """Return the methods for commands; nobody logs in here."""
    return tuple(name for name in dir(kind) if name.startswith("smtp_") and name != "smtp_AUTH")


def _worst(outcomes: list[Outcome]) -> Outcome:
    return next((outcome for outcome in outcomes if outcome is not Outcome.TAKEN), Outcome.TAKEN)


def _text(address: str) -> str:
    """Return an address without the bytes that are no UTF-8."""
    return address.encode("utf-8", "replace").decode()


def _message(parts: list[bytes]) -> bytes:
    """Return the message in what came between DATA and its end, without transparency (4.5.2)."""
    raw = parts[0] if len(parts) == 1 else b"".join(parts)
    start, end = len(_LINE_END), len(raw) - len(_END)
    if raw.find(b"\r\n.", 0, end + len(_LINE_END)) < 0:
        return raw[start : end + len(_LINE_END)]
    return raw.replace(b"\r\n.", _LINE_END)[start : -len(_LINE_END)]
