"""The bytes on the topics are a contract: golden messages of every event type and version.

A new event class needs a golden file and its meaning in ``golden/expected.py`` in the same commit.
A golden file is never changed: what was written once may still lie in a topic.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from shared import codec, events, topics
from shared.codec import Decoder
from shared.events import FeedbackClassified, FeedbackClassifiedV1, Struct
from tests.contract.golden.expected import EXPECTED, UPCAST

GOLDEN = Path(__file__).parent / "golden"
FILES = sorted(path.relative_to(GOLDEN).as_posix() for path in GOLDEN.rglob("*.json"))
CLASSES: dict[str, type[Struct]] = {
    codec.type_tag(value): value
    for value in vars(events).values()
    if isinstance(value, type)
    and issubclass(value, Struct)
    and value.__struct_config__.tag is not None
}
FOR_READING_ONLY = {FeedbackClassifiedV1}
FREE_MAPS = {"attributes", "redacted", "facts", "policy"}

golden_files = pytest.mark.parametrize("name", FILES)


def raw_of(name: str) -> bytes:
    return (GOLDEN / name).read_bytes()


def tag_of(name: str) -> str:
    """Return the wire type that the place of a golden file stands for."""
    event, version, _ = name.split("/")
    return f"{event}.{version}"


def with_future_fields(value: Any) -> Any:
    """Add fields nobody knows to every object that has a type of its own (not to free maps)."""
    if isinstance(value, list):
        return [with_future_fields(item) for item in value]
    if isinstance(value, dict):
        added = {"x_new": {"deep": [1, None, "é"]}, "x_list": []}
        known = {k: v if k in FREE_MAPS else with_future_fields(v) for k, v in value.items()}
        return known | added
    return value


def test_every_event_class_and_version_has_a_golden_file() -> None:
    assert set(CLASSES) - {tag_of(name) for name in FILES} == set()


def test_no_golden_file_is_unused() -> None:
    assert {tag_of(name) for name in FILES} - set(CLASSES) == set()
    assert set(EXPECTED) == set(FILES)
    others = [path for path in GOLDEN.rglob("*") if path.is_file() and path.suffix != ".json"]
    assert {path.suffix for path in others} <= {".py", ".pyc"}


def test_every_event_class_is_carried_by_a_topic() -> None:
    carried = {kind for topic in topics.ALL for kind in topic.carries}
    assert carried == set(CLASSES.values())


def test_the_union_of_events_has_all_that_are_written() -> None:
    assert set(events.Event.__args__) == set(CLASSES.values()) - FOR_READING_ONLY


@golden_files
def test_a_golden_message_means_what_it_meant(name: str) -> None:
    event = msgspec.json.decode(raw_of(name), type=CLASSES[tag_of(name)])
    assert event == EXPECTED[name]


@golden_files
def test_encoding_gives_the_golden_message_back(name: str) -> None:
    event = msgspec.json.decode(raw_of(name), type=CLASSES[tag_of(name)])
    assert json.loads(codec.encode(event)) == json.loads(raw_of(name))
    again = codec.encode(EXPECTED[name])
    assert msgspec.json.decode(again, type=CLASSES[tag_of(name)]) == EXPECTED[name]


@golden_files
def test_the_topics_that_carry_it_decode_it_in_its_newest_version(name: str) -> None:
    expected = UPCAST.get(name, EXPECTED[name])
    for topic in topics.ALL:
        if CLASSES[tag_of(name)] in topic.carries:
            assert Decoder[Struct](topic.carries).decode(raw_of(name)) == expected


@golden_files
def test_fields_of_the_future_are_ignored(name: str) -> None:
    raw = json.dumps(with_future_fields(json.loads(raw_of(name)))).encode()
    assert raw.count(b"x_new") > 0
    for topic in topics.ALL:
        if CLASSES[tag_of(name)] in topic.carries:
            event = Decoder[Struct](topic.carries).decode(raw)
            assert event == UPCAST.get(name, EXPECTED[name])


@pytest.mark.parametrize("tag", CLASSES)
def test_the_golden_files_of_a_class_use_all_its_fields(tag: str) -> None:
    seen: set[str] = set()
    for name in FILES:
        if tag_of(name) == tag:
            seen |= set(json.loads(raw_of(name)))
    assert set(CLASSES[tag].__struct_fields__) | {"type"} == seen


def test_every_old_version_has_its_upcast_result() -> None:
    old = {name for name in FILES if CLASSES[tag_of(name)] in FOR_READING_ONLY}
    assert set(UPCAST) == old
    assert len(old) >= 2


@pytest.mark.parametrize("name", UPCAST)
def test_an_upcast_message_can_be_written_and_read_as_the_new_version(name: str) -> None:
    raw = codec.encode(UPCAST[name])
    assert json.loads(raw)["type"] == "feedback.classified.v2"
    decoder = Decoder[FeedbackClassified](topics.FEEDBACK_CLASSIFIED.carries)
    assert decoder.decode(raw) == UPCAST[name]


@pytest.mark.parametrize("name", UPCAST)
def test_spans_of_an_upcast_message_stand_in_the_text(name: str) -> None:
    event = UPCAST[name]
    for span in event.classification.evidence:
        assert event.feedback.text[span.start : span.end] in {span.text, ""}


def test_only_the_newest_version_of_a_type_is_written() -> None:
    newest: dict[str, int] = {}
    for tag in CLASSES:
        name, _, version = tag.rpartition(".v")
        newest[name] = max(newest.get(name, 0), int(version))
    old = {
        CLASSES[tag]
        for tag in CLASSES
        if int(tag.rpartition(".v")[2]) < newest[tag.rpartition(".v")[0]]
    }
    assert old == FOR_READING_ONLY
