"""One message that holds several matters: a case each, the most urgent first."""

from __future__ import annotations

from services.escalation.domain.policy import HOUR
from shared.events import (
    CaseEventKind,
    ClockKind,
    CommandKind,
    Issue,
    Kind,
    Operation,
    Reason,
    Severity,
)
from tests.unit.escalation.desk import issue, kinds_of_live, letter
from tests.unit.escalation.world import T0, World, kinds

K = CaseEventKind
TEXT = "late again and rude staff and broken"
MATTERS = (
    issue(Severity.LOW, Reason.DELAY),
    issue(Severity.HIGH, Reason.QUALITY, at=26),
    issue(Severity.MEDIUM, Reason.SERVICE, at=15),
)


def bundle(*issues: Issue) -> World:
    """Return a world with the cases that one message opened."""
    world = World()
    letter(world, *(issues or MATTERS), number=1, text=TEXT)
    return world


def test_a_case_for_each_matter_the_most_urgent_first() -> None:
    world = bundle()
    cases = list(world.cases.values())
    assert [(case.part, case.severity, case.reasons) for case in cases] == [
        (0, Severity.HIGH, (Reason.QUALITY,)),
        (1, Severity.MEDIUM, (Reason.SERVICE,)),
        (2, Severity.LOW, (Reason.DELAY,)),
    ]
    assert [case.feedback[0].excerpt for case in cases] == [
        "and broken",
        "rude staff",
        "late again",
    ]
    assert len({case.bundle for case in cases}) == 1
    outcome = world.decisions[0].outcome
    assert outcome is not None
    assert (outcome.case_id, outcome.others) == (
        cases[0].case_id,
        (cases[1].case_id, cases[2].case_id),
    )
    assert kinds(world.log) == [K.OPENED, K.ESCALATION_TRIGGERED] * 2 + [K.OPENED]


def test_one_receipt_for_the_whole_bundle() -> None:
    receipts = [ClockKind.RECEIPT in kinds_of_live(case) for case in bundle().cases.values()]
    assert receipts == [True, False, False]


def test_what_is_no_matter_of_its_own_stays_together() -> None:
    same = bundle(issue(Severity.HIGH, Reason.DELAY), issue(Severity.MEDIUM, Reason.DELAY))
    thanks = bundle(
        issue(Severity.HIGH, Reason.DELAY), issue(Severity.LOW, Reason.PRAISE, kind=Kind.PRAISE)
    )
    unclear = bundle(issue(Severity.HIGH, Reason.DELAY), issue(Severity.MEDIUM))
    for world in (same, thanks, unclear):
        assert len(world.cases) == 1
        assert (world.case.bundle, world.case.part) == (None, 0)


def test_reasons_that_belong_to_no_part_stay_with_the_first() -> None:
    world = World()
    grave = issue(Severity.HIGH, Reason.QUALITY, Reason.CHURN)
    letter(world, grave, issue(Severity.MEDIUM, Reason.CHURN, Reason.SERVICE), MATTERS[0])
    first, second = world.cases.values()
    # Two matters that share a reason are one, and nothing of it gets lost.
    assert first.reasons == (Reason.QUALITY, Reason.CHURN, Reason.SERVICE)
    assert second.reasons == (Reason.DELAY,)


def test_not_more_cases_than_the_policy_says() -> None:
    world = bundle(*MATTERS, issue(Severity.MEDIUM, Reason.PRICE, at=5))
    assert len(world.cases) == 3
    said = {reason for case in world.cases.values() for reason in case.reasons}
    assert said == {Reason.QUALITY, Reason.SERVICE, Reason.PRICE, Reason.DELAY}


def test_later_mail_joins_the_part_that_it_is_about() -> None:
    world = bundle()
    first, second, third = world.cases
    for reasons, case_id in (
        ((Reason.SERVICE,), second),
        ((Reason.DELAY,), third),
        ((), first),
        ((Reason.PRICE,), first),
    ):
        outcome = world.feed(Severity.LOW, thread="t1", reasons=reasons).outcome
        assert outcome is not None
        assert outcome.case_id == case_id
    assert len(world.cases) == 3


def test_each_part_is_resolved_by_itself() -> None:
    world = bundle()
    first, second, _ = world.cases
    world.command(CommandKind.REPLY, case_id=first)
    world.command(
        CommandKind.CORRECT_SEVERITY, case_id=second, severity=Severity.CRITICAL, note="a child"
    )
    assert [case.severity for case in world.cases.values()] == [
        Severity.HIGH,
        Severity.CRITICAL,
        Severity.LOW,
    ]


def test_a_revision_raises_the_part_that_it_is_about() -> None:
    world = bundle()
    _, second, _ = world.cases
    world.now = T0 + HOUR
    worse = issue(Severity.CRITICAL, Reason.SERVICE)
    letter(world, worse, number=1, op=Operation.UPDATE, revision="2")
    assert world.cases[second].severity is Severity.CRITICAL
    assert [case.feedback_count for case in world.cases.values()] == [1, 1, 1]


def test_a_deletion_shows_in_every_part() -> None:
    world = bundle()
    found = letter(world, MATTERS[0], number=1, op=Operation.DELETE, revision="2")
    assert kinds(found.events) == [K.FEEDBACK_ATTACHED] * 3
    assert all(case.feedback[0].deleted for case in world.cases.values())
    assert found.outcome is not None
    assert len(found.outcome.others) == 2
