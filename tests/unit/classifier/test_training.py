"""Training on a few dozen texts: the same bytes twice, and what scikit-learn itself would say."""

from __future__ import annotations

import functools
from collections.abc import Collection

import numpy as np
import pytest
from msgspec import structs
from sklearn.linear_model import LogisticRegression

from services.classifier.severity import Classifier
from services.classifier.severity.model import OUTPUTS, REASONS, SEVERITIES, Model, softmax
from services.classifier.training import calibrate, fit, matrix
from services.classifier.training.compare import compared
from services.classifier.training.dataset import Example
from services.classifier.training.evaluate import Outcome, outcomes
from services.classifier.training.train import STEPS, packed, train
from shared.events import Kind, Reason, Severity
from tests.unit.classifier import own
from tests.unit.classifier.examples import dataset, examples

RECIPE = fit.Recipe()
UNSEEN = (
    "The kettle caught fire!",
    "Where is the refund for the sofa? I paid twice.",
    "Thank you, lovely lovely phone",
    "Die Heizung brennt",
    "返金",
    "",
    "12345 ?!",
)


@functools.cache
def _read() -> fit.Read:
    return fit.read(examples(), own.ruleset())


@functools.cache
def _weights() -> fit.Weights:
    return fit.fit(_read(), RECIPE)


@functools.cache
def _model() -> Model:
    """Return the model at temperature one, so that scores are scores."""
    costs = calibrate.Weighing().costs()
    return Model(packed(_weights(), own.ruleset(), temperatures={}, costs=costs))


def _raw(model: Model, read: fit.Read) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    columns = [[c for n in one.features if (c := model.column(n))] for one in read.readings]
    return model._raw([one.terms for one in read.readings], columns)[0]


def _everything() -> fit.Read:
    unseen = [structs.replace(examples()[0], text=text) for text in UNSEEN]
    return fit.read([*examples(), *unseen], own.ruleset())


# ---- against scikit-learn


def test_the_model_scores_as_scikit_learn_up_to_rounding() -> None:
    """Each weight is off by half a step of its scale at most, so each score by what that adds up to."""
    read, weights = _everything(), _weights()
    rows = read.rows(weights.vocabulary)
    terms, parts, _ = fit.quantised(weights)
    scale = np.zeros((weights.vocabulary.width, OUTPUTS))
    scale[: len(terms.names)] = terms.scale
    scale[len(terms.names) : len(terms.names) + len(parts.names)] = parts.scale
    bound = abs(rows) @ (scale / 2) + 1e-3
    exact = rows @ weights.matrix.astype(np.float64) + weights.bias
    assert np.all(np.abs(_raw(_model(), read) - exact) <= bound)
    assert np.abs(exact[:, : len(SEVERITIES)]).max() > 1  # it did learn something


def test_the_weights_are_those_of_scikit_learn() -> None:
    read, weights = _read(), _weights()
    rows = read.rows(weights.vocabulary)
    second = [at for at, one in enumerate(read.examples) if one.alt is not None]
    labels = [SEVERITIES.index(one.severity) for one in read.examples]
    labels += [SEVERITIES.index(Severity.CRITICAL)] * len(second)
    share = np.ones(len(labels))
    share[second] = 1 - RECIPE.alternative
    share[len(read.examples) :] = RECIPE.alternative
    severity = LogisticRegression(C=RECIPE.strength, max_iter=300, tol=1e-4)
    severity.fit(rows[[*range(len(read.examples)), *second]], labels, sample_weight=share)
    ours = fit.scores(weights, read)
    expected = severity.decision_function(rows)
    assert ours[:, : len(SEVERITIES)] == pytest.approx(expected, abs=1e-3)

    said = [Reason.SAFETY in one.reasons for one in read.examples]
    safety = LogisticRegression(C=RECIPE.strength, max_iter=200, tol=1e-3).fit(rows, said)
    column = len(SEVERITIES) + len(Kind) + REASONS.index(Reason.SAFETY)
    assert ours[:, column] == pytest.approx(safety.decision_function(rows), abs=1e-3)


def test_probabilities_are_those_of_scikit_learn() -> None:
    model, read = _model(), _read()
    columns = [[c for n in one.features if (c := model.column(n))] for one in read.readings]
    scores = model.score(
        [one.terms for one in read.readings], columns, [one.channel for one in read.examples]
    )
    expected = softmax(fit.scores(_weights(), read)[:, : len(SEVERITIES)])
    assert scores.severity == pytest.approx(expected, abs=0.02)
    called = scores.severity.argmax(axis=1).tolist()
    assert called == [SEVERITIES.index(one.severity) for one in read.examples]


def test_a_kind_and_a_reason_that_nobody_taught_are_never_found() -> None:
    found = Classifier(own.ruleset(), _model()).classify_many(
        [one.feedback() for one in examples()]
    )
    assert not {Kind.SUGGESTION, Kind.OTHER} & {one.kind for one in found}
    assert Reason.LEGAL not in {reason for one in found for reason in one.reasons}


def test_rows_have_the_length_that_the_model_divides_by() -> None:
    vocabulary = _weights().vocabulary
    rows = _read().rows(vocabulary).toarray()
    terms = rows[:, : len(vocabulary.terms)]
    assert np.linalg.norm(terms, axis=1) == pytest.approx(np.ones(len(rows)), abs=1e-5)
    assert vocabulary.width == rows.shape[1]


