"""Text messages by Twilio: ``POST /2010-04-01/Accounts/{sid}/Messages.json`` (docs: Message resource).

Answers come from the number that the customer wrote to; else from the option ``from``, a number or the
id of a messaging service (``MG…``). ``account`` is the account's id (``AC…``), the first of ``secrets``
its auth token; with an API key, ``key`` is its id and the secret is the key's. The API takes no
idempotency key: an attempt of which no answer came back may have been sent, and is sent again.
"""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Final
from urllib.parse import urlencode

import msgspec

from services.notifier.customers.writers.http import below, headers, judged, later
from services.notifier.customers.writing import Outgoing, refused
from services.notifier.ports import Result, Verdict
from services.notifier.sinks.build import Making
from services.notifier.sinks.outbound import Answer, Outbound, Target, read
from shared.events import Channel, NoReply
from shared.routes import Route

URL: Final = "https://api.twilio.com"
OPTIONS: Final = frozenset({"account", "key", "from"})
MAX_CHARACTERS: Final = 1_600
TOO_MANY: Final = frozenset({20429, 14107, 30022, 63018})
"""Errors by which Twilio says that this was too much at once (docs: error dictionary)."""

_NUMBER: Final = re.compile(r"(?:(?:whatsapp|rcs|messenger):)?\+?[0-9A-Za-z.:_-]{3,64}")
_FAILED: Final = frozenset({"failed", "undelivered", "canceled"})


class _Message(msgspec.Struct, frozen=True):
    """What was made; or a fault, whose ``code`` is a number, as is ``error_code`` of a message."""

    sid: str = ""
    status: str | int = ""
    error_code: int | None = None
    code: int | None = None
    message: str | None = None
    error_message: str | None = None


class TwilioWriter:
    """Writes text messages.

    Args:
        to: the API.
        user: account or API key.
        own: number or messaging service for those who wrote to neither.
    """

    def __init__(
        self,
        outbound: Outbound,
        to: Target,
        account: str,
        user: str,
        password: str,
        own: str,
        timeout_s: float,
    ) -> None:
        self._outbound = outbound
        self._to = below(to, "2010-04-01", "Accounts", account, "Messages.json")
        token = b64encode(f"{user}:{password}".encode()).decode()
        self._headers = headers(
            Authorization=f"Basic {token}", Content_Type="application/x-www-form-urlencoded"
        )
        self._own = own
        self._timeout_s = timeout_s

    @classmethod
    def made(cls, making: Making) -> TwilioWriter:
        """Return the writer of its settings.

        Raises:
            Misconfigured: one of them is missing, wrong or unknown.
        """
        making.only(OPTIONS)
        if len(making.settings.secrets) != 1:
            raise making.wrong("secrets: the auth token, or the secret of the API key")
        account = making.option("account")
        return cls(
            making.outbound,
            making.to(URL),
            account,
            making.option("key", account),
            making.hidden("secrets[0]", making.settings.secrets[0]),
            making.option("from", ""),
            making.timeout_s,
        )

    def is_public(self, route: Route) -> bool | None:
        """A text message is for one."""
        return False if route.channel is Channel.PHONE else None

    async def write(self, route: Route, message: Outgoing) -> Result:
        """Send one text message."""
        own = route.account if route.provider == "twilio" and route.account else self._own
        if not own:
            return Result(Verdict.UNSUITABLE, "no number to write from", why=NoReply.NO_WRITER)
        if not _NUMBER.fullmatch(route.address):
            return Result(Verdict.UNSUITABLE, "no number to write to", why=NoReply.NO_ADDRESS)
        if len(message.text) > MAX_CHARACTERS:
            return refused(f"{len(message.text)} characters, Twilio takes {MAX_CHARACTERS}")
        sender = "MessagingServiceSid" if own.startswith("MG") else "From"
        form = urlencode({"To": route.address, sender: own, "Body": message.text})
        answer = await self._outbound.post(self._to, form.encode(), self._headers, self._timeout_s)
        return _result(answer)


def _result(answer: Answer) -> Result:
    found = read(answer, _Message) or _Message()
    code = found.code or found.error_code
    said = f"{code}: {found.message or found.error_message or found.status}" if code else ""
    if answer.result.verdict is not Verdict.DELIVERED:
        if code in TOO_MANY:
            return later(said, after_s=answer.result.retry_after_s)
        return judged(answer, said)
    if found.status in _FAILED:
        return refused(said or str(found.status))
    return Result(Verdict.DELIVERED, reference=found.sid)
