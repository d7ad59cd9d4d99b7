"""The checker can fail: one broken history per rule, and a sound one that passes."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.chaos.checker import Promise, check, same_for_reader
from tests.chaos.deadlines import overdue
from tests.chaos.findings import Rule
from tests.chaos.history import Entry, History

CASE = "t:anna:0123456789ab"


def feedback(one: str) -> dict[str, Any]:
    return {"feedback_id": one, "record_key": "t:anna"}


def snapshot(seq: int, *armed: tuple[str, int, int]) -> dict[str, Any]:
    listed = [
        {"kind": kind, "due_at": due_at, "version": version} for kind, due_at, version in armed
    ]
    stands = {"status": "pending", "epoch": 1, "step": 1 + seq // 4}
    return {
        "type": "case.v1",
        "case_id": CASE,
        "case_seq": seq,
        "state": "open",
        "timers": listed,
        "escalation": stands if seq > 1 else {},
    }


def event(
    seq: int, kind: str, at: int, case: dict[str, Any], recorded_at: int = 0
) -> dict[str, Any]:
    return {
        "event_id": f"event-{seq}",
        "kind": kind,
        "cause": "ack_timeout",
        "case_id": CASE,
        "case_seq": seq,
        "at": at,
        "recorded_at": recorded_at or at,
        "epoch": 1,
        "step": 1 + seq // 4,
        "case": case,
    }


def sound() -> tuple[list[Promise], History]:
    """Two items of one customer; a case opens, escalates and its first step times out."""
    history = History()

    def put(topic: str, value: Any, key: bytes = b"t:anna") -> None:
        offset = len(history.of(topic))
        history.add(topic, Entry(topic, 0, offset, key, value))

    for one in ("a", "b"):
        put("feedback.received", feedback(one))
        put("feedback.classified", {"feedback": feedback(one)})
    put("feedback.outcomes", {"feedback_id": "a", "kind": "case_opened", "case_id": CASE}, b"a")
    put("feedback.outcomes", {"feedback_id": "b", "kind": "no_case"}, b"b")
    events = [
        event(1, "case.opened", 10, snapshot(1)) | {"feedback_id": "a"},
        event(2, "escalation.triggered", 10, snapshot(2, ("step", 25, 1))) | {"feedback_id": "a"},
        event(3, "escalation.ack_timed_out", 25, snapshot(3), 27),
        event(4, "escalation.reescalated", 25, snapshot(4, ("step", 40, 2)), 27),
    ]
    for value in events:
        put("case.events", value)
        if value["kind"].startswith("escalation."):
            put("escalations", value)
        if value["case_seq"] in {2, 4}:
            put("case.state", value["case"], CASE.encode())
    return [Promise("a", "anna", 1), Promise("b", "anna", 2)], history


def rules(promises: list[Promise], history: History, now_ms: int = 35) -> set[Rule]:
    findings = [*check(promises, history).findings, *overdue(history, now_ms, grace_ms=5)]
    return {finding.rule for finding in findings}


Break = Callable[[History], None]


def edit(topic: str, position: int, /, **fields: Any) -> Break:
    def apply(history: History) -> None:
        entry = history.topics[topic][position]
        history.topics[topic][position] = entry._replace(value={**entry.value, **fields})

    return apply


def drop(topic: str, at: int) -> Break:
    def apply(history: History) -> None:
        del history.topics[topic][at]

    return apply


def repeat(topic: str, at: int) -> Break:
    return lambda history: history.topics[topic].append(history.topics[topic][at])


def swap(topic: str) -> Break:
    return lambda history: history.topics[topic].reverse()


def move(topic: str, at: int) -> Break:
    def apply(history: History) -> None:
        history.topics[topic][at] = history.topics[topic][at]._replace(partition=1)

    return apply


def fire_again(history: History) -> None:
    """The same arming once more, under a number and an id of its own."""
    again = event(5, "escalation.ack_timed_out", 25, snapshot(5, ("step", 40, 2)), 28)
    for topic in ("case.events", "escalations"):
        history.add(topic, Entry(topic, 0, 99, b"t:anna", again))
    history.add("case.state", Entry("case.state", 0, 99, CASE.encode(), again["case"]))


def test_a_sound_history_passes() -> None:
    assert rules(*sound()) == set()


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        (drop("feedback.received", 1), Rule.NOT_LOGGED),
        (drop("feedback.outcomes", 1), Rule.LOST),
        (edit("feedback.outcomes", 1, feedback_id="stranger"), Rule.UNASKED),
        (repeat("feedback.outcomes", 0), Rule.TWICE),
        (repeat("case.events", 3), Rule.DOUBLE_EVENT),
        (drop("case.events", 1), Rule.SEQ),
        (edit("case.events", 3, case_seq=3), Rule.SEQ),
        (edit("case.events", 0, case_seq=2), Rule.SEQ),
        (move("case.events", 2), Rule.ORDER),
        (drop("case.state", 1), Rule.STATE),
        (swap("case.state"), Rule.STATE),
        (edit("case.state", 1, timers=[]), Rule.STATE),
        (swap("feedback.received"), Rule.ORDER),
        (swap("feedback.classified"), Rule.ORDER),
        (swap("feedback.outcomes"), Rule.ORDER),
        (drop("escalations", 0), Rule.COPY),
        (repeat("escalations", 0), Rule.COPY),
        (edit("escalations", 0, at=11), Rule.COPY),
        (edit("case.events", 2, at=26), Rule.TIMER_UNARMED),
        (edit("case.events", 2, recorded_at=24), Rule.TIMER_EARLY),
        (fire_again, Rule.TIMER_TWICE),
    ],
)
def test_every_rule_finds_its_violation(broken: Break, rule: Rule) -> None:
    promises, history = sound()
    broken(history)
    assert rule in rules(promises, history)


def test_a_timer_that_is_forgotten_is_found() -> None:
    assert Rule.TIMER_MISSED in rules(*sound(), now_ms=46)


def test_a_dead_letter_settles_an_item() -> None:
    promises, history = sound()
    history.topics["feedback.outcomes"].pop()
    letter = {"feedback_id": "b", "stage": "escalation"}
    history.add("dead-letters", Entry("dead-letters", 0, 0, None, letter))
    assert rules(promises, history) == set()


def test_an_outcome_and_a_dead_letter_are_one_too_many_unless_it_is_a_copy() -> None:
    promises, history = sound()
    letter = {"feedback_id": "b", "stage": "classifier", "copy": True}
    history.add("dead-letters", Entry("dead-letters", 0, 0, None, letter))
    assert rules(promises, history) == set()
    history.add("dead-letters", Entry("dead-letters", 0, 1, None, letter | {"copy": False}))
    assert rules(promises, history) == {Rule.TWICE}


def test_a_reader_during_the_run_has_to_see_a_prefix_of_the_same() -> None:
    _, after = sound()
    during = copy.deepcopy(after)
    during.topics["case.events"].pop()
    assert not list(same_for_reader(during, after))
    during.topics["case.events"].pop(0)
    assert [finding.rule for finding in same_for_reader(during, after)] == [Rule.READER]


def test_a_reader_that_saw_more_than_there_is_is_found() -> None:
    _, after = sound()
    during = copy.deepcopy(after)
    after.topics["case.events"].pop()
    assert [finding.rule for finding in same_for_reader(during, after)] == [Rule.READER]
