"""The page about policies says what is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from deploy.docgen.policy import page
from services.escalation.policies.document import KEYS
from services.escalation.policies.schema import PLAN
from tests.unit.escalation_policies.test_document import EXAMPLE, read
from tests.unit.escalation_policies.told import warned

pytestmark = pytest.mark.source_tree

FILE = Path(__file__).parents[3] / "deploy/docs/policy.md"
PAGE = FILE.read_text("utf-8") if FILE.is_file() else ""  # the wheel goes without it


def documents(text: str) -> list[str]:
    return re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_documents_of_the_pages_are_good() -> None:
    found = [*documents(PAGE), *documents(page())]
    assert len(found) == 2
    for content in found:
        assert warned(content) == []


def test_every_key_is_explained() -> None:
    explained = set(re.findall(r"`([a-z_]+)`", PAGE))
    assert {*KEYS, *PLAN.fields} <= explained


def test_the_example_names_all_that_can_be_in_a_policy() -> None:
    policy = read(EXAMPLE)
    assert policy.packs
    assert policy.mutes
    assert policy.mute_weeks
    assert policy.teams
    assert policy.rotas[0].overrides
    assert any(one.always_open for one in policy.calendars)
