"""The OpenAPI documents: in order, of all routes that the servers have, and with valid examples."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from http import HTTPMethod
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from aiohttp import web
from jsonschema import ValidationError
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from prometheus_client import CollectorRegistry

from services.ingest.channels import wire
from services.ingest.channels.rejection import Refusal, Rejected
from services.ingest.outcome import Result, Status
from services.ingest.sources import answers
from services.ingest.sources.gate import Gate
from services.ingest.sources.hooks import HookDoor
from services.ingest.sources.http import HttpDoor
from services.notifier.callbacks.app import KINDS, Hooks, make_app
from services.notifier.sinks.webhook import Payload, payload
from shared.events import CaseEventKind, Notification, NotificationKind
from shared.metrics import Metrics
from tests.contract.test_golden import FILES, raw_of

pytestmark = pytest.mark.source_tree

REFERENCE = Path(__file__).parents[2] / "deploy/docs/reference"
DOCUMENTS: dict[str, Any] = {
    path.stem.removeprefix("openapi-"): json.loads(path.read_text("utf-8"))
    for path in sorted(REFERENCE.glob("openapi-*.json"))
}
METHODS = {method.lower() for method in HTTPMethod}

every_document = pytest.mark.parametrize("name", DOCUMENTS)


def parts(value: object) -> Iterator[dict[str, Any]]:
    """Yield every object in a document."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from parts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from parts(inner)


def validator(name: str, schema: dict[str, Any]) -> OAS31Validator:
    whole = {**schema, "components": DOCUMENTS[name]["components"]}
    OAS31Validator.check_schema(whole)
    return OAS31Validator(whole, format_checker=OAS31Validator.FORMAT_CHECKER)


def examples(name: str) -> Iterator[tuple[dict[str, Any], object]]:
    """Yield every example of a document with its schema."""
    for part in parts(DOCUMENTS[name]):
        if "schema" in part and "example" in part:
            yield part["schema"], part["example"]
        if "schema" in part and "examples" in part:
            for example in part["examples"].values():
                yield part["schema"], example["value"]


