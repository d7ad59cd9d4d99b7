"""Templates of an operator: they replace a language, and what is wrong is told with its line."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest

from services.notifier.customers.texts import load
from shared.errors import Misconfigured

ENGLISH = (
    resources.files("services.notifier.customers.templates").joinpath("en.yaml").read_text("utf-8")
)


def _line(content: str, part: str) -> int:
    return next(n for n, line in enumerate(content.splitlines(), 1) if part in line)


def test_a_file_replaces_a_language_or_adds_one(tmp_path: Path) -> None:
    (tmp_path / "ours.yaml").write_text(ENGLISH.replace("Hello,", "Ahoy,"), "utf-8")
    added = ENGLISH.replace("language: en", "language: sw")
    (tmp_path / "sw.yml").write_text(added, "utf-8")
    (tmp_path / "notes.txt").write_text("not a template", "utf-8")
    found = load(tmp_path)
    assert "Ahoy," in found.find("en", "en").messages["receipt"].body  # type: ignore[index]
    assert found.find("sw", "en").language == "sw"
    assert "Guten Tag," in found.find("de", "en").messages["receipt"].body  # type: ignore[index]


@pytest.mark.parametrize(
    ("old", "new", "line", "told"),
    [
        (
            "by {due}.\n\n      You do",
            "by {dew}.\n\n      You do",
            "receipt:",
            "{dew} means nothing",
        ),
        ("about {concern}. Your", "about it. Your", "receipt:", "{concern} is missing"),
        ("  question: your question\n", "", "concerns:", "question is missing"),
        ("  refund: a refund\n", "", "solutions:", "refund is missing"),
        ("  closes: ", "  closses: ", "phrases:", "closses"),
        ("{closes_on}, we", "then, we", "closes:", "{closes_on} is missing"),
        ("January, ", "", "months:", "length >= 12"),
        ("subject: How satisfied", "subject: How {satisfied}", "subject: How", "{satisfied}"),
        ("Result: {outcome}", "Result: {outcome", "resolution:", "brace"),
        ("  survey:\n    subject", "  survay:\n    subject", "messages:", "survay"),
        ("language: en", "language: [en", "", "not YAML"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(
    tmp_path: Path, old: str, new: str, line: str, told: str
) -> None:
    assert old in ENGLISH
    content = ENGLISH.replace(old, new, 1)
    file = tmp_path / "en.yaml"
    file.write_text(content, "utf-8")
    with pytest.raises(Misconfigured) as failed:
        load(tmp_path)
    message = str(failed.value)
    assert told in message
    assert message.startswith(f"{file}:")
    number = int(message.removeprefix(f"{file}:").partition(":")[0])
    first = _line(content, line) if line else 1
    assert first <= number <= first + 12


@pytest.mark.parametrize("content", [b"\xff", b"", b"- 1", b"language: en\n"])
def test_files_that_are_no_templates(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "en.yaml").write_bytes(content)
    with pytest.raises(Misconfigured, match=r"en\.yaml"):
        load(tmp_path)


def test_a_directory_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="no directory"):
        load(tmp_path / "nowhere")
