"""``reference/openapi-webhooks.json``: what a sink of the kind ``webhook`` is sent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import msgspec

from deploy.docgen.openapi_parts import JSON, head, parameter, ref, schemas
from deploy.docgen.schemas import Json
from services.notifier.sinks.webhook import Payload, payload
from shared import standard_webhooks
from shared.events import (
    CaseEvent,
    CaseEventKind,
    Insight,
    Notification,
    NotificationKind,
    ReplyDue,
)

_DESCRIPTION = """\
Signed as Standard Webhooks 1.0.0 (https://www.standardwebhooks.com); `tocsin webhook verify` checks one.
At least once and, of one case, in order; the `webhook-id` is the same over all attempts and replays.
`data` is the event as it stands in Kafka. Pass over types, fields and words that you do not know."""
_HEADERS: Mapping[str, str] = {
    standard_webhooks.ID: "Id of the notification: what has it came before.",
    standard_webhooks.TIMESTAMP: "When this attempt was made, s since the epoch.",
    standard_webhooks.SIGNATURE: "`v1,` and base64 of the HMAC-SHA256 over id, timestamp and body; two "
    "of them while a secret is changed.",
}
_ANSWERS: Mapping[str, str] = {
    "2XX": "Taken. It is not sent again.",
    "408": "It is sent again.",
    "410": "The sink is gone: nothing more is sent until somebody enables it.",
    "425": "It is sent again.",
    "429": "It is sent again, not before `Retry-After`.",
    "5XX": "It is sent again, not before `Retry-After`.",
    "default": "Refused for good: it becomes a dead letter. Redirects are not followed.",
}
_TARGETED = (
    NotificationKind.PAGE,
    NotificationKind.INFORM,
    NotificationKind.ACKNOWLEDGE,
    NotificationKind.RESOLVE,
)


def document(golden: Path, version: str) -> Json:
    """Return the document; examples come from the golden messages in ``golden``."""
    made = schemas([Payload])
    whole = made.pop(Payload.__name__)
    forms = {
        "case": _form(whole, _words([str(kind) for kind in CaseEventKind]), ref(CaseEvent)),
        "reply_due": _form(whole, _words(["reply.due"]), ref(ReplyDue)),
        "insight": _form(whole, {"type": "string", "pattern": "^insight\\."}, ref(Insight)),
        "notification": _form(
            whole,
            _words([f"notification.{kind}" for kind in _TARGETED]),
            {"anyOf": [ref(CaseEvent), ref(ReplyDue), ref(Insight)]},
            targeted=True,
        ),
    }
    examples = {
        "case": _example(golden / "notification/v1/a_page.json", NotificationKind.EVENT),
        "reply_due": _example(
            golden / "notification/v1/of_a_reply_due.json", NotificationKind.EVENT
        ),
        "insight": _example(golden / "notification/v1/of_an_insight.json", NotificationKind.EVENT),
        "notification": _example(golden / "notification/v1/a_page.json", NotificationKind.PAGE),
    }
    return {
        **head("Tocsin webhooks", version, _DESCRIPTION),
        "webhooks": {
            name: {"post": _operation(name, form, examples[name])} for name, form in forms.items()
        },
        "components": {"schemas": made},
    }


def _form(whole: Json, word: Json, data: Json, *, targeted: bool = False) -> Json:
    """Return the schema of a body whose ``type`` and ``data`` are narrower than those of all."""
    properties, required = whole["properties"], whole["required"]
    assert isinstance(properties, dict)  # noqa: S101  msgspec made it
    assert isinstance(required, list)  # noqa: S101
    kept = {
        name: inner
        for name, inner in properties.items()
        if targeted or name not in {"target", "epoch"}
    }
    return {
        "type": "object",
        "properties": kept | {"type": word, "data": data},
        "required": required,
    }


def _words(words: list[str]) -> Json:
    return {"type": "string", "enum": words}


def _example(path: Path, kind: NotificationKind) -> object:
    told = msgspec.json.decode(path.read_bytes(), type=Notification)
    if kind is NotificationKind.EVENT:
        told = msgspec.structs.replace(told, kind=kind, target="", epoch=None)
    return json.loads(msgspec.json.encode(payload(told)))


def _operation(name: str, form: Json, example: object) -> Json:
    return {
        "operationId": f"on_{name}",
        "summary": _SUMMARIES[name],
        "parameters": [parameter(header, "header", text) for header, text in _HEADERS.items()],
        "requestBody": {"required": True, "content": {JSON: {"schema": form, "example": example}}},
        "responses": {status: {"description": text} for status, text in _ANSWERS.items()},
    }


_SUMMARIES: Mapping[str, str] = {
    "case": "Something happened to a case (sinks that follow events)",
    "reply_due": "A person has to write to a customer (sinks that follow events)",
    "insight": "Something was learnt of many cases (sinks that follow events)",
    "notification": "Somebody is told, or a page is taken back (sinks that a contact names)",
}
