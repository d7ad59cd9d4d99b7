"""What became of an item, in the words its sender is told."""

from __future__ import annotations

import enum

import msgspec

from services.ingest.flight import Fate, Record
from services.ingest.prepare import Prepared


class Status(enum.StrEnum):
    """What the sender is told about an item."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"
    UNAVAILABLE = "unavailable"


class Result(msgspec.Struct, frozen=True, omit_defaults=True):
    """Outcome of one item. ACCEPTED, DUPLICATE and REJECTED are final and durable.

    ``dead_letter`` is the id under which a rejected item is kept; ``line`` is that within a batch.
    """

    status: Status
    id: str | None = None
    feedback_id: str | None = None
    reason: str | None = None
    detail: str | None = None
    dead_letter: str | None = None
    line: int | None = None


class Claim(msgspec.Struct, frozen=True, eq=False):
    """An item of a request and the record that answers it: its own, or an equal one before it."""

    item: Prepared
    record: Record

    @property
    def owned(self) -> bool:
        """Whether this item is the one that is written."""
        return self.item.record is self.record


def result_of(claim: Claim, deadline_s: float) -> Result:
    """Return the outcome of an item whose time is over."""
    item, record = claim.item, claim.record
    native_id, line = item.native_id, item.line
    if record.fate in {Fate.PENDING, Fate.FAILED}:
        detail = record.fault or f"kafka did not acknowledge within {deadline_s:g} s"
        return Result(Status.UNAVAILABLE, native_id, reason="unavailable", detail=detail, line=line)
    if item.rejected is not None:
        reason, detail = item.rejected.reason, item.rejected.detail
        return Result(
            Status.REJECTED, native_id, None, reason, detail, dead_letter=record.id, line=line
        )
    fresh = claim.owned and record.fate is Fate.WRITTEN
    return Result(Status.ACCEPTED if fresh else Status.DUPLICATE, native_id, record.id)
