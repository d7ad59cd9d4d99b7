"""The classifier in use follows its files; whatever cannot be used changes nothing."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from services.classifier import current
from services.classifier.current import Followed
from services.classifier.severity.loading import Ruleset, load
from shared.config import Classifier as Settings
from shared.errors import Misconfigured
from shared.events import Severity
from shared.metrics import Metrics
from tests.unit.classifier import own
from tests.unit.classifier.factory import feedback

RULE = """\
rules:
  - id: house.goblin
    reasons: [safety]
    severity: {severity}
    confidence: 0.9
    floor: true
    patterns:
      en: ["a goblin came out"]
"""
TEXT = "When I opened it a goblin came out of the box."


class Rig:
    """A folder of rules and a model file that a test may change, and who follows them."""

    def __init__(self, folder: Path) -> None:
        self.rules = folder / "rules"
        self.rules.mkdir()
        self.model = folder / "severity.npz"
        self.model.write_bytes(own.content())
        self.file = self.rules / "house.yaml"
        self._time = 1_700_000_000
        self.write(RULE.format(severity="high"))
        self.registry = CollectorRegistry()
        self.settings = Settings(rules_dir=str(self.rules), model_file=str(self.model))
        self.followed = Followed(self.settings, Metrics(self.registry))

    def write(self, content: str | bytes, path: Path | None = None) -> None:
        """Write a file as an editor does: whole, and at a later time than before."""
        path = path or self.file
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        self._time += 1
        os.utime(path, (self._time, self._time))

    def severity(self) -> Severity:
        return self.followed.classifier.classify(feedback(TEXT, language="en")).severity

    def reloads(self, result: str) -> float:
        name = "tocsin_classifier_reloads_total"
        return self.registry.get_sample_value(name, {"result": result}) or 0.0

    def infos(self) -> list[tuple[str, str]]:
        """Return the versions that the metrics tell of: there must be one."""
        return [
            (sample.labels["model"], sample.labels["rules"])
            for metric in self.registry.collect()
            for sample in metric.samples
            if sample.name == "tocsin_model_info"
        ]


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    """Return a rig whose packaged rules are a small file: no test here is about their words."""
    packaged = tmp_path / "packaged"
    packaged.mkdir()
    (packaged / "own.yaml").write_text(own.RULES, "utf-8")
    monkeypatch.setattr(current, "resources", SimpleNamespace(files=lambda _: packaged))
    return Rig(tmp_path)


def test_nothing_changes_while_the_files_do_not(rig: Rig) -> None:
    before = rig.followed.classifier
    assert not rig.followed.refresh()
    assert rig.followed.classifier is before
    assert (rig.reloads("used"), rig.reloads("refused")) == (0, 0)


def test_a_valid_change_is_used_and_told(rig: Rig) -> None:
    before = rig.followed.classifier
    assert rig.severity() is Severity.HIGH
    rig.write(RULE.format(severity="critical"))
    with capture_logs() as logs:
        assert rig.followed.refresh()
    after = rig.followed.classifier
    assert rig.severity() is Severity.CRITICAL
    assert after.rules_version != before.rules_version
    assert rig.infos() == [(after.model_version, after.rules_version)]
    assert rig.reloads("used") == 1
    assert [(one["event"], one["rules"]) for one in logs] == [
        ("rules reloaded", after.rules_version)
    ]


def test_who_reads_a_chunk_keeps_what_it_began_with(rig: Rig) -> None:
    before = rig.followed.classifier
    rig.write(RULE.format(severity="critical"))
    assert rig.followed.refresh()
    assert before.classify(feedback(TEXT, language="en")).severity is Severity.HIGH


@pytest.mark.parametrize(
    ("content", "where"),
    [
        (RULE.format(severity="huge"), "house.yaml:4: Invalid enum value 'huge'"),
        (RULE.format(severity="high") + "    patern: x\n", "house.yaml:2: "),
        (RULE.format(severity="high").replace("came out", "came (out"), "house.yaml:8: pattern"),
        ("rules: ]", "house.yaml:1: not YAML"),
        (own.RULES, "own.yaml:7: demo.fire is already defined at house.yaml:7"),
        (b"\xff\xfe", "rule file house.yaml: "),
    ],
)
def test_a_broken_file_is_refused_with_line_and_reason(
    rig: Rig, content: str | bytes, where: str
) -> None:
    before = rig.followed.classifier
    rig.write(content)
    with capture_logs() as logs:
        assert not rig.followed.refresh()
        assert not rig.followed.refresh()  # told once
    assert rig.followed.classifier is before
    assert rig.infos() == [(before.model_version, before.rules_version)]
    assert (rig.reloads("used"), rig.reloads("refused")) == (0, 1)
    (told,) = logs
    assert told["log_level"] == "error"
    assert where in told["error"]


def test_after_a_broken_file_the_next_good_one_is_used(rig: Rig) -> None:
    rig.write("rules: [")
    assert not rig.followed.refresh()
    rig.write(RULE.format(severity="medium"))
    assert rig.followed.refresh()
    assert (rig.reloads("used"), rig.reloads("refused")) == (1, 1)


def test_a_file_more_and_a_file_less(rig: Rig) -> None:
    packaged_alone = load([own.Source(own.RULES)]).rules
    more = rig.rules / "more.yaml"
    rig.write(RULE.replace("goblin", "gnome").format(severity="low"), more)
    assert rig.followed.refresh()
    assert _ids(rig.followed.classifier.ruleset) >= {"house.goblin", "house.gnome"}
    more.unlink()
    rig.file.unlink()
    assert rig.followed.refresh()
    assert _ids(rig.followed.classifier.ruleset) == {rule.id for rule in packaged_alone}
    assert rig.reloads("used") == 2


def test_a_file_of_the_same_name_replaces_the_packaged_one(rig: Rig) -> None:
    rig.write(RULE.replace("goblin", "gnome").format(severity="low"), rig.rules / "own.yaml")
    assert rig.followed.refresh()
    assert _ids(rig.followed.classifier.ruleset) == {"house.goblin", "house.gnome"}


def test_another_model_is_used(rig: Rig) -> None:
    before = rig.followed.classifier
    rig.write(own.content(seed=5), rig.model)
    assert rig.followed.refresh()
    after = rig.followed.classifier
    assert after.model_version != before.model_version
    assert after.rules_version == before.rules_version
    assert rig.infos() == [(after.model_version, after.rules_version)]


@pytest.mark.parametrize("content", [b"", own.content()[:5_000], b"not a model at all"])
def test_a_broken_model_is_refused(rig: Rig, content: bytes) -> None:
    before = rig.followed.classifier
    rig.write(content, rig.model)
    with capture_logs() as logs:
        assert not rig.followed.refresh()
    assert rig.followed.classifier is before
    assert "not a model" in logs[0]["error"]
    assert rig.reloads("refused") == 1


def test_a_model_that_goes_away_stays_in_use(rig: Rig) -> None:
    before = rig.followed.classifier
    rig.model.unlink()
    assert not rig.followed.refresh()
    assert rig.followed.classifier is before
    rig.write(own.content(seed=6), rig.model)
    assert rig.followed.refresh()


def test_a_folder_that_goes_away_stays_in_use(rig: Rig) -> None:
    before = rig.followed.classifier
    rig.file.unlink()
    rig.rules.rmdir()
    with capture_logs() as logs:
        assert not rig.followed.refresh()
        assert not rig.followed.refresh()
    assert rig.followed.classifier is before
    assert rig.reloads("refused") == 1
    assert "is not a directory" in logs[0]["error"]
    rig.rules.mkdir()
    rig.write(RULE.format(severity="critical"))
    assert rig.followed.refresh()
    assert rig.severity() is Severity.CRITICAL


def test_many_changes_leave_one_version_in_the_metrics(rig: Rig) -> None:
    versions = set()
    for number in range(30):
        broken = number % 3 == 1
        confidence = f"0.{number + 10}"
        content = RULE.replace("0.9", confidence).format(severity="high")
        rig.write("rules: [" * number if broken else content)
        assert rig.followed.refresh() is not broken
        versions.add(rig.followed.classifier.rules_version)
        assert len(rig.infos()) == 1
    assert len(versions) == 20
    assert (rig.reloads("used"), rig.reloads("refused")) == (20, 10)


def test_what_cannot_be_used_at_the_start_ends_the_start(tmp_path: Path) -> None:
    metrics = Metrics(CollectorRegistry())
    with pytest.raises(Misconfigured, match="is not a directory"):
        Followed(Settings(rules_dir=str(tmp_path / "nowhere")), metrics)
    with pytest.raises(Misconfigured, match=r"model_file .*No such file"):
        current.model(str(tmp_path / "nowhere.npz"))
    assert current.model("none") is None


def _ids(ruleset: Ruleset) -> set[str]:
    return {rule.id for rule in ruleset.rules}
