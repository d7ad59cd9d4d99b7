"""Who tells severities: the product's classifier and three peers, all by the same few methods."""

from __future__ import annotations

import bisect
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

from services.classifier.severity import Classifier
from services.classifier.severity.classifier import bundled_model
from services.classifier.severity.decision import cheapest
from services.classifier.severity.model import SEVERITIES
from services.classifier.training import dataset
from services.classifier.training.dataset import Example
from shared.events import FeedbackReceived, Severity

Cuts = tuple[float, float, float]
"""Below the first: critical, below the second: high, below the third: medium."""

_GRID = [round(-1 + step / 20, 2) for step in range(42)]


class Contestant(ABC):
    """Tells the severity of texts; `about` says how it was set up."""

    about = ""

    @abstractmethod
    def severities(self, batch: Sequence[FeedbackReceived]) -> list[Severity]:
        """Return the severities of `batch`, in its order."""

    def decoded(self, batch: Sequence[FeedbackReceived]) -> dict[str, list[Severity]]:
        """Return the severities by the way in which they are chosen; "" is the only one."""
        return {"": self.severities(batch)}


class Ours(Contestant):
    """Packaged rules and model, as the worker runs them."""

    def __init__(self) -> None:
        self.classifier = Classifier.bundled()
        rules = len(self.classifier.ruleset.rules)
        self.about = f"{rules} rules and model {self.classifier.model_version}"

    def severities(self, batch: Sequence[FeedbackReceived]) -> list[Severity]:
        """Return the severities of whole classifications."""
        return [one.severity for one in self.classifier.classify_many(batch)]


class _Probable(Contestant):
    """Knows probabilities, of which the likeliest severity is chosen, or the cheapest as we do."""

    @abstractmethod
    def probabilities(self, batch: Sequence[FeedbackReceived]) -> NDArray[np.floating]:
        """Return a row a text, a column a severity, low first."""

    def severities(self, batch: Sequence[FeedbackReceived]) -> list[Severity]:
        """Return the likeliest severities."""
        return [SEVERITIES[rank] for rank in self.probabilities(batch).argmax(axis=1).tolist()]

    def decoded(self, batch: Sequence[FeedbackReceived]) -> dict[str, list[Severity]]:
        """Return the likeliest severities, and the cheapest by the costs of our model."""
        costs = bundled_model().manifest.costs
        rows = self.probabilities(batch).tolist()
        return {
            "likeliest": self.severities(batch),
            "by our costs": [SEVERITIES[cheapest(row, costs)] for row in rows],
        }


class Vader(Contestant):
    """VADER's compound valence, cut where the English training texts have the best macro-F1."""

    def __init__(self) -> None:
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

        self._analyzer = SentimentIntensityAnalyzer()
        english = [one for one in training() if one.lang == "en"]
        compounds = [self._compound(one.text) for one in english]
        self._cuts = best_cuts(compounds, [one.severity for one in english])
        critical, high, medium = self._cuts
        self.about = (
            f"compound < {critical:g}: critical, < {high:g}: high, < {medium:g}: medium; "
            f"chosen on {len(english):,} English training texts"
        )

    def severities(self, batch: Sequence[FeedbackReceived]) -> list[Severity]:
        """Return what the thresholds make of the compound valence."""
        return [cut(self._compound(one.text), self._cuts) for one in batch]

    def _compound(self, text: str) -> float:
        return float(self._analyzer.polarity_scores(text)["compound"])


class Pipeline(_Probable):
    """scikit-learn as anybody would: TF-IDF of words and characters, logistic regression."""

    def __init__(self) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline, make_union

        words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
        parts = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), min_df=3, sublinear_tf=True)
        learner = LogisticRegression(C=6.0, max_iter=200, tol=1e-3)
        self._pipeline = make_pipeline(make_union(words, parts), learner)
        examples = training()
        ranks = [SEVERITIES.index(one.severity) for one in examples]
        self._pipeline.fit([one.text for one in examples], ranks)
        columns = sum(len(one.vocabulary_) for one in (words, parts))
        self.about = (
            "words 1–2, characters 3–5, C 6; "
            f"{columns:,} columns learnt from {len(examples):,} training texts"
        )

    def probabilities(self, batch: Sequence[FeedbackReceived]) -> NDArray[np.floating]:
        """Return what the logistic regression says."""
        return np.asarray(self._pipeline.predict_proba([one.text for one in batch]))


class MiniLm(_Probable):
    """The stage of the second opinion alone, on every text."""

    def __init__(self) -> None:
        from services.classifier.second.embedding import Embedder
        from services.classifier.second.head import Head

        self._embedder = Embedder()
        self._head = Head.bundled()
        self.about = f"int8 encoder, English, and head {self._head.version}"

    def probabilities(self, batch: Sequence[FeedbackReceived]) -> NDArray[np.floating]:
        """Return what the head makes of each vector."""
        vectors = self._embedder.vectors([one.text for one in batch])
        return np.array([self._head.probabilities(vector) for vector in vectors])


CONTESTANTS: dict[str, Callable[[], Contestant]] = {
    "ours": Ours,
    "vader": Vader,
    "sklearn": Pipeline,
    "minilm": MiniLm,
}


def training() -> list[Example]:
    """Return the texts to learn from: those that our model learns from, or without the data folder
    those of the repository.
    """
    if dataset.DATA.is_dir():
        return dataset.training(dataset.DATA).examples
    return [
        one for path in sorted(dataset.TEXTS.glob("*.jsonl")) for one in dataset.examples_in(path)
    ]


def cut(compound: float, cuts: Cuts) -> Severity:
    """Return the severity of a valence, the more negative the graver."""
    return SEVERITIES[-1 - bisect.bisect_right(cuts, compound)]


def best_cuts(compounds: Sequence[float], labels: Sequence[Severity]) -> Cuts:
    """Return the cuts, in steps of 0.05, with the best macro-F1 on labelled valences."""
    counts = np.zeros((len(SEVERITIES), len(_GRID)), int)  # of a label, below a point of the grid
    for compound, label in zip(compounds, labels, strict=True):
        counts[SEVERITIES.index(label), bisect.bisect_right(_GRID, compound) :] += 1
    actual = [labels.count(one) for one in SEVERITIES]

    def macro_f1(places: tuple[int, ...]) -> float:
        below = [np.zeros(len(SEVERITIES), int), *(counts[:, one] for one in places)]
        ends = [*below[1:], np.array(actual)]
        called = [end - begin for begin, end in zip(below, ends, strict=True)][::-1]
        return sum(
            2 * int(row[rank]) / max(int(row.sum()) + actual[rank], 1)
            for rank, row in enumerate(called)
        )

    best = max(combinations_with_replacement(range(len(_GRID)), len(SEVERITIES) - 1), key=macro_f1)
    first, second, third = (_GRID[place] for place in best)
    return first, second, third
