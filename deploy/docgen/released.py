"""What was released last (``tests/contract/released.json``), and what the code breaks of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from deploy.docgen import compatibility, schemas
from deploy.docgen.compatibility import Break, Direction, Json
from shared import codec, events, topics
from shared.topics import Topic

_WORDS_ONLY = ("$schema", "$id", "title", "description")
_TAKEN: frozenset[type[events.Struct]] = frozenset(topics.CASE_COMMANDS.carries)


def current(version: str) -> dict[str, object]:
    """Return what the code promises: the schema of each type, and each topic."""
    return {
        "version": version,
        "topics": {topic.name: _topic(topic) for topic in topics.ALL},
        "events": {
            codec.type_tag(kind): _bare(schemas.schema(kind)) for kind in schemas.kinds()
        },
    }  # fmt: skip


def text(promised: Mapping[str, object]) -> str:
    """Return it as a file: a line for each event, so that a change can be read."""
    lines = [f'"version": {json.dumps(promised["version"])}']
    for part in ("topics", "events"):
        inner = promised[part]
        assert isinstance(inner, dict)  # noqa: S101  ``current`` made it
        rows = ",\n".join(f"{json.dumps(key)}: {json.dumps(inner[key])}" for key in inner)
        lines.append(f'"{part}": {{\n{rows}\n}}')
    return "{\n" + ",\n".join(lines) + "\n}\n"


def read(path: Path) -> Json | None:
    """Return what was released, None before the first time."""
    if not path.is_file():
        return None
    found = json.loads(path.read_bytes())
    assert isinstance(found, dict)  # noqa: S101  ``text`` made it
    return found


def breaks(old: Json, new: Json) -> list[Break]:
    """Return what ``new`` breaks of ``old``, both as ``current`` makes them."""
    found: list[Break] = []
    topics_old, topics_new = _part(old, "topics"), _part(new, "topics")
    for name, topic in topics_old.items():
        found += _topic_breaks(name, topic, topics_new.get(name))
    events_old, events_new = _part(old, "events"), _part(new, "events")
    for tag, schema in events_old.items():
        if tag not in events_new:
            found.append(Break(tag, "the type is gone"))
            continue
        inner = compatibility.breaks(schema, events_new[tag], direction(tag))
        found += [Break(f"{tag}: {one.at}", one.what) for one in inner]
    return found


def direction(tag: str) -> Direction:
    """Return who writes the events of a type."""
    taken = {codec.type_tag(kind) for kind in _TAKEN}
    return Direction.TAKEN if tag in taken else Direction.GIVEN


def _topic(topic: Topic) -> dict[str, object]:
    return {
        "key": topic.key,
        "cleanup": topic.cleanup.value,
        "retention_ms": topic.retention_ms,
        "carries": [codec.type_tag(kind) for kind in topic.carries],
    }


def _topic_breaks(name: str, old: Json, new: Json | None) -> list[Break]:
    if new is None:
        return [Break(name, "the topic is gone")]
    found = [
        Break(name, f"{what} was {old[what]!r}, is {new[what]!r}")
        for what in ("key", "cleanup")
        if old[what] != new[what]
    ]
    before, after = old["carries"], new["carries"]
    assert isinstance(before, list)  # noqa: S101  ``_topic`` made it
    assert isinstance(after, list)  # noqa: S101
    return found + [
        Break(name, f"{tag} is not there any more") for tag in before if tag not in after
    ]


def _part(promised: Json, name: str) -> dict[str, Json]:
    found = promised[name]
    assert isinstance(found, dict)  # noqa: S101  ``current`` made it
    return found


def _bare(schema: Json) -> schemas.Json:
    """Return a schema without what only people read."""
    made = schemas.mapped(schema, _bare)
    return {key: value for key, value in made.items() if key not in _WORDS_ONLY}
