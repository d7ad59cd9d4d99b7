"""What a person says of a severity: its id, which one counts, what a model makes of it."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import msgspec
import pytest

from services.classifier.corrections import Word, correction, example, said_before, teachable
from services.classifier.training import dataset
from services.classifier.training.dataset import UNKNOWN, Example
from shared.events import (
    Channel,
    Classification,
    FeedbackClassified,
    Kind,
    Reason,
    Severity,
    SeverityCorrected,
)
from tests.unit.classifier import tiny
from tests.unit.classifier.factory import feedback

TEXT = "The freezer of mine is noisy."


def classified(
    text: str = TEXT, feedback_id: str = "f1", language: str | None = "en"
) -> FeedbackClassified:
    return FeedbackClassified(
        feedback=msgspec.structs.replace(feedback(text), feedback_id=feedback_id),
        classification=Classification(
            severity=Severity.MEDIUM,
            kind=Kind.QUESTION,
            confidence=0.6,
            reasons=(Reason.QUESTION,),
            language=language,
            model_version="m1",
            rules_version="r1",
        ),
        classified_at=5,
    )


def said(
    severity: Severity = Severity.CRITICAL,
    at: int = 10,
    event: FeedbackClassified | None = None,
    command_id: str | None = None,
) -> SeverityCorrected:
    return correction(event or classified(), Word(severity, "ada", at, command_id=command_id))


def test_a_correction_says_what_was_and_what_should_have_been() -> None:
    word = Word(Severity.HIGH, "ada", 10, Kind.COMPLAINT, (Reason.SAFETY,), "It smokes.")
    one = correction(classified(), word)
    assert (one.was, one.severity, one.by, one.at) == (Severity.MEDIUM, Severity.HIGH, "ada", 10)
    assert (one.feedback_id, one.tenant, one.record_key) == ("f1", "acme", "acme:c1")
    assert (one.channel, one.text, one.language) == (Channel.EMAIL, TEXT, "en")
    assert (one.kind, one.reasons, one.note) == (Kind.COMPLAINT, (Reason.SAFETY,), "It smokes.")
    assert (one.model_version, one.rules_version) == ("m1", "r1")


def test_said_again_it_is_the_same_correction() -> None:
    assert said().correction_id == said().correction_id
    assert said().correction_id != said(at=11).correction_id
    assert said().correction_id != said(Severity.LOW).correction_id
    assert said(command_id="c").correction_id == said(at=99, command_id="c").correction_id


def test_a_command_is_known_again_by_its_feedback_and_id() -> None:
    first, other = said(command_id="c"), said(event=classified(feedback_id="f2"), command_id="c")
    assert said_before([other, said(), first], "f1", "c") == first
    assert said_before([other, said()], "f1", "c") is None


def test_the_last_correction_of_a_feedback_counts_in_whatever_order_they_come() -> None:
    first, last = said(Severity.LOW, at=1), said(Severity.HIGH, at=3)
    other = said(at=2, event=classified(feedback_id="f2"))
    assert teachable([last, other, first]) == teachable([first, other, last]) == [other, last]


def test_nothing_is_learnt_from_a_feedback_without_a_text_or_a_severity() -> None:
    nothing = said(event=classified("  ", "f2"))
    unsure = said(Severity.UNDETERMINED, at=20)
    assert teachable([said(), nothing, unsure]) == []


def test_a_row_for_training_leads_back_to_its_correction() -> None:
    one = said()
    row = example(one)
    assert row == Example(
        id="f1",
        channel=Channel.EMAIL,
        text=TEXT,
        severity=Severity.CRITICAL,
        lang="en",
        group="f1",
        origin="corrections",
        correction=one.correction_id,
    )
    assert msgspec.json.decode(msgspec.json.encode(row), type=Example) == row


def test_a_language_that_is_not_known_stays_so() -> None:
    row = example(said(event=classified(language=None)))
    assert row.lang == UNKNOWN
    assert row.feedback().language is None


# --------------------------------------------------------------------------- in a training


needs_training = pytest.mark.skipif(
    find_spec("sklearn") is None, reason="needs the extra tocsin[training]"
)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder; two of its files have the same text, but for capitals and spaces."""
    return tiny.inputs(
        tmp_path,
        monkeypatch,
        own=[labelled("a", "Fine as it is.")],
        authored=[labelled("b", TEXT, group="story")],
        labelled=[labelled("c", "the FREEZER of  mine is noisy.")],
    )


