"""Whatever event the types allow, its JSON is valid, and it is valid to those who know the draft-07."""

from __future__ import annotations

import json
from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator, Draft202012Validator

from deploy.docgen.asyncapi import draft_07
from deploy.docgen.schemas import kinds, schema
from shared import codec
from shared.events import Struct
from tests.property.event_values import events


@cache
def validators(kind: type[Struct]) -> tuple[Draft202012Validator, Draft7Validator]:
    made = schema(kind)
    older = draft_07(made)
    del older["$schema"]
    return Draft202012Validator(made), Draft7Validator(older)


@pytest.mark.parametrize("kind", kinds(), ids=codec.type_tag)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_every_event_is_valid(kind: type[Struct], data: st.DataObject) -> None:
    value = json.loads(codec.encode(data.draw(events(kind))))
    for validator in validators(kind):
        validator.validate(value)
