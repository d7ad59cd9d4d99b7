"""From what was read and scored to one verdict: the cheapest severity that no floor forbids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from services.classifier.severity import heuristics, signals
from services.classifier.severity.heuristics import MAX_REASONS, Verdict, merged
from services.classifier.severity.matching import Found, Hit
from services.classifier.severity.model import KINDS, REASONS, SEVERITIES
from services.classifier.severity.schema import LANGUAGES, RANK
from shared.events import FeedbackReceived, Kind, Reason, Severity

Costs = Sequence[Sequence[float]]
"""``costs[actual][chosen]``, both by rank: what it costs to call a severity another one."""

_LIKELY = 0.4
_BENIGN = {
    Kind.PRAISE: Reason.PRAISE,
    Kind.QUESTION: Reason.QUESTION,
    Kind.SUGGESTION: Reason.SUGGESTION,
}
_MILD = frozenset({*_BENIGN.values(), Reason.OTHER})
_QUESTION, _COMPLAINT = KINDS.index(Kind.QUESTION), KINDS.index(Kind.COMPLAINT)
_NUMBER = {reason: number for number, reason in enumerate(REASONS)}
_EVERY = tuple(range(len(REASONS)))
_GRAVE = tuple(number for number, reason in enumerate(REASONS) if reason not in _MILD)
_FAMILIAR = 0.25
"""Share of known words below which a text in a foreign language is left to people."""
_VULNERABLE = frozenset({"vulnerable", "vulnerable_customer"})


class Opinion(NamedTuple):
    """What the model makes of one text (a row of ``model.Scores``).

    ``second`` names whoever else was asked and had a part in the severities; empty: nobody.
    """

    severity: Sequence[float]
    kind: Sequence[float]
    reasons: Sequence[float]
    sentiment: float
    known: float
    second: str = ""


def decide(
    feedback: FeedbackReceived,
    found: Found,
    language: str | None,
    opinion: Opinion | None,
    costs: Costs,
) -> Verdict:
    """Return the verdict on ``feedback``; without an opinion, or without a word, by the rules alone."""
    verdict = heuristics.beyond_words(feedback, found.hits)
    if verdict is None:
        if opinion is None or not signals.says_something(feedback.text):
            verdict = heuristics.by_rules(feedback, found.hits, language)
        else:
            verdict = _weighed(feedback, found, language, opinion, costs)
        verdict = _with_facts(feedback, verdict)
    return verdict


def lifted(probabilities: Sequence[float], hits: Sequence[Hit]) -> list[float]:
    """Return the probabilities after the floors: what lies below one moves up, as far as it is sure."""
    lifted = list(probabilities)
    for hit in hits:
        if hit.rule.floor:
            rank = hit.rule.rank
            for below in range(rank):
                moved = lifted[below] * hit.rule.confidence
                lifted[below] -= moved
                lifted[rank] += moved
    return lifted


def cheapest(probabilities: Sequence[float], costs: Costs, floor: int = 0) -> int:
    """Return the rank of at least ``floor`` whose expected cost is the least."""
    low, medium, high, critical = probabilities
    of_low, of_medium, of_high, of_critical = costs
    best, least = floor, float("inf")
    for chosen in range(floor, len(SEVERITIES)):  # unrolled: it runs for every text
        cost = (
            low * of_low[chosen]
            + medium * of_medium[chosen]
            + high * of_high[chosen]
            + critical * of_critical[chosen]
        )
        if cost < least:
            best, least = chosen, cost
    return best


def likely_reasons(opinion: Opinion, least: float = _LIKELY) -> list[Reason]:
    """Return the reasons of a problem of at least that probability, the likeliest first."""
    shares = opinion.reasons
    likely = [number for number in _GRAVE if shares[number] >= least]
    likely.sort(key=shares.__getitem__, reverse=True)
    return [REASONS[number] for number in likely]


def _weighed(
    feedback: FeedbackReceived,
    found: Found,
    language: str | None,
    opinion: Opinion,
    costs: Costs,
) -> Verdict:
    hits = found.hits
    foreign = language not in LANGUAGES and opinion.known < _FAMILIAR
    if foreign and not hits and feedback.rating is None and signals.substantial(feedback.text):
        return Verdict(Severity.UNDETERMINED, Kind.OTHER, (Reason.OTHER,), 0.1)
    probabilities = lifted(opinion.severity, hits)
    floor = max((hit.rule.rank for hit in hits if hit.rule.floor), default=0)
    rank = cheapest(probabilities, costs, floor)
    kind = _kind(opinion, rank)
    return Verdict(
        SEVERITIES[rank],
        kind,
        _reasons(hits, opinion, rank, kind),
        round(min(probabilities[rank], 1.0), 3),
        _evidence(hits, rank, kind),
        tuple(round(share, 4) for share in probabilities),
    )


def _kind(opinion: Opinion, rank: int) -> Kind:
    """Return the likeliest kind that goes with a severity: who praises has no urgent problem."""
    shares = opinion.kind
    if rank == 0:
        return KINDS[max(range(len(KINDS)), key=shares.__getitem__)]
    # An urgent question is nearly always a complaint, asked politely.
    doubt = 0.5 if rank > 1 else 1.0
    asked = shares[_QUESTION] * doubt > shares[_COMPLAINT]
    return Kind.QUESTION if asked else Kind.COMPLAINT


def _reasons(hits: Sequence[Hit], opinion: Opinion, rank: int, kind: Kind) -> tuple[Reason, ...]:
    if rank == 0 and kind in _BENIGN:
        return (_BENIGN[kind],)
    shares = list(opinion.reasons)
    for hit in hits:
        if hit.rule.rank == rank:
            shares[_NUMBER[hit.rule.reasons[0]]] += _LIKELY
    allowed = _EVERY if rank == 0 else _GRAVE
    first = max(allowed, key=shares.__getitem__)
    others = [one for one in allowed if shares[one] >= _LIKELY and one != first]
    others.sort(key=shares.__getitem__, reverse=True)
    return (REASONS[first], *(REASONS[one] for one in others[: MAX_REASONS - 1]))


def _evidence(hits: Sequence[Hit], rank: int, kind: Kind) -> tuple[Hit, ...]:
    """Return the hits that speak for the verdict: of its rank first, then the others."""
    if rank == 0:
        return tuple(hit for hit in hits if hit.rule.rank == 0 and hit.rule.kind is kind)
    grave = [hit for hit in hits if hit.rule.rank > 0]
    return tuple(sorted(grave, key=lambda hit: (abs(hit.rule.rank - rank), -hit.rule.confidence)))


def _with_facts(feedback: FeedbackReceived, verdict: Verdict) -> Verdict:
    """Return the verdict after rating, reach and the marks of the item had their say."""
    norm = feedback.rating.norm if feedback.rating is not None else None
    rank = RANK[verdict.severity]
    if norm is not None and norm <= signals.BAD_RATING and rank == 0:
        reasons = merged((Reason.QUALITY,), _problems(verdict.reasons))
        verdict = Verdict(Severity.MEDIUM, Kind.COMPLAINT, reasons, 0.75, (), verdict.probabilities)
    elif norm is not None and norm >= signals.GOOD_RATING and rank <= 1:
        hits = tuple(hit for hit in verdict.hits if hit.rule.kind is Kind.PRAISE)
        verdict = Verdict(
            Severity.LOW, Kind.PRAISE, (Reason.PRAISE,), 0.8, hits, verdict.probabilities
        )
    if verdict.kind is Kind.COMPLAINT and verdict.severity is Severity.MEDIUM:
        reason = _raised_by(feedback)
        if reason is not None:
            verdict = verdict._replace(
                severity=Severity.HIGH, reasons=merged((reason,), verdict.reasons)
            )
    return verdict


def _raised_by(feedback: FeedbackReceived) -> Reason | None:
    """Return the reason for which an ordinary complaint of this author is high, or None."""
    if signals.reach(feedback) >= signals.WIDE_REACH:
        return Reason.VIRAL
    if any(feedback.attributes.get(name) is True for name in _VULNERABLE):
        return Reason.VULNERABILITY
    return None


def _problems(reasons: tuple[Reason, ...]) -> tuple[Reason, ...]:
    return tuple(reason for reason in reasons if reason not in _MILD)
