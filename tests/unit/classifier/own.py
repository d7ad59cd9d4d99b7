"""A small classifier of one's own: three rules and a model with made-up weights, built in no time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from services.classifier.severity.decision import Opinion
from services.classifier.severity.loading import Ruleset, load
from services.classifier.severity.matching import Found, Hit, Matcher
from services.classifier.severity.model import (
    FORMAT,
    KINDS,
    OUTPUTS,
    REASONS,
    Manifest,
    Model,
    Table,
    pack,
)
from services.classifier.severity.normalise import fold
from services.classifier.severity.schema import RuleSpec
from services.classifier.severity.terms import pieces, read
from services.classifier.training.calibrate import Weighing
from shared.events import Kind, Reason, Severity

RULES = """\
contexts:
  - id: negation
    default_for: [high, critical]
    before:
      en: ["no", "not"]
rules:
  - id: demo.fire
    reasons: [safety]
    severity: critical
    confidence: 0.95
    floor: true
    patterns:
      en: ["caught fire"]
    examples:
      must: ["The charger caught fire last night."]
      must_not: ["The charger is fine."]
  - id: demo.refund
    reasons: [financial_loss]
    severity: high
    confidence: 0.8
    patterns:
      en: ["refund"]
    unless:
      en: ["arrived"]
    examples:
      must: ["Where is my refund?"]
      must_not: ["My refund arrived."]
  - id: demo.zip
    reasons: [quality]
    severity: medium
    confidence: 0.6
    patterns:
      en: ["broken zip"]
themes:
  - id: delivery
    name: Delivery
    patterns:
      en: ["parcel"]
    examples:
      must: ["Where is the parcel?"]
      must_not: ["Where is the shop?"]
"""

TEXTS = (
    "The charger caught fire last night and I am still shaking.",
    "Where is my refund? You owe me 120 euros since May.",
    "Thank you, lovely staff, we will be back!",
    "Die Straße brennt, bitte rufen Sie mich zurück.",
    "返金がまだされていません。どうなっていますか。",
    "انقطعت الكهرباء عن بيتنا منذ يومين",
    "Le colis n'est jamais arrivé, c'est la troisième fois.",
    "",
    "🔥🔥 !!! 12345",
    "The broken zip broke again again again, and the parcel is late.",
)


class Source:
    """A rule file in memory."""

    def __init__(self, content: str, name: str = "own.yaml") -> None:
        self.name = name
        self._content = content

    def read_bytes(self) -> bytes:
        """Return its content."""
        return self._content.encode()


def ruleset(content: str = RULES) -> Ruleset:
    """Return the rules of one file."""
    return load([Source(content)])


def weights(names: Sequence[str], seed: int) -> Table:
    """Return made-up weights for a vocabulary, the same for the same seed."""
    random = np.random.default_rng(seed)
    return Table(
        list(names),
        random.integers(-127, 128, (len(names), OUTPUTS), np.int8),
        random.uniform(0.001, 0.02, OUTPUTS).astype(np.float32),
        random.uniform(1.0, 8.0, len(names)).astype(np.float16).astype(np.float32),
    )


def content(texts: Sequence[str] = TEXTS, seed: int = 1, form: int = FORMAT) -> bytes:
    """Return a model file that knows the terms of ``texts`` and the hits of ``RULES``."""
    found = [read(fold(text)) for text in texts]
    words = {word for one in found for word in one.words}
    neighbours = {" ".join(pair) for one in found for pair in pairwise(one.tokens)}
    features = ["channel:email", "hit:demo.fire", "hit:demo.refund", "hit:demo.zip", "asks"]
    manifest = Manifest(
        format=form,
        features=features,
        temperatures={"email": 1.0, "social": 0.7},
        costs=Weighing().costs(),
        languages={"en": len(texts)},
        sources=[],
        rules_version=ruleset().version,
        seed=seed,
        reference={"known_words": [0.1] * 10, "urgency": [0.1] * 10},
    )
    random = np.random.default_rng(seed + 2)
    return pack(
        manifest,
        weights(sorted(words | neighbours), seed),
        weights(sorted({piece for word in words for piece in pieces(word)}), seed + 1),
        random.normal(0, 0.5, (len(features), OUTPUTS)).astype(np.float32),
        random.normal(0, 0.2, OUTPUTS).astype(np.float32),
    )


def model(texts: Sequence[str] = TEXTS, seed: int = 1) -> Model:
    """Return that model."""
    return Model(content(texts, seed))


def opinion(
    severity: Sequence[float],
    *,
    kind: Kind = Kind.COMPLAINT,
    reasons: Sequence[Reason] = (),
    known: float = 1.0,
) -> Opinion:
    """Return an opinion that is sure of a kind and of some reasons."""
    return Opinion(
        severity=list(severity),
        kind=[0.9 if one is kind else 0.025 for one in KINDS],
        reasons=[0.9 if one in reasons else 0.01 for one in REASONS],
        sentiment=-0.5,
        known=known,
    )


def hit(
    severity: Severity,
    *,
    floor: bool = False,
    confidence: float = 0.9,
    reason: Reason = Reason.QUALITY,
    name: str = "demo.hit",
) -> Hit:
    """Return a hit of the first four characters by a rule that has no patterns."""
    rule = RuleSpec(
        id=name,
        reasons=[reason],
        severity=severity,
        confidence=confidence,
        patterns={},
        floor=floor,
    )
    return Hit(rule, 0, 4)


def found(*hits: Hit) -> Found:
    """Return what a text says to the rules."""
    return Found(list(hits), [], [])


def matcher(content: str = RULES) -> Matcher:
    """Return the compiled rules of one file."""
    return Matcher(ruleset(content))
