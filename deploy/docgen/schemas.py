"""``shared/schemas/<type>.json``: JSON Schema 2020-12 of every event, from the types themselves.

Each file stands alone. Unknown fields are allowed everywhere: an event may get new optional ones.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence

import msgspec

from shared import codec, events, topics

Json = dict[str, object]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_REFERENCE = "#/$defs/{name}"


def kinds() -> list[type[events.Struct]]:
    """Return every event class that a topic carries, old versions included, by type."""
    found = {kind for topic in topics.ALL for kind in topic.carries}
    return sorted(found, key=codec.type_tag)


def files() -> dict[str, str]:
    """Return the text of every schema by the name of its file."""
    return {f"{codec.type_tag(kind)}.json": written(schema(kind)) for kind in kinds()}


def schema(kind: type[events.Struct]) -> Json:
    """Return the schema of one event."""
    made = components([kind], _REFERENCE)
    own = made.pop(kind.__name__)
    return {
        "$schema": DIALECT,
        "$id": f"urn:tocsin:event:{codec.type_tag(kind)}",
        **own,
        **({"$defs": made} if made else {}),
    }


def components(types: Sequence[type[msgspec.Struct]], reference: str) -> dict[str, Json]:
    """Return the schemas of ``types`` and of all that they are made of, by class name.

    Args:
        types: what is asked for.
        reference: how they refer to one another, with ``{name}``.
    """
    _, found = msgspec.json.schema_components(types, ref_template=reference)
    plain = json.loads(json.dumps(found))  # defaults are tuples
    return {name: tidy(plain[name]) for name in sorted(plain)}


def tidy(schema: Mapping[str, object]) -> Json:
    """Return a schema as a reader wants it.

    Docstrings lose the indentation of the source, the tag is a ``const``, an enumeration says that it
    is of strings, and ``discriminator``, which is OpenAPI's, goes: the tags tell the types apart.
    """
    made = mapped(schema, tidy)
    made.pop("discriminator", None)
    if isinstance(text := made.get("description"), str):
        made["description"] = inspect.cleandoc(text).replace("``", "`")
    if isinstance(values := made.get("enum"), list) and all(isinstance(one, str) for one in values):
        made = {"type": "string", **made}
        if len(values) == 1 and "title" not in made:
            del made["enum"]
            made["const"] = values[0]
    return made


def mapped(schema: Mapping[str, object], change: Callable[[Mapping[str, object]], Json]) -> Json:
    """Return ``schema`` with every schema inside of it changed; values and examples stay."""
    return {key: _within(key, value, change) for key, value in schema.items()}


def _within(key: str, value: object, change: Callable[[Mapping[str, object]], Json]) -> object:
    if key in {"properties", "$defs"} and isinstance(value, dict):
        return {name: change(inner) for name, inner in value.items()}
    if key in {"items", "additionalProperties"} and isinstance(value, dict):
        return change(value)
    if key in {"anyOf", "prefixItems"} and isinstance(value, list):
        return [change(inner) for inner in value]
    return value


def written(document: Mapping[str, object]) -> str:
    """Return a document as text, the same for equal ones."""
    return json.dumps(document, indent=2, ensure_ascii=False)
