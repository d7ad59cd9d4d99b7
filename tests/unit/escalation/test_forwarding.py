"""What comes in for a case that another customer's case goes on for."""

from __future__ import annotations

from typing import Any

import pytest

from services.escalation.domain.defaults import DEFAULT_POLICY
from services.escalation.domain.policy import HOUR
from shared.events import (
    Author,
    Case,
    CaseEventKind,
    CaseState,
    ClockKind,
    ClockState,
    CommandKind,
    Flag,
    Kind,
    Operation,
    Origin,
    OutcomeKind,
    Role,
    Severity,
)
from tests.unit.escalation.desk import clock_of, kinds_of_live
from tests.unit.escalation.parties import Parties
from tests.unit.escalation.world import T0, kinds

K = CaseEventKind
C = CommandKind
THREAD = "t1"


class Pair(Parties):
    """Ann's case was merged into Bea's, which goes on."""

    def __init__(self, severity: Severity = Severity.HIGH, kind: Kind = Kind.COMPLAINT) -> None:
        super().__init__(DEFAULT_POLICY)
        self.one = self.open("ann", severity, kind, thread=THREAD)
        self.two = self.open("bea", severity, kind)
        self.merge(self.one, self.two)
        self.deliver_all()

    @property
    def survivor(self) -> Case:
        """Bea's case."""
        return self.cases[self.two]

    def hear(
        self, severity: Severity, kind: Kind = Kind.COMPLAINT, **fields: Any
    ) -> list[CaseEventKind]:
        """Something comes in for Ann's case; return what becomes of it in Bea's."""
        before = len(self.log)
        outcome = self.feed("ann", severity, kind, thread=THREAD, **fields).outcome
        assert outcome is not None
        assert outcome.kind is OutcomeKind.FORWARDED
        self.deliver_all()
        return [event.kind for event in self.log[before:] if event.case_id == self.two]


def test_a_message_wants_an_answer_of_the_survivor() -> None:
    pair = Pair()
    pair.command(C.REPLY, pair.two)
    pair.now += HOUR
    assert pair.hear(Severity.LOW, Kind.OTHER) == [K.FEEDBACK_ATTACHED]
    assert pair.survivor.waiting_since == T0 + HOUR
    assert clock_of(pair.survivor, ClockKind.NEXT_RESPONSE).started_at == T0 + HOUR
    assert pair.hear(Severity.LOW, Kind.PRAISE) == [K.FEEDBACK_ATTACHED]


def test_what_an_agent_says_there_stops_the_clocks_of_the_survivor() -> None:
    pair = Pair()
    pair.now += HOUR
    found = pair.hear(Severity.LOW, Kind.OTHER, author=Author(name="Ada", role=Role.AGENT))
    assert found == [K.FEEDBACK_ATTACHED, K.CLOCK_BREACHED, K.REPLIED]  # the receipt was too late
    assert pair.survivor.replies[-1].by == "Ada"
    assert clock_of(pair.survivor, ClockKind.FIRST_RESPONSE).state is ClockState.FULFILLED


def test_a_bounce_there_takes_back_a_reply_of_the_survivor() -> None:
    pair = Pair()
    pair.command(C.REPLY, pair.two, message_id="r1")
    found = pair.hear(Severity.LOW, Kind.OTHER, origin=Origin.BOUNCE_HARD, parent_id="r1")
    assert found == [K.FEEDBACK_ATTACHED, K.REPLY_BOUNCED]
    assert ClockKind.FIRST_RESPONSE in kinds_of_live(pair.survivor)


def test_a_deletion_shows_in_both() -> None:
    pair = Pair()
    (item,) = pair.cases[pair.one].feedback
    number = 1  # Ann's first message
    pair.feed("ann", number=number, thread=THREAD, op=Operation.DELETE, revision="2")
    pair.deliver_all()
    for case in (pair.survivor, pair.cases[pair.one]):
        (shown,) = [ref for ref in case.feedback if ref.item == item.item]
        assert shown.deleted


@pytest.mark.parametrize("state", [CaseState.WAITING_CUSTOMER, CaseState.ACKNOWLEDGED])
def test_a_graver_message_pages_anew_whatever_keeps_the_survivor_quiet(state: CaseState) -> None:
    pair = Pair()
    if state is CaseState.WAITING_CUSTOMER:
        pair.command(C.WAIT, pair.two, on="customer")
    else:
        pair.command(C.ACKNOWLEDGE, pair.two)
        pair.command(C.SNOOZE, pair.two, until=T0 + HOUR)
    assert pair.hear(Severity.CRITICAL) == [
        K.FEEDBACK_ATTACHED,
        K.SEVERITY_RAISED,
        K.REESCALATED,
    ]
    case = pair.survivor
    assert (case.state, case.snoozed_until, case.wait_until) == (CaseState.OPEN, None, None)


def test_a_negative_message_wakes_a_snoozed_survivor() -> None:
    pair = Pair()
    pair.command(C.SNOOZE, pair.two, until=T0 + HOUR)
    assert pair.hear(Severity.LOW, Kind.OTHER) == [K.FEEDBACK_ATTACHED]
    assert pair.hear(Severity.LOW) == [K.FEEDBACK_ATTACHED, K.SNOOZE_OVER, K.REESCALATED]


def test_a_complaint_makes_thanks_a_complaint() -> None:
    pair = Pair(Severity.LOW, Kind.PRAISE)
    assert kinds_of_live(pair.survivor) == {ClockKind.THANK_YOU}
    pair.hear(Severity.LOW, Kind.COMPLAINT)
    assert pair.survivor.kind is Kind.COMPLAINT
    assert {ClockKind.FIRST_RESPONSE, ClockKind.FIRST_RESOLUTION} <= kinds_of_live(pair.survivor)
    assert kinds(pair.command(C.REPLY, pair.two).events) == [K.REPLIED]


def test_history_wakes_nobody() -> None:
    pair = Pair()
    pair.command(C.REPLY, pair.two)
    pair.command(C.SNOOZE, pair.two, until=T0 + HOUR)
    assert pair.hear(Severity.CRITICAL, flags=(Flag.BACKFILL,)) == [K.FEEDBACK_ATTACHED]
    assert pair.survivor.waiting_since is None
