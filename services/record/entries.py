"""What of an event can be searched: pure functions from events to entries of the index."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

import msgspec

from shared import ids
from shared.events import Case, CaseEvent, FeedbackClassified, Operation


class EntryKind(StrEnum):
    """What a text is.

    ``excerpt``: the beginning of a feedback as its case knows it, which is kept for longer than the
    feedback itself and shown only where that is gone. ``case``: how a case was clarified and resolved.
    """

    FEEDBACK = "feedback"
    EXCERPT = "excerpt"
    NOTE = "note"
    CASE = "case"


class Entry(NamedTuple):
    """A text under a name; another one of the same name takes its place, an empty one removes it.

    ``owner`` is the record key. Of what was erased nothing with ``born`` up to then is kept. Times are
    ms since the epoch.
    """

    name: str
    kind: EntryKind
    owner: str
    text: str
    at: int
    born: int
    severity: str
    channel: str
    case_id: str | None = None
    feedback_id: str | None = None


class CaseFacts(NamedTuple):
    """What a result tells of its case."""

    case_id: str
    owner: str
    severity: str
    state: str
    channel: str
    opened_at: int
    resolution: str


def of_feedback(event: FeedbackClassified) -> Entry:
    """Return the entry of an item: its revisions follow one another, a deletion leaves nothing."""
    feedback = event.feedback
    deleted = feedback.op is Operation.DELETE
    parts = (feedback.title, feedback.text)
    return Entry(
        name=ids.digest(feedback.tenant, "item", feedback.source, feedback.native_id),
        kind=EntryKind.FEEDBACK,
        owner=feedback.record_key,
        text="" if deleted else "\n".join(part for part in parts if part),
        at=feedback.received_at,
        born=feedback.received_at,
        severity=event.classification.severity,
        channel=feedback.channel,
        feedback_id=feedback.feedback_id,
    )


def of_event(event: CaseEvent, case: Case) -> Iterator[Entry]:
    """Yield the entries of what happened to a case: what was said, noted, clarified and resolved."""
    whole = prose(case)
    yield _entry(event, case, EntryKind.CASE, case.case_id, "\n".join(whole))
    words = [text for text in (event.note, event.detail) if text and text not in whole]
    if words:
        yield _entry(event, case, EntryKind.NOTE, event.event_id, "\n".join(words))
    for ref in case.feedback:
        if ref.feedback_id == event.feedback_id:
            name = f"{case.case_id}/{ref.item or ref.feedback_id}"
            text = "" if ref.deleted else ref.excerpt
            excerpt = _entry(event, case, EntryKind.EXCERPT, name, text)
            yield excerpt._replace(
                at=ref.received_at,
                severity=ref.severity,
                channel=ref.channel,
                feedback_id=ref.feedback_id,
            )


def _entry(event: CaseEvent, case: Case, kind: EntryKind, name: str, text: str) -> Entry:
    return Entry(
        name=name,
        kind=kind,
        owner=case.record_key,
        text=text,
        at=event.recorded_at,
        born=case.opened_at,
        severity=case.severity,
        channel=case.channel,
        case_id=case.case_id,
    )


def facts(case: Case) -> CaseFacts:
    """Return what results tell of ``case``."""
    how = case.resolution or (case.outcome.outcome if case.outcome else "")
    return CaseFacts(
        case_id=case.case_id,
        owner=case.record_key,
        severity=case.severity,
        state=case.state,
        channel=case.channel,
        opened_at=case.opened_at,
        resolution=how,
    )


def prose(case: Case) -> list[str]:
    """Return what people wrote of a case: its resolution, what was clarified and what was learnt."""
    found = [case.resolution]
    for part in (case.clarification, case.outcome):
        if part is not None:
            found.extend(msgspec.structs.asdict(part).values())
    return [text for text in dict.fromkeys(found) if text]