def labelled(name: str, text: str, group: str | None = None) -> Example:
    return Example(
        id=name,
        channel=Channel.EMAIL,
        text=text,
        severity=Severity.MEDIUM,
        alt=Severity.LOW,
        kind=Kind.COMPLAINT,
        reasons=(Reason.QUALITY,),
        group=group,
    )


def test_the_first_of_equal_texts_is_taken(data: Path) -> None:
    assert [one.id for one in dataset.training(data).examples] == ["a", "b"]


def test_a_correction_takes_the_place_of_the_label_of_its_text(data: Path) -> None:
    one = said()
    found = dataset.training(data, [tiny.save(data / "ours.jsonl", [example(one)])])
    own, corrected = found.examples
    assert (own.id, own.correction) == ("a", None)
    assert (corrected.severity, corrected.other) == (Severity.CRITICAL, None)
    assert (corrected.correction, corrected.origin) == (one.correction_id, "ours")
    # What it leaves open stays, and the text stays on the side of its story.
    assert (corrected.kind, corrected.reasons) == (Kind.COMPLAINT, (Reason.QUALITY,))
    assert corrected.group == "story"
    [source] = [source for source in found.sources if source.name == "ours.jsonl"]
    assert (source.rows, source.licence) == (1, dataset.CORRECTED)


def test_the_last_of_the_corrections_of_a_text_is_taken(data: Path) -> None:
    first = tiny.save(data / "first.jsonl", [example(said(Severity.LOW, at=1))])
    last = tiny.save(data / "last.jsonl", [example(said(Severity.HIGH, at=2))])
    corrected = dataset.training(data, [first, last]).examples[-1]
    assert (corrected.severity, corrected.origin) == (Severity.HIGH, "last")


def test_a_correction_of_a_new_text_is_one_more(data: Path) -> None:
    new = said(event=classified("My cooker is on fire."))
    found = dataset.training(data, [tiny.save(data / "ours.jsonl", [example(new)])]).examples
    assert [one.correction for one in found] == [None, None, new.correction_id]
    assert found[-1].group == "f1"


# --------------------------------------------------------------------------- in a model


@needs_training
def test_a_correction_changes_the_next_model_and_is_named_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny.inputs(tmp_path, monkeypatch, tiny.examples())
    before = tiny.classifier(tiny.learnt(dataset.training(folder)))
    assert before.model is not None
    assert before.model.manifest.corrections == []
    assert before.classify(feedback(TEXT)).severity is Severity.MEDIUM

    one = said()
    file = tiny.save(tmp_path / "corrections.jsonl", [example(one)])
    content = tiny.learnt(dataset.training(folder, [file]))
    after = tiny.classifier(content)
    assert after.model is not None
    assert after.model.manifest.corrections == [one.correction_id]
    assert after.model_version != before.model_version
    assert after.classify(feedback(TEXT)).severity is Severity.CRITICAL
    for text in ("The kettle of mine is lovely.", "The toaster of mine is stolen."):
        assert after.classify(feedback(text)).severity is before.classify(feedback(text)).severity
    assert tiny.learnt(dataset.training(folder, [file])) == content


@needs_training
def test_a_correction_without_reasons_does_not_say_that_there_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from services.classifier.severity.model import KINDS, REASONS, SEVERITIES
    from services.classifier.training import fit

    folder = tiny.inputs(tmp_path, monkeypatch, tiny.examples())
    silent = example(said(event=classified("The mixer of mine is choking.")))
    told = dataset.training(folder).examples
    column = len(SEVERITIES) + len(KINDS) + REASONS.index(Reason.SAFETY)
    recipe = fit.Recipe(terms_in=1, pieces_in=1)
    bias = [
        float(fit.fit(fit.read([*told, *some], tiny.NO_RULES), recipe).bias[column])
        for some in ([], [silent], [msgspec.structs.replace(silent, correction=None)])
    ]
    assert bias[1] == pytest.approx(bias[0], abs=0.02)
    assert bias[2] != pytest.approx(bias[0], abs=0.02)


@needs_training
def test_a_corrected_text_weighs_more_than_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from services.classifier.training import fit

    folder = tiny.inputs(tmp_path, monkeypatch, tiny.examples())
    file = tiny.save(tmp_path / "ours.jsonl", [example(said())])
    found = fit.read(dataset.training(folder, [file]).examples, tiny.NO_RULES)
    corrected = next(i for i, one in enumerate(found.examples) if one.correction)
    critical = [
        fit.scores(fit.fit(found, recipe, only_severity=True), found)[corrected, 3]
        for recipe in (fit.Recipe(correction=1.0), fit.Recipe())
    ]
    assert critical[1] > critical[0]
