"""Texts and opinions of any certainty, for the tests of the second opinion."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry

from services.classifier.severity.classifier import Classifier, Reading
from services.classifier.severity.decision import Opinion
from services.classifier.severity.loading import Ruleset, load
from services.classifier.severity.model import KINDS, REASONS
from shared.metrics import Metrics
from tests.unit.classifier.factory import feedback

UNSURE = (0.4, 0.3, 0.2, 0.1)
SURE = (0.9, 0.05, 0.03, 0.02)
FIRE = """\
rules:
  - id: demo.fire
    reasons: [safety]
    severity: critical
    confidence: 0.9
    floor: true
    patterns:
      en:
        - "caught fire"
"""


def opinion(severity: Sequence[float] = UNSURE) -> Opinion:
    """Return an opinion with these severities and nothing else of interest."""
    return Opinion(severity, [1 / len(KINDS)] * len(KINDS), [0.1] * len(REASONS), 0.0, 1.0)


def readings(texts: Sequence[str], language: str = "en") -> list[Reading]:
    """Return the readings of ``texts``, no rule among them."""
    plain = Classifier(Ruleset((), (), (), "none"), None)
    return [plain.read(feedback(text, language=language)) for text in texts]


def fire(folder: Path) -> Reading:
    """Return a reading on which a rule demands critical."""
    path = folder / "fire.yaml"
    path.write_text(FIRE, "utf-8")
    return Classifier(load([path]), None).read(feedback("The toaster caught fire.", language="en"))


def metrics() -> Metrics:
    """Return metrics of their own."""
    return Metrics(CollectorRegistry())


def counted(of: Metrics) -> dict[str, int]:
    """Return how many questions came to which result, those that did occur."""
    found = {
        sample.labels["result"]: int(sample.value)
        for metric in of.second_opinions.collect()
        for sample in metric.samples
    }
    return {result: count for result, count in found.items() if count}


def until(holds: Callable[[], bool], what: str, deadline_s: float = 20.0) -> None:
    """Wait until ``holds``; fail with ``what`` when it takes too long."""
    deadline = time.monotonic() + deadline_s
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.005)


def alive(pid: int) -> bool:
    """Tell whether a process runs (one that ended and was not waited for does not)."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return False
    return state not in {"Z", "X"}
