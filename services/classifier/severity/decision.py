"""From the hits and the item's facts to one classification: the highest criterion that applies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from services.classifier.severity import signals
from services.classifier.severity.matching import Hit
from services.classifier.severity.normalise import Folded
from services.classifier.severity.schema import LANGUAGES, RANK
from shared.events import (
    Call,
    CallOutcome,
    Channel,
    Classification,
    Evidence,
    FeedbackReceived,
    Kind,
    Operation,
    Reason,
    Severity,
    Transcript,
)

MAX_REASONS = 3
MAX_EVIDENCE = 8
_SURE_LIMIT = 0.97
_DIRECT = frozenset({Channel.EMAIL, Channel.PHONE})
_UNHEARD = frozenset({Transcript.FAILED, Transcript.PENDING})


class Verdict(NamedTuple):
    """What was decided, before evidence and versions are added."""

    severity: Severity
    kind: Kind
    reasons: tuple[Reason, ...]
    confidence: float
    hits: tuple[Hit, ...] = ()


def decide(feedback: FeedbackReceived, hits: Sequence[Hit], language: str | None) -> Verdict:
    """Return the verdict on ``feedback``; a muting hit stands alone.

    A deletion says nothing, and neither does a call that somebody answered and nobody wrote down. What
    nobody can read yet (a missed call, a failed transcript, a picture) is left undetermined, without a
    reason: a person has to look, and nothing tells it from the customer's other issues.
    """
    if feedback.op is Operation.DELETE or _was_answered_in_person(feedback):
        return Verdict(Severity.LOW, Kind.OTHER, (Reason.OTHER,), 1.0)
    muted = [hit for hit in hits if hit.rule.mutes]
    ranked = sorted(
        muted or hits, key=lambda hit: (-hit.rule.rank, -hit.rule.confidence, hit.start)
    )
    top = ranked[0].rule.rank if ranked else 0
    if top > 0:
        verdict = _negative(feedback, ranked, top)
    elif ranked:
        verdict = _benign(ranked)
    else:
        verdict = _silent(feedback, language)
    return _with_facts(feedback, verdict)


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
    if feedback.rating is None and not _can_be_read(feedback.text, feedback.call):
        return Verdict(Severity.UNDETERMINED, Kind.OTHER, (), 0.0)
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


def _with_facts(feedback: FeedbackReceived, verdict: Verdict) -> Verdict:
    """Return the verdict after rating and reach had their say."""
    norm = feedback.rating.norm if feedback.rating is not None else None
    rank = RANK[verdict.severity]
    if norm is not None and norm <= signals.BAD_RATING and rank == 0:
        reasons = _merged((Reason.QUALITY,), _problem_reasons(verdict.reasons))
        verdict = Verdict(Severity.MEDIUM, Kind.COMPLAINT, reasons, 0.75)
    elif norm is not None and norm >= signals.GOOD_RATING and rank <= 1:
        hits = tuple(hit for hit in verdict.hits if hit.rule.kind is Kind.PRAISE)
        verdict = Verdict(Severity.LOW, Kind.PRAISE, (Reason.PRAISE,), 0.8, hits)
    complains = verdict.kind is Kind.COMPLAINT and RANK[verdict.severity] == 1
    if complains and signals.followers(feedback) >= signals.WIDE_REACH:
        reasons = _merged((Reason.VIRAL,), verdict.reasons)
        verdict = verdict._replace(severity=Severity.HIGH, reasons=reasons)
    return verdict


def _problem_reasons(reasons: tuple[Reason, ...]) -> tuple[Reason, ...]:
    benign = {Reason.PRAISE, Reason.QUESTION, Reason.SUGGESTION, Reason.OTHER}
    return tuple(reason for reason in reasons if reason not in benign)


def _reasons(ranked: Sequence[Hit]) -> tuple[Reason, ...]:
    return _merged(*(tuple(hit.rule.reasons) for hit in ranked))


def _merged(*groups: tuple[Reason, ...]) -> tuple[Reason, ...]:
    """Return the distinct reasons in order, at most ``MAX_REASONS``."""
    return tuple(dict.fromkeys(reason for group in groups for reason in group))[:MAX_REASONS]


def _agreement(hits: Sequence[Hit]) -> float:
    """Return how sure the hits are together: independent witnesses, discounted after the first."""
    doubt = 1.0 - hits[0].rule.confidence
    for hit in hits[1:]:
        doubt *= 1.0 - 0.4 * hit.rule.confidence
    return round(min(_SURE_LIMIT, 1.0 - doubt), 3)


def classification(
    text: Folded, verdict: Verdict, language: str | None, rules_version: str
) -> Classification:
    """Return the verdict as an event part, its evidence in code points of the original text."""
    evidence = []
    for hit in verdict.hits[:MAX_EVIDENCE]:
        start, end = text.span(hit.start, hit.end)
        evidence.append(
            Evidence(rule=hit.rule.id, start=start, end=end, text=text.source[start:end])
        )
    return Classification(
        severity=verdict.severity,
        kind=verdict.kind,
        confidence=verdict.confidence,
        reasons=verdict.reasons,
        evidence=tuple(evidence),
        language=language,
        model_version="rules",
        rules_version=rules_version,
    )
