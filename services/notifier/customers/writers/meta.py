"""Messenger, Instagram and WhatsApp: free text within 24 hours of what the customer wrote last.

Messenger and Instagram: Send API, ``POST /me/messages`` (Meta, "Messenger Platform: Send API"); what we
send is echoed to our web hook, with ``metadata`` by which intake knows that a program wrote it.
WhatsApp: Cloud API, ``POST /{phone number id}/messages`` (Meta, "WhatsApp Cloud API: Messages"). Later
than that only templates that Meta has approved may be sent: a person decides on those. The first of
``secrets`` is the access token of the page or the system user.
"""

from __future__ import annotations

from typing import Final

import msgspec

from services.notifier.customers.writers.http import below, headers, judged, later
from services.notifier.customers.writing import Outgoing, refused
from services.notifier.ports import Result, Verdict
from services.notifier.sinks.build import Making
from services.notifier.sinks.outbound import Answer, Outbound, Target, read
from shared.events import Channel
from shared.routes import AUTOMATIC, Route

URL: Final = "https://graph.facebook.com"
VERSION: Final = "v23.0"
OPTIONS: Final = frozenset({"version"})
WINDOW_MS: Final = 24 * 3_600_000
MARGIN_MS: Final = 60_000
"""Clocks differ, and a request takes its time."""

_LIMITS: Final = {"messenger": 1_000, "whatsapp": 4_096}
_LATER: Final = frozenset({
    1, 2, 4, 17, 32, 341, 368, 613, 1200, 80006, 80007, 130429, 131000, 131016, 131048, 131056, 133016,
})  # fmt: skip
"""Codes of errors that pass: the platform is away, or this was too much at once."""
_CREDENTIALS: Final = frozenset({0, 3, 102, 190})
"""Codes that say that the token does not, or no longer, work for anything."""


class _Sent(msgspec.Struct, frozen=True):
    id: str = ""


class _Error(msgspec.Struct, frozen=True):
    message: str = ""
    code: int = -1
    error_subcode: int = 0
    is_transient: bool = False


class _Answer(msgspec.Struct, frozen=True):
    """Of the Send API (``message_id``), of WhatsApp (``messages``), or an ``error`` of the Graph API."""

    message_id: str = ""
    messages: list[_Sent] = []
    error: _Error | None = None


class MetaWriter:
    """Writes direct messages."""

    def __init__(self, outbound: Outbound, to: Target, token: str, timeout_s: float) -> None:
        self._outbound = outbound
        self._to = to
        self._headers = headers(Authorization=f"Bearer {token}", Content_Type="application/json")
        self._timeout_s = timeout_s

    @classmethod
    def made(cls, making: Making) -> MetaWriter:
        """Return the writer of its settings.

        Raises:
            Misconfigured: one of them is missing, wrong or unknown.
        """
        making.only(OPTIONS)
        if len(making.settings.secrets) != 1:
            raise making.wrong("secrets: the access token")
        token = making.hidden("secrets[0]", making.settings.secrets[0])
        to = below(making.to(URL), making.option("version", VERSION))
        return cls(making.outbound, to, token, making.timeout_s)

    def is_public(self, route: Route) -> bool | None:
        """Direct messages are for one; comments are not written."""
        direct = route.channel is Channel.SOCIAL and route.provider in _LIMITS
        return False if direct else None

    async def write(self, route: Route, message: Outgoing) -> Result:
        """Send one message."""
        if message.at > route.at + WINDOW_MS - MARGIN_MS:
            return refused("the 24 hours in which free text may be sent are over")
        limit = _LIMITS[route.provider]
        if len(message.text.encode()) > limit:
            return refused(f"longer than the {limit} bytes that the platform takes")
        if route.provider == "whatsapp":
            where, body = route.account, _whatsapp(route, message)
        else:
            where, body = "me", _direct(route, message)
        answer = await self._outbound.post(
            below(self._to, where, "messages"),
            msgspec.json.encode(body),
            self._headers,
            self._timeout_s,
        )
        return _result(answer)


def _direct(route: Route, message: Outgoing) -> dict[str, object]:
    return {
        "recipient": {"id": route.address},
        "messaging_type": "RESPONSE",
        "message": {"text": message.text, "metadata": f"{AUTOMATIC}{message.name}"},
    }


def _whatsapp(route: Route, message: Outgoing) -> dict[str, object]:
    body: dict[str, object] = {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": route.address,
        "type": "text",
        "text": {"preview_url": False, "body": message.text},
    }
    return body | ({"context": {"message_id": route.reply_to}} if route.reply_to else {})


def _result(answer: Answer) -> Result:
    found = read(answer, _Answer) or _Answer()
    error = found.error
    if error is None:
        if answer.result.verdict is not Verdict.DELIVERED:
            return judged(answer)
        sent = found.message_id or (found.messages[0].id if found.messages else "")
        return Result(Verdict.DELIVERED, reference=sent)
    said = f"{error.code}/{error.error_subcode}: {error.message}"
    if error.code in _CREDENTIALS:
        return later(said, fault=True)
    if error.is_transient or error.code in _LATER:
        return later(said, after_s=answer.result.retry_after_s)
    # What is left is about this customer or this text: outside the window, blocked, gone.
    return refused(said) if answer.status < 500 else later(said, fault=True)
