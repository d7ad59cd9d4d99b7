"""``tocsin classify``, ``tocsin rules`` and ``tocsin model``, with rules and models of our own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result
from msgspec import json as encoder

from services.classifier import current
from services.cli import cli
from shared.errors import Misconfigured
from tests.unit.classifier import own
from tests.unit.classifier.examples import examples

ITEMS: list[dict[str, object]] = [
    {"id": "1", "channel": "email", "text": "The charger caught fire last night, help!"},
    {"id": "2", "channel": "reviews", "text": "All fine.", "rating": {"value": 5}},
    {"id": "3", "channel": "email", "text": "Where is my refund? The parcel is lost too."},
]
MADE_TEXTS = [one.text for one in examples()]


@pytest.fixture(autouse=True)
def packaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Replace the packaged rules by a small file: no test here is about their words."""
    folder = tmp_path / "packaged"
    folder.mkdir()
    (folder / "own.yaml").write_text(own.RULES, "utf-8")
    monkeypatch.setattr(current, "resources", SimpleNamespace(files=lambda _: folder))
    return folder


@pytest.fixture
def model(tmp_path: Path) -> str:
    """Return the file of a model."""
    file = tmp_path / "own.npz"
    file.write_bytes(own.content(MADE_TEXTS))
    return str(file)


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """Return a folder with one more rule."""
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "house.yaml").write_text(
        "rules:\n  - id: house.goblin\n    reasons: [safety]\n    severity: critical\n"
        '    confidence: 0.9\n    floor: true\n    patterns:\n      en: ["a goblin"]\n',
        "utf-8",
    )
    return folder


def run(*args: str, stdin: str = "") -> Result:
    return CliRunner().invoke(cli, list(args), input=stdin, catch_exceptions=False)


def lines(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def items(*given: Mapping[str, object]) -> str:
    return "".join(json.dumps(one) + "\n" for one in given)


# ---- classify


def test_classify_answers_each_line_in_order(model: str) -> None:
    many = [one | {"id": f"{turn}-{one['id']}"} for turn in range(120) for one in ITEMS]
    result = run("classify", "--model", model, stdin=items(*many))
    assert result.exit_code == 0
    found = lines(result)
    assert [one["id"] for one in found] == [one["id"] for one in many]
    assert found[0]["severity"] == "critical"
    assert found[0]["evidence"][0]["rule"] == "demo.fire"
    assert found[:3] == [one | {"id": str(one["id"]).replace("7-", "0-")} for one in found[21:24]]
    assert "probabilities" not in found[0]


def test_a_line_that_is_no_item_is_answered_in_its_place(model: str) -> None:
    result = run("classify", "--model", model, stdin=items(ITEMS[0]) + "{\n" + items(ITEMS[2]))
    found = lines(result)
    assert result.exit_code == 1
    assert [one["id"] for one in found] == ["1", None, "3"]
    assert found[1]["error"]


def test_no_lines_no_answers(model: str) -> None:
    result = run("classify", "--model", model, stdin="\n \n")
    assert (result.exit_code, result.stdout) == (0, "")


def test_classify_explains(model: str) -> None:
    plain = lines(run("classify", "--model", model, stdin=items(*ITEMS)))
    told = lines(run("classify", "--explain", "--model", model, stdin=items(*ITEMS)))
    for one, other in zip(plain, told, strict=True):
        assert one.items() <= other.items()
        assert list(other["probabilities"]) == ["low", "medium", "high", "critical"]
        assert sum(other["probabilities"].values()) == pytest.approx(1.0, abs=1e-3)
    assert told[0]["floors"] == ["demo.fire"]
    assert {term for term, _ in told[0]["terms"]} & {"the", "caught", "fire", "the charger"}
    assert len(told[0]["model"]) == len(told[0]["rules"]) == 12


def test_classify_by_the_rules_alone() -> None:
    found = lines(run("classify", "--explain", "--model", "none", stdin=items(*ITEMS)))
    assert [one["severity"] for one in found] == ["critical", "low", "high"]
    assert {one["model"] for one in found} == {"rules"}
    assert found[0]["changes"][0]["without"] == "caught fire"


def test_classify_with_rules_of_ones_own(rules: Path) -> None:
    item = items({"id": "1", "channel": "email", "text": "It was a goblin, and that is that."})
    (before,) = lines(run("classify", "--model", "none", stdin=item))
    (after,) = lines(run("classify", "--model", "none", "--rules", str(rules), stdin=item))
    assert (before["severity"], after["severity"]) == ("medium", "critical")


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        (("--model", "/nowhere.npz"), "/nowhere.npz"),
        (("--rules", "/nowhere"), "is not a directory"),
        (("--model", __file__), "not a model"),
    ],
)
def test_what_cannot_be_used_is_named(args: tuple[str, ...], reason: str) -> None:
    with pytest.raises(Misconfigured, match=reason):
        run("classify", *args, stdin=items(*ITEMS))


