"""What is only noted in a case: deletions, machine mail, messages of our own side."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from services.escalation.domain.decide import Decision, FeedbackIn
from services.escalation.domain.policy import DAY, MINUTE
from shared.events import (
    Author,
    Case,
    CaseEventKind,
    CaseState,
    Cause,
    Channel,
    ClockKind,
    ClockState,
    FeedbackOutcome,
    Flag,
    Kind,
    NoCaseReason,
    Operation,
    Origin,
    OutcomeKind,
    Repeat,
    Role,
    Severity,
    TimerKind,
)
from tests.unit.escalation.world import PLAIN, World, feedback, kinds

MACHINES = [origin for origin in Origin if origin not in (Origin.HUMAN, Origin.BULK)]
MACHINES.remove(Origin.OWN_ECHO)
OWN_SIDE: list[dict[str, Any]] = [
    {"origin": Origin.OWN_ECHO},
    {"author": Author(role=Role.BOT)},
    {"author": Author(role=Role.BOT), "origin": Origin.OWN_ECHO},
    {"author": Author(role=Role.AGENT), "origin": Origin.AUTO_REPLY},
]
NOTED: list[tuple[dict[str, Any], Cause, NoCaseReason]] = [
    *(({"origin": origin}, Cause.MACHINE, NoCaseReason.MACHINE) for origin in MACHINES),
    *((fields, Cause.OWN_SIDE, NoCaseReason.OWN_SIDE) for fields in OWN_SIDE),
]
noted = pytest.mark.parametrize(("fields", "cause", "reason"), NOTED)


def outcome(decision: Decision) -> FeedbackOutcome:
    assert decision.outcome is not None
    return decision.outcome


def without_list(case: Case) -> Case:
    """Return the case without what a note changes."""
    return structs.replace(case, feedback=(), case_seq=0)


def test_origins_are_either_people_machines_or_ours() -> None:
    assert len(MACHINES) == 6
    assert set(MACHINES) | {Origin.HUMAN, Origin.BULK, Origin.OWN_ECHO} == set(Origin)


@pytest.mark.parametrize("role", ["customer", "unknown", "tenant"])
@pytest.mark.parametrize("origin", [Origin.HUMAN, Origin.BULK])
def test_people_open_cases(origin: Origin, role: str) -> None:
    world = World(PLAIN)
    opened = world.feed(origin=origin, author=Author(role=role), may_auto_respond=False)
    assert outcome(opened).kind is OutcomeKind.CASE_OPENED


@pytest.mark.parametrize("flag", [one for one in Flag if one is not Flag.BACKFILL])
def test_no_flag_changes_what_becomes_of_it(flag: Flag) -> None:
    world, plain = World(PLAIN), World(PLAIN)
    for thread in (None, "t1", "t1"):
        flagged = world.feed(Severity.HIGH, thread=thread, flags=(flag,))
        assert flagged == plain.feed(Severity.HIGH, thread=thread)


@noted
@pytest.mark.parametrize("severity", [Severity.CRITICAL, Severity.UNDETERMINED, Severity.LOW])
@pytest.mark.parametrize("thread", [None, "t1"])
def test_without_a_case_there_is_none(
    fields: dict[str, Any],
    cause: Cause,
    reason: NoCaseReason,
    severity: Severity,
    thread: str | None,
) -> None:
    decision = World(PLAIN).feed(severity, thread=thread, **fields)
    assert (decision.cases, decision.events) == ((), ())
    assert (outcome(decision).kind, outcome(decision).no_case_reason) == (
        OutcomeKind.NO_CASE,
        reason,
    )


@noted
def test_it_is_noted_in_the_open_case_of_its_thread(
    fields: dict[str, Any], cause: Cause, reason: NoCaseReason
) -> None:
    world = World(PLAIN)
    world.feed(Severity.MEDIUM, thread="t1")
    before = world.case
    world.now += DAY
    decision = world.feed(Severity.CRITICAL, thread="t1", text="Out of office", **fields)
    (event,) = decision.events
    assert (event.kind, event.cause) == (CaseEventKind.FEEDBACK_ATTACHED, cause)
    assert outcome(decision).kind is OutcomeKind.CASE_ATTACHED
    assert outcome(decision).case_id == before.case_id
    assert without_list(world.case) == without_list(before)
    assert world.case.feedback[:-1] == before.feedback
    assert (world.case.feedback[-1].excerpt, world.case.feedback[-1].cause) == (
        "Out of office",
        cause,
    )


@noted
def test_it_never_counts_as_a_contact(
    fields: dict[str, Any], cause: Cause, reason: NoCaseReason
) -> None:
    world = World(PLAIN)
    world.feed(Severity.MEDIUM, thread="t1")
    for _ in range(3):
        world.feed(Severity.MEDIUM, thread="t1", **fields)
    world.feed(Severity.MEDIUM, thread="t1")
    assert (world.case.feedback_count, world.case.severity) == (2, Severity.MEDIUM)
    world.feed(Severity.MEDIUM, thread="t1")
    assert (world.case.feedback_count, world.case.severity) == (3, Severity.HIGH)


@noted
def test_it_reopens_nothing(fields: dict[str, Any], cause: Cause, reason: NoCaseReason) -> None:
    world = World(PLAIN)
    world.feed(thread="t1")
    world.resolve()
    before = world.case
    decision = world.feed(Severity.CRITICAL, thread="t1", **fields)
    assert outcome(decision).kind is OutcomeKind.CASE_ATTACHED
    assert without_list(world.case) == without_list(before)
    assert world.case.state is CaseState.RESOLVED


@noted
def test_an_open_case_goes_before_a_resolved_one_and_a_closed_one_is_none(
    fields: dict[str, Any], cause: Cause, reason: NoCaseReason
) -> None:
    world = World(PLAIN)
    open_case = world.feed(thread="t1").cases[0].case_id
    twin = structs.replace(
        world.case, case_id=world.case.case_id[:-1] + "x", opened_at=world.now + 1
    )
    for state, expected in ((CaseState.RESOLVED, open_case), (CaseState.CLOSED, open_case)):
        world.cases["twin"] = structs.replace(twin, state=state, timers=())
        assert outcome(world.feed(thread="t1", **fields)).case_id == expected
    world.cases[open_case] = structs.replace(world.cases[open_case], state=CaseState.CLOSED)
    assert outcome(world.feed(thread="t1", **fields)).no_case_reason is reason


@noted
def test_another_issue_of_the_channel_or_the_same_words_do_not_attract_it(
    fields: dict[str, Any], cause: Cause, reason: NoCaseReason
) -> None:
    world = World(PLAIN)
    first = world.feed().outcome
    assert first is not None
    decision = world.feed(repeat=Repeat(of=first.feedback_id, count=2), **fields)
    assert outcome(decision).no_case_reason is reason


@pytest.mark.parametrize("origin", [Origin.HUMAN, Origin.OWN_ECHO])
def test_a_message_of_a_person_of_ours_is_a_reply(origin: Origin) -> None:
    world = World()
    world.feed(Severity.MEDIUM, thread="t1")
    world.now += MINUTE
    decision = world.feed(
        Severity.CRITICAL, thread="t1", origin=origin, author=Author(role=Role.AGENT, name="Ada")
    )
    noted, replied = decision.events
    assert (noted.kind, noted.cause) == (CaseEventKind.FEEDBACK_ATTACHED, Cause.OWN_SIDE)
    assert (replied.kind, replied.cause) == (CaseEventKind.REPLIED, Cause.REPLY)
    case = world.case
    assert (case.state, case.severity, case.feedback_count) == (
        CaseState.ACKNOWLEDGED, Severity.MEDIUM, 1,
    )  # fmt: skip
    assert (case.replies[0].by, case.waiting_since) == ("Ada", None)
    stopped = {clock.kind for clock in case.clocks if clock.state is ClockState.FULFILLED}
    assert stopped == {ClockKind.RECEIPT, ClockKind.FIRST_RESPONSE}
    assert not any(timer.kind is TimerKind.STEP for timer in case.timers)


def test_machine_mail_leaves_the_acknowledgement_alone() -> None:
    world = World(PLAIN)
    world.feed(Severity.CRITICAL, thread="t1")
    world.acknowledge()
    before = world.case
    world.now += 1000
    world.feed(Severity.CRITICAL, thread="t1", origin=Origin.BOUNCE_HARD)
    assert without_list(world.case) == without_list(before)


def test_an_edited_reply_of_ours_takes_its_own_place() -> None:
    world = World(PLAIN)
    world.feed(thread="t1")
    world.feed(thread="t1", number=50, origin=Origin.OWN_ECHO, text="We are on it")
    world.feed(number=50, origin=Origin.OWN_ECHO, text="We are on it now")
    assert [(ref.excerpt, ref.cause) for ref in world.case.feedback[1:]] == [
        ("We are on it now", Cause.OWN_SIDE)
    ]


def test_a_flood_of_machine_mail_does_not_push_the_customers_words_out() -> None:
    world = World(PLAIN)
    for number in range(15):
        world.feed(thread="t1", text=f"human {number}")
    for number in range(50):
        world.feed(thread="t1", text=f"machine {number}", origin=Origin.AUTO_REPLY)
    assert len(world.case.feedback) == Case.MAX_REFS
    said = [ref.excerpt for ref in world.case.feedback]
    assert said[:15] == [f"human {number}" for number in range(15)]
    assert said[15:] == [f"machine {number}" for number in range(45, 50)]
    for number in range(15, 25):
        world.feed(thread="t1", text=f"human {number}")
    said = [ref.excerpt for ref in world.case.feedback]
    assert said == ["human 0", *(f"human {number}" for number in range(6, 25))]


# ---- deletions


@pytest.mark.parametrize("thread", [None, "t1"])
@pytest.mark.parametrize("state", [CaseState.OPEN, CaseState.ACKNOWLEDGED, CaseState.RESOLVED])
def test_a_deletion_is_noted_where_the_item_is_listed(thread: str | None, state: CaseState) -> None:
    world = World(PLAIN)
    world.feed(Severity.HIGH, thread=thread, number=1, text="You lied to me")
    if state is not CaseState.OPEN:
        world.acknowledge() if state is CaseState.ACKNOWLEDGED else world.resolve()
    before = world.case
    decision = world.feed(
        Severity.LOW, Kind.OTHER, number=1, op=Operation.DELETE, text="", channel=Channel.SOCIAL
    )
    (event,) = decision.events
    assert (event.kind, event.cause) == (CaseEventKind.FEEDBACK_ATTACHED, Cause.DELETION)
    assert event.feedback_id == outcome(decision).feedback_id
    assert outcome(decision).kind is OutcomeKind.CASE_ATTACHED
    assert without_list(world.case) == without_list(before)
    assert world.case.feedback == (structs.replace(before.feedback[0], deleted=True),)


@pytest.mark.parametrize("severity", Severity)
@pytest.mark.parametrize("thread", [None, "t1"])
def test_a_deletion_of_what_is_not_listed_opens_nothing(
    severity: Severity, thread: str | None
) -> None:
    world = World(PLAIN)
    world.feed(thread="t1", number=1)
    before = world.case
    decision = world.feed(severity, thread=thread, number=2, op=Operation.DELETE, text="")
    assert outcome(decision).no_case_reason is NoCaseReason.DELETED
    assert decision.events == ()
    assert world.case == before


def test_a_deletion_by_a_moderator_is_a_deletion() -> None:
    world = World(PLAIN)
    world.feed(thread="t1", number=1)
    decision = world.feed(number=1, op=Operation.DELETE, author=Author(role=Role.AGENT), text="")
    assert decision.events[0].cause is Cause.DELETION


def test_a_deletion_is_not_noted_in_a_closed_case() -> None:
    world = World(PLAIN)
    world.feed(thread="t1", number=1)
    world.resolve()
    world.settle(1)
    assert world.case.state is CaseState.CLOSED
    decision = world.feed(thread="t1", number=1, op=Operation.DELETE, text="")
    assert outcome(decision).no_case_reason is NoCaseReason.DELETED


def test_deleted_twice_is_noted_twice_and_changes_nothing_more() -> None:
    world = World(PLAIN)
    world.feed(number=1)
    world.feed(number=1, op=Operation.DELETE, text="")
    before = world.case
    assert kinds(world.feed(number=1, op=Operation.DELETE, text="").events) == [
        CaseEventKind.FEEDBACK_ATTACHED
    ]
    assert without_list(world.case) == without_list(before)
    assert world.case.feedback == before.feedback


def test_what_comes_back_after_its_deletion_is_a_revision() -> None:
    world = World(PLAIN)
    world.feed(number=1)
    world.feed(number=1, op=Operation.DELETE, text="")
    decision = world.feed(number=1, text="Posted again")
    assert decision.events[0].cause is Cause.REVISION
    assert [(ref.excerpt, ref.deleted) for ref in world.case.feedback] == [("Posted again", False)]


def test_a_deletion_before_its_creation_is_forgotten() -> None:
    """Nothing remembers an item that no case lists: the creation is treated like any other."""
    world = World(PLAIN)
    world.feed(number=1, op=Operation.DELETE, text="")
    assert outcome(world.feed(number=1)).kind is OutcomeKind.CASE_OPENED


def test_a_case_of_an_older_release_lists_no_items() -> None:
    world = World(PLAIN)
    world.feed(number=1)
    old = world.case
    refs = tuple(structs.replace(ref, item="") for ref in old.feedback)
    world.cases[old.case_id] = structs.replace(old, feedback=refs)
    decision = world.feed(number=1, op=Operation.DELETE, text="")
    assert outcome(decision).no_case_reason is NoCaseReason.DELETED
    world.feed(text="another")
    assert len(world.case.feedback) == 2


def test_the_same_deletion_again_does_not_open_anything() -> None:
    world = World(PLAIN)
    given = FeedbackIn(feedback(1, Severity.LOW, Kind.OTHER, op=Operation.DELETE, text=""))
    assert outcome(world.give(given)).no_case_reason is NoCaseReason.DELETED
    assert outcome(world.give(given)).no_case_reason is NoCaseReason.DELETED
