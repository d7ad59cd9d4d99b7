"""The OpenAPI 3.1 document, made from the table of routes and the types they name."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus

import msgspec

from services.console.api.answers import CommandStatus
from services.console.api.problems import CODES, MEDIA_TYPE, TYPE, ProblemDetails
from services.console.api.routes import PREFIX, Route
from services.console.tokens import Role
from shared.events import Case

Json = Mapping[str, object]

_ALWAYS = ("failed", "unavailable", "draining")
_WITH_TOKEN = ("unauthorized", "rate_limited")
_JSON = "application/json"
_REFERENCE = "#/components/schemas/{name}"
_PARAMETER = re.compile(r"\{(\w+)\}")
_PATH_PARAMETERS: Mapping[str, Json] = {
    "case_id": {"type": "string", "description": "Id of a case: tenant:customer:suffix."},
    "command_id": {"type": "string", "description": "Id of a command, as the answers tell it."},
    "record_key": {"type": "string", "description": "Key of a customer: tenant:customer."},
    "number": {"type": "integer", "minimum": 0, "description": "Number of a follow-up."},
}
_ETAG: Json = {"description": "The case_seq, quoted.", "schema": {"type": "string"}}
_OF_COMMANDS: Json = {
    "Location": {
        "description": "Where to ask what became of it.",
        "schema": {"type": "string", "format": "uri-reference"},
    },
    "Idempotency-Key": {
        "description": "The key that was given, or made.", "schema": {"type": "string"},
    },
}  # fmt: skip
_DESCRIPTION = """\
Cases: reading them, and what can be done to them. Times are milliseconds since the Unix epoch, UTC.
What is done is a command: it is sent through Kafka, counts once under its Idempotency-Key, and is
answered when the case shows it. Errors are problem details (RFC 9457)."""


def document(routes: Sequence[Route], version: str) -> bytes:
    """Return the document as JSON."""
    types = list(dict.fromkeys(_types(routes)))
    schemas, components = msgspec.json.schema_components(types, ref_template=_REFERENCE)
    found = dict(zip(types, schemas, strict=True))
    paths: dict[str, dict[str, object]] = {}
    problems: dict[str, Json] = {}
    for route in routes:
        made = _operation(route, found)
        made["responses"] = _responses(route, found) | _problems(route, problems)
        paths.setdefault(route.path, {})[route.method.lower()] = made
    return msgspec.json.encode({
        "openapi": "3.1.0",
        "info": {"title": "Tocsin", "version": version, "description": _DESCRIPTION},
        "servers": [{"url": PREFIX}],
        "paths": paths,
        "components": {
            "schemas": {name: _tidy(schema) for name, schema in components.items()},
            "responses": problems,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    })  # fmt: skip


def problem_codes(route: Route) -> tuple[str, ...]:
    """Return the codes of every problem that ``route`` may answer."""
    guarded = _WITH_TOKEN if route.role is not None else ()
    above = ("not_allowed",) if route.role is not None and route.role > Role.VIEWER else ()
    query = ("missing", "invalid") if route.query is not None else ()
    return tuple(dict.fromkeys((*guarded, *above, *query, *route.problems, *_ALWAYS)))


def _types(routes: Sequence[Route]) -> Iterator[type[msgspec.Struct]]:
    yield ProblemDetails
    yield CommandStatus
    for route in routes:
        yield from (kind for kind in route.answers.values() if kind is not None)
        if route.body is not None:
            yield route.body


def _operation(route: Route, schemas: Mapping[type[msgspec.Struct], Json]) -> dict[str, object]:
    made: dict[str, object] = {
        "operationId": route.name,
        "summary": route.summary,
        "parameters": [*_in_path(route), *_in_query(route), *_in_header(route)],
        "security": [] if route.role is None else [{"token": []}],
    }
    if route.role is not None:
        about = [f"Needs the role {route.role}.", inspect.getdoc(route.query) or ""]
        made["description"] = "\n\n".join(about if route.query else about[:1])
        made["x-role"] = str(route.role)
    if route.body is not None:
        content: dict[str, object] = {"schema": schemas[route.body]}
        if route.example is not None:
            content["example"] = msgspec.to_builtins(route.example)
        required = any(one.required for one in msgspec.structs.fields(route.body))
        made["requestBody"] = {"content": {_JSON: content}, "required": required}
    return made


def _responses(route: Route, schemas: Mapping[type[msgspec.Struct], Json]) -> dict[str, object]:
    made: dict[str, object] = {}
    for status, kind in route.answers.items():
        schema: Json = {"type": "object"} if kind is None else schemas[kind]
        told = {
            **({"ETag": _ETAG} if kind is Case else {}),
            **(_OF_COMMANDS if route.label == "command" else {}),
        }
        made[str(status)] = {
            "description": HTTPStatus(status).phrase,
            "content": {_JSON: {"schema": schema}},
            **({"headers": told} if told else {}),
        }
    return made


def _problems(route: Route, shared: dict[str, Json]) -> dict[str, object]:
    """Return references to the problems of ``route`` by status; add what they refer to."""
    by_status: dict[int, list[str]] = {}
    for code in problem_codes(route):
        by_status.setdefault(CODES[code][0], []).append(code)
    made: dict[str, object] = {}
    for status, codes in sorted(by_status.items()):
        name = "-".join(codes)
        examples = {
            code: {"value": msgspec.to_builtins(_example(code, CODES[code][1]))} for code in codes
        }
        schema = {"$ref": _REFERENCE.format(name=ProblemDetails.__name__)}
        shared[name] = {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": schema, "examples": examples}},
        }
        made[str(status)] = {"$ref": f"#/components/responses/{name}"}
    return made


def _example(code: str, title: str) -> ProblemDetails:
    return ProblemDetails(TYPE + code, title, CODES[code][0], code, title + ".")


def _tidy(schema: Json) -> Json:
    """Return a schema whose description has no indentation of the source."""
    text = schema.get("description")
    return {**schema, "description": inspect.cleandoc(text)} if isinstance(text, str) else schema


def _in_path(route: Route) -> Iterator[Json]:
    for name in _PARAMETER.findall(route.path):
        schema = dict(_PATH_PARAMETERS[name])
        text = schema.pop("description")
        yield {
            "name": name, "in": "path", "required": True, "description": text, "schema": schema,
        }  # fmt: skip


def _in_query(route: Route) -> Iterator[Json]:
    if route.query is None:
        return
    for one in msgspec.structs.fields(route.query):
        made: dict[str, object] = {
            "name": one.encode_name,
            "in": "query",
            "required": one.required,
            "schema": _parameter(one),
        }
        if one.default == ():
            made |= {"style": "form", "explode": True}
        yield made


def _parameter(one: msgspec.structs.FieldInfo) -> Json:
    """Return the schema of a parameter: what is optional is left out, not null."""
    schema = dict(msgspec.json.schema(one.type))
    definitions = schema.pop("$defs", {})
    return _inlined(schema, definitions)


def _inlined(schema: Json, definitions: Mapping[str, Json]) -> Json:
    made: dict[str, object] = {}
    for key, value in schema.items():
        if key == "$ref" and isinstance(value, str):
            made |= _inlined(definitions[value.rpartition("/")[2]], definitions)
        elif key == "anyOf" and isinstance(value, list):
            [only] = [one for one in value if one != {"type": "null"}]
            made |= _inlined(only, definitions)
        elif isinstance(value, dict):
            made[key] = _inlined(value, definitions)
        else:
            made[key] = value
    return made


def _in_header(route: Route) -> Iterator[Json]:
    for name, text in route.headers.items():
        yield {"name": name, "in": "header", "description": text, "schema": {"type": "string"}}
