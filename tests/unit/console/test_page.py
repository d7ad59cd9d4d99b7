"""The page about the API says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from services.console.api import query, reads
from services.console.api.actions import ACTIONS, Action
from services.console.api.problems import CODES
from services.console.tokens import Role
from tests.unit.console.rig import Site

pytestmark = pytest.mark.source_tree

FILE = Path(__file__).parents[3] / "deploy" / "docs" / "api.md"
PAGE = FILE.read_text("utf-8") if FILE.is_file() else ""  # the wheel goes without it


def rows(head: str) -> list[list[str]]:
    """Return the cells of the table whose first column is called ``head``."""
    text = PAGE.partition(f"\n| {head} |")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("| ").split("|")] for line in text.split("\n")[2:]]


def words(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def said(action: Action) -> list[str]:
    fields = msgspec.structs.fields(action.body)
    needed = [f"**`{one.name}`**" for one in fields if one.required]
    other = [f"`{one.name}`" for one in fields if not one.required and one.name != "expected_seq"]
    return [f"`{action.path}`", str(action.role), ", ".join([*needed, *other]), action.summary]


def test_the_table_of_actions_is_that_of_the_code() -> None:
    assert rows("action") == [said(action) for action in ACTIONS]


def test_the_table_of_problems_is_that_of_the_code() -> None:
    found = {(int(status), code) for status, codes, _ in rows("status") for code in words(codes)}
    assert found == {(status, code) for code, (status, _) in CODES.items()}


def test_the_table_of_reads_is_that_of_the_routes() -> None:
    read = {
        str(route.resource and route.resource.canonical).removeprefix("/api/v1")
        for route in Site().app.router.routes()
        if route.method == "GET"
    }
    assert {words(row[0])[0] for row in rows("`GET`")} == read


def test_roles_and_limits_are_those_of_the_code() -> None:
    assert [words(row[0])[0] for row in rows("role")] == [str(role) for role in Role]
    assert f"up to {query.MAX_LIMIT}" in PAGE
    assert f"{reads.MAX_LOOKED_AT:,} cases" in PAGE
    assert f"at most {query.MAX_BODY // 1024} kB" in PAGE
