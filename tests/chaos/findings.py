"""What can be broken, and one place where it is. Imports no product code."""

from __future__ import annotations

import enum
from collections import defaultdict
from typing import NamedTuple

from tests.chaos.history import Entry, History


class Rule(enum.StrEnum):
    """What can be broken."""

    LOST = "accepted, but without outcome and dead letter"
    NOT_LOGGED = "accepted, but not in feedback.received"
    UNASKED = "an outcome that nobody was promised"
    TWICE = "settled more than once"
    OUTCOME = "an outcome of which its case knows nothing"
    UNANSWERED = "a command without an answer"
    ANSWERED_TWICE = "a command that was carried out more than once"
    DOUBLE_EVENT = "a case event that is there twice"
    SEQ = "case_seq is not contiguous"
    STATE = "the last snapshot is not that of the last event"
    ORDER = "out of order"
    READER = "a reader during the run saw something else"
    COPY = "the topic people act on differs from case.events"
    TIMER_TWICE = "a timer fired more than once"
    TIMER_UNARMED = "a deadline passed that no timer stood for"
    TIMER_EARLY = "recorded before its time"
    TIMER_ORDER = "deadlines of a case fired out of order"
    TIMER_MISSED = "a deadline is overdue at the end"
    NEXT_STEP = "a live case without a next step"
    CLOCK = "a change that the state of the clock does not allow"
    CLOCK_TWICE = "a clock broke, or warned of the same, more than once"
    CLOCK_DEADLINE = "a clock broke at another time than it was due, or not at all"
    CLOCK_UNTOLD = "a clock broke, and no event says so"
    CLOCK_NEGATIVE = "a clock that counts backwards"
    CLOCK_SNAPSHOT = "the clocks of the snapshot are not what their changes amount to"
    PAGED_TWICE = "paged twice for the same"
    PAGED_QUIET = "paged after an acknowledgement of the same epoch"
    PAGED_AT_ONCE = "several pages in one decision"
    AFTER_END = "something happened to a case that is over"
    FOLLOW_UP = "a follow-up took a step that it cannot take"
    UNSETTLED = "closed with promises that are open"


class Finding(NamedTuple):
    """One violation."""

    rule: Rule
    detail: str


def by_case(history: History) -> dict[str, list[Entry]]:
    """Return the events of each case, in log order."""
    cases: dict[str, list[Entry]] = defaultdict(list)
    for entry in history.of("case.events"):
        cases[entry.value["case_id"]].append(entry)
    return cases
