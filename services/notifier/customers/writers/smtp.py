"""E-mail to customers: an answer in their thread, which no program answers.

A receipt is ``auto-replied``, what nobody asked for now is ``auto-generated`` (RFC 3834, 5). The return
path is null, so that nothing comes back; with the option ``bounces`` it bears the token of the thread,
and a bounce finds its case.
"""

from __future__ import annotations

import re
from typing import Final

from services.notifier.customers.writing import Outgoing, refused
from services.notifier.ports import Result, Verdict
from services.notifier.sinks import mail_settings
from services.notifier.sinks.build import Making
from services.notifier.sinks.mail import Content, Relay, Sender, mailbox, one_line, written
from shared.events import Channel, MessageKind, NoReply
from shared.routes import Route

_REPLY: Final = re.compile(r"\s*(?:(?:re|aw|antw|sv|vs|odp)\s?:\s*)+", re.IGNORECASE)


class SmtpWriter:
    """Writes by a relay."""

    def __init__(self, relay: Relay, sender: Sender) -> None:
        self._relay = relay
        self._sender = sender

    @classmethod
    def made(cls, making: Making) -> SmtpWriter:
        """Return the writer of its settings.

        Raises:
            Misconfigured: one of them is missing, wrong or unknown.
        """
        making.only(mail_settings.OPTIONS)
        making.option("thread_secret")  # our own mail has to be known when it comes back
        return cls(mail_settings.relay_of(making), mail_settings.sender_of(making))

    def is_public(self, route: Route) -> bool | None:
        """Mail is for one."""
        return False if route.channel is Channel.EMAIL else None

    async def write(self, route: Route, message: Outgoing) -> Result:
        """Send one mail."""
        try:
            to = mailbox(route.address, route.name)
        except ValueError as error:
            return Result(Verdict.UNSUITABLE, str(error), why=NoReply.NO_ADDRESS)
        receipt = message.kind is MessageKind.RECEIPT
        content = Content(
            name=message.name,
            to=to,
            subject=_subject(route, message),
            text=message.text,
            automatic="auto-replied" if receipt else "auto-generated",
            at=message.at,
            references=route.references,
            language=message.language,
            thread=route.thread,
        )
        result = await self._relay.send(written(content, self._sender))
        return refused(result.detail) if result.verdict is Verdict.PERMANENT else result


def _subject(route: Route, message: Outgoing) -> str:
    """Return the customer's subject as an answer has it; one of our own begins a thread."""
    theirs = _REPLY.sub("", one_line(route.subject), count=1)
    return f"Re: {theirs}" if theirs else message.subject
