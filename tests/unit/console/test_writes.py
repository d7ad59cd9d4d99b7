"""Commands over HTTP: what is sent, what is waited for, and how a refusal reads."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import msgspec
import pytest

from services.console.api.actions import ACTIONS, SEVERITIES, Action
from services.console.api.problems import CODES
from services.escalation.domain.severity import RANK
from shared.events import (
    Case,
    CaseCommand,
    CommandKind,
    Refusal,
    Severity,
)
from tests.unit.console.rig import NOW, TOKEN, Site, case, play

CASE = case()
AT = f"/cases/{CASE.case_id}/"
INTERNAL = {
    CommandKind.ABSORB, CommandKind.ABSORBED, CommandKind.FORWARD, CommandKind.FORGET,
    CommandKind.AUDIT,
}  # fmt: skip


def path_of(action: Action) -> str:
    return AT + action.path.format(number=1)


def body_of(action: Action) -> Mapping[str, object]:
    body: Mapping[str, object] = msgspec.to_builtins(action.example)
    return body


def test_every_kind_of_command_that_people_may_send_has_an_action() -> None:
    assert {action.kind for action in ACTIONS} == set(CommandKind) - INTERNAL
    assert len({action.path for action in ACTIONS}) == len(ACTIONS)


def test_severities_are_compared_as_the_engine_does() -> None:
    assert list(SEVERITIES) == sorted(Severity, key=RANK.__getitem__)


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.name)
def test_an_action_becomes_its_command_and_answers_the_case(action: Action) -> None:
    async def scenario(site: Site) -> None:
        done = await site.post(path_of(action), body_of(action), "lead")
        assert done.status == 200, done.body
        [command] = site.worker.sent
        assert isinstance(command, CaseCommand)
        assert (command.kind, command.case_id) == (action.kind, CASE.case_id)
        assert (command.actor, command.tenant, command.at) == ("lname", "acme", NOW)
        assert command.follow_up == (1 if action.numbered else None)
        assert done.headers["ETag"] == '"5"'
        assert (done.body["case_seq"], done.body["commands"]) == (5, [command.command_id])
        assert done.headers["Location"] == (
            f"/api/v1/commands/{command.command_id}?case={CASE.case_id}"
        )
        told = {text for text in leaves(body_of(action)) if text}
        assert told <= set(leaves(msgspec.to_builtins(command)))

    play(scenario, [CASE])


def leaves(tree: object) -> list[object]:
    if isinstance(tree, Mapping):
        return [leaf for value in tree.values() for leaf in leaves(value)]
    if isinstance(tree, list | tuple):
        return [leaf for value in tree for leaf in leaves(value)]
    return [tree]


# ---- idempotency


def test_the_same_key_counts_once() -> None:
    async def scenario(site: Site) -> None:
        first = await site.post(AT + "note", {"note": "x"}, Idempotency_Key="k1")
        again = await site.post(AT + "note", {"note": "x"}, Idempotency_Key="k1")
        assert (first.status, again.status) == (200, 200)
        assert first.body == again.body
        assert first.headers["Idempotency-Key"] == again.headers["Idempotency-Key"] == "k1"
        assert len(site.worker.sent) == 1
        await site.post(AT + "note", {"note": "x"}, "lead", Idempotency_Key="k1")
        await site.post(AT + "note", {"note": "x"}, Idempotency_Key="k2")
        await site.post(AT + "note", {"note": "x"})
        await site.post(AT + "note", {"note": "x"})
        assert len({command.command_id for command in site.worker.sent}) == 5

    play(scenario, [CASE])


def test_a_repetition_is_answered_as_the_first_even_when_its_number_is_stale_by_now() -> None:
    async def scenario(site: Site) -> None:
        how = {"Idempotency_Key": "k1", "If_Match": '"4"'}
        assert (await site.post(AT + "investigate", **how)).status == 200
        assert (await site.post(AT + "investigate", **how)).status == 200
        site.worker.refuses = (Refusal.WRONG_STATE, "no")
        refused = [
            await site.post(AT + "close", {"note": "x"}, Idempotency_Key="k2") for _ in range(2)
        ]
        assert [one.status for one in refused] == [409, 409]
        assert len(site.worker.sent) == 2

    play(scenario, [CASE])


def test_a_key_does_not_stand_for_two_requests() -> None:
    async def scenario(site: Site) -> None:
        assert (await site.post(AT + "note", {"note": "x"}, Idempotency_Key="k")).status == 200
        for path, body in (("note", {"note": "y"}), ("close", {"note": "x"})):
            other = await site.post(AT + path, body, Idempotency_Key="k")
            assert (other.status, other.body["code"]) == (422, "key_reused")
            assert other.body["field"] == "Idempotency-Key"
        assert len(site.worker.sent) == 1

    play(scenario, [CASE])


def test_a_second_request_under_a_key_is_not_told_done_by_a_console_that_was_restarted() -> None:
    known: list[Case] = []

    async def before(site: Site) -> None:
        done = await site.post(AT + "note", {"note": "x"}, Idempotency_Key="k")
        known.append(msgspec.convert(done.body, Case))

    async def after(site: Site) -> None:
        again = await site.post(AT + "note", {"note": "x"}, Idempotency_Key="k")
        assert (again.status, again.body["case_seq"]) == (200, 5)
        other = await site.post(AT + "hold", {"note": "x"}, "lead", Idempotency_Key="k")
        assert other.status == 200  # the key of another name
        for path in ("acknowledge", "investigate"):
            second = await site.post(AT + path, Idempotency_Key="k")
            assert (second.status, second.body["code"]) == (422, "key_reused")
        [command] = site.worker.sent
        assert isinstance(command, CaseCommand)
        assert command.kind is CommandKind.HOLD

    play(before, [CASE])
    play(after, known)


@pytest.mark.parametrize("key", ["", "a b", "ü", "x" * 201])
def test_a_key_that_is_none_is_refused(key: str) -> None:
    async def scenario(site: Site) -> None:
        bad = await site.post(AT + "investigate", Idempotency_Key=key)
        assert (bad.status, bad.body["field"]) == (422, "Idempotency-Key")
        assert not site.worker.sent

    play(scenario, [CASE])


# ---- optimistic locking


@pytest.mark.parametrize("how", ["header", "body"])
def test_a_stale_number_is_refused_before_it_is_sent(how: str) -> None:
    async def scenario(site: Site) -> None:
        if how == "header":
            stale = await site.post(AT + "investigate", If_Match='"3"')
        else:
            stale = await site.post(AT + "investigate", {"expected_seq": 3})
        assert (stale.status, stale.body["code"]) == (412, "seq_mismatch")
        assert (stale.headers["ETag"], stale.body["case_seq"]) == ('"4"', 4)
        assert not site.worker.sent

    play(scenario, [CASE])


def test_a_number_goes_along_and_the_worker_may_find_it_stale() -> None:
    async def scenario(site: Site) -> None:
        await site.post(AT + "investigate", If_Match='"4"')
        await site.post(AT + "investigate", {"expected_seq": 9}, If_Match="*")
        assert [getattr(one, "expected_seq", None) for one in site.worker.sent] == [4, 9]
        site.worker.refuses = (Refusal.SEQ_MISMATCH, "expected_seq 9, the case is at 7")
        stale = await site.post(AT + "investigate", {"expected_seq": 9})
        assert (stale.status, stale.headers["ETag"]) == (412, '"7"')

    play(scenario, [CASE])


@pytest.mark.parametrize("given", ["4", 'W/"4"', '"x"', '"4", "5"'])
def test_an_entity_tag_that_is_none_is_refused(given: str) -> None:
    async def scenario(site: Site) -> None:
        bad = await site.post(AT + "investigate", If_Match=given)
        assert (bad.status, bad.body["field"]) == (422, "If-Match")

    play(scenario, [CASE])


def test_header_and_body_may_not_say_different_numbers() -> None:
    async def scenario(site: Site) -> None:
        bad = await site.post(AT + "investigate", {"expected_seq": 3}, If_Match='"4"')
        assert (bad.status, bad.body["field"]) == (422, "expected_seq")
        assert (await site.post(AT + "wait", {}, If_Match='"4"')).body["field"] == "on"

    play(scenario, [CASE])


# ---- refusals

STATUS = {
    Refusal.UNKNOWN_CASE: 404,
    Refusal.SEQ_MISMATCH: 412,
    Refusal.MISSING: 422,
    Refusal.INVALID: 422,
    Refusal.NOT_ALLOWED: 403,
}


@pytest.mark.parametrize("refusal", Refusal)
def test_every_refusal_has_its_status(refusal: Refusal) -> None:
    async def scenario(site: Site) -> None:
        site.worker.refuses = (refusal, "offer.chosen: none of them")
        answer = await site.post(AT + "investigate")
        assert answer.status == STATUS.get(refusal, 409)
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.body["code"] == refusal
        assert answer.body["type"] == f"urn:tocsin:problem:{refusal}"
        assert answer.body["title"] == CODES[refusal][1]
        assert answer.body["detail"] == "offer.chosen: none of them"
        assert answer.body.get("field") == ("chosen" if answer.status == 422 else None)
        [command] = site.worker.sent
        assert answer.body["command_id"] == command.command_id
        assert answer.body["case_seq"] == 5

    play(scenario, [CASE])


def test_a_case_that_is_not_there_is_unknown_and_nothing_is_sent() -> None:
    async def scenario(site: Site) -> None:
        for case_id in (case("c2").case_id, "nonsense"):
            answer = await site.post(f"/cases/{case_id}/investigate")
            assert (answer.status, answer.body["code"]) == (404, "unknown_case")
        assert not site.worker.sent

    play(scenario, [CASE])


# ---- what is away


def test_without_a_worker_the_command_waits_in_kafka_and_can_be_asked_for() -> None:
    async def scenario(site: Site) -> None:
        site.worker.takes = False
        later = await site.post(AT + "investigate")
        assert (later.status, later.body["status"]) == (202, "pending")
        where = later.headers["Location"].removeprefix("/api/v1")
        assert (await site.get(where)).body["status"] == "pending"
        [command] = site.worker.sent
        assert isinstance(command, CaseCommand)
        site.worker.take(command)
        done = await site.get(where)
        assert done.body == {
            "command_id": command.command_id,
            "case_id": CASE.case_id,
            "status": "done",
            "case_seq": 5,
        }

    play(scenario, [CASE], deadline_s=0.05)


def test_a_refusal_that_comes_late_can_be_asked_for() -> None:
    async def scenario(site: Site) -> None:
        site.worker.takes = False
        later = await site.post(AT + "investigate")
        site.worker.refuses = (Refusal.WRONG_STATE, "the case is closed")
        [command] = site.worker.sent
        assert isinstance(command, CaseCommand)
        site.worker.take(command)
        found = await site.get(later.headers["Location"].removeprefix("/api/v1"))
        assert found.body["status"] == "refused"
        assert found.body["refused"]["detail"] == "the case is closed"

    play(scenario, [CASE], deadline_s=0.05)


def test_a_worker_that_takes_its_time_is_waited_for() -> None:
    async def scenario(site: Site) -> None:
        site.worker.takes = False
        asked = asyncio.create_task(site.post(AT + "investigate"))
        await asyncio.wait_for(site.worker.heard.wait(), 10.0)
        [command] = site.worker.sent
        assert isinstance(command, CaseCommand)
        site.worker.take(command)
        assert (await asked).status == 200
        assert len(site.waiting) == 0

    play(scenario, [CASE])


def test_without_kafka_the_command_is_to_be_sent_again_under_its_key() -> None:
    async def scenario(site: Site) -> None:
        site.worker.kafka = False
        away = await site.post(AT + "investigate")
        assert (away.status, away.body["code"]) == (503, "unavailable")
        assert away.headers["Retry-After"] == "2"
        key = away.headers["Idempotency-Key"]
        site.worker.kafka = True
        done = await site.post(AT + "investigate", Idempotency_Key=key)
        assert done.status == 200
        assert done.body["commands"] == [away.body["command_id"]]

    play(scenario, [CASE])


def test_without_a_view_nothing_is_called_unknown() -> None:
    async def scenario(site: Site) -> None:
        site.view.lose()
        for answer in (
            await site.post(AT + "investigate"),
            await site.get(f"/cases/{CASE.case_id}"),
            await site.get("/cases"),
            await site.get(f"/customers/{CASE.record_key}/erasure", "admin"),
        ):
            assert (answer.status, answer.body["code"]) == (503, "unavailable")
            assert answer.headers["Retry-After"]

    play(scenario, [CASE])


# ---- erasure


def test_only_a_lead_may_say_that_a_complaint_is_none() -> None:
    async def scenario(site: Site) -> None:
        for kind in ("praise", "suggestion"):
            body = {"severity": "medium", "kind": kind}
            refused = await site.post(AT + "correct-severity", body)
            assert (refused.status, refused.body["code"]) == (403, "not_allowed")
        assert not site.worker.sent
        assert (await site.post(AT + "correct-severity", body, "lead")).status == 200
        body = {"severity": "medium", "kind": "question"}
        assert (await site.post(AT + "correct-severity", body)).status == 200

    play(scenario, [CASE])


def test_a_name_has_no_line_break_behind_it() -> None:
    async def scenario(site: Site) -> None:
        for name in ("jane\n", "\njane", "ja\nne"):
            bad = await site.post(AT + "assign", {"assignee": name})
            assert (bad.status, bad.body["field"]) == (422, "assignee")
        assert (await site.post(AT + "assign", {"assignee": "jane d."})).status == 200

    play(scenario, [CASE])


def test_no_token_is_in_what_is_sent() -> None:
    async def scenario(site: Site) -> None:
        await site.post(AT + "investigate", Idempotency_Key="k")
        raw = msgspec.json.encode(site.worker.sent).decode()
        assert not any(token in raw for token in TOKEN.values())

    play(scenario, [CASE])
