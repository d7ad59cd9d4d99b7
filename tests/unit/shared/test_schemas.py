"""The schemas come along with the package: this runs against the wheel as well."""

from __future__ import annotations

import json

import pytest

from shared import codec, schemas, topics

TAGS = sorted({codec.type_tag(kind) for topic in topics.ALL for kind in topic.carries})


def test_every_event_has_a_schema_and_no_schema_is_left_over() -> None:
    assert schemas.names() == TAGS


@pytest.mark.parametrize("tag", TAGS)
def test_a_schema_is_that_of_its_event(tag: str) -> None:
    schema = json.loads(schemas.text(tag))
    assert schema["$id"] == f"urn:tocsin:event:{tag}"
    assert schema["properties"]["type"] == {"type": "string", "const": tag}
    assert schema["description"]


def test_an_unknown_event_has_none() -> None:
    with pytest.raises(FileNotFoundError):
        schemas.text("case.event.v99")
