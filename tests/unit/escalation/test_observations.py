"""What staff observe is treated like what a customer wrote: through intake's own parts to the case."""

from __future__ import annotations

import json

from services.escalation.domain.decide import FeedbackIn
from services.ingest.channels import providers
from services.ingest.channels.hook import Hook
from services.ingest.channels.item import Item
from services.ingest.channels.provider import Settings
from services.ingest.prepare import Door, Preparer
from shared.clock import ManualClock
from shared.events import (
    CaseEventKind,
    CaseState,
    Channel,
    Classification,
    ClockKind,
    FeedbackClassified,
    FeedbackReceived,
    Kind,
    OutcomeKind,
    Reason,
    Severity,
)
from shared.topics import Names
from tests.unit.escalation.world import T0, TENANT, World, kinds

PREPARER = Preparer(TENANT, b"a secret of the tests", Names(), ManualClock(T0))


def _observed(text: str, **fields: str | bool) -> FeedbackReceived:
    """Return what intake makes of an observation."""
    given = {"observed_at": "2025-06-15T10:00:00Z", "observer": "Jana", "text": text} | fields
    staff = providers.load()["staff"]
    assert staff.parse is not None
    hook = Hook(url="https://x.example/h", body=json.dumps(given).encode(), now=T0)
    settings = Settings(name="floor")
    [item] = staff.parse(hook, settings).items
    event = PREPARER.prepare(item, Door("floor", provider="staff", settings=settings)).event
    assert event is not None
    return event


def _classified(
    feedback: FeedbackReceived, severity: Severity, kind: Kind = Kind.COMPLAINT
) -> FeedbackIn:
    found = Classification(
        severity=severity, kind=kind, confidence=0.9, reasons=(Reason.MISCONDUCT,)
    )
    return FeedbackIn(FeedbackClassified(feedback=feedback, classification=found, classified_at=T0))


def test_a_negative_observation_opens_a_case_and_raises_the_alarm() -> None:
    world = World()
    feedback = _observed("The guest was insulted and left.", customer="ann@example.com")
    decision = world.give(_classified(feedback, Severity.HIGH))
    assert decision.outcome is not None
    assert decision.outcome.kind is OutcomeKind.CASE_OPENED
    assert world.case.state is CaseState.OPEN
    assert (world.case.source, world.case.customer_key) == ("floor", feedback.customer_key)
    assert world.case.feedback_count == 1
    assert CaseEventKind.ESCALATION_TRIGGERED in kinds(world.run(60_000)) + kinds(decision.events)


def test_each_of_customers_whom_nobody_knows_does_too() -> None:
    keys = set()
    for text in ("A guest left without a word.", "A guest shouted at the door."):
        world = World()
        decision = world.give(_classified(_observed(text), Severity.MEDIUM))
        assert decision.outcome is not None
        assert decision.outcome.kind is OutcomeKind.CASE_OPENED
        keys.add(world.case.record_key)
    assert len(keys) == 2


def test_what_the_customer_then_writes_joins_the_case() -> None:
    world = World()
    seen = _observed("He waited two hours.", customer="+4930901820", channel="phone")
    world.give(_classified(seen, Severity.MEDIUM))
    call = Item(native_id="1", channel=Channel.PHONE, text="Two hours!", author="+49 30 901820")
    called = PREPARER.prepare(call, Door("calls")).event
    assert called is not None
    outcome = world.give(_classified(called, Severity.MEDIUM)).outcome
    assert outcome is not None
    assert outcome.kind is OutcomeKind.CASE_ATTACHED
    assert world.case.feedback_count == 2


def test_praise_that_was_heard_is_to_be_thanked_for() -> None:
    world = World()
    heard = _observed("She loved the cake.", quote=True)
    outcome = world.give(_classified(heard, Severity.LOW, Kind.PRAISE)).outcome
    assert outcome is not None
    assert outcome.kind is OutcomeKind.CASE_OPENED
    assert [clock.kind for clock in world.case.clocks] == [ClockKind.THANK_YOU]
