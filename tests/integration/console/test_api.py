"""From a complaint to its end through the API: real broker, Redis, worker and console."""

from __future__ import annotations

import threading
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from shared.events import Case, CommandKind, Kind, Severity
from tests.integration.console.rig import House
from tests.services import wait_for

pytestmark = pytest.mark.integration

RESOLUTION = {
    "outcome": "A new kettle was sent.",
    "reason": "A bad seal.",
    "next_step": "We call in two days.",
    "not_needed": "The photograph says it all.",
}
HOUR_MS = 3_600_000


def path(case: Case, action: str = "") -> str:
    return f"/cases/{case.case_id}" + (f"/{action}" if action else "")


def in_an_hour() -> int:
    return time.time_ns() // 1_000_000 + HOUR_MS


def test_a_complaint_is_worked_on_to_its_end(house: House) -> None:
    case = house.open_case()
    steps: list[tuple[str, dict[str, Any], str]] = [
        ("acknowledge", {"note": "On it."}, "acknowledged"),
        ("resolve", RESOLUTION, "resolved"),
    ]
    for action, body, state in steps:
        done = house.post(path(case, action), body)
        assert (done.status, done.body["state"]) == (200, state), done.body
        assert done.headers["ETag"] == f'"{done.body["case_seq"]}"'
    promised = done.body["follow_ups"]
    assert promised
    for follow_up in promised:
        number = follow_up["number"]
        done = house.post(path(case, f"follow-ups/{number}/done"), {"note": "All is well."})
        assert done.status == 200, done.body
    assert done.body["state"] == "closed"
    lines = house.get(path(case, "timeline")).body["lines"]
    assert [line["case_seq"] for line in lines] == list(range(1, done.body["case_seq"] + 1))
    assert {"customer", "agent", "tocsin"} == {line["who"] for line in lines}
    hits = house.get("/search?q=kettle").body["hits"]
    assert case.case_id in {hit["case_id"] for hit in hits}


ACTIONS: dict[CommandKind, tuple[str, Callable[[], dict[str, Any]]]] = {
    CommandKind.RECEIPT: ("receipt", dict),
    CommandKind.REPLY: ("reply", lambda: {"message_id": "m1", "note": "Which one?"}),
    CommandKind.ASSIGN: ("assign", lambda: {"assignee": "jane"}),
    CommandKind.DELEGATE: ("delegate", lambda: {"assignee": "joe", "note": "Call them."}),
    CommandKind.INVESTIGATE: ("investigate", dict),
    CommandKind.WAIT: ("wait", lambda: {"on": "third_party", "until": in_an_hour()}),
    CommandKind.CLARIFY: ("clarify", lambda: {"asked": "Which?", "answered": "The red one."}),
    CommandKind.OFFER: ("offer", lambda: {"options": ["refund", "redo"]}),
    CommandKind.NOTE: ("note", lambda: {"note": "Prefers calls."}),
    CommandKind.SNOOZE: ("snooze", lambda: {"until": in_an_hour()}),
    CommandKind.CORRECT_SEVERITY: ("correct-severity", lambda: {"severity": "low"}),
    CommandKind.REAPPLY: ("reapply", lambda: {"note": "New promises."}),
    CommandKind.HOLD: ("hold", lambda: {"note": "Claim 12."}),
}
"""What an open case takes at once."""


@pytest.mark.parametrize("kind", ACTIONS)
def test_an_open_case_takes_the_action(house: House, kind: CommandKind) -> None:
    case = house.open_case(Severity.MEDIUM)
    action, body = ACTIONS[kind]
    done = house.post(path(case, action), body(), "lead")
    assert done.status == 200, done.body
    assert done.body["case_seq"] > case.case_seq
    assert house.get(path(case)).headers["ETag"] == done.headers["ETag"]


def test_what_builds_on_what_was_done_before(house: House) -> None:
    case = house.open_case(Severity.MEDIUM)
    steps: list[tuple[str, dict[str, Any]]] = [
        ("reply", {"message_id": "m1"}),
        ("bounce", {"message_id": "m1"}),
        ("resolve", RESOLUTION),
        ("communicate", {"message_id": "m2"}),
        ("reopen", {"note": "It leaks again."}),
        ("hold", {"note": "Claim 12."}),
        ("release", {"note": "Settled."}),
        ("resolve", RESOLUTION),
    ]
    for action, body in steps:
        done = house.post(path(case, action), body, "lead")
        assert done.status == 200, (action, done.body)
    for follow_up in done.body["follow_ups"]:
        if follow_up.get("state") != "waived":  # what is at its default is left out
            waive = path(case, f"follow-ups/{follow_up['number']}/waive")
            done = house.post(waive, {"note": "Not wanted."})
            assert done.status == 200, done.body
    done = house.post(path(case, "close"), {"note": "Told by telephone."})
    assert (done.status, done.body["state"]) == (200, "closed"), done.body


