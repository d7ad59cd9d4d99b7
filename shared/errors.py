"""The two kinds of failure a record can meet, and the one a process can.

Every ``except`` in the product ends in one of these: a *transient* fault is retried in place with
back-off while the partition waits, a *poison* record goes to the dead letters with its reason, and
anything else is a bug, which ends the process with the offset uncommitted.
"""

from __future__ import annotations

import enum


class TocsinError(Exception):
    """Base of all errors that carry a message for a person."""


class Transient(TocsinError):
    """Something outside is away for now (broker, Redis, network); the same work may succeed later."""


class Misconfigured(TocsinError):
    """The process cannot run as it was told to; the message names the setting and the fix."""


class TooManyDeadLetters(TocsinError):
    """A partition's share or run of poison records passed its limit: stop, do not drain the topic."""


class PoisonReason(enum.StrEnum):
    """Why a record can never be processed. Feeds the dead letter, the metric label and the tests."""

    BAD_JSON = "bad_json"
    BAD_UTF8 = "bad_utf8"
    TOO_DEEP = "too_deep"
    TOO_LARGE = "too_large"
    UNKNOWN_TYPE = "unknown_type"
    UNKNOWN_VERSION = "unknown_version"
    BAD_SCHEMA = "bad_schema"
    EMPTY = "empty"
    HANDLER_ERROR = "handler_error"


class Poison(TocsinError):
    """A record that can never be processed as it is; ``reason`` says why, the message says where."""

    def __init__(self, reason: PoisonReason, detail: str) -> None:
        super().__init__(f"{reason.value}: {detail}")
        self.reason = reason
        self.detail = detail


class Exit(enum.IntEnum):
    """Exit codes of every process of the product."""

    OK = 0
    BUG = 70
    FENCED = 72
    DEAD_LETTERS = 73
    STUCK = 74
    DRAIN_TIMEOUT = 75
    CONFIG = 78