def test_rare_terms_are_left_out() -> None:
    readings = _read().readings
    terms = [one.terms for one in readings]
    features = [one.features for one in readings]
    all_of_them = matrix.vocabulary(terms, features, terms_in=1, pieces_in=1)
    often = matrix.vocabulary(terms, features, terms_in=12, pieces_in=25)
    assert set(often.terms) < set(all_of_them.terms)
    assert set(often.pieces) < set(all_of_them.pieces)
    assert "caught fire" in often.terms


# ---- the whole training


def test_the_same_input_gives_the_same_bytes() -> None:
    steps: list[str] = []
    weighing = calibrate.Weighing()
    first = train(dataset(), own.ruleset(), RECIPE, weighing, steps.append)
    again = train(dataset(), own.ruleset(), RECIPE, weighing, lambda _: None)
    assert first == again
    assert len(steps) == STEPS

    model = Model(first)
    assert model.manifest.rules_version == own.ruleset().version
    assert model.manifest.languages == {"en": 60}
    assert set(model.manifest.temperatures) == {"email", "reviews"}
    for shares in model.manifest.reference.values():
        assert sum(shares) == pytest.approx(1.0, abs=1e-3)
    found = outcomes(Classifier(own.ruleset(), model), examples())
    assert sum(one.found.severity is one.example.severity for one in found) >= 57


def test_a_correction_is_named_in_the_model_that_learnt_from_it() -> None:
    corrected = structs.replace(
        examples()[0], id="c1", text="It was not on fire.", correction="c-77"
    )
    data = structs.replace(dataset(), examples=[*examples(), corrected])
    content = train(data, own.ruleset(), RECIPE, calibrate.Weighing(), lambda _: None)
    assert Model(content).manifest.corrections == ["c-77"]


def test_examples_of_one_story_are_on_one_side() -> None:
    some = [structs.replace(one, group=f"story{at // 5}") for at, one in enumerate(examples())]
    for number in range(12):
        assert len({one.fold(5) for one in some if one.group == f"story{number}"}) == 1


def test_the_best_temperature_is_found() -> None:
    """Scores that are twice too sure are divided by about two."""
    random = np.random.default_rng(3)
    raw = random.normal(0, 1.2, (4_000, len(SEVERITIES))).astype(np.float32)
    chances = softmax(raw)
    actual = [random.choice(len(SEVERITIES), p=row / row.sum()) for row in chances.astype(float)]
    some = [structs.replace(examples()[1], severity=SEVERITIES[rank]) for rank in actual]
    found = calibrate.temperatures(np.asarray(raw * 2, np.float32), some)
    assert found["email"] == pytest.approx(2.0, abs=0.2)


# ---- comparison


def _outcomes(wrong: Collection[str] = ()) -> list[Outcome]:
    """Return the outcomes of who is right on everything but some texts, which it calls low."""
    sure = Classifier(own.ruleset(), _model())
    found = outcomes(sure, examples())
    return [_called(one, Severity.LOW) if one.example.id in wrong else one for one in found]


def _called(one: Outcome, severity: Severity) -> Outcome:
    return structs.replace(one, found=structs.replace(one.found, severity=severity))


def _of(severity: Severity) -> list[Example]:
    return [one for one in examples() if one.severity is severity]


def test_the_same_is_not_better() -> None:
    found = compared(_outcomes(), _outcomes())
    assert (found.better, found.objections, found.losses) == (False, ["not better"], [])


def test_a_better_candidate_may_replace() -> None:
    mediums = {one.id for one in _of(Severity.MEDIUM)[:5]}
    found = compared(_outcomes(mediums), _outcomes())
    assert found.better, found.objections
    assert found.after.macro_f1 > found.before.macro_f1


def test_a_worse_candidate_is_refused_with_what_speaks_against_it() -> None:
    criticals = {one.id for one in _of(Severity.CRITICAL)[:5]}
    found = compared(_outcomes(), _outcomes(criticals))
    assert not found.better
    assert set(found.objections) >= {
        "macro-F1 falls",
        "share within an acceptable label falls",
        "recall of escalation falls",
        "more critical texts are called low",
        "worse on reason safety",
    }
    (loss,) = [one for one in found.losses if one.by == "reason"]
    assert (loss.slice, loss.texts, loss.after) == ("safety", 12, round(7 / 12, 3))


def test_better_on_the_whole_and_worse_in_a_slice_is_refused() -> None:
    mediums = {one.id for one in _of(Severity.MEDIUM)}
    highs = {one.id for one in _of(Severity.HIGH)[:4]}
    found = compared(_outcomes(mediums), _outcomes(highs))
    assert found.after.macro_f1 > found.before.macro_f1
    assert not found.better
    assert "worse on reason financial_loss" in found.objections


def test_two_texts_of_a_slice_may_be_chance() -> None:
    mediums = {one.id for one in _of(Severity.MEDIUM)[:6]}
    others = {one.id for one in _of(Severity.MEDIUM)[:2]}
    assert compared(_outcomes(mediums), _outcomes(others)).better
