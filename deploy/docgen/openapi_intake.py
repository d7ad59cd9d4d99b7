"""``reference/openapi-intake.json``: the doors by which feedback comes in over HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from deploy.docgen.openapi_parts import (
    JSON,
    answer,
    head,
    header,
    parameter,
    ref,
    schemas,
)
from deploy.docgen.schemas import Json
from services.ingest.channels.wire import WireItem
from services.ingest.outcome import Result
from services.ingest.sources.answers import BatchAnswer, HookAnswer, Problem
from services.ingest.sources.batch import NDJSON_TYPES

_DESCRIPTION = """\
2xx: do not send it again. 5xx, 429, 408 or no answer: send the same again. Any other 4xx: sending the
same again is pointless. The same `id` with the same content is the same feedback for ever."""
_ITEM: Mapping[str, object] = {
    "id": "1042",
    "channel": "email",
    "author": "ada@example.org",
    "text": "You charged my card twice and nobody answers.",
}
_TAKEN: Mapping[str, object] = {
    "status": "accepted", "id": "1042", "feedback_id": "64d2ca004a4e3ecbfcc276ad4b8788c6",
}  # fmt: skip
_KNOWN = {**_TAKEN, "status": "duplicate"}
_WRONG: Mapping[str, object] = {
    "status": "rejected", "id": "1043", "reason": "missing_field",
    "detail": "Object missing required field `channel`",
    "dead_letter": "9a1d0b9e6c3f4f0d8b7a5c1e2d3f4a5b",
}  # fmt: skip
_FOREIGN = {
    **_WRONG, "reason": "foreign_source", "detail": "the key may write 'app', not 'support-inbox'",
}  # fmt: skip
_FIELDS: Mapping[str, str] = {
    "id": "The item's id at its source.",
    "channel": "Where it comes from.",
    "text": "What was written or said. Longer texts are cut and marked; may be empty with a rating.",
    "source": "Name of the system it comes from; absent: what the key may write, else `api`.",
    "author": "E-mail address, number or handle; it becomes a pseudonym.",
    "thread": "Id of the conversation; feedback of one thread belongs to one case.",
    "occurred_at": "RFC 3339 with an offset, or milliseconds since the epoch.",
    "language": "BCP 47; detected when it is absent.",
    "rating": "1 to 5, or on a scale of its own.",
    "attributes": "A few scalars of the sender's own.",
}
_REFUSED: Mapping[int, tuple[str, str]] = {
    400: ("cut_off", "Not readable, an empty batch, or cut off."),
    401: ("unauthorized", "No valid proof of who sends it."),
    408: ("too_slow", "The body did not arrive in time."),
    413: ("too_large", "Over a limit of size or number of items."),
    415: ("encoded", "A Content-Encoding: send it plain."),
    429: ("rate_limited", "The source is over its rate."),
    500: ("failed", "A bug of ours; nothing was taken."),
    503: ("draining", "Nothing is acknowledged now: send the same again."),
}
_WAIT = ("429", "503")


def document(version: str) -> Json:
    """Return the document."""
    made = schemas([WireItem, Result, BatchAnswer, HookAnswer, Problem])
    fields = made[WireItem.__name__]["properties"]
    assert isinstance(fields, dict)  # noqa: S101  msgspec made it
    for name, text in _FIELDS.items():
        fields[name] = _described(fields[name], text)
    hook = {"parameters": [parameter("source", "path", "Name of the source in `sources.toml`.")]}
    return {
        **head("Tocsin intake", version, _DESCRIPTION),
        "servers": [{"url": "/"}],
        "paths": {
            "/v1/feedback": {"post": _single()},
            "/v1/feedback:batch": {"post": _batch()},
            "/v1/hooks/{source}": {**hook, "get": _hook("get"), "post": _hook("post")},
        },
        "components": {
            "schemas": made,
            "securitySchemes": {"key": {
                "type": "http", "scheme": "bearer",
                "description": "A key of `ingest.keys` or of a source; needed where keys are set.",
            }},
        },
    }  # fmt: skip


def _described(schema: Json, text: str) -> Json:
    return {**schema, "description": text}


def _single() -> Json:
    result = ref(Result)
    either: Json = {"anyOf": [result, ref(Problem)]}
    responses = _refusals(_REFUSED, either) | {
        "200": answer("It was accepted before.", result, {"duplicate": _KNOWN}),
        "202": answer("Accepted: in Kafka, on all replicas in sync.", result, {"taken": _TAKEN}),
        "403": answer("The key may not write this source.", result, {"foreign": _FOREIGN}),
        "422": answer("No acceptable item; it is kept as a dead letter.", result, {"no": _WRONG}),
    }
    return {
        "operationId": "send_feedback",
        "summary": "Send one item",
        **_common({JSON: {"schema": ref(WireItem), "example": _ITEM}}, responses),
    }


def _batch() -> Json:
    body = ref(BatchAnswer)
    either: Json = {"anyOf": [body, ref(Problem)]}
    counted = {"accepted": 1, "duplicate": 0, "rejected": 1, "unavailable": 0}
    example = {**counted, "results": [{**_TAKEN, "line": 1}, {**_WRONG, "line": 2}]}
    known = {**counted, "accepted": 0, "duplicate": 1, "rejected": 0, "results": [_KNOWN]}
    refused = {**counted, "accepted": 0, "results": [{**_WRONG, "line": 1}]}
    lines = {"schema": {"type": "string", "description": "One item in each line."}}
    content: dict[str, object] = dict.fromkeys(sorted(NDJSON_TYPES), lines)
    content[JSON] = {"schema": {"type": "array", "items": ref(WireItem)}, "example": [_ITEM]}
    responses = _refusals(_REFUSED, either) | {
        "200": answer("All acceptable items were known.", body, {"known": known}),
        "202": answer("At least one is new; see each result.", body, {"mixed": example}),
        "422": answer("None is acceptable.", body, {"none": refused}),
    }
    return {
        "operationId": "send_feedback_batch",
        "summary": "Send many items, as NDJSON or as an array",
        "description": "503 when one of them is unavailable: send all of it again, the rest are "
        "duplicates then.",
        **_common(content, responses),
    }


def _hook(method: str) -> Json:
    text = (
        "The form of the request and its proof are those of the platform. Other methods are taken "
        "where the platform uses them."
    )
    kept = {"accepted": 2, "duplicate": 0, "rejected": 1, "ignored": 4}
    told: Json = {"description": "What the platform wants to hear.", "content": {
        JSON: {"schema": {"anyOf": [ref(HookAnswer), {}]}, "examples": {"kept": {"value": kept}}},
        "text/plain": {"schema": {"type": "string"}},
    }}  # fmt: skip
    either: Json = {"anyOf": [ref(BatchAnswer), ref(Problem)]}
    return {
        "operationId": f"{method}_hook",
        "summary": "Call back a source",
        "description": text,
        "security": [],
        **({"requestBody": {"content": {"*/*": {}}}} if method == "post" else {}),
        "responses": _sorted(_refusals(_REFUSED, either) | {"200": told}),
    }


def _common(content: Mapping[str, object], responses: Mapping[str, Json]) -> Json:
    trace = parameter("traceparent", "header", "W3C trace context.", required=False)
    return {
        "security": [{"key": []}, {}],
        "parameters": [trace],
        "requestBody": {"required": True, "content": content},
        "responses": _sorted(responses),
    }


def _refusals(refused: Mapping[int, tuple[str, str]], schema: Json) -> dict[str, Json]:
    made: dict[str, Json] = {}
    for status, (reason, text) in refused.items():
        example = {"status": "refused", "reason": reason, "detail": text}
        made[str(status)] = answer(text, schema, {reason: example})
    for waits in _WAIT:
        made[waits]["headers"] = {"Retry-After": header("Seconds to wait.", {"type": "integer"})}
    return made


def _sorted(responses: Mapping[str, Json]) -> Mapping[str, Json]:
    order: Sequence[str] = sorted(responses)
    return {status: responses[status] for status in order}
