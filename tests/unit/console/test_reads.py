"""Reading over HTTP: cases and their filters, pages, timelines, the search and the policy."""

from __future__ import annotations

import msgspec
import pytest

from services.console.api import reads
from services.console.ports import Hit, Line
from shared.events import Case, CaseState, Channel, PolicyVersion, Severity
from tests.unit.console.rig import NOW, Site, case, play, put

CASES = [
    case("c1", 1, opened_at=NOW + 1, severity=Severity.HIGH, assignee="jane", team="care"),
    case("c2", 2, opened_at=NOW + 3, state=CaseState.CLOSED, channel=Channel.PHONE),
    case("c3", 3, opened_at=NOW + 2, severity=Severity.CRITICAL, team="care"),
    case("c4", 4, opened_at=NOW + 2, assignee="joe"),
    case("c1", 5, opened_at=NOW + 9, state=CaseState.ACKNOWLEDGED),
]
LATEST_FIRST = sorted(CASES, key=lambda one: (one.opened_at, one.case_id), reverse=True)


def ids_of(page: dict[str, list[dict[str, str]]]) -> list[str]:
    return [one["case_id"] for one in page["cases"]]


async def listed(site: Site, query: str) -> list[str]:
    answer = await site.get("/cases?" + query)
    assert answer.status == 200, answer.body
    assert answer.body["next"] is None
    return ids_of(answer.body)


def test_a_case_is_shown_whole_with_its_tag() -> None:
    async def scenario(site: Site) -> None:
        answer = await site.get(f"/cases/{CASES[0].case_id}")
        assert (answer.status, answer.headers["ETag"]) == (200, '"4"')
        assert msgspec.convert(answer.body, Case) == CASES[0]
        assert answer.headers["Cache-Control"] == "no-store"
        for unknown in (case("c9").case_id, "acme", "a:b:c"):
            answer = await site.get(f"/cases/{unknown}")
            assert (answer.status, answer.body["code"]) == (404, "unknown_case")

    play(scenario, CASES)


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("", {0, 1, 2, 3, 4}),
        ("state=open", {0, 2, 3}),
        ("state=closed&state=acknowledged", {1, 4}),
        ("severity=high&severity=critical", {0, 2}),
        ("state=open&severity=medium", {3}),
        ("channel=phone", {1}),
        ("assignee=jane", {0}),
        ("assignee=", {1, 2, 4}),
        ("team=care", {0, 2}),
        ("team=care&assignee=", {2}),
        ("team=nobody", set()),
        ("severity=undetermined", set()),
    ],
)
def test_filters(query: str, wanted: set[int]) -> None:
    async def scenario(site: Site) -> None:
        expected = [one.case_id for one in LATEST_FIRST if CASES.index(one) in wanted]
        assert await listed(site, query) == expected

    play(scenario, CASES)


