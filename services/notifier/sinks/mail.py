"""Mails as programs should send them, and their way to the relay; for people and customers alike.

Every mail says that a program wrote it (RFC 3834), asks for no automatic answer, and bears the token
by which intake knows it for ours if it comes back (``shared.mail_tokens``). Its Message-ID follows from
the notification: all attempts are one mail to whoever sees two of them.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from email import policy
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from typing import Final, NamedTuple

import aiosmtplib

from services.notifier.ports import Result, Verdict
from shared import mail_tokens

WIRE: Final = policy.SMTP.clone(max_line_length=998)
"""RFC 5322's limit: at 78 the library would encode a long Message-ID as if it were words."""

GREETING_ENDS_S: Final = 1.0
MAX_LOCAL: Final = 64
_MAX_SUBJECT: Final = 200
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_ID = re.compile(r"[!-;=?-~]{1,900}")
_SHOWN: Final = 200
_OF_THE_RELAY: Final = frozenset({421, 530, 534, 535, 538})
"""It closes (RFC 5321, 3.8), or wants TLS or another password (RFC 4954, 6): no matter of one mail."""


class Sender(NamedTuple):
    """In whose name mails go out. ``secret`` is the newest ``thread_secret`` of the source of answers.

    ``domain`` is that of the Message-IDs. ``reply_to`` gets the token of the thread, and so does
    ``bounces``, the return path; without it that is null (``<>``), and nothing ever comes back.
    """

    address: Address
    domain: str
    secret: str = ""
    reply_to: str = ""
    bounces: str = ""


class Content(NamedTuple):
    """What a mail says. ``name`` makes its Message-ID; ``references`` are the oldest first, bare ids.

    ``automatic`` is its Auto-Submitted (RFC 3834): ``auto-replied`` answers a mail, ``auto-generated``
    was not asked for. ``at`` in ms. ``thread``: in which conversation answers belong, "" if it is that
    of ``references``; intake knows some by other signs than those (a token, Outlook's index).
    """

    name: str
    to: Address
    subject: str
    text: str
    automatic: str
    at: int
    references: tuple[str, ...] = ()
    language: str = ""
    thread: str = ""
    headers: tuple[tuple[str, str], ...] = ()


class Mail(NamedTuple):
    """A mail as it goes to the relay. ``message_id`` is bare."""

    message_id: str
    sender: str
    recipient: str
    content: bytes


def mailbox(text: str, name: str = "") -> Address:
    """Return the mailbox in ``text``, which may bear a name itself; its domain is ASCII (RFC 5891).

    Raises:
        ValueError: there is none.
    """
    shown, found = parseaddr(one_line(text))
    local, _, domain = found.rpartition("@")
    try:
        domain = domain.encode("idna").decode()
        return Address(one_line(name) or shown, addr_spec=f"{local}@{domain}")
    except (ValueError, IndexError, MessageError) as error:
        raise ValueError("no e-mail address") from error


def one_line(text: str) -> str:
    """Return ``text`` without what would end a header, or hide something in it."""
    return _UNPRINTABLE.sub(" ", text).strip()


def written(content: Content, sender: Sender) -> Mail:
    """Return the mail."""
    message_id = f"{content.name}@{sender.domain.lower()}"
    references = tuple(one for one in content.references if _ID.fullmatch(one))
    thread = mail_tokens.thread_of(references[0] if references else message_id)
    threads = (content.thread, thread) if mail_tokens.is_thread_id(content.thread) else (thread,)
    message = EmailMessage(policy=policy.SMTP)
    message["From"] = sender.address
    message["To"] = content.to
    message["Subject"] = one_line(content.subject)[:_MAX_SUBJECT]
    message["Date"] = format_datetime(datetime.fromtimestamp(content.at / 1000, UTC))
    message["Message-ID"] = f"<{message_id}>"
    if references:
        message["In-Reply-To"] = f"<{references[-1]}>"
        message["References"] = " ".join(f"<{one}>" for one in references)
    message["Auto-Submitted"] = content.automatic
    message["X-Auto-Response-Suppress"] = "All"
    if sender.secret:
        message[mail_tokens.LOOP_HEADER] = mail_tokens.mint_loop(sender.secret, message_id, thread)
    if sender.reply_to:
        message["Reply-To"] = _tagged(sender.reply_to, sender.secret, threads)
    for name, value in content.headers:
        message[name] = one_line(value)
    message.set_content(content.text.strip() + "\n", cte="quoted-printable")
    if content.language:  # the call before takes out what begins with Content-
        message["Content-Language"] = one_line(content.language)
    bounces = _tagged(sender.bounces, sender.secret, threads) if sender.bounces else ""
    return Mail(message_id, bounces, content.to.addr_spec, message.as_bytes(policy=WIRE))


