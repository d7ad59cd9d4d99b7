"""``tocsin sources`` as an operator uses it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from services.cli import cli
from shared.errors import Misconfigured


class Shell:
    def __init__(self, folder: Path) -> None:
        self.file = folder / "sources.toml"

    def __call__(self, *arguments: str, stdin: str | None = None) -> list[Any]:
        setting = f"ingest.sources_file={self.file}"
        given = ["--set", setting, "sources", *arguments, "--json"]
        result = CliRunner().invoke(cli, given, input=stdin, catch_exceptions=False)
        self.code = result.exit_code
        return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.chdir(tmp_path)
    return Shell(tmp_path)


def test_a_source_from_its_first_day_to_its_last(sources: Shell) -> None:
    [added] = sources("add", "calls", "--provider", "call_record", "--region", "DE")
    assert added["url"].endswith("/v1/hooks/calls")
    [listed] = sources("list")
    assert (listed["state"], listed["secrets"]) == ("active", 1)
    assert added["secret"] not in json.dumps(listed)
    [rotated] = sources("rotate", "calls")
    assert rotated["secret"] != added["secret"]
    assert sources("list")[0]["secrets"] == 2
    sources("rotate", "calls", "--finish")
    assert sources("list")[0]["secrets"] == 1
    assert rotated["secret"] in sources.file.read_text()
    sources("pause", "calls")
    assert sources("list")[0]["state"] == "paused"
    sources("resume", "calls")
    assert sources("list")[0]["state"] == "active"
    sources("remove", "calls")
    assert sources("list") == []


def test_a_secret_of_the_platform_has_to_be_given(sources: Shell) -> None:
    with pytest.raises(Misconfigured, match="--secret-file"):
        sources("add", "shop", "--provider", "slack")
    [added] = sources(
        "add", "shop", "--provider", "slack", "--secret-file", "-", stdin="12345678\n"
    )
    assert "secret" not in added


def test_who_is_told_user_and_password_gets_both(sources: Shell) -> None:
    [added] = sources("add", "mail", "--provider", "postmark")
    assert added["secret"].startswith("tocsin:")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("add", "shop", "--provider", "slak"), "did you mean 'slack'"),
        (("add", "a b", "--provider", "call_record"), "A-Z"),
        (("add", "c", "--provider", "call_record", "--option", "nope=1"), "no option 'nope'"),
        (("rotate", "nobody"), "no source 'nobody'"),
        (("remove", "nobody"), "no source 'nobody'"),
    ],
)
def test_what_is_wrong_is_named(sources: Shell, arguments: tuple[str, ...], complaint: str) -> None:
    with pytest.raises(Misconfigured, match=complaint):
        sources(*arguments)
    assert not sources.file.exists()


def test_a_broken_source_is_shown_and_in_nobodys_way(sources: Shell) -> None:
    sources.file.write_text('[sources.old]\nprovider = "slack"\nsecrets = ["short"]\n')
    [listed] = sources("list")
    assert sources.code == 1
    assert "fewer than 8" in listed["state"]
    sources("add", "calls", "--provider", "call_record")
    assert len(sources("list")) == 2


def test_every_provider_says_what_it_needs(sources: Shell) -> None:
    shown = {provider["name"]: provider for provider in sources("providers")}
    assert shown["twilio"]["channel"] == "phone"
    assert all(provider["title"] for provider in shown.values())


def test_a_check_says_what_to_do(sources: Shell) -> None:
    [finding] = sources("test", "nobody")
    assert (sources.code, finding["ok"]) == (1, False)
    sources("add", "calls", "--provider", "call_record")
    findings = sources("test", "calls", "--url", "http://127.0.0.1:1")
    assert [finding["ok"] for finding in findings] == [True, True, False]
    assert "nothing answers" in findings[-1]["fix"]
