"""Slack's incoming webhooks, and what takes the same: a message of Block Kit blocks.

Source: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks and the reference of
Block Kit, from which the limits are. What a customer wrote is escaped, so it cannot mention anybody
or link anything. A page has a button "Acknowledge" whose ``value`` is case and epoch, which
the signed call-back reads (``services.notifier.callbacks.slack``); the option ``buttons = "no"`` leaves
it away where there is no call-back. Targets with an address ``slack`` (a member id) are mentioned.
``secrets`` are the signing secrets of its call-backs.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from multidict import CIMultiDict

from services.notifier.domain.plan import targets_in
from services.notifier.ports import Result, Verdict
from services.notifier.sinks.outbound import Outbound, Target
from services.notifier.sinks.reference import page_key
from services.notifier.sinks.telling import Telling, telling, utc, words
from shared.events import Notification, NotificationKind, Severity

ACKNOWLEDGE = "tocsin.acknowledge"
"""The ``action_id`` of the button."""
MAX_HEADER = 150
MAX_TEXT = 3_000
MAX_FIELD = 2_000
MAX_FIELDS = 10
_EMOJI = {
    Severity.CRITICAL: "🔴",
    Severity.HIGH: "🟠",
    Severity.MEDIUM: "🟡",
    Severity.LOW: "🔵",
    Severity.UNDETERMINED: "⚪",
}
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_HEADERS = CIMultiDict({"Content-Type": "application/json", "User-Agent": "tocsin"})

Block = dict[str, object]
People = Mapping[str, Mapping[str, str]]


class Message(msgspec.Struct, frozen=True):
    """The body of a request. ``text`` is for notifications, and for what shows no blocks."""

    text: str
    blocks: list[Block]


class SlackSink:
    """Writes to the channel of an incoming webhook.

    Args:
        people: target → kind of address → address.
        buttons: whether pages can be acknowledged from the message.
    """

    def __init__(
        self,
        name: str,
        outbound: Outbound,
        to: Target,
        people: People,
        timeout_s: float,
        *,
        buttons: bool = True,
    ) -> None:
        self.name = name
        self._outbound = outbound
        self._to = to
        self._people = people
        self._timeout_s = timeout_s
        self._buttons = buttons

    async def deliver(self, notification: Notification) -> Result:
        """Write one message."""
        if notification.kind is NotificationKind.CUSTOMER:
            return Result(Verdict.PERMANENT, "Slack writes to no customer")
        body = msgspec.json.encode(message(notification, self._people, buttons=self._buttons))
        return (await self._outbound.post(self._to, body, _HEADERS, self._timeout_s)).result

    async def close(self) -> None:
        """The connections belong to ``outbound``."""


def message(notification: Notification, people: People, *, buttons: bool = True) -> Message:
    """Return the message for ``notification``; see :class:`SlackSink`."""
    said = telling(notification)
    title = f"{_EMOJI[said.severity]} {words(said.severity).capitalize()}: {said.title}"
    blocks: list[Block] = [
        {"type": "header", "text": _plain(title, MAX_HEADER)},
        {"type": "section", "fields": _fields(said)},
    ]
    if said.excerpt:
        quoted = "\n".join(f">{line}" for line in escaped(said.excerpt, 2_500).splitlines()[:100])
        blocks.append({"type": "section", "text": _mrkdwn(quoted)})
    whom = " ".join(_mention(target, people) for target in targets_in(notification))
    if whom:
        blocks.append({"type": "context", "elements": [_mrkdwn(whom)]})
    if buttons and notification.kind is NotificationKind.PAGE and notification.epoch is not None:
        value = page_key(notification.case_id, notification.epoch)
        blocks.append({"type": "actions", "elements": [_button(value)]})
    return Message(text=f"{escaped(title, 400)}\n{whom}".strip(), blocks=blocks)


def escaped(text: str, limit: int) -> str:
    """Return ``text`` as mrkdwn shows it, of at most ``limit`` characters with its escapes."""
    parts: list[str] = []
    left = limit - 1
    for character in text:
        part = _ESCAPES.get(character, character)
        left -= len(part)
        if left < 0:
            return "".join(parts) + "…"
        parts.append(part)
    return "".join(parts)


def _fields(said: Telling) -> list[Block]:
    """Return case, facts and due times; these are shown in the reader's own time zone."""
    fields = [("Case", f"`{escaped(said.case_id, 400)}`")] if said.case_id else []
    fields += [(name, escaped(value, 1_000)) for name, value in said.facts]
    fields += [
        (name, f"<!date^{at // 1000}^{{date_short_pretty}} {{time}}|{utc(at)}>")
        for name, at in said.due
    ]
    if not fields:
        fields = [("When", utc(said.at))]
    return [_mrkdwn(f"*{name}*\n{value}", MAX_FIELD) for name, value in fields[:MAX_FIELDS]]


def _mention(target: str, people: People) -> str:
    member = people.get(target, {}).get("slack", "")
    return f"<@{member}>" if member.isalnum() else escaped(target, 100)


def _button(value: str) -> Block:
    return {
        "type": "button",
        "action_id": ACKNOWLEDGE,
        "style": "primary",
        "text": _plain("Acknowledge", 75),
        "value": value,
    }


def _plain(text: str, limit: int) -> Block:
    short = text if len(text) <= limit else text[: limit - 1] + "…"
    return {"type": "plain_text", "text": " ".join(short.split()), "emoji": True}


def _mrkdwn(text: str, limit: int = MAX_TEXT) -> Block:
    """``verbatim``: Slack makes no links and mentions of what only looks like them, but ours."""
    return {"type": "mrkdwn", "text": text[:limit], "verbatim": True}
