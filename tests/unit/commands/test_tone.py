"""``tocsin tone``: exit codes, and what is printed."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from services.cli import cli
from shared.events import Channel, MessageKind


def test_a_text_that_would_not_be_sent_ends_with_1() -> None:
    text = "We are sorry, but you should have waited."
    found = CliRunner().invoke(cli, ["tone", "--kind", "follow_up"], input=text)
    assert found.exit_code == 1
    assert "block: 7-17 conditional_apology: “sorry, but”" in found.output
    assert "blame: “you should have”" in found.output


def test_a_good_text_says_nothing(tmp_path: Path) -> None:
    file = tmp_path / "text.txt"
    file.write_text("Ist noch alles in Ordnung?\n", "utf-8")
    args = ["tone", "--file", str(file), "--kind", "follow_up", "--language", "de-CH"]
    found = CliRunner().invoke(cli, args)
    assert (found.exit_code, found.output) == (0, "")


def test_findings_as_json() -> None:
    args = ["tone", "--kind", "survey", "--json", "--limit", "5"]
    found = CliRunner().invoke(cli, args, input="Why do you ask?")
    assert found.exit_code == 1
    assert msgspec.json.decode(found.output)["rule"] == "too_long"


@pytest.mark.parametrize(
    ("channel", "language"), list(zip(Channel, ("en", "de", "ja", "ar", "tr"), strict=True))
)
def test_examples_are_what_the_lint_lets_pass(channel: Channel, language: str) -> None:
    for kind in MessageKind:
        args = ["--kind", kind.value, "--language", language]
        shown = CliRunner().invoke(
            cli, ["tone", "show", *args, "--channel", channel.value, "--json"]
        )
        assert shown.exit_code == 0
        text = msgspec.json.decode(shown.output)["text"]
        found = CliRunner().invoke(cli, ["tone", *args], input=text)
        assert (found.exit_code, found.output) == (0, "")


def test_an_example_as_text() -> None:
    found = CliRunner().invoke(
        cli, ["tone", "show", "--language", "de", "--zone", "Europe/Berlin", "--name", "Nord AG"]
    )
    assert found.output.startswith("Wir haben Ihre Nachricht erhalten\n\nGuten Tag,\n")
    assert "bis Freitag, 9. Oktober 2026, 16:00 Uhr (UTC+2)." in found.output
    assert found.output.endswith("Freundliche Grüße\nNord AG\n")
