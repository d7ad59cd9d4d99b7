"""From examples to weights: one logistic regression an output, and a ridge for the sentiment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression, Ridge

from services.classifier.severity.classifier import Classifier, Reading
from services.classifier.severity.loading import Ruleset
from services.classifier.severity.model import KINDS, OUTPUTS, REASONS, SEVERITIES, Table
from services.classifier.severity.terms import Terms
from services.classifier.training import matrix
from services.classifier.training.dataset import Example
from services.classifier.training.matrix import Vocabulary
from shared.events import Kind, Severity

Floats = NDArray[np.float32]
Step = Callable[[str], None]


def _silent(_: str) -> None:
    """Report no progress."""


class Recipe(NamedTuple):
    """What can be chosen: regularisation (inverse strength), the rarest term and piece, the seed.

    ``alternative`` is the share of a second acceptable severity, ``correction`` how many times a text
    counts whose severity a person corrected.
    """

    strength: float = 6.0
    terms_in: int = 2
    pieces_in: int = 3
    alternative: float = 0.3
    correction: float = 3.0
    seed: int = 7


class Weights(NamedTuple):
    """Trained weights: a column an output, in the order of ``model.OUTPUTS``."""

    vocabulary: Vocabulary
    matrix: Floats
    bias: Floats


class Read(NamedTuple):
    """Examples as the classifier reads them; done once, since no training changes it."""

    examples: list[Example]
    readings: list[Reading]

    def of(self, chosen: Sequence[int]) -> Read:
        """Return a part."""
        return Read([self.examples[i] for i in chosen], [self.readings[i] for i in chosen])

    def rows(self, vocabulary: Vocabulary) -> csr_matrix:
        """Return the matrix of the texts."""
        return matrix.rows(
            vocabulary,
            [one.terms for one in self.readings],
            [one.features for one in self.readings],
        )


def read(examples: Sequence[Example], ruleset: Ruleset) -> Read:
    """Return the examples with what the rules and the terms say."""
    classifier = Classifier(ruleset, None, mild=False)
    return Read(list(examples), [classifier.read(one.feedback()) for one in examples])


def fit(
    data: Read, recipe: Recipe, *, only_severity: bool = False, step: Step = _silent
) -> Weights:
    """Return the weights learnt from ``data``; the same input gives the same weights."""
    terms = [one.terms for one in data.readings]
    features = [one.features for one in data.readings]
    vocabulary = matrix.vocabulary(
        terms, features, terms_in=recipe.terms_in, pieces_in=recipe.pieces_in
    )
    rows = data.rows(vocabulary)
    weights = np.zeros((vocabulary.width, OUTPUTS), np.float32)
    bias = np.zeros(OUTPUTS, np.float32)
    _severity(data.examples, rows, recipe, weights, bias)
    step("severity")
    if not only_severity:
        _kind(data.examples, rows, recipe, weights, bias)
        step("kind")
        told = [i for i, one in enumerate(data.examples) if one.reasons or not one.correction]
        of_told = rows[told]  # a correction without reasons does not say that there are none
        for number, reason in enumerate(REASONS):
            said = np.array([reason in data.examples[i].reasons for i in told])
            column = len(SEVERITIES) + len(KINDS) + number
            weights[:, column], bias[column] = _binary(of_told, said, recipe)
            step(reason)
        weights[:, -1], bias[-1] = _sentiment(data.examples, rows)
        step("sentiment")
    return Weights(vocabulary, weights, bias)


def scores(weights: Weights, data: Read) -> Floats:
    """Return the raw scores of ``data``, a row a text."""
    return np.asarray(data.rows(weights.vocabulary) @ weights.matrix + weights.bias, np.float32)


def known(vocabulary: Vocabulary, text: Terms) -> float:
    """Return the share of the words of ``text`` that the vocabulary holds."""
    words = [word for word in text.words if word[0].isalpha()]
    return sum(word in vocabulary.terms for word in words) / max(len(words), 1)


def quantised(weights: Weights) -> tuple[Table, Table, Floats]:
    """Return terms, pieces and features as the model file holds them; rows that say nothing go."""
    vocabulary = weights.vocabulary
    terms, parts = len(vocabulary.terms), len(vocabulary.pieces)
    return (
        _table(vocabulary.terms, weights.matrix[:terms], vocabulary.term_idf),
        _table(vocabulary.pieces, weights.matrix[terms : terms + parts], vocabulary.piece_idf),
        weights.matrix[terms + parts :],
    )


def _table(numbers: dict[str, int], weights: Floats, idf: Floats) -> Table:
    scale = np.maximum(np.abs(weights).max(axis=0, initial=0.0), 1e-9) / 127
    rounded = np.rint(weights / scale).astype(np.int8)
    return Table(list(numbers), rounded, scale.astype(np.float32), idf)


def _severity(
    examples: Sequence[Example], rows: csr_matrix, recipe: Recipe, weights: Floats, bias: Floats
) -> None:
    """Learn the severities; an example with a second acceptable label counts for both."""
    second = [i for i, one in enumerate(examples) if one.other in SEVERITIES]
    labels = [one.severity for one in examples] + [
        other for i in second if (other := examples[i].other) is not None
    ]
    share = np.ones(len(labels))
    share[second] = 1 - recipe.alternative
    share[len(examples) :] = recipe.alternative
    share[[i for i, one in enumerate(examples) if one.correction]] *= recipe.correction
    both = rows[[*range(len(examples)), *second]]
    targets = np.array([SEVERITIES.index(label) for label in labels])
    learnt = LogisticRegression(C=recipe.strength, max_iter=300, tol=1e-4)
    learnt.fit(both, targets, sample_weight=share)
    weights[:, : len(SEVERITIES)] = learnt.coef_.T
    bias[: len(SEVERITIES)] = learnt.intercept_


def _kind(
    examples: Sequence[Example], rows: csr_matrix, recipe: Recipe, weights: Floats, bias: Floats
) -> None:
    known = [i for i, one in enumerate(examples) if one.kind is not None]
    targets = np.array([KINDS.index(kind) for i in known if (kind := examples[i].kind)])
    learnt = LogisticRegression(C=recipe.strength, max_iter=300, tol=1e-3)
    learnt.fit(rows[known], targets)
    first = len(SEVERITIES)
    for position, number in enumerate(learnt.classes_):
        weights[:, first + number] = learnt.coef_[position]
        bias[first + number] = learnt.intercept_[position]
    absent = set(range(len(KINDS))) - set(learnt.classes_.tolist())
    for number in absent:
        bias[first + number] = -20.0


def _binary(rows: csr_matrix, said: NDArray[np.bool_], recipe: Recipe) -> tuple[Floats, float]:
    if said.all() or not said.any():
        return np.zeros(rows.shape[1], np.float32), 20.0 if said.all() else -20.0
    learnt = LogisticRegression(C=recipe.strength, max_iter=200, tol=1e-3).fit(rows, said)
    return learnt.coef_[0].astype(np.float32), float(learnt.intercept_[0])


_VALENCE = {
    Severity.LOW: -0.1,
    Severity.MEDIUM: -0.45,
    Severity.HIGH: -0.65,
    Severity.CRITICAL: -0.75,
}


def _sentiment(examples: Sequence[Example], rows: csr_matrix) -> tuple[Floats, float]:
    """Learn how glad or angry a text is, from what its kind and severity imply."""
    implied = {Kind.PRAISE: 0.75, Kind.QUESTION: 0.0, Kind.SUGGESTION: 0.0, Kind.OTHER: 0.05}
    valence = [
        _VALENCE[one.severity]
        if one.kind in {Kind.COMPLAINT, None} or one.severity is not Severity.LOW
        else implied[one.kind]
        for one in examples
    ]
    learnt = Ridge(alpha=0.3, solver="lsqr").fit(rows, np.arctanh(valence))
    return learnt.coef_.astype(np.float32), float(learnt.intercept_)
