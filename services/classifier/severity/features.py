"""What the model sees beside the words: the rules that hit or were voided, and the channel."""

from __future__ import annotations

from services.classifier.severity import signals
from services.classifier.severity.matching import Found
from services.classifier.severity.schema import RANK
from shared.events import Channel


def names(found: Found, text: str, channel: Channel) -> list[str]:
    """Return the names of the features of one text.

    ``hit:`` and ``void:`` name a rule, ``top:`` and ``of:`` the gravest rank among the hits and its
    reasons, ``why:`` what voided a rule; each stands once.
    """
    hits = found.hits
    features = [f"channel:{channel}", *(f"hit:{hit.rule.id}" for hit in hits)]
    for rule, why in found.voided:
        features += (f"void:{rule}", f"why:{why}")
    top = max((hit.rule.rank for hit in hits), default=0)
    features.append(f"top:{top}" if hits else "top:none")
    for hit in hits:
        rank = RANK[hit.rule.severity]
        features += (f"of:{reason}:{rank}" for reason in hit.rule.reasons[:1])
    if signals.asks(text):
        features.append("asks")
    return list(dict.fromkeys(features))
