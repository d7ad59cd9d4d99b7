"""Nothing that was released is broken; and each way to break it is found."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deploy.docgen import __main__ as docgen
from deploy.docgen import released
from deploy.docgen.compatibility import Direction, breaks
from shared.events import CaseCommand, EraseCustomer

pytestmark = pytest.mark.source_tree

RELEASED = Path(__file__).parent / "released.json"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "type": {"type": "string", "const": "thing.v1"},
        "id": {"type": "string"},
        "word": {"$ref": "#/$defs/Word"},
        "count": {"type": "integer", "minimum": 0, "default": 1},
        "ratio": {"type": "number", "default": 0.0},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
        "raw": {"type": "string", "contentEncoding": "base64", "default": ""},
        "pair": {
            "type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}],
            "items": False, "minItems": 2, "maxItems": 2, "default": [1, ""],
        },
        "facts": {"type": "object", "additionalProperties": {"type": "integer"}, "default": {}},
        "free": {"default": None},
        "parts": {"type": "array", "items": {"$ref": "#/$defs/Part"}, "default": []},
        "cause": {"anyOf": [{"$ref": "#/$defs/Part"}, {"$ref": "#/$defs/Other"}]},
    },
    "required": ["type", "id", "word", "cause"],
    "$defs": {
        "Word": {"type": "string", "enum": ["a", "b"]},
        "Part": {
            "type": "object",
            "properties": {
                "type": {"type": "string", "const": "part.v1"},
                "size": {"type": "integer"},
                "inner": {"type": "array", "items": {"$ref": "#/$defs/Part"}, "default": []},
            },
            "required": ["type", "size"],
        },
        "Other": {
            "type": "object",
            "properties": {"type": {"type": "string", "const": "other.v1"}},
            "required": ["type"],
        },
    },
}  # fmt: skip
Change = Callable[[dict[str, Any]], object]


def fields(schema: dict[str, Any]) -> Any:
    return schema["properties"]


def part(schema: dict[str, Any]) -> Any:
    return schema["$defs"]["Part"]


def found(change: Change, direction: Direction) -> list[str]:
    """Return what a change breaks."""
    new = copy.deepcopy(SCHEMA)
    change(new)
    assert new != SCHEMA
    return [str(one) for one in breaks(SCHEMA, new, direction)]


BREAKING: dict[str, tuple[Change, str]] = {
    "a field is removed": (lambda s: fields(s).pop("note"), "note: the field is gone"),
    "a field is renamed": (
        lambda s: fields(s).update(remark=fields(s).pop("note")), "note: the field is gone",
    ),
    "a nested field is removed": (lambda s: part(s)["properties"].pop("size"), "size: the field"),
    "a new field is required": (
        lambda s: (fields(s).update(new={"type": "string"}), s["required"].append("new")),
        "new: the field is required now",
    ),
    "an optional field is required": (lambda s: s["required"].append("count"), "count: the field"),
    "a nested field is required": (
        lambda s: part(s)["required"].append("inner"), "inner: the field is required now",
    ),
    "a type is another": (
        lambda s: fields(s).update(id={"type": "integer"}), "id: string is no longer possible",
    ),
    "a number is whole": (
        lambda s: fields(s)["ratio"].update(type="integer"), "ratio: number is no longer",
    ),
    "null is refused": (
        lambda s: fields(s)["note"]["anyOf"].pop(), "note: null is no longer possible",
    ),
    "free values are bound": (
        lambda s: fields(s)["free"].update(type="string"), "free: anything is no longer",
    ),
    "a word is removed": (lambda s: s["$defs"]["Word"]["enum"].pop(), "word: the word 'b' is gone"),
    "text becomes words": (lambda s: fields(s)["id"].update(enum=["x"]), "id: free text is now"),
    "the tag is renamed": (
        lambda s: fields(s)["type"].update(const="thing.v2"),
        "object thing.v1 is no longer possible",
    ),
    "a tag of a union is renamed": (
        lambda s: part(s)["properties"]["type"].update(const="part.v2"),
        "object part.v1 is no longer possible",
    ),
    "an alternative is removed": (
        lambda s: fields(s)["cause"]["anyOf"].pop(), "cause: object other.v1 is no longer",
    ),
    "a bound is tighter": (lambda s: fields(s)["count"].update(minimum=1), "count: minimum was"),
    "a bound is new": (lambda s: fields(s)["count"].update(maximum=9), "count: maximum was None"),
    "a default is another": (
        lambda s: fields(s)["count"].update(default=2), "count: a missing field means",
    ),
    "the encoding is another": (
        lambda s: fields(s)["raw"].pop("contentEncoding"), "raw: contentEncoding was",
    ),
    "a pattern is new": (lambda s: fields(s)["id"].update(pattern="^x"), "id: pattern was None"),
    "a tuple is longer": (
        lambda s: fields(s)["pair"]["prefixItems"].append({"type": "null"}), "pair: 2 places",
    ),
    "a place of a tuple is another": (
        lambda s: fields(s)["pair"]["prefixItems"].reverse(), "pair[0]: integer is no longer",
    ),
    "the values of a map are others": (
        lambda s: fields(s)["facts"].update(additionalProperties={"type": "string"}),
        "facts{}: integer is no longer",
    ),
    "items are others": (
        lambda s: fields(s)["parts"].update(items={"type": "string"}), "parts[]: object part.v1",
    ),
    "unknown fields are refused": (
        lambda s: s.update(additionalProperties=False), "$: unknown fields are refused now",
    ),
}  # fmt: skip
WIDENING: dict[str, tuple[Change, str]] = {
    "a required field may be missing": (
        lambda s: s["required"].remove("id"), "id: the field may be missing now",
    ),
    "null is new": (
        lambda s: fields(s).update(id={"anyOf": [{"type": "string"}, {"type": "null"}]}),
        "id: null is new here",
    ),
    "a whole number may be any": (
        lambda s: fields(s)["count"].update(type="number"), "count: number is new here",
    ),
    "words become text": (lambda s: s["$defs"]["Word"].pop("enum"), "word: one of a few words"),
    "a bound is looser": (lambda s: fields(s)["count"].update(minimum=-1), "count: minimum was 0"),
    "a bound is gone": (lambda s: fields(s)["count"].pop("minimum"), "count: minimum was 0, is N"),
    "an alternative is new": (
        lambda s: fields(s)["cause"]["anyOf"].append({"type": "string"}), "cause: string is new",
    ),
    "a map takes anything": (
        lambda s: fields(s)["facts"].pop("additionalProperties"), "facts: values of a map are of",
    ),
}  # fmt: skip
ADDITIVE: dict[str, Change] = {
    "a new optional field": lambda s: fields(s).update(new={"type": "string", "default": ""}),
    "a new optional field of a part": lambda s: part(s)["properties"].update(
        new={"type": "integer", "default": 0}
    ),
    "a new word": lambda s: s["$defs"]["Word"]["enum"].append("c"),
    "words in another order": lambda s: s["$defs"]["Word"]["enum"].reverse(),
    "another description": lambda s: s.update(description="Better words."),
    "a class is renamed": lambda s: (
        s["$defs"].update(Term=s["$defs"].pop("Word")),
        fields(s)["word"].update({"$ref": "#/$defs/Term"}),
    ),
}


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("what", BREAKING)
def test_a_breaking_change_is_found(what: str, direction: Direction) -> None:
    change, told = BREAKING[what]
    assert any(told in one for one in found(change, direction)), found(change, direction)


@pytest.mark.parametrize("what", WIDENING)
def test_what_readers_do_not_expect_is_found_where_others_read(what: str) -> None:
    change, told = WIDENING[what]
    assert any(told in one for one in found(change, Direction.GIVEN)), found(
        change, Direction.GIVEN
    )
    assert found(change, Direction.TAKEN) == []


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("what", ADDITIVE)
def test_an_additive_change_breaks_nothing(what: str, direction: Direction) -> None:
    assert found(ADDITIVE[what], direction) == []


# --------------------------------------------------------------------------- the release


def old_and_new() -> tuple[dict[str, Any], dict[str, Any]]:
    return json.loads(RELEASED.read_bytes()), json.loads(json.dumps(released.current("0.0.0")))


def test_nothing_of_the_last_release_is_broken() -> None:
    old, new = old_and_new()
    assert [str(one) for one in released.breaks(old, new)] == []


def test_a_change_of_an_event_or_a_topic_is_found() -> None:
    old, new = old_and_new()
    del new["events"]["case.event.v1"]["properties"]["actor"]
    del new["events"]["delivery.v1"]
    del new["topics"]["policies"]
    new["topics"]["case.events"]["key"] = "case id"
    new["topics"]["case.state"]["cleanup"] = "delete"
    new["topics"]["followups"]["carries"].remove("reply.due.v1")
    told = {str(one) for one in released.breaks(old, new)}
    assert told == {
        "case.event.v1: actor: the field is gone",
        "delivery.v1: the type is gone",
        "policies: the topic is gone",
        "case.events: key was 'tenant:customer', is 'case id'",
        "case.state: cleanup was 'compact', is 'delete'",
        "followups: reply.due.v1 is not there any more",
    }


def test_new_types_and_topics_break_nothing() -> None:
    old, new = old_and_new()
    new["events"]["new.v1"] = {"type": "object"}
    new["topics"]["new"] = new["topics"]["policies"]
    new["topics"]["case.events"]["carries"].append("new.v1")
    assert released.breaks(old, new) == []


def test_commands_are_what_others_write() -> None:
    taken = {
        tag for tag in old_and_new()[1]["events"] if released.direction(tag) is Direction.TAKEN
    }
    assert taken == {CaseCommand.__struct_config__.tag, EraseCustomer.__struct_config__.tag}


def test_a_release_that_breaks_something_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "released.json"
    assert docgen.release(file) == 0
    kept = file.read_text("utf-8")
    assert docgen.release(file) == 0
    assert file.read_text("utf-8") == kept
    promised = json.loads(kept)
    promised["events"]["case.v1"]["properties"]["promised"] = {"type": "string", "default": ""}
    file.write_text(json.dumps(promised), "utf-8")
    assert docgen.release(file) == 1
    assert "case.v1: promised: the field is gone" in capsys.readouterr().err
    assert json.loads(file.read_text("utf-8")) == promised
