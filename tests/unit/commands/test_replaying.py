"""Deciding again: what was decided comes out the same; whatever was changed in the log is found."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.escalation.domain.decide import CommandIn, EraseIn, FeedbackIn, TimerIn
from services.escalation.domain.defaults import DEFAULT_POLICY
from services.escalation.domain.policy import DAY, HOUR
from services.escalation.replaying.fold import Fold, Judge, Kept
from services.escalation.replaying.redecide import Found, Named, Redecider, decisions
from services.escalation.replaying.report import Logged, Of, Report, Skipped, difference
from shared import codec, ids
from shared.events import (
    Case,
    CaseEvent,
    CaseEventKind,
    CaseState,
    Cause,
    CommandKind,
    EraseCustomer,
    Flag,
    Issue,
    Kind,
    Offer,
    Reason,
    Severity,
    Solution,
)
from tests.unit.escalation.world import CUSTOMER, T0, TENANT, World, feedback

KEY = ids.record_key(TENANT, CUSTOMER)


def logged(events: Iterable[CaseEvent]) -> list[Logged]:
    return [Logged(one, codec.encode(one), f"at {n}", n) for n, one in enumerate(events)]


def inputs(world: World) -> dict[Named, Found]:
    found: dict[Named, Found] = {}
    for one, _ in world.inputs:
        match one:
            case FeedbackIn(item):
                found[item.feedback.feedback_id, ""] = item
            case CommandIn(command):
                found[command.command_id, command.case_id] = command
            case EraseIn(erasure):
                found[erasure.command_id, erasure.record_key] = erasure
            case TimerIn():
                pass
    return found


def redecided(world: World, log: list[Logged], **more: Any) -> Report:
    report = Report()
    policies = {world.policy.version: world.policy}
    known = more.pop("inputs", inputs(world))
    redecider = Redecider(policies, known, report, **more)
    for decision in decisions(log):
        redecider.take(decision)
    return report


def lived() -> World:
    """A world in which much has happened, some of it to two cases at once."""
    world = World()
    world.feed(Severity.HIGH, thread="a")
    world.now += HOUR
    world.poll()
    world.acknowledge()
    first = world.case.case_id
    world.feed(Severity.CRITICAL, thread="b", reasons=[Reason.SAFETY])
    second = world.case.case_id
    load = {"ben/critical": 3, "eve/critical": 1, "mia/low": 4}
    world.command(CommandKind.ASSIGN, case_id=second, assignee="ben", load=load)
    world.command(CommandKind.REPLY, case_id=first, note="We are on it.")
    world.command(CommandKind.MERGE, case_id=first, into=second)
    world.command(CommandKind.ACKNOWLEDGE, case_id="acme:nobody:000000000000")
    world.command(CommandKind.CLOSE, case_id=second)  # refused
    world.run(DAY)
    world.command(CommandKind.RESOLVE, case_id=second)
    world.command(CommandKind.COMMUNICATE, case_id=second)
    world.run(40 * DAY)
    world.feed(Severity.MEDIUM, thread="b")
    world.run(DAY)
    return world


def test_what_was_decided_comes_out_the_same() -> None:
    world = lived()
    log = logged(world.log)
    kinds = {one.event.kind for one in log}
    assert {CaseEventKind.MERGED, CaseEventKind.COMMAND_REFUSED, CaseEventKind.REESCALATED} <= kinds
    assert any(one.event.facts for one in log)
    report = redecided(world, log)
    assert report.differences == []
    assert report.skipped == {}
    assert report.redecided == report.decisions > 20


def test_an_event_that_is_there_twice_counts_once() -> None:
    world = lived()
    log = [one for one in logged(world.log) for _ in range(2)]
    assert redecided(world, log).is_same


def test_parts_of_a_message_and_an_erasure_that_was_refused() -> None:
    world = World()
    issues = tuple(
        Issue(severity=Severity.HIGH, kind=Kind.COMPLAINT, start=0, end=3, reasons=(reason,))
        for reason in (Reason.DELAY, Reason.QUALITY)
    )
    item = feedback(1, Severity.HIGH)
    found = msgspec.structs.replace(item.classification, issues=issues)
    world.give(FeedbackIn(msgspec.structs.replace(item, classification=found)))
    assert len(world.cases) == 2
    world.command(CommandKind.HOLD, note="in court")
    erasure = EraseCustomer(
        command_id="e1", tenant=TENANT, record_key=KEY, actor="eve", at=world.now, reason="asked"
    )
    world.give(EraseIn(erasure))
    assert world.log[-1].kind is CaseEventKind.COMMAND_REFUSED
    report = redecided(world, logged(world.log))
    assert report.is_same
    assert report.redecided == report.decisions == 3


@pytest.mark.parametrize("nth", [0, 3, 9, -1])
def test_what_was_changed_in_the_log_is_found(nth: int) -> None:
    world = lived()
    events = list(world.log)
    events[nth] = msgspec.structs.replace(events[nth], targets=("somebody",))
    report = redecided(world, logged(events))
    [found] = report.differences
    assert (found.of, found.case_id) == (Of.DECISION, events[nth].case_id)
    assert found.field.startswith("targets")
    assert found.logged.strip("[]") == '"somebody"'
    assert report.differing == {Of.DECISION: 1}


def test_what_is_missing_in_the_log_and_what_is_too_much_is_found() -> None:
    world = World()
    world.feed(Severity.HIGH)
    opened, triggered = world.log
    short = redecided(world, logged([opened]))
    assert [(one.field, one.logged) for one in short.differences] == [("all of it", "nothing")]
    extra = msgspec.structs.replace(triggered, event_id="another", case_seq=3)
    report = redecided(world, logged([opened, triggered, extra]))
    assert [(one.field, one.found) for one in report.differences] == [("all of it", "nothing")]


def test_another_fact_or_input_or_policy_is_found() -> None:
    world = lived()
    log = logged(world.log)
    changed = {
        name: msgspec.structs.replace(one, note="never said")
        if getattr(one, "note", None) == "We are on it."
        else one
        for name, one in inputs(world).items()
    }
    [found] = redecided(world, log, inputs=changed).differences
    assert found.field == "note"
    other = msgspec.structs.replace(world.policy, stale_repeat_ms=1)
    report = Report()
    redecider = Redecider({world.policy.version: other}, inputs(world), report)
    for decision in decisions(log):
        redecider.take(decision)
    assert not report.is_same


def test_what_cannot_be_decided_again_is_counted_and_what_follows_still_is() -> None:
    world = lived()
    log = logged(world.log)
    kept = inputs(world)
    gone = next(name for name, one in kept.items() if getattr(one, "note", "") == "We are on it.")
    del kept[gone]
    report = redecided(world, log, inputs=kept)
    assert report.is_same
    assert report.skipped == {Skipped.INPUT: 1}
    report = Report()
    redecider = Redecider({}, inputs(world), report)
    for decision in decisions(log):
        redecider.take(decision)
    assert report.skipped == {Skipped.POLICY: report.decisions}
    early = redecided(world, log, skips=lambda one: Skipped.BEFORE if one.at < 10 else None)
    assert early.is_same
    assert early.skipped[Skipped.BEFORE] > 1


def test_a_case_that_was_forgotten_without_an_event_is_not_missed() -> None:
    world = World()
    world.feed(Severity.LOW, thread="a")
    world.resolve()
    world.command(CommandKind.COMMUNICATE)
    for item in world.case.follow_ups:
        world.settle(item.number)
    assert world.case.state is CaseState.CLOSED
    world.now += DEFAULT_POLICY.keep_ms + DAY
    world.poll()
    assert world.cases == {}
    world.feed(Severity.LOW, thread="a")
    report = redecided(world, logged(world.log))
    assert report.is_same
    assert report.redecided == report.decisions


def test_a_case_under_legal_hold_is_looked_at_again_without_an_event() -> None:
    world = World()
    world.feed(Severity.LOW, thread="a")
    world.resolve()
    world.command(CommandKind.COMMUNICATE)
    for item in world.case.follow_ups:
        world.settle(item.number)
    world.command(CommandKind.HOLD, note="in court")
    world.now += DEFAULT_POLICY.keep_ms + DAY + 17
    world.poll()
    judge = Judge({world.policy.version: world.policy}, world.now + 5, whole=True)
    kept = Kept({world.case.case_id: world.case}, None, {})
    assert world.case != world.log[-1].case
    assert judge.differences(world.case.case_id, world.log[-1], kept) == []
    world.now += 1234
    world.command(CommandKind.RELEASE)
    report = redecided(world, logged(world.log))
    assert report.is_same
    assert report.redecided == report.decisions


def test_imported_history_and_the_auditor_are_decided_again() -> None:
    from services.escalation.domain import audit

    world = World()
    world.feed(Severity.HIGH, thread="a", flags=(Flag.BACKFILL,))
    world.feed(Severity.HIGH, thread="b")
    world.run(DAY)
    broken = msgspec.structs.replace(world.case, timers=(), clocks=())
    changed = msgspec.structs.replace(world.log[-1], case=broken)
    world.cases[broken.case_id] = broken
    events = [*world.log[:-1], changed]
    asked = audit.command(broken, world.now)
    events += world.give(CommandIn(asked)).events
    assert events[-1].cause is Cause.AUDIT or events[-2].cause is Cause.AUDIT
    known = inputs(world)
    del known[asked.command_id, asked.case_id]  # it is never in Kafka
    report = redecided(world, logged(events), inputs=known)
    assert report.skipped == {}
    assert [one.case_id for one in report.differences] == [broken.case_id]  # the one made here


# ---- folding


def folded(events: Iterable[CaseEvent]) -> tuple[Fold, Report]:
    fold, report = Fold(), Report()
    for one in logged(events):
        fold.take(one, report)
    return fold, report


def test_the_last_snapshots_are_those_of_the_world() -> None:
    world = lived()
    fold, report = folded(world.log)
    assert {case_id: event.case for case_id, event in fold.last.items()} == world.cases
    assert report.is_same
    assert fold.partial == {}
    judge = Judge({world.policy.version: world.policy}, world.now, whole=True)
    kept = Kept(world.cases, world.cases, {})
    for case_id, event in fold.last.items():
        assert judge.differences(case_id, event, kept) == []


def test_a_gap_in_the_numbers_and_a_late_beginning_are_noticed() -> None:
    world = World()
    world.feed(Severity.HIGH)
    world.acknowledge()
    world.resolve()
    events = world.log
    fold, report = folded(events[1:])
    assert fold.partial == {KEY: 0}
    assert report.is_same
    _, report = folded([*events[:2], *events[3:]])
    assert report.differing == {Of.NUMBERING: 1}
    assert (report.differences[0].logged, report.differences[0].found) == ("4", "expected 3")


def changed(case: Case, **fields: Any) -> dict[str, Case]:
    return {case.case_id: msgspec.structs.replace(case, **fields)}


def test_a_state_or_view_that_differs_is_found_with_its_field() -> None:
    world = lived()
    fold, _ = folded(world.log)
    case = world.case
    event = fold.last[case.case_id]
    judge = Judge({world.policy.version: world.policy}, world.now, whole=True)

    def differences(state: dict[str, Case], view: dict[str, Case] | None) -> list[tuple[Of, str]]:
        found = judge.differences(case.case_id, event, Kept(state, view, {}))
        return [(one.of, one.field) for one in found]

    same = {case.case_id: case}
    assert differences(same, None) == []
    assert differences(changed(case, assignee="x"), None) == [(Of.STATE, "assignee")]
    assert differences(same, changed(case, team="x")) == [(Of.VIEW, "team")]
    assert differences(same, {}) == [(Of.VIEW, "all of it")]
    assert differences({}, {}) == [(Of.STATE, "all of it")]
    late = Judge({}, world.now, whole=False)
    assert late.differences("unknown", None, Kept({"unknown": case}, None, {})) == []
    [found] = judge.differences("unknown", None, Kept({"unknown": case}, None, {}))
    assert (found.of, found.logged) == (Of.STATE, "nothing")


def test_who_was_erased_has_no_state_and_that_is_right() -> None:
    world = lived()
    fold, _ = folded(world.log)
    judge = Judge({}, world.now, whole=True)
    for case_id, event in fold.last.items():
        assert judge.differences(case_id, event, Kept({}, {}, {KEY: world.now})) == []
        assert judge.differences(case_id, event, Kept({}, {}, {KEY: T0 - 1})) != []


def test_the_first_field_that_differs_is_named() -> None:
    world = lived()
    one = world.log[-1]
    assert difference(Of.DECISION, "c", one, one) is None
    case = one.case
    assert case is not None
    refs = (msgspec.structs.replace(case.feedback[0], excerpt="x"), *case.feedback[1:])
    other = msgspec.structs.replace(one, case=msgspec.structs.replace(case, feedback=refs))
    found = difference(Of.DECISION, "c", one, other)
    assert found is not None
    assert (found.field, found.found) == ("case.feedback[0].excerpt", '"x"')
    long = difference(Of.DECISION, "c", None, one)
    assert long is not None
    assert len(long.found) <= 201


# ---- whatever happens

SEVERITIES = (Severity.LOW, Severity.MEDIUM, Severity.HIGH, Severity.CRITICAL)
KINDS = sorted(set(CommandKind) - {CommandKind.ABSORB, CommandKind.ABSORBED, CommandKind.FORWARD})
ACTIONS = st.one_of(
    st.tuples(st.just("feed"), st.sampled_from(SEVERITIES), st.sampled_from("abc")),
    st.tuples(st.just("history"), st.sampled_from(SEVERITIES), st.sampled_from("abc")),
    st.tuples(st.just("command"), st.sampled_from(KINDS), st.integers(0, 3)),
    st.tuples(st.just("run"), st.sampled_from([HOUR, DAY, 10 * DAY, 500 * DAY]), st.just(0)),
    st.tuples(st.just("down"), st.sampled_from([HOUR, 3 * DAY, 500 * DAY]), st.just(0)),
    st.tuples(st.just("erase"), st.just(0), st.just(0)),
)


def act(world: World, action: str, what: Any, more: Any) -> None:
    """Do one thing to the world; to erase is to forget all its cases, unless one is held."""
    world.now += 1
    if action == "feed":
        world.feed(what, thread=more, text=f"It does not work {more}.")
    elif action == "history":
        world.feed(what, thread=more, flags=(Flag.BACKFILL,))
    elif action == "run":
        world.run(what)
    elif action == "down":
        world.down(what)
    elif action == "erase":
        order = EraseCustomer(
            command_id=f"e{world.now}", tenant=TENANT, record_key=KEY, actor="eve", at=world.now,
            reason="asked",
        )  # fmt: skip
        world.give(EraseIn(order))
    elif world.cases:
        ids_of = sorted(world.cases)
        world.command(
            what, case_id=ids_of[more % len(ids_of)], into=ids_of[0], note="A word of ours.",
            follow_up=more, assignee="ben", load={"ben/high": 99, "eve/high": more},
            until=world.now + HOUR, on="customer", severity=SEVERITIES[more],
            offer=Offer(options=(Solution.REFUND,)),
        )  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(ACTIONS, min_size=1, max_size=14))
def test_whatever_happened_is_decided_again_as_it_was(actions: list[tuple[str, Any, Any]]) -> None:
    world = World()
    marks = []
    for action in actions:
        act(world, *action)
        erased = world.decisions[-1].erased if world.decisions else None
        if action[0] == "erase" and erased is not None:
            marks.append(erased)
    gone = {case_id for mark in marks for case_id in mark.cases}

    def skips(one: Logged) -> Skipped | None:
        return Skipped.ERASED if one.event.case_id in gone else None

    log = logged(world.log)
    report = redecided(world, log, skips=skips)
    assert report.differences == []
    assert report.redecided + report.skipped[Skipped.ERASED] == report.decisions
    fold, numbering = folded(world.log)
    assert numbering.is_same
    judge = Judge({world.policy.version: world.policy}, world.now, whole=True)
    erased_at = {KEY: marks[-1].erased_at} if marks else {}
    kept = Kept(world.cases, world.cases, erased_at)
    for case_id, event in fold.last.items():
        assert judge.differences(case_id, event, kept) == []
