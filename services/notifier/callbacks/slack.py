"""Slack's interactive payloads (``block_actions``): somebody pressed the button of a message.

A form with the field ``payload``, signed as all requests of Slack. It has to be answered within three
seconds; the message is changed by a request to its ``response_url``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qs

import msgspec

from services.notifier.callbacks.heard import Door, Heard, Ignored, Malformed, page_of
from services.notifier.sinks.slack import ACKNOWLEDGE
from shared.signatures import check_slack

PERSON: Final = "slack"
MAX_TEXT: Final = 3_000

_TIMESTAMP: Final = "X-Slack-Request-Timestamp"
_SIGNATURE: Final = "X-Slack-Signature"


class _User(msgspec.Struct, frozen=True):
    id: str = ""
    username: str | None = None
    name: str | None = None


class _Action(msgspec.Struct, frozen=True):
    action_id: str = ""
    value: str | None = None
    action_ts: str = ""


class _Message(msgspec.Struct, frozen=True):
    text: str | None = None


class _Payload(msgspec.Struct, frozen=True):
    type: str
    user: _User = _User()
    actions: tuple[_Action, ...] = ()
    message: _Message | None = None
    response_url: str = ""


_decoder = msgspec.json.Decoder(_Payload)


def verify(door: Door, headers: Mapping[str, str], body: bytes, now: int) -> None:
    """Check the signature over time and body (else ``Unauthentic``)."""
    timestamp, signature = headers.get(_TIMESTAMP, ""), headers.get(_SIGNATURE, "")
    check_slack(door.secrets, body, timestamp, signature, now)


def parse(body: bytes) -> Heard | Ignored:
    """Return what was pressed.

    Raises:
        Malformed: it is no payload of Slack.
    """
    try:
        form = parse_qs(body.decode(), strict_parsing=True, max_num_fields=10)
        payload = _decoder.decode(form["payload"][0])
    except KeyError as error:
        raise Malformed("the form has no field `payload`") from error
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise Malformed(str(error)) from error
    if payload.type != "block_actions":
        return Ignored.OTHER_EVENT
    pressed = next((one for one in payload.actions if one.action_id == ACKNOWLEDGE), None)
    if pressed is None:
        return Ignored.OTHER_EVENT
    page = page_of(pressed.value or "")
    if page is None:
        return Ignored.NOT_OURS
    user = payload.user
    return Heard(
        event_id=f"{user.id}:{pressed.action_ts}",
        page=page,
        addresses=((PERSON, user.id),),
        name=user.username or user.name or "",
        reply_to=payload.response_url,
        text=(payload.message or _Message()).text or "",
    )


def changed(heard: Heard, told: str) -> bytes:
    """Return the message with what was done in place of its button."""
    text = f"{heard.text[:MAX_TEXT]}\n{told}".strip()
    return msgspec.json.encode({"replace_original": True, "text": text})


def aside(told: str) -> bytes:
    """Return an answer that only who pressed the button sees; the message stays."""
    return msgspec.json.encode(
        {"response_type": "ephemeral", "replace_original": False, "text": told}
    )