def test_a_suggestion_is_decided_on_and_its_author_told(house: House) -> None:
    case = house.open_case(Severity.LOW, Kind.SUGGESTION)
    done = house.post(path(case, "decide"), {"verdict": "planned", "note": "In the spring."})
    assert (done.status, done.body["verdict"]) == (200, "planned"), done.body
    done = house.post(path(case, "communicate"))
    assert (done.status, done.body["state"]) == (200, "closed"), done.body


def test_two_cases_of_a_customer_become_one_and_two_again(house: House) -> None:
    one = house.open_case(Severity.MEDIUM, customer="twice")
    other = house.open_case(Severity.MEDIUM, customer="twice")
    merged = house.post(path(one, "merge"), {"into": other.case_id})
    assert (merged.status, merged.body["merged_into"]) == (200, other.case_id), merged.body
    back = house.post(path(one, "unmerge"))
    assert (back.status, back.body["state"]) == (200, "open"), back.body
    cycle = house.post(path(one, "merge"), {"into": one.case_id})
    assert (cycle.status, cycle.body["code"]) == (409, "cycle")


def test_a_repetition_counts_once(house: House) -> None:
    case = house.open_case()
    how = {"Idempotency_Key": "k1", "If_Match": f'"{case.case_seq}"'}
    first = house.post(path(case, "acknowledge"), **how)
    again = house.post(path(case, "acknowledge"), **how)
    assert (first.status, again.status) == (200, 200)
    assert again.body == first.body
    other = house.post(path(case, "acknowledge"), Idempotency_Key="k2")
    assert (other.status, other.body["code"]) == (409, "wrong_state")
    repeated = house.post(path(case, "acknowledge"), Idempotency_Key="k2")
    assert repeated.body == other.body
    where = first.headers["Location"].removeprefix("/api/v1")
    assert house.get(where).body["status"] == "done"


def test_of_two_who_saw_the_same_one_is_told_that_it_moved_on(house: House) -> None:
    case = house.open_case()
    answers: list[int] = []

    def act() -> None:
        done = house.post(path(case, "investigate"), If_Match=f'"{case.case_seq}"')
        answers.append(done.status)

    threads = [threading.Thread(target=act) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200, 412, 412, 412, 412, 412]


def test_what_is_not_there_is_unknown(house: House) -> None:
    case = house.open_case()
    unknown = house.post(f"/cases/{case.case_id[:-4]}0000/acknowledge")
    assert (unknown.status, unknown.body["code"]) == (404, "unknown_case")
    house.post(path(case, "resolve"), RESOLUTION)
    none = house.post(path(case, "follow-ups/99/done"))
    assert (none.status, none.body["code"]) == (409, "no_such_follow_up")


def test_cases_are_listed_by_page_over_all_partitions(house: House) -> None:
    opened = [house.open_case(Severity.CRITICAL).case_id for _ in range(5)]
    seen: list[str] = []
    query = "/cases?severity=critical&state=open&limit=2"
    while True:
        page = house.get(query).body
        seen += [one["case_id"] for one in page["cases"]]
        if page["next"] is None:
            break
        query = f"/cases?severity=critical&state=open&limit=2&cursor={page['next']}"
    assert [one for one in seen if one in opened] == opened[::-1]
    assert len(seen) == len(set(seen))


def test_the_policy_is_the_one_that_the_worker_published(house: House) -> None:
    def published() -> Any:
        answer = house.get("/policy")
        return answer.body if answer.status == 200 else None

    found = wait_for(published, "a policy published")
    assert found["version"]
    assert isinstance(found["policy"], dict)


def test_an_erased_customer_is_gone(house: House) -> None:
    case = house.open_case()
    key = f"/customers/{case.record_key}"
    house.post(path(case, "hold"), {"note": "Claim 12."}, "lead")
    held = house.post(key + "/erase", {"reason": "Asked for it."}, "admin")
    assert (held.status, held.body["code"]) == (409, "legal_hold")
    house.post(path(case, "release"), {"note": "Settled."}, "lead")
    sent = house.post(key + "/erase", {"reason": "Asked for it."}, "admin")
    assert sent.status == 202
    where = sent.headers["Location"].removeprefix("/api/v1")

    def gone() -> bool:
        found = house.get(where, "admin").body
        return found["cases"] == 0 and "erased_at" in found

    wait_for(gone, "the customer erased")
    assert house.get(path(case)).status == 404
    assert house.get(path(case, "timeline")).status == 404


def test_the_process_tells_how_it_is(house: House) -> None:
    [member] = house.stack.of("console")
    for probe in ("/livez", "/readyz", "/metrics"):
        with urllib.request.urlopen(member.metrics_url + probe, timeout=10.0) as answer:  # noqa: S310
            text = answer.read().decode()
            assert answer.status == 200
    assert 'tocsin_http_request_duration_seconds_count{route="read",status="2xx"}' in text
    assert "tocsin_redis_up 1.0" in text
    log = member.log.read_text("utf-8")
    assert "-token-of-this-test" not in log
