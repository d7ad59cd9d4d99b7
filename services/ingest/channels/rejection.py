"""Why an item is refused at the door: one enum for the answer, the dead letter, the metric, the test."""

from __future__ import annotations

import enum


class Refusal(enum.StrEnum):
    """Reason of a rejection; the values go out in answers, so they are never renamed."""

    EMPTY = "empty"
    BAD_JSON = "bad_json"
    BAD_UTF8 = "bad_utf8"
    TOO_DEEP = "too_deep"
    NOT_AN_OBJECT = "not_an_object"
    UNKNOWN_FIELD = "unknown_field"
    MISSING_FIELD = "missing_field"
    BAD_VALUE = "bad_value"
    EMPTY_TEXT = "empty_text"
    FOREIGN_SOURCE = "foreign_source"
    TOO_LARGE = "too_large"
    FAILED = "failed"


UNREADABLE = frozenset(
    {Refusal.EMPTY, Refusal.BAD_JSON, Refusal.BAD_UTF8, Refusal.TOO_DEEP, Refusal.NOT_AN_OBJECT}
)
"""The bytes are no JSON object at all (400), as opposed to an object we cannot accept (422)."""

_MAX_DETAIL = 500


class Rejected(Exception):
    """An item that can never be accepted as it is; ``detail`` says what is wrong and where."""

    def __init__(self, reason: Refusal, detail: str) -> None:
        super().__init__(f"{reason.value}: {detail}")
        self.reason = reason
        self.detail = detail if len(detail) <= _MAX_DETAIL else detail[: _MAX_DETAIL - 1] + "…"
