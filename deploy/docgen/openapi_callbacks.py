"""``reference/openapi-callbacks.json``: how PagerDuty and Slack tell the notifier what was pressed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from deploy.docgen.openapi_parts import JSON, answer, head, header, parameter
from deploy.docgen.schemas import Json
from services.notifier.callbacks.acting import Outcome
from services.notifier.callbacks.heard import Ignored
from services.notifier.callbacks.pagerduty import SIGNATURE

_DESCRIPTION = """\
Signed requests of the platforms on which a page can be acknowledged. Their form is the platforms':
PagerDuty's V3 webhooks, Slack's interactive payloads. The path names the sink of `sinks.toml`."""
_HEADERS: Mapping[str, Sequence[str]] = {
    "pagerduty": (SIGNATURE,),
    "slack": ("X-Slack-Request-Timestamp", "X-Slack-Signature"),
}
_BODIES: Mapping[str, Json] = {
    "pagerduty": {JSON: {"schema": {"type": "object"}}},
    "slack": {"application/x-www-form-urlencoded": {"schema": {
        "type": "object",
        "properties": {"payload": {"type": "string", "contentMediaType": JSON}},
        "required": ["payload"],
    }}},
}  # fmt: skip
_REFUSED: Mapping[int, tuple[str, str]] = {
    400: ("malformed", "It cannot be read, or was cut off."),
    401: ("unauthentic", "The signature is missing or wrong."),
    404: ("unknown_sink", "There is no such sink of this kind."),
    408: ("too_slow", "The body did not arrive in time."),
    413: ("refused", "The body is too large."),
    415: ("encoded", "A Content-Encoding: send it plain."),
    429: ("rate_limited", "Too many call-backs of one sink."),
    500: ("failed", "A bug of ours."),
    503: ("busy", "It cannot be said now whether the page stands: try again."),
}


def document(version: str) -> Json:
    """Return the document."""
    return {
        **head("Tocsin call-backs", version, _DESCRIPTION),
        "servers": [{"url": "/"}],
        "paths": {f"/hooks/{kind}/{{sink}}": {"post": _operation(kind)} for kind in _HEADERS},
        "components": {"schemas": {
            "Answer": {
                "type": "object",
                "properties": {
                    "status": {"type": "string", "enum": [*map(str, Outcome), "ignored"]},
                    "case_id": {"type": "string"},
                    "reason": {"type": "string", "enum": [str(one) for one in Ignored]},
                },
                "required": ["status"],
            },
            "Problem": {
                "type": "object",
                "properties": {
                    "status": {"type": "string", "const": "refused"},
                    "reason": {"type": "string"},
                    "detail": {"type": "string"},
                },
                "required": ["status", "reason", "detail"],
            },
        }},
    }  # fmt: skip


def _operation(kind: str) -> Json:
    signed = [parameter(name, "header", "Proof of the platform.") for name in _HEADERS[kind]]
    examples = {"ignored": {"status": "ignored", "reason": str(Ignored.NOT_OURS)}}
    if kind == "pagerduty":
        examples["acknowledged"] = {"status": str(Outcome.SENT), "case_id": "lumen:42:1"}
    told = answer("Taken; Slack is told by a change of the message.", _ref("Answer"), examples)
    return {
        "operationId": f"call_back_{kind}",
        "summary": f"Take what was pressed at {kind}",
        "security": [],
        "parameters": [parameter("sink", "path", "Name of the sink."), *signed],
        "requestBody": {"required": True, "content": _BODIES[kind]},
        "responses": {"200": told, **{str(status): _refusal(status) for status in _REFUSED}},
    }


def _refusal(status: int) -> Json:
    reason, text = _REFUSED[status]
    example = {"status": "refused", "reason": reason, "detail": text}
    made = answer(text, _ref("Problem"), {reason: example})
    if status in {429, 503}:
        made["headers"] = {"Retry-After": header("Seconds to wait.", {"type": "integer"})}
    return made


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}
