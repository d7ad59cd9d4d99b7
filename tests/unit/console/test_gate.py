"""Tokens, roles, rates, and what is answered when a request is none."""

from __future__ import annotations

import asyncio
import itertools
import logging

import msgspec
import pytest

from services.console.api.actions import ACTIONS, Action
from services.console.api.query import MAX_BODY
from services.console.tokens import Caller, Role, Tokens
from shared.errors import Misconfigured
from shared.events import CaseCommand, Severity
from tests.unit.console.rig import TOKEN, Site, case, play

CASE = case()
OTHER = case("c2")
AT = f"/cases/{CASE.case_id}/"
PROBLEM = "application/problem+json"


# ---- tokens


def test_a_token_says_who_and_what() -> None:
    tokens = Tokens(f"jane:lead:{'t' * 16}, jane:lead:with:colons-{'u' * 16},joe:viewer:{'v' * 16}")
    assert tokens.who(f"Bearer {'t' * 16}") == Caller("jane", Role.LEAD)
    assert tokens.who(f"bearer  with:colons-{'u' * 16} ") == Caller("jane", Role.LEAD)
    assert tokens.who(f"Bearer {'v' * 16}") == Caller("joe", Role.VIEWER)
    for wrong in (
        None,
        "",
        "Bearer",
        "Bearer ",
        "t" * 16,
        f"Basic {'t' * 16}",
        f"Bearer {'t' * 15}",
    ):
        assert tokens.who(wrong) is None
    assert not any(tokens.who(f"Bearer {guess:016}") for guess in range(2_000))


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("jane", "not 'name:role:token'"),
        (f"jane:{'t' * 16}", "not 'name:role:token'"),
        ("jane:lead:", "not 'name:role:token'"),
        (f"jane:boss:{'t' * 16}", "viewer, agent, lead, admin"),
        (f"j ane:lead:{'t' * 16}", "a name has"),
        (f":lead:{'t' * 16}", "a name has"),
        (f"jane:lead:{'t' * 15}", "16 characters"),
    ],
)
def test_tokens_that_are_none_are_named_but_not_told(setting: str, says: str) -> None:
    with pytest.raises(Misconfigured, match=says) as caught:
        Tokens(f"joe:viewer:{'v' * 16},{setting}")
    assert "entry 2" in str(caught.value)
    assert "t" * 15 not in str(caught.value)


def test_without_tokens_the_answer_says_what_to_set() -> None:
    async def scenario(site: Site) -> None:
        for role in ("admin", None):
            answer = await site.get("/cases", role)
            assert (answer.status, answer.body["code"]) == (401, "unauthorized")
            assert "console.tokens" in answer.body["detail"]
        assert (await site.get("/openapi.json", None)).status == 200

    play(scenario, tokens="")


def test_strangers_are_told_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(site: Site) -> None:
        for header in ("", "Bearer ", f"Bearer {TOKEN['admin']}x", f"Basic {TOKEN['admin']}"):
            answer = await site.ask("GET", "/cases", headers={"Authorization": header})
            assert (answer.status, answer.headers["Content-Type"]) == (401, PROBLEM)
            assert answer.headers["WWW-Authenticate"] == 'Bearer realm="tocsin"'
            assert "console.tokens" not in answer.body["detail"]

    with caplog.at_level(logging.DEBUG):
        play(scenario, [CASE])
    assert not any(token in caplog.text for token in TOKEN.values())


# ---- roles


@pytest.mark.parametrize("role", TOKEN)
@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.name)
def test_an_action_needs_its_role(action: Action, role: str) -> None:
    async def scenario(site: Site) -> None:
        path = AT + action.path.format(number=1)
        answer = await site.post(path, msgspec.to_builtins(action.example), role)
        enough = Role[role.upper()] >= Role.AGENT
        if action.path in {"hold", "release", "reapply", "merge"}:  # of another customer
            enough = Role[role.upper()] >= Role.LEAD
        assert answer.status == (200 if enough else 403), answer.body
        assert len(site.worker.sent) == enough

    play(scenario, [CASE])


@pytest.mark.parametrize("role", TOKEN)
def test_only_an_admin_erases_and_everybody_reads(role: str) -> None:
    async def scenario(site: Site) -> None:
        path = f"/customers/{CASE.record_key}"
        erased = await site.post(path + "/erase", {"reason": "x"}, role)
        assert erased.status == (202 if role == "admin" else 403)
        assert (await site.get(path + "/erasure", role)).status == (200 if role == "admin" else 403)
        assert (await site.get("/cases", role)).status == 200

    play(scenario, [CASE])