@pytest.mark.parametrize("limit", [1, 2, 3, 200])
def test_pages_go_on_where_the_one_before_ended_whatever_is_opened_meanwhile(limit: int) -> None:
    many = [case(f"c{n}", n, opened_at=NOW + n // 3) for n in range(130)]

    async def scenario(site: Site) -> None:
        seen: list[str] = []
        cursor, number = "", 0
        while True:
            answer = await site.get(f"/cases?limit={limit}{cursor}")
            seen += ids_of(answer.body)
            assert len(answer.body["cases"]) <= limit
            if answer.body["next"] is None:
                break
            cursor, number = f"&cursor={answer.body['next']}", number + 1
            put(site.view, case(f"new{number}", 1000 + number, opened_at=NOW + 10**6 + number))
        assert seen == [
            one.case_id
            for one in sorted(many, key=lambda one: (one.opened_at, one.case_id), reverse=True)
        ]

    play(scenario, many)


def test_a_search_for_the_rare_hands_back_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reads, "MAX_LOOKED_AT", 10)
    many = [case(f"c{n}", n, opened_at=NOW + n) for n in range(25)]
    many[3] = msgspec.structs.replace(many[3], assignee="jane")

    async def scenario(site: Site) -> None:
        pages, query = [], "/cases?assignee=jane"
        while True:
            answer = await site.get(query)
            pages.append(ids_of(answer.body))
            if answer.body["next"] is None:
                break
            query = f"/cases?assignee=jane&cursor={answer.body['next']}"
        assert pages == [[], [], [many[3].case_id]]

    play(scenario, many)


@pytest.mark.parametrize(
    ("query", "code", "field"),
    [
        ("limit=0", "invalid", "limit"),
        ("limit=201", "invalid", "limit"),
        ("limit=x", "invalid", "limit"),
        ("limit=1&limit=2", "invalid", "limit"),
        ("state=opened", "invalid", "state"),
        ("severity=high&severity=urgent", "invalid", "severity"),
        ("channel=fax", "invalid", "channel"),
        ("status=open", "invalid", "status"),
        ("cursor=x", "invalid", "cursor"),
        ("cursor=ÿ", "invalid", "cursor"),
        ("cursor=WzEsMl0", "invalid", "cursor"),
        ("assignee=" + "x" * 201, "invalid", "assignee"),
    ],
)
def test_a_query_that_is_wrong_says_where(query: str, code: str, field: str) -> None:
    async def scenario(site: Site) -> None:
        answer = await site.get("/cases?" + query)
        assert (answer.status, answer.body["code"]) == (422, code)
        assert answer.body["field"].partition("[")[0] == field

    play(scenario, CASES)


def test_the_timeline_is_told_line_by_line() -> None:
    line = Line(NOW, NOW + 1, 1, "customer", "case opened", "feedback", (("text", "It broke."),))

    async def scenario(site: Site) -> None:
        path = f"/cases/{CASES[0].case_id}/timeline"
        assert (await site.get(path)).body["code"] == "unknown_case"
        site.record.lines = [line]
        answer = await site.get(path)
        assert answer.status == 200
        assert answer.body["case_id"] == CASES[0].case_id
        assert msgspec.convert(answer.body["lines"], list[Line]) == [line]
        assert (await site.get("/cases/nonsense/timeline")).status == 404

    play(scenario, CASES)


def test_the_search_hands_on_what_was_found() -> None:
    hit = Hit("note", "acme:c1:123456789012", None, "high", "email", NOW, "open", None, "It broke.")

    async def scenario(site: Site) -> None:
        site.record.hits = [hit, hit]
        answer = await site.get("/search?q=broke&limit=1")
        assert msgspec.convert(answer.body["hits"], list[Hit]) == [hit]
        for query, code in (("", "missing"), ("?q=", "invalid"), ("?q=--", "invalid")):
            wrong = await site.get("/search" + query)
            assert (wrong.status, wrong.body["code"], wrong.body["field"]) == (422, code, "q")

    play(scenario)


def test_the_policy_is_the_one_in_force() -> None:
    async def scenario(site: Site) -> None:
        none = await site.get("/policy")
        assert (none.status, none.body["code"]) == (404, "no_policy")
        raw = msgspec.Raw(b'{"plans":{}}')
        site.record.found = PolicyVersion(version="p1", at=NOW, policy=raw)
        found = await site.get("/policy")
        assert (found.body["version"], found.body["policy"]) == ("p1", {"plans": {}})

    play(scenario)


def test_a_command_is_asked_for_with_its_case() -> None:
    async def scenario(site: Site) -> None:
        assert (await site.get("/commands/x")).body["field"] == "case"
        unknown = await site.get(f"/commands/x?case={case('c9').case_id}")
        assert (unknown.status, unknown.body["code"]) == (404, "unknown_case")
        found = await site.get(f"/commands/x?case={CASES[0].case_id}")
        assert found.body["status"] == "pending"

    play(scenario, CASES)


def test_an_erased_customer_is_known_as_such() -> None:
    async def scenario(site: Site) -> None:
        put(site.view, erased={"acme:c7": NOW})
        found = await site.get("/customers/acme:c7/erasure", "admin")
        assert found.body == {"record_key": "acme:c7", "cases": 0, "erased_at": NOW}
        put(site.view, case("c8", legal_hold="claim"))
        held = await site.get("/customers/acme:c8/erasure", "admin")
        assert held.body["held"] == [case("c8").case_id]

    play(scenario)