# ---- rules


def test_rules_check(rules: Path) -> None:
    (found,) = lines(run("rules", "check", "--json", "--rules", str(rules)))
    assert (found["rules"], found["floors"], found["themes"], found["contexts"]) == (4, 2, 1, 1)
    assert "house.goblin" in found["unknown_to_the_model"]
    text = run("rules", "check", "--rules", str(rules)).stdout
    assert "4 rules, 1 themes, 1 contexts" in text
    assert "house.goblin" in text


def test_rules_check_names_file_and_line(rules: Path) -> None:
    file = rules / "house.yaml"
    file.write_text(file.read_text("utf-8").replace("critical", "grave"), "utf-8")
    with pytest.raises(Misconfigured, match=r"house\.yaml:4: Invalid enum value 'grave'"):
        run("rules", "check", "--rules", str(rules))


def test_rules_test(rules: Path) -> None:
    result = run("rules", "test", "--rules", str(rules))
    assert (result.exit_code, result.stdout) == (0, "0 examples fail\n")
    file = rules / "house.yaml"
    file.write_text(file.read_text("utf-8") + '    examples:\n      must: ["A dragon."]\n', "utf-8")
    result = run("rules", "test", "--rules", str(rules))
    assert result.exit_code == 1
    assert "house.goblin: does not hit what it must: A dragon." in result.stdout


def test_rules_test_measures(tmp_path: Path) -> None:
    labelled = tmp_path / "labelled.jsonl"
    labelled.write_bytes(b"\n".join(encoder.encode(one) for one in examples()))
    (found,) = lines(run("rules", "test", "--json", "--labelled", str(labelled)))
    measured = {one["rule"]: (one["hits"], one["precision"]) for one in found["measured"]}
    assert measured == {"demo.fire": (12, 1.0), "demo.refund": (12, 1.0), "demo.zip": (0, 0.0)}


def test_rules_explain() -> None:
    text = "The charger caught fire, and my refund has arrived."
    (found,) = lines(run("rules", "explain", "--json", text))
    assert [hit["text"] for hit in found["hits"]] == ["caught fire"]
    assert found["voided"] == [["demo.refund", "unless"]]
    shown = run("rules", "explain", text).stdout
    assert "demo.fire  critical floor  “caught fire” at 12" in shown
    assert "demo.refund  void: unless" in shown
    with pytest.raises(Misconfigured, match="channel 'pigeon'"):
        run("rules", "explain", text, "--channel", "pigeon")


# ---- model


@pytest.mark.source_tree
def test_model_eval(model: str, public_data: Path, tmp_path: Path) -> None:
    held_out = tmp_path / "mine.jsonl"
    held_out.write_bytes(b"\n".join(encoder.encode(one) for one in examples()))
    args = ["--model", model, "--data", str(public_data), "--held-out", str(held_out)]
    found = {one["set"]: one for one in lines(run("model", "eval", "--json", *args))}
    assert found["mine"]["quality"]["texts"] == len(examples())
    assert found["development set"]["quality"]["texts"] == 156
    assert set(found["mine"]["slices"]["channel"]) == {"email", "reviews"}
    shown = run("model", "eval", *args).stdout
    assert "mine: 60 texts, macro-F1 " in shown


@pytest.mark.source_tree
def test_model_compare_refuses_a_worse_candidate(
    model: str, public_data: Path, tmp_path: Path
) -> None:
    args = ["--model", "none", "--data", str(public_data)]
    result = run("model", "compare", model, *args)
    assert result.exit_code == 1
    assert "worse on" in result.stdout, "made-up weights are no better than the rules alone"
    (found,) = lines(run("model", "compare", "none", "--json", *args))
    assert found["better"] is False
    assert found["comparison"]["objections"] == ["not better"]


@pytest.mark.source_tree
def test_model_card(model: str, public_data: Path, tmp_path: Path) -> None:
    out = tmp_path / "card.md"
    args = ["--model", model, "--data", str(public_data)]
    text = run("model", "card", *args).stdout
    assert text.startswith("# Model card: severity model `")
    assert "## Limits" in text
    run("model", "card", *args, "--out", str(out))
    assert out.read_text("utf-8").strip() == text.strip()
    (found,) = lines(run("model", "card", "--json", *args))
    assert found["manifest"]["features"][1] == "hit:demo.fire"


def test_the_rules_have_no_card() -> None:
    with pytest.raises(Misconfigured, match="no model"):
        run("model", "card", "--model", "none")


def test_without_the_data_the_folder_is_named(model: str, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"severity_dev_public\.jsonl: .*--data"):
        run("model", "eval", "--model", model, "--data", str(tmp_path))