@pytest.mark.parametrize(("now", "wanted"), list(itertools.product(Severity, Severity)))
def test_who_lowers_a_severity_is_a_lead(now: Severity, wanted: Severity) -> None:
    order = ("low", "medium", "undetermined", "high", "critical")

    async def scenario(site: Site) -> None:
        answer = await site.post(AT + "correct-severity", {"severity": wanted})
        allowed = order.index(wanted) >= order.index(now)
        assert answer.status == (200 if allowed else 403)
        assert (
            await site.post(AT + "correct-severity", {"severity": wanted}, "lead")
        ).status == 200

    play(scenario, [case(severity=now)])


def test_who_merges_cases_of_two_customers_is_a_lead() -> None:
    async def scenario(site: Site) -> None:
        own = case("c1", 2).case_id
        assert (await site.post(AT + "merge", {"into": own})).status == 200
        for into in (OTHER.case_id, "nonsense"):
            refused = await site.post(AT + "merge", {"into": into})
            assert (refused.status, refused.body["code"]) == (403, "not_allowed")
            assert refused.body["detail"] == "aname is agent; this needs lead"
        assert (await site.post(AT + "merge", {"into": OTHER.case_id}, "lead")).status == 200

    play(scenario, [CASE, OTHER])


# ---- rates


def test_who_asks_too_often_has_to_wait_and_others_have_not() -> None:
    async def scenario(site: Site) -> None:
        first = [(await site.get("/cases")).status for _ in range(3)]
        assert first == [200, 200, 429]
        slow = await site.get("/cases")
        assert (slow.body["code"], slow.headers["Retry-After"]) == ("rate_limited", "1")
        assert (await site.get("/cases", "agent")).status == 200
        site.clock.advance(1.0)
        assert (await site.get("/cases")).status == 200

    play(scenario, [CASE], rate=2.0)


# ---- what is no request


def test_what_the_api_does_not_know_is_a_problem_too() -> None:
    async def scenario(site: Site) -> None:
        unknown = await site.get("/nothing")
        assert (unknown.status, unknown.body["code"]) == (404, "unknown_path")
        assert unknown.headers["Content-Type"] == PROBLEM
        wrong = await site.ask("DELETE", f"/cases/{CASE.case_id}")
        assert (wrong.status, wrong.body["code"]) == (405, "wrong_method")
        assert "GET" in wrong.headers["Allow"]
        assert (await site.get("/cases/a/b/c")).status == 404
        assert (await site.post(AT + "follow-ups/x/done")).body["field"] == "number"

    play(scenario, [CASE])


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"{", {}, 400, "unreadable"),
        (b"\xff", {}, 400, "unreadable"),
        (b"[" * 20_000, {}, 422, "invalid"),
        (b"[]", {}, 422, "invalid"),
        (b'"x"', {}, 422, "invalid"),
        (b"{}", {"Content-Type": "text/plain"}, 415, "wrong_media_type"),
        (b"{}", {"Content-Encoding": "gzip"}, 415, "wrong_media_type"),
        (b" " * (MAX_BODY + 1), {}, 413, "too_large"),
    ],
)
def test_a_body_that_is_none(body: bytes, headers: dict[str, str], status: int, code: str) -> None:
    async def scenario(site: Site) -> None:
        answer = await site.ask("POST", AT + "investigate", body, headers=headers)
        assert (answer.status, answer.body["code"]) == (status, code)
        assert answer.headers["Content-Type"] == PROBLEM
        assert not site.worker.sent

    play(scenario, [CASE])


def test_a_fault_of_ours_is_told_without_its_details() -> None:
    async def scenario(site: Site) -> None:
        def broken() -> None:
            raise RuntimeError("a secret")

        site.record.policy = broken  # type: ignore[method-assign]
        answer = await site.get("/policy")
        assert (answer.status, answer.body["code"]) == (500, "failed")
        assert "secret" not in str(answer.body)

    play(scenario)


def test_requests_are_counted_by_kind() -> None:
    async def scenario(site: Site) -> None:
        await site.get("/cases")
        await site.get("/nothing")
        await site.post(AT + "investigate", role="viewer")
        for route, status in (("read", "2xx"), ("unknown", "4xx"), ("command", "4xx")):
            labels = {"route": route, "status": status}
            name = "tocsin_http_request_duration_seconds_count"
            assert site.metrics.registry.get_sample_value(name, labels) == 1

    play(scenario, [CASE])


def test_a_drain_lets_finish_what_was_begun_and_turns_away_the_rest() -> None:
    async def scenario(site: Site) -> None:
        site.worker.takes = False
        begun = asyncio.create_task(site.post(AT + "investigate"))
        await asyncio.wait_for(site.worker.heard.wait(), 10.0)
        draining = asyncio.create_task(site.gate.drain(10.0))
        await asyncio.sleep(0)
        assert site.gate.problem() == "draining"
        late = await site.get("/cases")
        assert (late.status, late.body["code"]) == (503, "draining")
        assert not draining.done()
        [command] = site.worker.sent
        assert isinstance(command, CaseCommand)
        site.worker.take(command)
        assert (await begun).status == 200
        await asyncio.wait_for(draining, 5.0)

    play(scenario, [CASE])
