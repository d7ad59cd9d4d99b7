"""``reference/events.md``: topics, the events they carry, and the vocabulary."""

from __future__ import annotations

import enum
import inspect
import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import inspect as shapes

from deploy.docgen.markdown import GENERATED, code, paragraph, table
from shared import codec, events, topics

_INTRODUCTION = """\
Values are JSON; the type tag carries the schema version. A new optional field keeps the version, any
other change is a new one, and old versions are read for as long as their topic may hold them. Unset
optional fields are left out. Times are milliseconds since the Unix epoch, UTC; bytes are base64.
Record headers are the CloudEvents 1.0 attributes in binary mode: `ce_specversion`, `ce_id`,
`ce_source`, `ce_type` (`tocsin.` and the tag), `content-type`, and `traceparent` where a sender gave
one. Read all topics with `isolation.level=read_committed`, or you will see what was aborted.
[Contracts](../contracts.md) has all this for tools, and what is promised.
"""
_PARTITIONS = """\
All topics have `kafka.partitions` partitions; what concerns one customer has the same partition number
in each of them. `case.state`, `feedback.outcomes` and `feedback.corrections` have keys of their own and
are written to their customer's partition.
`kafka.topic_prefix` is put before every name.
"""
_SCALARS: dict[type[shapes.Type], str] = {
    shapes.StrType: "text",
    shapes.IntType: "integer",
    shapes.FloatType: "number",
    shapes.BoolType: "true or false",
    shapes.BytesType: "bytes",
    shapes.RawType: "JSON",
}
_MAX_EXAMPLE = 6_000


def page(golden: Path) -> str:
    """Return the reference of the topics and events.

    Args:
        golden: folder of the golden messages, ``<event>/v<N>/*.json``; examples come from there.
    """
    kinds = list(dict.fromkeys(kind for topic in topics.ALL for kind in topic.carries))
    nested = [kind for kind in _structs() if kind not in kinds]
    return "\n".join([
        GENERATED,
        "# Topics and events\n",
        _INTRODUCTION,
        "## Topics\n",
        table(("topic", "key", "kept", "carries"), [_topic(topic) for topic in topics.ALL]),
        _PARTITIONS,
        "## Events\n",
        *(_event(kind, golden) for kind in kinds),
        "## Parts of events\n",
        *(_part(kind) for kind in nested),
        "## Vocabulary\n",
        table(("name", "meaning", "values"), [_enum(one) for one in _enums()]),
    ])  # fmt: skip


def _topic(topic: topics.Topic) -> tuple[str, ...]:
    kept = f"{topic.retention_ms // topics.DAY_MS} days"
    if topic.cleanup is topics.Cleanup.COMPACT:
        kept = "the last of each key (compacted)"
    elif topic.cleanup is topics.Cleanup.COMPACT_DELETE:
        kept += ", the last of each key (compacted)"
    return f"`{topic.name}`", topic.key, kept, code(codec.type_tag(kind) for kind in topic.carries)


def _event(kind: type[events.Struct], golden: Path) -> str:
    tag = codec.type_tag(kind)
    name, _, version = tag.rpartition(".v")
    text = f"### `{tag}`\n\n{paragraph(kind.__doc__)}\n\n{_fields(kind)}"
    found = sorted((golden / name / f"v{version}").glob("*.json"))
    fitting = [path for path in found if path.stat().st_size <= _MAX_EXAMPLE] or found
    if fitting:
        value = json.loads(fitting[0].read_bytes())
        example = json.dumps(value, indent=2, ensure_ascii=False)
        text += f"\nExample (`{fitting[0].name}`):\n\n```json\n{example}\n```\n"
    return text


def _part(kind: type[events.Struct]) -> str:
    return f"### {kind.__name__}\n\n{paragraph(kind.__doc__)}\n\n{_fields(kind)}"


def _fields(kind: type[events.Struct]) -> str:
    info = shapes.type_info(kind)
    assert isinstance(info, shapes.StructType)  # noqa: S101  it is one
    rows = [
        (f"`{field.encode_name}`", _shape(field.type), _default(field)) for field in info.fields
    ]
    return table(("field", "type", "default"), rows)


def _default(field: shapes.Field) -> str:
    if field.required:
        return "required"
    if field.default_factory is not msgspec.NODEFAULT:
        return "empty"
    if field.default is None or field.default == ():
        return "–" if field.default is None else "empty"
    if isinstance(field.default, msgspec.Struct):
        return "all defaults"
    return f"`{json.dumps(field.default)}`"


def _shape(found: shapes.Type) -> str:
    """Return a type in words."""
    match found:
        case shapes.EnumType(cls=cls) | shapes.StructType(cls=cls):
            words = str(cls.__name__)
        case shapes.UnionType(types=types):
            words = " or ".join(_shape(one) for one in types if type(one) is not shapes.NoneType)
        case shapes.VarTupleType(item_type=item):
            words = f"list of {_shape(item)}"
        case shapes.TupleType(item_types=items):
            words = f"({', '.join(_shape(one) for one in items)})"
        case shapes.DictType(key_type=key, value_type=value):
            words = f"map of {_shape(key)} to {_shape(value)}"
        case _:
            words = _SCALARS[type(found)]
    return words


def _structs() -> Iterator[type[events.Struct]]:
    """Yield the nested structs, in the order of the module."""
    for value in vars(events).values():
        if not inspect.isclass(value) or not issubclass(value, events.Struct):
            continue
        if value is not events.Struct and value.__struct_config__.tag is None:
            yield value


def _enums() -> Iterator[type[enum.Enum]]:
    for value in vars(events).values():
        if inspect.isclass(value) and issubclass(value, enum.Enum):
            yield value


def _enum(kind: type[enum.Enum]) -> tuple[str, str, str]:
    summary = paragraph(kind.__doc__).replace("\n", " ")
    return kind.__name__, summary, code(member.value for member in kind)
