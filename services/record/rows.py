"""The columns of a flat export, all in one place: name, type, where it stands in the event, meaning.

A column is only ever added. What an event holds beyond them is in ``jsonl``, which has the events
as they are.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from shared import topics
from shared.events import Struct
from shared.topics import Topic

Cell = str | int | float | bool | list[str] | None


class Type(enum.StrEnum):
    """Type of a column. A time is ms since the epoch, UTC; a list holds texts."""

    TEXT = "text"
    WHOLE = "whole number"
    NUMBER = "number"
    YES_NO = "yes/no"
    TIME = "time"
    LIST = "list"


@dataclass(frozen=True)
class Column:
    """One column; ``path`` leads to it from the event, through attributes. "" is all that is left."""

    name: str
    type: Type
    path: str
    meaning: str

    def of(self, event: Struct) -> Cell:
        """Return the cell of this column for ``event``; None is unknown."""
        if not self.path:
            return _rest(event)
        value = _follow(event, self.path)
        if value is None:
            return None
        if isinstance(value, tuple):
            return [str(one) for one in value]
        if isinstance(value, str):
            return str(value)
        if self.type is Type.NUMBER and isinstance(value, int | float):
            return float(value)
        return value if isinstance(value, int | float) else None


class What(enum.StrEnum):
    """What can be exported."""

    EVENTS = "events"
    CASES = "cases"
    FEEDBACK = "feedback"
    CORRECTIONS = "corrections"


@dataclass(frozen=True)
class Sheet:
    """How the events of a topic become rows.

    The other fields are paths: to the case id, severity and channel that filters look at, to the
    record key ("" is the key of the record), and to the time that an erasure is compared with.
    """

    topic: Topic
    columns: tuple[Column, ...]
    case: str
    severity: str
    channel: str
    owner: str
    born: str

    def text(self, event: Struct, path: str) -> str:
        """Return the text at ``path``, "" if there is none."""
        value = _follow(event, path) if path else None
        return str(value) if isinstance(value, str) else ""

    def born_ms(self, event: Struct) -> int:
        """Return since when there is what ``event`` speaks of, in ms since the epoch."""
        value = _follow(event, self.born)
        if value is None:  # of an unknown case
            value = _follow(event, "recorded_at")
        return value if isinstance(value, int) else 0


def _follow(event: Struct, path: str) -> object:
    value: object = event
    for name in path.split("."):
        value = getattr(value, name, None)
        if value is None:
            return None
    return value


def _rest(event: Struct) -> str | None:
    """Return as JSON what an event of a case holds beside its columns and its snapshot."""
    shown = {column.path.partition(".")[0] for column in EVENTS} | {"type"}
    tree: dict[str, object] = msgspec.to_builtins(event)
    left = {name: value for name, value in tree.items() if name not in shown}
    return msgspec.json.encode(left).decode() if left else None


def _columns(*rows: tuple[str, Type, str, str]) -> tuple[Column, ...]:
    return tuple(Column(name, kind, path, meaning) for name, kind, path, meaning in rows)


EVENTS: Final = _columns(
    ("event_id", Type.TEXT, "event_id", "Id of the event; the same after any replay."),
    ("case_id", Type.TEXT, "case_id", "Id of the case."),
    ("case_seq", Type.WHOLE, "case_seq", "Number of the event within its case, without gaps."),
    ("tenant", Type.TEXT, "tenant", "Tenant."),
    ("kind", Type.TEXT, "kind", "What happened."),
    ("at", Type.TIME, "at", "When it happened, or was due."),
    ("recorded_at", Type.TIME, "recorded_at", "When it was decided."),
    ("cause", Type.TEXT, "cause", "Why."),
    ("actor", Type.TEXT, "actor", "Who did it; empty: the customer or a deadline."),
    ("command_id", Type.TEXT, "command_id", "The command that asked for it."),
    ("feedback_id", Type.TEXT, "feedback_id", "The feedback that it is about."),
    ("feedback_received_at", Type.TIME, "feedback_received_at", "When that was received."),
    ("epoch", Type.WHOLE, "epoch", "Run of the escalation."),
    ("step", Type.WHOLE, "step", "Step of the escalation."),
    ("targets", Type.LIST, "targets", "Who is to be notified."),
    ("follow_up_number", Type.WHOLE, "follow_up.number", "Number of the follow-up."),
    ("follow_up_kind", Type.TEXT, "follow_up.kind", "Kind of the follow-up."),
    ("follow_up_due_at", Type.TIME, "follow_up.due_at", "When the follow-up is due."),
    ("follow_up_state", Type.TEXT, "follow_up.state", "State of the follow-up."),
    ("refusal", Type.TEXT, "refusal", "Why a command was refused."),
    ("note", Type.TEXT, "note", "What the person wrote to it."),
    ("detail", Type.TEXT, "detail", "What the other fields do not say, in words."),
    ("policy", Type.TEXT, "policy", "Version of the policy in force."),
    ("case_severity", Type.TEXT, "case.severity", "Severity of the case after the event."),
    ("case_kind", Type.TEXT, "case.kind", "Complaint, question, suggestion, praise, other."),
    ("case_state", Type.TEXT, "case.state", "State of the case after the event."),
    ("case_channel", Type.TEXT, "case.channel", "Channel of the case."),
    ("case_source", Type.TEXT, "case.source", "Source of the case."),
    ("case_reasons", Type.LIST, "case.reasons", "Why the case has its severity."),
    ("case_opened_at", Type.TIME, "case.opened_at", "When the case was opened."),
    ("customer_key", Type.TEXT, "case.customer_key", "Pseudonym of the customer."),
    ("details", Type.TEXT, "", "All other fields of the event except the snapshot, as JSON."),
)

CASES: Final = _columns(
    ("case_id", Type.TEXT, "case_id", "Id of the case."),
    ("tenant", Type.TEXT, "tenant", "Tenant."),
    ("customer_key", Type.TEXT, "customer_key", "Pseudonym of the customer."),
    ("channel", Type.TEXT, "channel", "Channel of the first feedback."),
    ("source", Type.TEXT, "source", "Source of the first feedback."),
    ("severity", Type.TEXT, "severity", "Severity."),
    ("kind", Type.TEXT, "kind", "Complaint, question, suggestion, praise, other."),
    ("state", Type.TEXT, "state", "State."),
    ("reasons", Type.LIST, "reasons", "Why it has its severity."),
    ("themes", Type.LIST, "themes", "What it is about."),
    ("language", Type.TEXT, "language", "Language of the feedback."),
    ("opened_at", Type.TIME, "opened_at", "When it was opened."),
    ("case_seq", Type.WHOLE, "case_seq", "How many events it has."),
    ("thread_id", Type.TEXT, "thread_id", "Conversation that it belongs to."),
    ("feedback_count", Type.WHOLE, "feedback_count", "How often the customer wrote."),
    ("team", Type.TEXT, "team", "Team that has it."),
    ("assignee", Type.TEXT, "assignee", "Who has it."),
    ("escalation_status", Type.TEXT, "escalation.status", "Where the escalation stands."),
    ("escalation_epoch", Type.WHOLE, "escalation.epoch", "Run of the escalation."),
    ("escalation_step", Type.WHOLE, "escalation.step", "Step of the escalation."),
    ("acknowledged_at", Type.TIME, "acknowledged_at", "When it was acknowledged."),
    ("acknowledged_by", Type.TEXT, "acknowledged_by", "Who acknowledged it."),
    ("resolved_at", Type.TIME, "resolved_at", "When it was resolved."),
    ("resolved_by", Type.TEXT, "resolved_by", "Who resolved it."),
    ("resolution", Type.TEXT, "resolution", "What was done."),
    ("outcome", Type.TEXT, "outcome.outcome", "How the matter ended."),
    ("outcome_reason", Type.TEXT, "outcome.reason", "Why it ended so."),
    ("next_step", Type.TEXT, "outcome.next_step", "What was promised."),
    ("root_cause", Type.TEXT, "outcome.root_cause", "Why it happened."),
    ("prevention", Type.TEXT, "outcome.prevention", "What was done that it does not again."),
    ("verdict", Type.TEXT, "verdict", "What became of a suggestion."),
    ("communicated_at", Type.TIME, "communicated_at", "When the customer was told."),
    ("closed_at", Type.TIME, "closed_at", "When it was closed."),
    ("reopen_count", Type.WHOLE, "reopen_count", "How often it was reopened."),
    ("next_due_at", Type.TIME, "next_due_at", "Its next deadline."),
    ("merged_into", Type.TEXT, "merged_into", "Case that goes on for it."),
    ("follow_up_of", Type.TEXT, "follow_up_of", "Former case of the same matter."),
    ("backfilled", Type.YES_NO, "backfilled", "Whether it is imported history."),
)

FEEDBACK: Final = _columns(
    ("feedback_id", Type.TEXT, "feedback.feedback_id", "Id of this revision of the item."),
    ("tenant", Type.TEXT, "feedback.tenant", "Tenant."),
    ("source", Type.TEXT, "feedback.source", "Source."),
    ("channel", Type.TEXT, "feedback.channel", "Channel."),
    ("medium", Type.TEXT, "feedback.medium", "Form within the channel."),
    ("native_id", Type.TEXT, "feedback.native_id", "Id of the item at its source."),
    ("revision", Type.TEXT, "feedback.revision", "Revision of the item."),
    ("op", Type.TEXT, "feedback.op", "Whether it was created, changed or deleted."),
    ("thread_id", Type.TEXT, "feedback.thread_id", "Conversation that it belongs to."),
    ("customer_key", Type.TEXT, "feedback.customer_key", "Pseudonym of the customer."),
    ("received_at", Type.TIME, "feedback.received_at", "When it was received."),
    ("occurred_at", Type.TIME, "feedback.occurred_at", "When it was written, says the source."),
    ("classified_at", Type.TIME, "classified_at", "When it was classified."),
    ("language", Type.TEXT, "feedback.language", "Language."),
    ("title", Type.TEXT, "feedback.title", "Title, redacted."),
    ("text", Type.TEXT, "feedback.text", "What the customer says, redacted."),
    ("rating", Type.NUMBER, "feedback.rating.norm", "Rating from 0 (worst) to 1 (best)."),
    ("origin", Type.TEXT, "feedback.origin", "Who or what wrote it."),
    ("flags", Type.LIST, "feedback.flags", "What else is to be known."),
    ("severity", Type.TEXT, "classification.severity", "Severity that was found."),
    ("kind", Type.TEXT, "classification.kind", "Complaint, question, suggestion, praise, other."),
    ("confidence", Type.NUMBER, "classification.confidence", "How sure that is, from 0 to 1."),
    ("reasons", Type.LIST, "classification.reasons", "Why it has its severity."),
    ("themes", Type.LIST, "classification.themes", "What it is about."),
    ("sentiment", Type.NUMBER, "classification.sentiment", "From -1 to 1."),
    ("model_version", Type.TEXT, "classification.model_version", "Model that was asked."),
    ("rules_version", Type.TEXT, "classification.rules_version", "Rules that were read."),
)

CORRECTIONS: Final = _columns(
    ("correction_id", Type.TEXT, "correction_id", "Id of the correction."),
    ("feedback_id", Type.TEXT, "feedback_id", "The feedback that it corrects."),
    ("tenant", Type.TEXT, "tenant", "Tenant."),
    ("record_key", Type.TEXT, "record_key", "Tenant and pseudonym of the customer."),
    ("channel", Type.TEXT, "channel", "Channel of the feedback."),
    ("language", Type.TEXT, "language", "Language of the feedback."),
    ("text", Type.TEXT, "text", "What the customer says, redacted."),
    ("was", Type.TEXT, "was", "Severity before."),
    ("severity", Type.TEXT, "severity", "The right one."),
    ("kind", Type.TEXT, "kind", "The right kind, if that was said."),
    ("reasons", Type.LIST, "reasons", "Why, if that was said."),
    ("by", Type.TEXT, "by", "Who says so."),
    ("at", Type.TIME, "at", "When that was said."),
    ("note", Type.TEXT, "note", "Remark."),
    ("model_version", Type.TEXT, "model_version", "Model that was asked."),
    ("rules_version", Type.TEXT, "rules_version", "Rules that were read."),
)

SHEETS: Final = {
    What.EVENTS: Sheet(
        topics.CASE_EVENTS, EVENTS, "case_id", "case.severity", "case.channel", "", "case.opened_at"
    ),
    What.CASES: Sheet(
        topics.CASE_STATE, CASES, "case_id", "severity", "channel", "record_key", "opened_at"
    ),
    What.FEEDBACK: Sheet(
        topics.FEEDBACK_CLASSIFIED,
        FEEDBACK,
        "",
        "classification.severity",
        "feedback.channel",
        "",
        "feedback.received_at",
    ),
    What.CORRECTIONS: Sheet(
        topics.FEEDBACK_CORRECTIONS, CORRECTIONS, "", "severity", "channel", "record_key", "at"
    ),
}


def row(columns: Sequence[Column], event: Struct) -> list[Cell]:
    """Return the cells of ``event``, one per column."""
    return [column.of(event) for column in columns]
