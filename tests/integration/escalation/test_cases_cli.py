"""``tocsin cases`` on a real worker: the whole life of a case, refusals, repetitions, waiting."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from services.commands import cases_send
from shared import topics
from shared.events import Case, CaseState, Channel, FollowUpState, Severity
from tests.integration.escalation.rig import Done, Office
from tests.services import Installation

pytestmark = pytest.mark.integration

DAY_MS = 86_400_000


def told(done: Done) -> Any:
    [row] = done.rows
    return row


def case_of(done: Done) -> Case:
    return msgspec.convert(told(done)["case"], Case)


def test_a_case_from_its_opening_to_its_end(office: Office) -> None:
    case_id = office.opened("life", text="The kettle leaks on my cat.").case_id

    def act(verb: str, *words: str) -> Case:
        first, *rest = verb.split()
        return case_of(office.cases(first, *rest, case_id, *words, "--json"))

    assert act("ack", "--note", "mine").state is CaseState.ACKNOWLEDGED
    assert act("receipt").acknowledged_by == "ada"
    assert act("investigate").state is CaseState.INVESTIGATING
    assert act("assign", "--to", "ben").assignee == "ben"
    assert act("delegate", "--to", "eve", "--note", "ask the plant").assignee == "eve"
    before = office.now()
    waiting = act("wait", "--on", "third_party", "--until", "4h")
    assert waiting.state is CaseState.WAITING_THIRD_PARTY
    assert before + 4 * 3_600_000 <= (waiting.wait_until or 0) <= office.now() + 4 * 3_600_000
    assert act("clarify", "--asked", "Which model?", "--answered", "K2").clarification
    act("snooze", "--until", "1h")
    act("note", "The plant knows of it.")
    offered = act("offer", "--option", "refund", "--option", "replacement")
    assert offered.state is CaseState.OFFERED
    assert act("offer", "--chosen", "refund", "--approved-by", "lead").offer
    assert (act("offer", "--fulfilled", "0s").offer or offered.offer).fulfilled_at  # type: ignore[union-attr]
    replied = act("reply", "--message-id", "m-1", "--channel", "email", "--note", "We are on it.")
    assert (replied.replies[-1].id, replied.replies[-1].channel) == ("m-1", Channel.EMAIL)
    assert act("bounce", "--message-id", "m-1").replies[-1].bounced
    resolved = act(
        "resolve", "--outcome", "refunded", "--reason", "a known fault", "--next-step", "3 days",
        "--root-cause", "a seal", "--prevention", "another seal",
    )  # fmt: skip
    assert resolved.state is CaseState.RESOLVED
    assert resolved.outcome is not None
    assert (resolved.outcome.next_step, resolved.outcome.root_cause) == ("3 days", "a seal")
    assert act("communicate", "--channel", "email").state is CaseState.COMMUNICATED
    first, *others = [str(one.number) for one in resolved.follow_ups]
    done = act("follow-up done", first, "--note", "is glad")
    assert done.follow_ups[0].state is FollowUpState.DONE
    for number in others:
        done = act("follow-up waive", number)
    assert done.state is CaseState.CLOSED
    assert act("reopen", "--note", "it leaks again").state is CaseState.OPEN
    assert act("reapply", "--note", "a new policy").case_seq
    assert act("hold", "--note", "in court").legal_hold == "in court"
    assert act("release").legal_hold is None

    shown = office.tocsin("cases", "show", case_id)
    for words in (
        "eve",
        "The kettle leaks on my cat.",
        "first_resolution",
        "m-1",
        "BOUNCED",
        "in ",
    ):
        assert words in shown.out
    assert office.tocsin("cases", "show", case_id, "--json").rows[0]["case_id"] == case_id
    lines = office.tocsin("cases", "timeline", case_id).out
    assert lines.index("ada: case acknowledged") < lines.index("ada: case reopened")
    rows = office.tocsin("cases", "timeline", case_id, "--json").rows
    assert [row["case_seq"] for row in rows] == list(range(1, len(rows) + 1))


def test_suggestions_merges_and_what_is_closed_by_hand(office: Office) -> None:
    one = office.opened("twice", text="The kettle leaks.")
    two = office.opened("twice", text="And the lid is lost.")
    assert one.case_id != two.case_id
    merged = case_of(office.cases("merge", two.case_id, one.case_id, "--json"))
    assert (merged.state, merged.merged_into) == (CaseState.MERGED, one.case_id)
    survivor = office.case(one.case_id)
    assert survivor is not None
    assert survivor.aliases == (two.case_id,)
    assert office.cases("merge", one.case_id, two.case_id).code == 1
    apart = case_of(office.cases("unmerge", two.case_id, "--json"))
    assert apart.state is CaseState.OPEN
    refused = office.cases("decide", one.case_id, "accepted", "--note", "why not")
    assert refused.code == 1
    assert "refused (wrong_state): the case is a complaint, no suggestion" in refused.err
    assert office.cases("close", one.case_id, "--note", "no").code == 1


def test_a_refusal_tells_why_and_leaves_the_case_as_it_was(office: Office) -> None:
    case = office.opened("refused")
    given = ("--outcome", "a", "--reason", "b", "--next-step", "c")
    done = office.cases("resolve", case.case_id, *given, "--json")
    assert done.code == 1
    assert "not_clarified" in done.err
    row = msgspec.json.decode(done.out)
    assert row["refused"]["refusal"] == "not_clarified"
    assert row["case"]["state"] == "open"
    stale = office.cases("ack", case.case_id, "--expected-seq", "1")
    assert stale.code == 1
    assert "seq_mismatch" in stale.err
    seq = str(row["case"]["case_seq"] + 1)
    assert office.cases("ack", case.case_id, "--expected-seq", seq).code == 0


def test_a_command_that_is_sent_again_counts_once(office: Office) -> None:
    case = office.opened("again")
    words = ("note", case.case_id, "The first word.", "--command-id", "n-1", "--json")
    first, second = told(office.cases(*words)), told(office.cases(*words))
    assert first == second
    assert first["command_id"] == "n-1"
    events = [one.value for one in office.log(topics.CASE_EVENTS)]
    assert len([one for one in events if one.get("command_id") == "n-1"]) == 1
    too_long = office.cases("note", case.case_id, "Another.", "--command-id", "n" * 600, "--json")
    assert too_long.code == 1
    assert "refused (invalid): command_id" in too_long.err


def test_a_corrected_severity_is_learnt(office: Office) -> None:
    item = office.written("wrong", "The kettle is a bit loud.", Severity.HIGH)
    office.send(item)
    case = office.opened("wrong-too", text="Nothing is left of it.", severity=Severity.MEDIUM)
    given = ("--kind", "complaint", "--reason", "safety", "--command-id", "fix-1", "--json")
    words = ("correct-severity", case.case_id, "critical", *given)
    first, second = told(office.cases(*words)), told(office.cases(*words))
    assert first["case"]["severity"] == "critical"
    assert first["correction"] == second["correction"]
    rows = [one.value for one in office.log(topics.FEEDBACK_CORRECTIONS)]
    assert {one["correction_id"] for one in rows} == {first["correction"]}
    assert (rows[0]["text"], rows[0]["was"], rows[0]["severity"], rows[0]["reasons"]) == (
        "Nothing is left of it.", "medium", "critical", ["safety"],
    )  # fmt: skip
    quiet = told(office.cases("correct-severity", case.case_id, "low", "--no-learn", "--json"))
    assert (quiet["case"]["severity"], quiet["correction"]) == ("low", None)
    refused = office.cases("correct-severity", case.case_id, "low")
    assert refused.code == 1
    assert len(office.log(topics.FEEDBACK_CORRECTIONS)) == len(rows)
    other = office.cases("correct-severity", case.case_id, "high", "--feedback", "nothing")
    assert other.code == 2


def test_the_list_is_filtered_and_goes_on_over_pages(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = [office.opened(f"many-{number}") for number in range(5)]
    office.cases("assign", cases[0].case_id, "--to", "zoe")
    monkeypatch.setattr("services.commands.cases.PAGE", 2)

    def listed(*words: str) -> list[str]:
        return [row["case_id"] for row in office.tocsin("cases", "list", "--json", *words).rows]

    everything = listed("--limit", "1000")
    mine = {case.case_id for case in cases}
    latest = [case.case_id for case in sorted(cases, key=lambda one: -one.opened_at)]
    assert [case_id for case_id in everything if case_id in mine] == latest
    assert len(set(everything)) == len(everything)
    assert listed("--limit", "3") == everything[:3]
    assert listed("--assignee", "zoe") == [cases[0].case_id]
    assert listed("--team", "nobody") == []
    assert listed("--channel", "phone") == []
    assert set(listed("--state", "open", "--severity", "high", "--limit", "1000")) >= mine
    assert not mine & set(listed("--state", "closed", "--limit", "1000"))
    assert mine <= set(listed("--due-before", "400d", "--limit", "1000"))
    assert listed("--due-before", "2000-01-01") == []
    assert latest[0] in office.tocsin("cases", "list").out


def test_what_cannot_be_meant_is_said_at_once(office: Office) -> None:
    case = office.opened("odd")
    wrong = {
        ("show", "no-case"): 2,
        ("show", f"{case.case_id[:-1]}_"): 1,
        ("timeline", "default:who:000000000000"): 1,
        ("ack", "default:who:000000000000"): 1,
        ("assign", case.case_id): 2,
        ("wait", case.case_id, "--on", "godot"): 2,
        ("snooze", case.case_id, "--until", "tomorrow"): 2,
        ("offer", case.case_id, "--option", "money"): 2,
        ("follow-up", "done", case.case_id, "0"): 2,
        ("follow-up", "done", case.case_id, "7"): 1,
        ("note", case.case_id): 2,
        ("note", case.case_id, "x" * 50_000): 2,
    }
    assert {words: office.tocsin("cases", *words).code for words in wrong} == wrong
    after = office.case(case.case_id)
    assert after is not None
    assert after.case_seq == case.case_seq + 1  # the refused follow-up is on record


def test_nothing_is_lost_when_nobody_takes_it(
    installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = Office(installation, tmp_path / "one")
    try:
        case = away.start().opened("patient")
    finally:
        away.close()
    monkeypatch.setattr(cases_send, "WAIT_S", 0.5)
    began = time.monotonic()
    done = away.cases("ack", case.case_id, "--command-id", "late")
    assert (done.code, time.monotonic() - began < 10) == (3, True)
    assert "Nothing is lost" in done.err
    back = Office(installation, tmp_path / "two")
    try:
        back.start().shown(case.case_id, lambda one: one.state is CaseState.ACKNOWLEDGED)
        assert back.cases("ack", case.case_id, "--command-id", "late").code == 0
    finally:
        back.close()


def test_without_a_view_it_says_who_builds_it(installation: Installation, tmp_path: Path) -> None:
    installation.create_topics(2)
    away = Office(installation, tmp_path)
    done = away.cases("ack", "default:who:000000000000")
    assert done.code == 3
    assert "an escalation worker builds it" in done.err
    assert away.tocsin("cases", "list").code == 3
