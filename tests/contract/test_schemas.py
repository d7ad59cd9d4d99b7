"""The schemas of events accept what is on the topics, and nothing that is not an event."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

from shared import schemas
from tests.contract.test_golden import FILES, raw_of, tag_of, with_future_fields

TAGS = schemas.names()

golden_files = pytest.mark.parametrize("name", FILES)


@cache
def validator(tag: str) -> Draft202012Validator:
    """Return what checks events of a type, formats as well."""
    return Draft202012Validator(
        json.loads(schemas.text(tag)), format_checker=Draft202012Validator.FORMAT_CHECKER
    )


def parts(schema: object) -> Iterator[dict[str, Any]]:
    """Yield every object in a schema."""
    if isinstance(schema, dict):
        yield schema
        for inner in schema.values():
            yield from parts(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from parts(inner)


@pytest.mark.parametrize("tag", TAGS)
def test_a_schema_is_one_and_stands_alone(tag: str) -> None:
    schema = json.loads(schemas.text(tag))
    Draft202012Validator.check_schema(schema)
    named = {f"#/$defs/{name}" for name in schema.get("$defs", {})}
    assert {part["$ref"] for part in parts(schema) if "$ref" in part} == named
    assert not [part for part in parts(schema) if part.get("additionalProperties") is False]
    assert not [part for part in parts(schema) if "discriminator" in part]


@golden_files
def test_a_golden_message_is_valid(name: str) -> None:
    validator(tag_of(name)).validate(json.loads(raw_of(name)))


@golden_files
def test_fields_of_the_future_are_valid(name: str) -> None:
    validator(tag_of(name)).validate(with_future_fields(json.loads(raw_of(name))))


@golden_files
def test_a_message_of_another_type_is_not(name: str) -> None:
    value = json.loads(raw_of(name)) | {"type": "feedback.received.v9"}
    with pytest.raises(ValidationError):
        validator(tag_of(name)).validate(value)


@pytest.mark.parametrize("tag", TAGS)
def test_without_a_required_field_it_is_none(tag: str) -> None:
    schema = json.loads(schemas.text(tag))
    [first, *_] = [name for name in FILES if tag_of(name) == tag]
    for field in schema["required"]:
        value = json.loads(raw_of(first))
        del value[field]
        with pytest.raises(ValidationError, match=field):
            validator(tag).validate(value)


@pytest.mark.parametrize("tag", TAGS)
def test_a_field_of_another_form_is_refused(tag: str) -> None:
    schema = json.loads(schemas.text(tag))
    [first, *_] = [name for name in FILES if tag_of(name) == tag]
    for field in schema["properties"].keys() - {"policy"}:
        with pytest.raises(ValidationError):
            validator(tag).validate(json.loads(raw_of(first)) | {field: [[[]]]})
