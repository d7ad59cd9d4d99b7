"""The verdict of the rules alone, and on items whose words decide nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from services.classifier.severity import signals
from services.classifier.severity.matching import Hit
from services.classifier.severity.schema import LANGUAGES
from shared.events import (
    Call,
    CallOutcome,
    Channel,
    FeedbackReceived,
    Kind,
    Operation,
    Reason,
    Severity,
    Transcript,
)

MAX_REASONS = 3
_SURE_LIMIT = 0.97
_DIRECT = frozenset({Channel.EMAIL, Channel.PHONE})
_UNHEARD = frozenset({Transcript.FAILED, Transcript.PENDING})


class Verdict(NamedTuple):
    """What was decided, before evidence and versions are added.

    ``probabilities`` of the severities by rank; empty without a model.
    """

    severity: Severity
    kind: Kind
    reasons: tuple[Reason, ...]
    confidence: float
    hits: tuple[Hit, ...] = ()
    probabilities: tuple[float, ...] = ()


def beyond_words(feedback: FeedbackReceived, hits: Sequence[Hit]) -> Verdict | None:
    """Return the verdict on an item whose words decide nothing, or None.

    A deletion says nothing, and neither does a call that somebody answered and nobody wrote down. What
    nobody can read yet (a missed call, a failed transcript, a picture) is left undetermined, without a
    reason: a person has to look, and nothing tells it from the customer's other issues. A muting hit
    stands alone.
    """
    if feedback.op is Operation.DELETE or _was_answered_in_person(feedback):
        return Verdict(Severity.LOW, Kind.OTHER, (Reason.OTHER,), 1.0)
    if feedback.rating is None and not _can_be_read(feedback.text, feedback.call) and not hits:
        return Verdict(Severity.UNDETERMINED, Kind.OTHER, (), 0.0)
    if any(hit.rule.mutes for hit in hits):
        return _benign(ranked(hits))
    return None


def by_rules(feedback: FeedbackReceived, hits: Sequence[Hit], language: str | None) -> Verdict:
    """Return the verdict of the rules alone: the highest criterion that applies."""
    ordered = ranked(hits)
    if ordered and ordered[0].rule.rank > 0:
        return _negative(feedback, ordered, ordered[0].rule.rank)
    return _benign(ordered) if ordered else _silent(feedback, language)


def ranked(hits: Sequence[Hit]) -> list[Hit]:
    """Return the hits, the grave and sure ones first."""
    return sorted(hits, key=lambda hit: (-hit.rule.rank, -hit.rule.confidence, hit.start))


def _negative(feedback: FeedbackReceived, ranked: list[Hit], top: int) -> Verdict:
    strongest = [hit for hit in ranked if hit.rule.rank == top]
    counted = [hit for hit in ranked if hit.rule.rank > 0]
    kind = Kind.COMPLAINT
    if signals.asks(feedback.text) and len(feedback.text) < 120 and len(counted) == 1:
        kind = Kind.QUESTION
    return Verdict(
        strongest[0].rule.severity, kind, _reasons(counted), _agreement(strongest), tuple(counted)
    )


def _benign(ranked: list[Hit]) -> Verdict:
    order = (Kind.SUGGESTION, Kind.PRAISE, Kind.QUESTION, Kind.OTHER, Kind.COMPLAINT)
    kinds = {hit.rule.kind for hit in ranked}
    kind = next(one for one in order if one in kinds)
    chosen = [hit for hit in ranked if hit.rule.kind is kind] or ranked
    return Verdict(Severity.LOW, kind, _reasons(chosen), _agreement(chosen), tuple(chosen))


def _silent(feedback: FeedbackReceived, language: str | None) -> Verdict:
    if not signals.substantial(feedback.text):
        return Verdict(Severity.LOW, Kind.OTHER, (Reason.OTHER,), 0.8)
    if language not in LANGUAGES and feedback.rating is None:
        return Verdict(Severity.UNDETERMINED, Kind.OTHER, (Reason.OTHER,), 0.1)
    if signals.asks(feedback.text):
        return Verdict(Severity.LOW, Kind.QUESTION, (Reason.QUESTION,), 0.6)
    if feedback.channel in _DIRECT and feedback.rating is None:
        # Who writes or calls directly wants something: three of four such texts are problems.
        return Verdict(Severity.MEDIUM, Kind.COMPLAINT, (Reason.OTHER,), 0.35)
    return Verdict(Severity.LOW, Kind.OTHER, (Reason.OTHER,), 0.4)


def _was_answered_in_person(feedback: FeedbackReceived) -> bool:
    """Tell whether somebody of ours heard the call; no transcript of it was ever meant to be."""
    call = feedback.call
    return (
        call is not None
        and not feedback.text.strip()
        and call.outcome is CallOutcome.ANSWERED
        and call.transcript is Transcript.NONE
    )


def _can_be_read(text: str, call: Call | None) -> bool:
    """Tell whether there are words, and they are what was said: a transcript may be missing."""
    return bool(text.strip()) and (call is None or call.transcript not in _UNHEARD)


def _reasons(ranked: Sequence[Hit]) -> tuple[Reason, ...]:
    return merged(*(tuple(hit.rule.reasons) for hit in ranked))


def merged(*groups: tuple[Reason, ...]) -> tuple[Reason, ...]:
    """Return the distinct reasons in order, at most ``MAX_REASONS``."""
    return tuple(dict.fromkeys(reason for group in groups for reason in group))[:MAX_REASONS]


def _agreement(hits: Sequence[Hit]) -> float:
    """Return how sure the hits are together: independent witnesses, discounted after the first."""
    doubt = 1.0 - hits[0].rule.confidence
    for hit in hits[1:]:
        doubt *= 1.0 - 0.4 * hit.rule.confidence
    return round(min(_SURE_LIMIT, 1.0 - doubt), 3)
