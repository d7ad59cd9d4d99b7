"""Searching the index: the best first, the latest of equals first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from services.record.index import Index
from services.record.words import Query, shown
from shared.events import Struct

OPEN, CLOSE = "\x02", "\x03"
"""Around each word that was found, in ``Hit.snippet``. No stored text holds a control character."""

_TOKENS: Final = 32

_WHERE: Final = """
FROM word JOIN entry ON entry.id = word.rowid
LEFT JOIN member ON member.feedback_id = entry.feedback_id
LEFT JOIN facts ON facts.case_id = coalesce(entry.case_id, member.case_id)
WHERE word MATCH :match
AND NOT (entry.kind = 'excerpt' AND EXISTS (
    SELECT 1 FROM entry AS whole
    WHERE whole.feedback_id = entry.feedback_id AND whole.kind = 'feedback'))
AND (:since IS NULL OR entry.at >= :since)
AND (:severity IS NULL OR coalesce(facts.severity, entry.severity) = :severity)
AND (:channel IS NULL OR entry.channel = :channel)
AND (:state IS NULL OR facts.state = :state)
"""
_RANKED: Final = f"""
SELECT entry.id, round(bm25(word), 6) AS score {_WHERE}
ORDER BY score, entry.at DESC, entry.name LIMIT :limit
"""
_TOLD: Final = f"""
SELECT entry.id, entry.kind, coalesce(entry.case_id, member.case_id), entry.feedback_id,
    coalesce(facts.severity, entry.severity), entry.channel, entry.at, facts.state,
    facts.resolution, snippet(word, 0, '{OPEN}', '{CLOSE}', '…', {_TOKENS})
FROM word JOIN entry ON entry.id = word.rowid
LEFT JOIN member ON member.feedback_id = entry.feedback_id
LEFT JOIN facts ON facts.case_id = coalesce(entry.case_id, member.case_id)
WHERE word MATCH ? AND word.rowid = ?
"""  # noqa: S608


@dataclass(frozen=True)
class Only:
    """Which results are wanted; None is all. ``since`` in ms since the epoch."""

    since: int | None = None
    severity: str | None = None
    channel: str | None = None
    state: str | None = None


class Hit(Struct, frozen=True, omit_defaults=False):
    """A text that was found, and what is known of its case. ``at`` in ms since the epoch.

    ``kind`` is that of the entry: feedback, excerpt, note or case. ``severity`` is the case's, where
    there is one.
    """

    kind: str
    case_id: str | None
    feedback_id: str | None
    severity: str
    channel: str
    at: int
    state: str | None
    resolution: str | None
    snippet: str


def search(index: Index, query: Query, only: Only, limit: int) -> Sequence[Hit]:
    """Return the best ``limit`` results.

    Raises:
        Transient: another process keeps the index for itself.
        Misconfigured: the index is damaged.
    """
    store = index.store
    wanted = {
        "match": query.expression,
        "since": only.since,
        "severity": only.severity,
        "channel": only.channel,
        "state": only.state,
        "limit": limit,
    }
    with index.transaction("DEFERRED"):  # what is ranked is still there when it is told
        ranked = store.execute(_RANKED, wanted).fetchall()
        rows = [store.execute(_TOLD, (query.expression, number)).fetchone() for number, _ in ranked]
    return [_hit(row) for row in rows]


def _hit(row: Sequence[str]) -> Hit:
    _, kind, case_id, feedback_id, severity, channel, at, state, resolution, snippet = row
    return Hit(
        kind=kind,
        case_id=case_id,
        feedback_id=feedback_id,
        severity=severity,
        channel=channel,
        at=int(at),
        state=state,
        resolution=resolution or None,
        snippet=" ".join(shown(snippet).split()),
    )
