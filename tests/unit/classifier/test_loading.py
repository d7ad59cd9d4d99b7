"""Rule files: what is refused, and that the message names file, line and reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.classifier.severity import Classifier
from services.classifier.severity.loading import load
from shared.errors import Misconfigured
from tests.unit.classifier.factory import feedback

GOOD = """\
rules:
  - id: demo.rule
    reasons: [quality]
    severity: medium
    confidence: 0.7
    patterns:
      en:
        - "broken zip"
"""


def _write(folder: Path, content: str, name: str = "demo.yaml") -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


def test_a_valid_file_loads_and_matches(tmp_path: Path) -> None:
    classifier = Classifier(load([_write(tmp_path, GOOD)]), None)
    found = classifier.classify(feedback("The BROKEN\n zip again", language="en"))
    assert [(e.rule, e.text) for e in found.evidence] == [("demo.rule", "BROKEN\n zip")]
    assert found.rules_version == classifier.rules_version


def test_version_follows_the_content(tmp_path: Path) -> None:
    first = load([_write(tmp_path, GOOD)]).version
    again = load([_write(tmp_path, GOOD)]).version
    changed = load([_write(tmp_path, GOOD.replace("0.7", "0.8"))]).version
    assert first == again != changed


@pytest.mark.parametrize(
    ("old", "new", "line", "reason"),
    [
        ("medium", "huge", 4, "Invalid enum value 'huge'"),
        ("reasons:", "raisons:", 2, "unknown field `raisons`"),
        ("0.7", "1.7", 5, "<= 1.0"),
        ("      en:", "      xx:", 8, "unknown language 'xx'"),
        ("broken zip", "broken (zip", 8, "missing )"),
        ("broken zip", "broken %thing%", 8, "unknown fragment %thing%"),
        ("broken zip", "Broken zip", 8, "lower case"),
        ("broken zip", "(?=zip)", 8, "invalid perl operator"),
        ("    confidence: 0.7", "    confidence: [", 7, "not YAML"),
        ("id: demo.rule", "id: Demo", 2, "matching regex"),
        ("[quality]", "[]", 3, "length >= 1"),
    ],
)
def test_an_invalid_file_is_refused(
    tmp_path: Path, old: str, new: str, line: int, reason: str
) -> None:
    path = _write(tmp_path, GOOD.replace(old, new))
    with pytest.raises(Misconfigured) as caught:
        load([path])
    assert str(caught.value).startswith(f"demo.yaml:{line}:")
    assert reason in str(caught.value)


def test_an_id_defined_twice_is_refused(tmp_path: Path) -> None:
    paths = [_write(tmp_path, GOOD, "a.yaml"), _write(tmp_path, GOOD, "b.yaml")]
    with pytest.raises(
        Misconfigured, match=r"b\.yaml:2: demo\.rule is already defined at a\.yaml:2"
    ):
        load(paths)


def test_an_unknown_context_is_refused(tmp_path: Path) -> None:
    path = _write(tmp_path, GOOD + "    contexts: [moon]\n")
    with pytest.raises(Misconfigured, match="unknown context 'moon'"):
        load([path])


def test_a_missing_or_binary_file_is_refused(tmp_path: Path) -> None:
    binary = tmp_path / "bad.yaml"
    binary.write_bytes(b"\xff\xfe\xff")
    for path in (tmp_path / "none.yaml", binary):
        with pytest.raises(Misconfigured, match="rule file"):
            load([path])


def test_an_empty_set_of_rules_is_allowed(tmp_path: Path) -> None:
    classifier = Classifier(load([_write(tmp_path, "")]), None)
    assert classifier.classify(feedback("anything")).evidence == ()
