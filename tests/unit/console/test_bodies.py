"""Bodies that cannot be right are refused with the field, before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.console.api.actions import ACTIONS, Action
from services.console.api.bodies import Body
from services.console.api.problems import misshapen
from services.console.api.query import MAX_BODY
from services.escalation.domain.bounds import MAX_COMMAND_BYTES
from shared import codec
from shared.events import CaseCommand, Clarification, Offer, Resolution, Solution
from tests.unit.console.rig import NOW, Site, case, play

CASE = case()
RESOLVED: dict[str, str] = {"outcome": "o", "reason": "r", "next_step": "n"}
WRONG: list[tuple[str, object, str, str | None]] = [
    ("acknowledge", {"notes": "x"}, "invalid", "notes"),
    ("acknowledge", {"note": ""}, "invalid", "note"),
    ("acknowledge", {"note": "  "}, "invalid", "note"),
    ("acknowledge", {"note": "x" * 4001}, "invalid", "note"),
    ("acknowledge", {"note": 7}, "invalid", "note"),
    ("acknowledge", {"expected_seq": "7"}, "invalid", "expected_seq"),
    ("acknowledge", {"expected_seq": 0}, "invalid", "expected_seq"),
    ("acknowledge", {"expected_seq": 2**63}, "invalid", "expected_seq"),
    ("receipt", {"channel": "fax"}, "invalid", "channel"),
    ("reply", {"at": -1}, "invalid", "at"),
    ("reply", {"message_id": " m"}, "invalid", "message_id"),
    ("bounce", {"channel": "email"}, "invalid", "channel"),
    ("assign", {}, "missing", "assignee"),
    ("assign", {"assignee": ""}, "invalid", "assignee"),
    ("delegate", {"assignee": "joe"}, "missing", "note"),
    ("delegate", {"note": "x"}, "missing", "assignee"),
    ("wait", {}, "missing", "on"),
    ("wait", {"on": "us"}, "invalid", "on"),
    ("wait", {"on": "third_party"}, "missing", "until"),
    ("clarify", {}, "missing", "asked"),
    ("clarify", {"asked": "x", "not_needed": "y"}, "invalid", "not_needed"),
    ("offer", {}, "missing", "options"),
    ("offer", {"options": ["gold"]}, "invalid", "options[0]"),
    ("offer", {"options": ["refund"], "chosen": "redo"}, "invalid", "chosen"),
    ("offer", {"options": ["refund"] * 8}, "invalid", "options"),
    ("resolve", {"outcome": "o", "reason": "r"}, "missing", "next_step"),
    ("resolve", RESOLVED | {"outcome": "\n"}, "invalid", "outcome"),
    ("decide", {"verdict": "planned"}, "missing", "note"),
    ("decide", {"verdict": "maybe", "note": "x"}, "invalid", "verdict"),
    ("note", {}, "missing", "note"),
    ("snooze", {}, "missing", "until"),
    ("snooze", {"until": "tomorrow"}, "invalid", "until"),
    ("merge", {}, "missing", "into"),
    ("correct-severity", {}, "missing", "severity"),
    ("correct-severity", {"severity": "urgent"}, "invalid", "severity"),
    ("correct-severity", {"severity": "high", "reasons": ["x"]}, "invalid", "reasons[0]"),
    ("hold", {}, "missing", "note"),
    ("reapply", {}, "missing", "note"),
    ("follow-ups/1/done", {"number": 1}, "invalid", "number"),
]


@pytest.mark.parametrize(("path", "body", "code", "field"), WRONG)
def test_a_wrong_body_says_where(path: str, body: object, code: str, field: str) -> None:
    async def scenario(site: Site) -> None:
        answer = await site.post(f"/cases/{CASE.case_id}/{path}", body, "admin")
        assert (answer.status, answer.body["code"], answer.body["field"]) == (422, code, field)
        assert answer.body["detail"]
        assert not site.worker.sent

    play(scenario, [CASE])


def test_every_action_with_a_rule_of_its_own_is_among_the_wrong_ones() -> None:
    plain = {"investigate", "communicate", "reopen", "close", "unmerge", "release"}
    plain |= {"follow-ups/{number}/waive"}
    tried = {path.replace("/1/", "/{number}/") for path, *_ in WRONG}
    assert tried == {action.path for action in ACTIONS} - plain


def put(path: str, body: Mapping[str, object]) -> CaseCommand:
    [action] = [one for one in ACTIONS if one.path == path]
    bare = CaseCommand(
        command_id="c", tenant="acme", case_id="a:b:c", kind=action.kind, actor="j", at=NOW
    )
    return msgspec.convert(body, action.body).put(bare)


def test_the_largest_body_fits_a_command_that_a_worker_takes() -> None:
    texts = ("outcome", "reason", "next_step", "root_cause", "prevention", "not_needed", "note")
    body = dict.fromkeys(texts, "界" * 2280)
    assert len(msgspec.json.encode(body)) in range(MAX_BODY - 200, MAX_BODY + 1)
    command = msgspec.structs.replace(put("resolve", body), command_id="c" * 49, actor="j" * 64)
    command = msgspec.structs.replace(command, case_id=f"{'t' * 200}:{CASE.case_id}")
    assert len(codec.encode(command)) <= MAX_COMMAND_BYTES


def test_what_is_nested_in_the_command_is_flat_in_the_body() -> None:
    assert put("clarify", {"asked": "a"}).clarification == Clarification(asked="a")
    chosen = put("offer", {"options": ["refund", "redo", "refund"], "chosen": "redo"}).offer
    assert chosen == Offer(options=(Solution.REFUND, Solution.REDO), chosen=Solution.REDO)
    resolved = put("resolve", RESOLVED | {"not_needed": "x", "note": "y"})
    assert resolved.resolution == Resolution(**RESOLVED)
    assert resolved.clarification == Clarification(not_needed="x")
    assert resolved.note == "y"
    assert put("resolve", RESOLVED).clarification is None
    corrected = put("correct-severity", {"severity": "low", "kind": "praise"})
    assert (corrected.severity, corrected.kind_is) == ("low", "praise")
    assert put("reply", {"at": 5}).at == 5
    assert put("reply", {}).at == NOW


@given(st.sampled_from(ACTIONS), st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
))  # fmt: skip
def test_no_body_is_a_fault_of_ours(action: Action, body: object) -> None:
    """Whatever JSON comes: it is either of the type, or a problem with a code and a text."""
    try:
        found: Body = msgspec.json.decode(msgspec.json.encode(body), type=action.body)
    except msgspec.ValidationError as error:
        problem = misshapen(error)
        assert problem.status == 422
        assert problem.details.detail
    else:
        assert isinstance(found, action.body)