def _tagged(address: str, secret: str, threads: Sequence[str]) -> str:
    """Return ``address`` with the token of a thread: what comes back to it finds its case.

    It is the first of ``threads`` whose token fits (RFC 5321, 4.5.3.1.1), else the last.
    """
    if not secret:
        return address
    local, _, domain = address.rpartition("@")
    tagged = [f"{local}+{mail_tokens.mint(secret, thread)}" for thread in threads]
    fits = next((one for one in tagged if len(one) <= MAX_LOCAL), tagged[-1])
    return f"{fits}@{domain}"


class Relay(NamedTuple):
    """The mail server that takes our mails.

    ``implicit``: TLS from the first byte. ``starttls`` None: when it is offered. ``tls`` None: the
    system's certificates.
    """

    host: str
    port: int
    timeout_s: float
    implicit: bool = False
    starttls: bool | None = True
    user: str = ""
    password: str = ""
    tls: ssl.SSLContext | None = None

    async def send(self, mail: Mail) -> Result:
        """Hand over one mail.

        What the relay says of this mail decides over this mail: 4xx is retryable, 5xx permanent (RFC
        5321, 4.2.1). Where it does not get so far (no connection, no TLS, a wrong password) the relay
        is at fault, and any mail is tried again.
        """
        client = aiosmtplib.SMTP(
            hostname=self.host,
            port=self.port,
            timeout=self.timeout_s,
            username=self.user or None,
            password=self.password or None,
            use_tls=self.implicit,
            start_tls=False if self.implicit else self.starttls,
            tls_context=self.tls,
        )
        try:
            async with asyncio.timeout(self.timeout_s):
                await client.connect()
                return await self._transact(client, mail)
        except TimeoutError:
            detail = f"no answer of the relay within {self.timeout_s:g} s"
            return Result(Verdict.RETRYABLE, detail, fault=True)
        # uvloop has RuntimeErrors where asyncio has OSErrors
        except (aiosmtplib.SMTPException, OSError, ValueError, RuntimeError) as error:
            return Result(Verdict.RETRYABLE, f"the relay: {_said(error)}", fault=True)
        finally:
            client.close()

    async def _transact(self, client: aiosmtplib.SMTP, mail: Mail) -> Result:
        try:
            await client.sendmail(mail.sender, mail.recipient, mail.content)
        except aiosmtplib.SMTPRecipientsRefused as refused:
            return _judged(refused.recipients[0])
        except (aiosmtplib.SMTPSenderRefused, aiosmtplib.SMTPDataError) as refused:
            return _judged(refused)
        except ValueError as error:  # an address that cannot stand in a command
            return Result(Verdict.PERMANENT, _said(error))
        with suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
            async with asyncio.timeout(GREETING_ENDS_S):
                await client.quit()
        return Result(Verdict.DELIVERED, reference=mail.message_id)


def _judged(refused: aiosmtplib.SMTPResponseException) -> Result:
    if refused.code in _OF_THE_RELAY:
        return Result(Verdict.RETRYABLE, _said(refused), fault=True)
    return Result(Verdict.PERMANENT if refused.code >= 500 else Verdict.RETRYABLE, _said(refused))


def _said(error: Exception) -> str:
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return one_line(f"{error.code} {error.message}")[:_SHOWN]
    return one_line(f"{type(error).__name__}: {error}")[:_SHOWN]
