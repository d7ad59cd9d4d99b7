"""Several matters in one message: each with its own severity, reasons and span.

A message is cut into sentences, each sentence is read like a text of its own, and neighbours that are
about the same reason are put together. There are several issues only when two or more reasons stand out,
so that a story told in many sentences stays one issue.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from services.classifier.severity.decision import Opinion, likely_reasons
from services.classifier.severity.heuristics import Verdict
from services.classifier.severity.matching import Hit
from services.classifier.severity.schema import RANK
from shared.events import Issue, Reason

MAX_ISSUES: Final = 6
MAX_SENTENCES: Final = 60
_END: Final = re.compile(r"[.!?]+(?=\s)|[。！？؟]+|\n+|;\s|\s(?=\d{1,2}[.)]\s)")
_ROOM: Final = 80
"""Characters of a text; in a shorter one there is hardly a second matter (an ideograph says more, but
such texts are rarer than the time that this saves)."""
_CLEAR: Final = 0.6
"""Probability of a reason from which on it counts as one of several."""
_SHORTEST: Final = 12
"""Characters of a sentence; shorter ones go with the one before."""


class Part(NamedTuple):
    """A sentence of a text: code points, half-open."""

    start: int
    end: int


def worth_splitting(text: str, verdict: Verdict, opinion: Opinion, hits: Sequence[Hit]) -> bool:
    """Tell whether a text may hold several issues: it is a problem, has room, and two clear reasons.

    The more matters there are in a text, the less sure is the model of each: so what the rules found
    counts as well.
    """
    if len(text) < _ROOM or RANK[verdict.severity] == 0:
        return False
    return (
        len({hit.rule.reasons[0] for hit in hits if hit.rule.rank > 0}) > 1
        or len(likely_reasons(opinion, _CLEAR)) > 1
    )


def worth_reading(
    parts: Sequence[Part], opinion: Opinion, spans: Sequence[tuple[Hit, tuple[int, int]]]
) -> bool:
    """Tell whether sentences differ, so that each is worth a look of its own: that is what costs."""
    if len(likely_reasons(opinion, _CLEAR)) > 1:
        return True
    ends = [part.end for part in parts]
    graves: dict[int, Hit] = {}
    for hit, (start, _) in spans:
        number = bisect.bisect_right(ends, start)
        if hit.rule.rank > 0 and (number not in graves or hit.rule.rank > graves[number].rule.rank):
            graves[number] = hit
    return len({hit.rule.reasons[0] for hit in graves.values()}) > 1


def sentences(text: str) -> list[Part]:
    """Return the sentences of ``text``, none if there is only one."""
    parts: list[Part] = []
    start = 0
    for end in (*(match.end() for match in _END.finditer(text)), len(text)):
        piece = text[start:end]
        if len(piece.strip()) < _SHORTEST and parts:
            parts[-1] = Part(parts[-1].start, end)
        elif piece.strip():
            parts.append(Part(start, end))
        start = end
        if len(parts) == MAX_SENTENCES:
            break
    return parts if len(parts) > 1 else []


def gathered(
    text: str, parts: Sequence[Part], verdicts: Sequence[Verdict], opinions: Sequence[Opinion]
) -> tuple[Issue, ...]:
    """Return the issues of a text, the gravest first; none when it is about one thing only."""
    groups: list[tuple[Reason, Verdict, Part]] = []
    for part, verdict, opinion in zip(parts, verdicts, opinions, strict=True):
        likely = likely_reasons(opinion)
        if RANK[verdict.severity] == 0 or not likely:
            continue
        reason = likely[0]
        if groups and groups[-1][0] is reason:
            _, former, span = groups[-1]
            graver = max(former, verdict, key=lambda one: RANK[one.severity])
            groups[-1] = reason, graver, Part(span.start, part.end)
        else:
            groups.append((reason, verdict, part))
    best: dict[Reason, tuple[Verdict, Part]] = {}
    for reason, verdict, part in groups:
        if reason not in best or RANK[verdict.severity] > RANK[best[reason][0].severity]:
            best[reason] = verdict, part
    if len(best) < 2:
        return ()
    issues = [_issue(text, reason, *found) for reason, found in best.items()]
    issues.sort(key=lambda one: (-RANK[one.severity], one.start))
    return tuple(issues[:MAX_ISSUES])


def _issue(text: str, reason: Reason, verdict: Verdict, part: Part) -> Issue:
    piece = text[part.start : part.end]
    start = part.start + len(piece) - len(piece.lstrip())
    return Issue(
        severity=verdict.severity,
        kind=verdict.kind,
        start=start,
        end=start + len(piece.strip()),
        reasons=(reason,),
    )