def operations(name: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    document = DOCUMENTS[name]
    for path, inner in document.get("paths", document.get("webhooks", {})).items():
        for method in inner.keys() & METHODS:
            yield method, path, inner[method]


def test_there_is_one_for_each_interface() -> None:
    assert set(DOCUMENTS) == {"callbacks", "console", "intake", "webhooks"}


@every_document
def test_it_is_openapi(name: str) -> None:
    OpenAPIV31SpecValidator(DOCUMENTS[name]).validate()
    assert DOCUMENTS[name]["openapi"] == "3.1.0"


@every_document
def test_every_reference_leads_somewhere_and_every_schema_is_used(name: str) -> None:
    document = DOCUMENTS[name]
    used = {part["$ref"] for part in parts(document) if isinstance(part.get("$ref"), str)}
    for ref in used:
        _, _, kind, inner = ref.split("/")
        assert inner in document["components"][kind]
    assert {f"#/components/schemas/{one}" for one in document["components"]["schemas"]} <= used | {
        "#/components/schemas/CommandStatus"
    }


@every_document
def test_examples_are_valid(name: str) -> None:
    found = list(examples(name))
    assert found
    for schema, example in found:
        validator(name, schema).validate(example)


@pytest.mark.parametrize("name", sorted(DOCUMENTS.keys() - {"console"}))
def test_every_body_and_answer_has_an_example(name: str) -> None:
    for method, path, operation in operations(name):
        statuses = operation["responses"]
        if name == "webhooks":
            assert operation["requestBody"]["content"]["application/json"]["example"]
            continue
        for status, response in statuses.items():
            content = response["content"]["application/json"]
            assert content["examples"], f"{method} {path} {status}"


# --------------------------------------------------------------------------- the routes there are


def routes(app: web.Application) -> set[tuple[str, str]]:
    return {
        (route.method.lower(), str(route.resource and route.resource.canonical))
        for route in app.router.routes()
        if route.method != "HEAD"
    }


def described(name: str) -> set[tuple[str, str]]:
    return {(method, path) for method, path, _ in operations(name)}


def intake() -> web.Application:
    """Return the routes of intake; none is called."""
    app, gate = web.Application(), Gate(Metrics(CollectorRegistry()))
    for kind in (HttpDoor, HookDoor):
        door = cast("HttpDoor | HookDoor", object.__new__(kind))
        door.add_routes(app, gate)
    return app


def test_intake_has_what_is_described() -> None:
    hook = "/v1/hooks/{source}"
    found = routes(intake())
    assert ("*", hook) in found
    assert (found - {("*", hook)}) | {("get", hook), ("post", hook)} == described("intake")


def test_the_notifier_has_what_is_described() -> None:
    [(method, path)] = routes(make_app(object.__new__(Hooks)))
    expanded = {(method, path.replace("{kind}", kind)) for kind in KINDS}
    assert expanded == described("callbacks")


# --------------------------------------------------------------------------- what they say is so


def statuses(name: str, path: str, method: str = "post") -> set[int]:
    return {int(one) for one in DOCUMENTS[name]["paths"][path][method]["responses"]}


def test_the_answers_to_items_are_described() -> None:
    described_ = statuses("intake", "/v1/feedback")
    schema = DOCUMENTS["intake"]["paths"]["/v1/feedback"]["post"]["responses"]
    for status in Status:
        for reason in (None, *Refusal):
            response = answers.single(Result(status, "1", reason=reason))
            assert response.status in described_
            content = schema[str(response.status)]["content"]["application/json"]
            body = json.loads(cast("bytes", response.body))
            validator("intake", content["schema"]).validate(body)


ITEMS: list[tuple[dict[str, object], bool]] = [
    ({"id": 7, "channel": "social", "text": "x", "rating": 2.5, "occurred_at": 1}, True),
    ({"id": "7", "channel": "reviews", "rating": {"value": 7, "max": 10}}, True),
    ({"id": "7", "channel": "email", "occurred_at": "2026-03-01T10:00:00+01:00"}, True),
    ({"id": "7", "channel": "email", "attributes": {"a": None, "b": 1}}, True),
    ({"id": "7"}, False),
    ({"id": "7", "channel": "fax"}, False),
    ({"id": "7", "channel": "email", "texts": "x"}, False),
    ({"id": "7", "channel": "email", "rating": "x"}, False),
]


@pytest.mark.parametrize(("item", "fine"), ITEMS)
def test_an_item_is_valid_when_the_door_reads_it(item: dict[str, object], fine: bool) -> None:
    check: Callable[[object], object] = validator(
        "intake", {"$ref": "#/components/schemas/WireItem"}
    ).validate
    if fine:
        check(item)
        assert wire.decode(json.dumps(item).encode()).channel == item["channel"]
    else:
        with pytest.raises(ValidationError):
            check(item)
        with pytest.raises(Rejected):
            wire.decode(json.dumps(item).encode())


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith("notification/")])
@pytest.mark.parametrize("kind", sorted(set(NotificationKind) - {NotificationKind.CUSTOMER}))
def test_what_a_webhook_sends_is_one_of_what_is_described(
    name: str, kind: NotificationKind
) -> None:
    told = msgspec.structs.replace(msgspec.json.decode(raw_of(name), type=Notification), kind=kind)
    body = json.loads(msgspec.json.encode(payload(told)))
    fitting = [
        path
        for _, path, operation in operations("webhooks")
        if validator(
            "webhooks", operation["requestBody"]["content"]["application/json"]["schema"]
        ).is_valid(body)
    ]
    assert len(fitting) == 1
    assert (fitting == ["notification"]) == (kind is not NotificationKind.EVENT)


def test_the_types_of_webhooks_are_the_kinds_of_case_events() -> None:
    case = DOCUMENTS["webhooks"]["webhooks"]["case"]["post"]
    schema = case["requestBody"]["content"]["application/json"]["schema"]
    assert set(schema["properties"]["type"]["enum"]) == set(CaseEventKind)
    whole = DOCUMENTS["webhooks"]["webhooks"]["notification"]["post"]
    properties = whole["requestBody"]["content"]["application/json"]["schema"]["properties"]
    assert set(properties) == set(Payload.__struct_fields__)
