"""What a change of a schema breaks.

The rules are those of deploy/docs/contracts.md. Two directions count:

- *reading* what was written: events lie in topics for years and senders are older than receivers, so
  whatever the old schema allows, the new one has to allow, with the same meaning;
- *writing* to those who read: a program that was made for the old schema has to understand what is
  written by the new one. It passes over fields and words of an enumeration that it does not know,
  so both may be added; nothing that it relies on may go, and no value may take another form.

Commands are only sent to Tocsin: there the second does not count (``Direction.TAKEN``).
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

Json = Mapping[str, object]
_LOWER = ("minimum", "exclusiveMinimum", "minItems", "minLength", "minProperties")
_UPPER = ("maximum", "exclusiveMaximum", "maxItems", "maxLength", "maxProperties")
_SAME = ("contentEncoding", "format", "pattern", "multipleOf", "uniqueItems")


class Direction(enum.Enum):
    """Who writes an event: ``TAKEN`` others and nobody else, ``GIVEN`` Tocsin."""

    TAKEN = "taken"
    GIVEN = "given"


@dataclass(frozen=True)
class Break:
    """One thing that a change breaks: where (a path such as ``case.clocks[].kind``), and what."""

    at: str
    what: str

    def __str__(self) -> str:
        """Return both in one line."""
        return f"{self.at}: {self.what}"


def breaks(old: Json, new: Json, direction: Direction) -> list[Break]:
    """Return what ``new`` breaks of ``old``; both stand alone, with their ``$defs``."""
    return list(_Comparison(old, new, direction is Direction.GIVEN).run())


class _Comparison:
    """Walks two schemas side by side; a pair that was seen is not looked at again."""

    def __init__(self, old: Json, new: Json, given: bool) -> None:
        self._old = old
        self._new = new
        self._given = given
        self._seen: set[tuple[object, object]] = set()

    def run(self) -> Iterator[Break]:
        return self._schema("$", self._old, self._new)

    def _schema(self, at: str, old: Json, new: Json) -> Iterator[Break]:
        pair = (old.get("$ref"), new.get("$ref"))
        if None not in pair:
            if pair in self._seen:
                return
            self._seen.add(pair)
        before = _alternatives(old, self._old)
        after = _alternatives(new, self._new)
        for kind, inner in before.items():
            match = after.get(kind) or after.get(_WIDER.get(kind, "")) or after.get(_ANY)
            if match is None:
                yield Break(at, f"{kind} is no longer possible")
            elif inner and match:
                yield from self._alternative(at, inner, match)
        if self._given and _ANY not in before:
            for kind in after.keys() - before.keys():
                yield Break(at, f"{kind} is new here, and readers do not expect it")

    def _alternative(self, at: str, old: Json, new: Json) -> Iterator[Break]:
        yield from self._values(at, old, new)
        yield from self._bounds(at, old, new)
        yield from self._fields(at, old, new)
        yield from self._items(at, old, new)

    def _values(self, at: str, old: Json, new: Json) -> Iterator[Break]:
        before, after = _words(old), _words(new)
        if after is not None:
            if before is None:
                yield Break(at, "free text is now one of a few words")
            for word in _gone(before or (), after):
                yield Break(at, f"the word {word!r} is gone")
        elif before is not None and self._given:
            yield Break(at, "one of a few words is now free text")
        for key in _SAME:
            if old.get(key) != new.get(key):
                yield Break(at, f"{key} was {old.get(key)!r}, is {new.get(key)!r}")

    def _bounds(self, at: str, old: Json, new: Json) -> Iterator[Break]:
        for keys, sign in ((_LOWER, 1), (_UPPER, -1)):
            for key in keys:
                before, after = _number(old, key), _number(new, key)
                if before == after:
                    continue
                tighter = before is None or (after is not None and sign * (after - before) > 0)
                if tighter or self._given:
                    yield Break(at, f"{key} was {before}, is {after}")

    def _fields(self, at: str, old: Json, new: Json) -> Iterator[Break]:
        before, after = _mapping(old, "properties"), _mapping(new, "properties")
        for name in _gone(before, after):
            yield Break(_below(at, name), "the field is gone")
        needed, needs = _names(old, "required"), _names(new, "required")
        for name in _gone(needs, needed):
            yield Break(_below(at, name), "the field is required now")
        if self._given:
            for name in _gone(needed, needs):
                yield Break(_below(at, name), "the field may be missing now")
        for name in before.keys() & after.keys():
            inner, other = _json(before[name]), _json(after[name])
            optional = name not in needs and name not in needed
            if optional and inner.get("default") != other.get("default"):
                yield Break(_below(at, name), "a missing field means something else (default)")
            yield from self._schema(_below(at, name), inner, other)
        yield from self._others(at, old.get("additionalProperties"), new)

    def _others(self, at: str, before: object, new: Json) -> Iterator[Break]:
        after = new.get("additionalProperties")
        if after is False and before is not False:
            yield Break(at, "unknown fields are refused now")
        elif isinstance(before, dict) and isinstance(after, dict):
            yield from self._schema(at + "{}", before, after)
        elif isinstance(after, dict):
            yield Break(at, "values of a map are bound to a type now")
        elif isinstance(before, dict) and self._given:
            yield Break(at, "values of a map are of any type now")

    def _items(self, at: str, old: Json, new: Json) -> Iterator[Break]:
        before, after = old.get("items"), new.get("items")
        if isinstance(before, dict) and isinstance(after, dict):
            yield from self._schema(at + "[]", before, after)
        elif before != after:
            yield Break(at, "the items are of another form")
        places, others = _list(old, "prefixItems"), _list(new, "prefixItems")
        if len(places) != len(others):
            yield Break(at, f"{len(places)} places are now {len(others)}")
        for number, (inner, other) in enumerate(zip(places, others, strict=False)):
            yield from self._schema(f"{at}[{number}]", _json(inner), _json(other))


_ANY = "anything"
_WIDER = {"integer": "number"}


def _alternatives(schema: Json, root: Json) -> dict[str, Json]:
    """Return the forms that a value may have: by JSON type, and an event by its tag."""
    schema = _resolved(schema, root)
    if "anyOf" in schema:
        found: dict[str, Json] = {}
        for inner in _list(schema, "anyOf"):
            found |= _alternatives(_json(inner), root)
        return found
    kind = schema.get("type")
    if isinstance(kind, list):
        return {str(one): {**schema, "type": one} for one in kind}
    if kind is None:
        return {"string" if "enum" in schema or "const" in schema else _ANY: schema}
    tag = _json(_mapping(schema, "properties").get("type", {})).get("const")
    return {f"{kind} {tag}" if kind == "object" and tag else str(kind): schema}


def _resolved(schema: Json, root: Json) -> Json:
    reference = schema.get("$ref")
    if not isinstance(reference, str):
        return schema
    if reference == "#":
        return root
    return _resolved(_json(_mapping(root, "$defs")[reference.rpartition("/")[2]]), root)


def _words(schema: Json) -> Sequence[object] | None:
    if "const" in schema:
        return [schema["const"]]
    return _list(schema, "enum") if "enum" in schema else None


def _gone(before: Mapping[str, object] | Sequence[object], after: object) -> Iterator[str]:
    present = after if isinstance(after, dict | list | tuple) else ()
    return (str(one) for one in before if one not in present)


def _below(at: str, name: str) -> str:
    return name if at == "$" else f"{at}.{name}"


def _json(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def _mapping(schema: Json, key: str) -> Json:
    return _json(schema.get(key))


def _list(schema: Json, key: str) -> Sequence[object]:
    value = schema.get(key)
    return value if isinstance(value, list) else []


def _names(schema: Json, key: str) -> Sequence[str]:
    return [str(one) for one in _list(schema, key)]


def _number(schema: Json, key: str) -> float | None:
    value = schema.get(key)
    return value if isinstance(value, int | float) else None
