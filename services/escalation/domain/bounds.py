"""How long a text and how old a time may be that a case keeps, and how large a case may become.

Commands come from anybody who may write to their topic. A case that no record can hold would take
nothing any more, and a time that no calendar knows would break every decision after it.
"""

from __future__ import annotations

from typing import Final

import msgspec

from services.escalation.domain.calendar import DAY, HORIZON, MINUTE
from services.escalation.domain.refuse import Refuse
from shared import ids
from shared.events import Case, CaseCommand, CommandKind, FeedbackRef, Refusal

MAX_NAME: Final = 512
"""Bytes of a name or an id in JSON, as many as ingest gives an id characters."""

MAX_TEXT: Final = 4000
"""Characters of what is said in a clarification or a resolution; a note is cut at as many."""

MAX_AGE: Final = HORIZON
"""How long ago something can have been said; a clock that says more is wrong."""

MAX_AGE_OF_CASE: Final = 3650 * DAY

MAX_SKEW: Final = MINUTE
"""How much the clock of whoever sends a command may be ahead of the worker's."""

MAX_COMMAND_BYTES: Final = 50_000
"""Largest command: events carry its note beside the whole case, and together they must fit a record."""

MAX_TAKEN_OVER: Final = 300_000
"""Bytes of a case after it took something over: a third of a record, for what comes later."""

MAX_CONTACTS: Final = 1_000_000

_BETWEEN_CASES: Final = frozenset({CommandKind.ABSORB, CommandKind.FORWARD})
_WORST: Final = 6
"""Bytes that one character may take in JSON: ``\\u0000``."""

_NAMES: Final = ("command_id", "actor", "assignee", "team", "into", "message_id")


def past(at: int, now: int, age: int = MAX_AGE) -> int:
    """Return ``at`` as far as it can be: not later than ``now``, nor longer ago than ``age``."""
    return max(min(at, now), now - age)


def possible(ref: FeedbackRef, now: int) -> FeedbackRef:
    """Return a reference from another case with times that can be."""
    return msgspec.structs.replace(
        ref,
        received_at=past(ref.received_at, now, MAX_AGE_OF_CASE),
        asked_at=None if ref.asked_at is None else past(ref.asked_at, now),
    )


def possible_case(case: Case, now: int) -> Case:
    """Return the snapshot of another customer's case with times that can be."""
    waits = case.waiting_since
    return msgspec.structs.replace(
        case,
        opened_at=past(case.opened_at, now, MAX_AGE_OF_CASE),
        waiting_since=None if waits is None else past(waits, now),
        feedback=tuple(possible(ref, now) for ref in case.feedback),
        replies=(),
    )


def asked_at(at: int, now: int) -> int:
    """Return when something was asked for: now, if ``at`` is further ahead than clocks differ."""
    return at if at <= now + MAX_SKEW else now


def remembered(command_id: str, tenant: str) -> str:
    """Return what a case remembers of a command: its id, or a digest of one that is too long."""
    if _fits(command_id):
        return command_id
    return ids.digest(tenant, "command", command_id)


def is_case_id(name: str) -> bool:
    """Tell whether ``name`` can be the id of a case, and so whose it is."""
    try:
        ids.record_key_of_case(name)
    except ValueError:
        return False
    return True


def check(command: CaseCommand) -> None:
    """Refuse a command with a text that is longer than a case keeps."""
    for field in _NAMES:
        _check_name(field, getattr(command, field))
    if command.offer is not None:
        _check_name("offer.approved_by", command.offer.approved_by)
    for field in ("clarification", "resolution"):
        said = getattr(command, field)
        for part in said.__struct_fields__ if said is not None else ():
            if len(getattr(said, part) or "") > MAX_TEXT:
                raise Refuse(Refusal.INVALID, f"{field}.{part}: at most {MAX_TEXT} characters")
    if command.case is not None:
        _check_loser(command.case)


def check_size(case: Case, command: CaseCommand) -> None:
    """Refuse what another case hands over when this one would become too large for a record."""
    if command.kind in _BETWEEN_CASES and len(msgspec.json.encode(case)) > MAX_TAKEN_OVER:
        raise Refuse(Refusal.NOT_ALLOWED, "the case would become too large")


def check_handed_over(command: CaseCommand) -> None:
    """Refuse to hand over what is too large for a command: nobody would take it over."""
    if len(msgspec.json.encode(command)) > MAX_COMMAND_BYTES:
        raise Refuse(Refusal.NOT_ALLOWED, "the case is too large to be handed over")


def _check_loser(loser: Case) -> None:
    if not is_case_id(loser.case_id):
        raise Refuse(Refusal.INVALID, f"case: {loser.case_id!r} is no case id")
    if not 0 <= loser.feedback_count <= MAX_CONTACTS:
        raise Refuse(Refusal.INVALID, f"case: it has {loser.feedback_count} messages")


def _check_name(field: str, name: str | None) -> None:
    if name is not None and not _fits(name):
        raise Refuse(Refusal.INVALID, f"{field}: at most {MAX_NAME} bytes")


def _fits(name: str) -> bool:
    return len(name) * _WORST <= MAX_NAME or len(msgspec.json.encode(name)) <= MAX_NAME + 2
