"""What OpenAPI documents have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from deploy.docgen.schemas import Json, components

JSON = "application/json"
REFERENCE = "#/components/schemas/{name}"


def head(title: str, version: str, description: str) -> Json:
    """Return how a document begins."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": title,
            "version": version,
            "description": description,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
    }


def schemas(types: Sequence[type[msgspec.Struct]]) -> dict[str, Json]:
    """Return the schemas of ``types`` and their parts."""
    return components(types, REFERENCE)


def ref(kind: type) -> Json:
    """Return the reference to a schema."""
    return {"$ref": REFERENCE.format(name=kind.__name__)}


def answer(
    text: str, schema: Json | None = None, examples: Mapping[str, object] | None = None
) -> Json:
    """Return a response; ``examples`` by name."""
    if schema is None:
        return {"description": text}
    content: Json = {"schema": schema}
    if examples:
        content["examples"] = {name: {"value": value} for name, value in examples.items()}
    return {"description": text, "content": {JSON: content}}


def header(text: str, schema: Json) -> Json:
    """Return a response header."""
    return {"description": text, "schema": schema}


def parameter(name: str, where: str, text: str, *, required: bool = True) -> Json:
    """Return a parameter that is text."""
    return {
        "name": name,
        "in": where,
        "required": required,
        "description": text,
        "schema": {"type": "string"},
    }
