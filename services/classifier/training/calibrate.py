"""What a score means and what to do about it: temperatures per channel, and the costs of mistakes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.classifier.drift import shares
from services.classifier.severity.model import SEVERITIES, softmax
from services.classifier.training.dataset import Example

Floats = NDArray[np.float32]
_HEATS: Final = np.geomspace(0.4, 2.5, 60)
_FEW: Final = 150
"""Examples of a channel below which it shares the temperature of all."""


class Weighing(NamedTuple):
    """How much worse a mistake is than calling a severity one step too high.

    ``missed``: calling it one step too low; ``asleep``: added when that keeps an urgent text (critical
    or high) from being escalated; ``grave``: added when a critical text is called anything else.
    """

    missed: float = 1.8
    asleep: float = 0.5
    grave: float = 3.0

    def costs(self) -> list[list[float]]:
        """Return ``costs[actual][chosen]``."""
        ranks = range(len(SEVERITIES))
        return [[self._cost(actual, chosen) for chosen in ranks] for actual in ranks]

    def _cost(self, actual: int, chosen: int) -> float:
        if chosen >= actual:
            return float(chosen - actual)
        critical = actual == len(SEVERITIES) - 1
        asleep = actual > 1 >= chosen
        return self.missed * (actual - chosen) + self.asleep * asleep + self.grave * critical


def temperatures(raw: Floats, examples: Sequence[Example]) -> dict[str, float]:
    """Return, by channel, what the raw scores of texts not trained on are best divided by.

    The best is the least negative log-likelihood (Guo et al., On Calibration of Modern Neural Networks,
    2017).
    """
    targets = ranks(examples)
    channels = np.array([one.channel for one in examples])
    shared = _heat(raw, targets)
    found = {}
    for channel in sorted(set(channels.tolist())):
        chosen = channels == channel
        enough = int(chosen.sum()) >= _FEW
        found[channel] = round(_heat(raw[chosen], targets[chosen]) if enough else shared, 3)
    return found


def probabilities(
    raw: Floats, examples: Sequence[Example], temperatures: dict[str, float]
) -> Floats:
    """Return the probabilities of the severities, each text at the temperature of its channel."""
    heat = np.array([temperatures.get(one.channel, 1.0) for one in examples], np.float32)
    return softmax(np.asarray(raw / heat[:, None], np.float32))


def reference(
    raw: Floats, known: Floats, examples: Sequence[Example], temperatures: dict[str, float]
) -> dict[str, list[float]]:
    """Return how the two quantities that are watched for drift are distributed, in ten bins."""
    urgency = probabilities(raw, examples, temperatures)[:, 2:].sum(axis=1)
    both = {"known_words": known, "urgency": urgency}
    return {name: [round(s, 4) for s in shares(values.tolist())] for name, values in both.items()}


def ranks(examples: Sequence[Example]) -> NDArray[np.intp]:
    """Return the severities as numbers, 0 (low) to 3 (critical)."""
    return np.array([SEVERITIES.index(one.severity) for one in examples])


def _heat(raw: Floats, targets: NDArray[np.intp]) -> float:
    every = np.arange(len(targets))
    losses = [
        -np.log(softmax(np.asarray(raw / heat, np.float32))[every, targets] + 1e-9).mean()
        for heat in _HEATS
    ]
    return float(_HEATS[int(np.argmin(losses))])
