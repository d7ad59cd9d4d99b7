"""From the labelled texts to a model file: out-of-fold scores, calibration, weights. Seeded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from importlib.metadata import version
from typing import Final

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from services.classifier.severity.loading import Ruleset
from services.classifier.severity.model import FORMAT, SEVERITIES, Manifest, Source, pack
from services.classifier.training import calibrate, fit
from services.classifier.training.augment import augmented
from services.classifier.training.dataset import Dataset

FOLDS: Final = 5
STEPS: Final = FOLDS + 24
"""Calls of ``step`` in one training."""
_LIBRARIES: Final = ("scikit-learn", "scipy", "numpy", "google-re2")

Floats = NDArray[np.float32]


def train(
    data: Dataset,
    ruleset: Ruleset,
    recipe: fit.Recipe,
    weighing: calibrate.Weighing,
    step: Callable[[str], None],
) -> bytes:
    """Return the content of a model file; the same input gives the same bytes on the same libraries.

    Args:
        data: the examples and what their files were.
        ruleset: the rules whose hits are features.
        recipe: regularisation and cut-offs.
        weighing: what mistakes cost.
        step: is told of each finished part, ``STEPS`` times in all.
    """
    with threadpool_limits(1):  # sums in one order: the same bytes whatever the machine's cores
        read = fit.read(augmented(data.examples), ruleset)
        raw, known = out_of_fold(read, recipe, step)
        weights = fit.fit(read, recipe, step=step)
    heats = calibrate.temperatures(raw, read.examples)
    return packed(
        weights,
        ruleset,
        temperatures=heats,
        costs=weighing.costs(),
        languages=dict(Counter(one.lang for one in data.examples).most_common()),
        sources=data.sources,
        seed=recipe.seed,
        reference=calibrate.reference(raw, known, read.examples, heats),
        corrections=sorted(one.correction for one in data.examples if one.correction),
    )


def packed(
    weights: fit.Weights,
    ruleset: Ruleset,
    *,
    temperatures: dict[str, float],
    costs: list[list[float]],
    languages: dict[str, int] | None = None,
    sources: list[Source] | None = None,
    seed: int = 0,
    reference: dict[str, list[float]] | None = None,
    corrections: list[str] | None = None,
) -> bytes:
    """Return weights as the content of a model file."""
    terms, pieces, features = fit.quantised(weights)
    manifest = Manifest(
        format=FORMAT,
        features=list(weights.vocabulary.features),
        temperatures=temperatures,
        costs=costs,
        languages=languages or {},
        sources=sources or [],
        rules_version=ruleset.version,
        seed=seed,
        reference=reference or {},
        corrections=corrections or [],
        libraries={name: version(name) for name in _LIBRARIES},
    )
    return pack(manifest, terms, pieces, features, weights.bias)


def out_of_fold(
    read: fit.Read, recipe: fit.Recipe, step: Callable[[str], None]
) -> tuple[Floats, Floats]:
    """Return each example's severity scores, and its share of known words, learnt without its fold."""
    folds = np.array([one.fold(FOLDS) for one in read.examples])
    raw = np.zeros((len(folds), len(SEVERITIES)), np.float32)
    known = np.zeros(len(folds), np.float32)
    for number in range(FOLDS):
        inside, outside = np.flatnonzero(folds != number), np.flatnonzero(folds == number)
        weights = fit.fit(read.of(inside.tolist()), recipe, only_severity=True)
        held = read.of(outside.tolist())
        raw[outside] = fit.scores(weights, held)[:, : len(SEVERITIES)]
        known[outside] = [fit.known(weights.vocabulary, one.terms) for one in held.readings]
        step(f"fold {number + 1}")
    return raw, known
