"""``tocsin replay`` over the run of a real worker: nothing differs, until something is changed."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from shared import codec, ids, topics
from shared.events import Case, CaseEvent, CaseState, Severity
from tests.integration.escalation.rig import PARTITIONS, Done, Office
from tests.services import Installation, wait_for

pytestmark = pytest.mark.integration

SPEEDUP = 8_000.0
"""Two days, after which a follow-up falls due, pass in 22 seconds."""


@pytest.fixture(scope="module")
def fast(kafka_bootstrap: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Office:
    """Return an installation in which much has happened; its worker has ended."""
    installation = Installation(kafka_bootstrap, redis_url)
    began = time.time_ns() // 1_000_000
    folder = tmp_path_factory.mktemp("fast")
    made = Office(installation, folder, clock__speedup=SPEEDUP, clock__epoch_ms=began)
    try:
        live(made.start())
    finally:
        made.close()
    return made


def live(office: Office) -> None:
    """Let people write and work, and the clocks run."""
    grave = [office.opened(f"grave{n}", severity=Severity.CRITICAL) for n in range(3)]
    calm = [office.opened(f"calm{n}", severity=Severity.MEDIUM) for n in range(3)]
    twice = [
        office.opened("twice", text=text) for text in ("The kettle leaks.", "The lid is lost.")
    ]
    for case in grave[:2]:
        office.cases("assign", case.case_id, "--to", "ben", "--command-id", f"a-{case.case_id}")
    given = ("--outcome", "a", "--reason", "b", "--next-step", "c")
    office.cases("resolve", calm[0].case_id, *given)  # refused: not clarified
    office.cases("resolve", calm[0].case_id, *given, "--not-needed", "d")
    office.cases("communicate", calm[0].case_id)
    office.cases("merge", twice[0].case_id, twice[1].case_id)
    office.cases("merge", grave[2].case_id, calm[1].case_id)  # of two customers
    office.cases("note", "default:grave0:000000000000", "to nobody")
    again = office.written("grave2")
    thread = grave[2].thread_id
    office.send(msgspec.structs.replace(
        again, feedback=msgspec.structs.replace(again.feedback, thread_id=thread)
    ))  # fmt: skip
    assert office.outcome(again.feedback.feedback_id)["kind"] == "forwarded"
    wait_for(lambda: kinds(office) >= LIVED, f"{LIVED}", 100.0, 1.0)


LIVED = {
    "escalation.triggered", "escalation.reescalated", "clock.breached", "followup.due",
    "case.merged", "case.absorbed", "command.refused", "case.assigned",
}  # fmt: skip


def kinds(office: Office) -> set[str]:
    return {one.value["kind"] for one in office.log(topics.CASE_EVENTS)}


def replay(office: Office, *words: str) -> tuple[int, Any]:
    done: Done = office.tocsin("replay", *words, "--json")
    return done.code, json.loads(done.out)


def test_a_run_with_commands_and_timers_is_decided_again_as_it_was(fast: Office) -> None:
    code, found = replay(fast, "--all")
    assert (code, found["differences"]) == (0, [])
    assert found["skipped"] == {}
    assert found["events"] == len(fast.log(topics.CASE_EVENTS)) > 50
    assert found["decisions"] == found["redecided"] > 20
    assert found["cases"] == found["in_view"] == 8
    parts = [replay(fast, "--partition", str(number))[1] for number in range(PARTITIONS)]
    assert sum(part["events"] for part in parts) == found["events"]
    shown = fast.tocsin("replay", "--all")
    assert shown.code == 0
    assert "nothing differs" in shown.out


def test_one_customer_and_a_time(fast: Office) -> None:
    case_id = next(
        one.value["case_id"]
        for one in fast.log(topics.CASE_EVENTS)
        if one.value["kind"] == "case.absorbed" and ":twice:" in one.value["case_id"]
    )
    code, found = replay(fast, "--case", case_id)
    assert (code, found["cases"], found["in_view"]) == (0, 2, 2)
    code, late = replay(fast, "--case", case_id, "--since", "2100-01-01")
    assert (code, late["redecided"]) == (0, 0)
    assert late["skipped"] == {"before": found["decisions"]}


def test_what_is_asked_wrongly_is_said(fast: Office) -> None:
    for words in (
        (),
        ("--all", "--partition", "0"),
        ("--partition", "9"),
        ("--case", "nocase"),
        ("--all", "--since", "once"),
    ):
        assert fast.tocsin("replay", *words).code == 2


def test_a_view_and_a_state_that_were_tampered_with_are_found(fast: Office) -> None:
    view = fast.desk.view
    case = next(
        one
        for number in range(PARTITIONS)
        for one in view.page(number, 10)
        if "calm2" in one.case_id
    )
    number = ids.partition_of(case.record_key, PARTITIONS)
    checkpoint = view.checkpoint(number)
    assert checkpoint is not None
    key = view._prefix(number, checkpoint.epoch) + f"of:{case.record_key}"
    whole = view._redis.hget(key, case.case_id)
    changed = msgspec.structs.replace(case, assignee="mallory")
    view._redis.hset(key, case.case_id, codec.encode(changed).decode())
    code, found = replay(fast, "--all")
    assert (code, found["differing"]) == (1, {"view": 1})
    assert (found["differences"][0]["field"], found["differences"][0]["found"]) == (
        "assignee", '"mallory"',
    )  # fmt: skip
    view._redis.hset(key, case.case_id, whole)
    assert replay(fast, "--all")[0] == 0
    fast.put(topics.CASE_STATE, changed, case.case_id, owner=case.record_key)
    code, found = replay(fast, "--all")
    assert code == 1
    assert [(one["of"], one["field"]) for one in found["differences"]] == [
        ("case.state", "assignee"), ("view", "assignee"),
    ]  # fmt: skip
    fast.put(topics.CASE_STATE, case, case.case_id, owner=case.record_key)
    assert replay(fast, "--all")[0] == 0


def test_a_forged_event_is_found(fast: Office) -> None:
    """Last: the log cannot be mended."""
    events = [codec.Decoder[CaseEvent]([CaseEvent]).decode(json.dumps(one.value).encode())
              for one in fast.log(topics.CASE_EVENTS) if ":calm2:" in one.value["case_id"]]  # fmt: skip
    last = events[-1]
    case = last.case
    assert case is not None
    forged_case = msgspec.structs.replace(
        case, case_seq=case.case_seq + 1, state=CaseState.CLOSED, timers=(), clocks=()
    )
    forged = msgspec.structs.replace(
        last,
        case_seq=forged_case.case_seq,
        event_id=ids.case_event_id(case.tenant, case.case_id, forged_case.case_seq),
        recorded_at=last.recorded_at + 1,
        case=forged_case,
    )
    fast.put(topics.CASE_EVENTS, forged, case.record_key)
    code, found = replay(fast, "--case", case.case_id)
    assert code == 1
    assert found["differing"] == {"decision": 1, "case.state": 1}
    shown = fast.tocsin("replay", "--case", case.case_id)
    assert shown.code == 1
    assert f"case.events[{ids.partition_of(case.record_key, PARTITIONS)}] at" in shown.out


def test_a_log_whose_inputs_are_gone_is_still_folded(
    installation: Installation, tmp_path: Path
) -> None:
    """Only the events are there: of another cluster, say."""
    office = Office(installation, tmp_path)
    installation.create_topics(PARTITIONS)
    from tests.unit.escalation.world import World

    world = World()
    world.feed(Severity.HIGH)
    world.acknowledge()
    for event in world.log:
        office.put(topics.CASE_EVENTS, event, world.case.record_key)
    state: Case = world.case
    office.put(topics.CASE_STATE, state, state.case_id, owner=state.record_key)
    code, found = replay(office, "--all")
    assert (code, found["in_view"], found["skipped"]) == (0, None, {"input": 2})
    assert "no view" in office.tocsin("replay", "--all").out
