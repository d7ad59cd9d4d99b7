"""What every view answers the auditor, whoever assigns work, and whoever lists cases."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest
from redis import Redis

from services.escalation.view.model import Changes, Checkpoint, place_of
from services.escalation.view.redis_view import RedisView
from shared.events import (
    Case,
    CaseState,
    Escalation,
    EscalationStatus,
    Severity,
    Timer,
    TimerKind,
)
from tests.contract.views import KINDS, NAMESPACE, NOW, Store, Stores, case, running_stores

FIRST = Checkpoint(1, "state-id", 10, "outcomes-id", 20, NOW)
SECOND = msgspec.structs.replace(FIRST, state_offset=12, at=NOW + 1)
REBUILT = msgspec.structs.replace(FIRST, epoch=2)
KEY = "acme:c1"


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    with running_stores(tmp_path_factory.mktemp) as make:
        yield make


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, stores: Stores) -> Store:
    return stores(request.param)


def write(store: Store, *cases: Case) -> None:
    """Write cases on top of what is there, under a new checkpoint."""
    before = store.view.checkpoint(0)
    after = FIRST
    if before is not None:
        after = msgspec.structs.replace(before, state_offset=before.state_offset + 1)
    assert store.view.apply(0, before, after, Changes(cases=cases))


# ---- who has how much


def test_load_is_counted_by_assignee_and_severity(store: Store) -> None:
    write(
        store,
        case("c1", assignee="ada"),
        case("c2", assignee="ada"),
        case("c3", assignee="ada", severity=Severity.CRITICAL),
        case("c4", assignee="+bo: the\n2nd", state=CaseState.RESOLVED),
        case("c5"),
        case("c6", assignee=""),
    )
    assert store.view.load(0, FIRST) == {
        ("ada", "high"): 2,
        ("ada", "critical"): 1,
        ("+bo: the\n2nd", "high"): 1,
    }
    assert store.other.load(0, FIRST) == store.view.load(0, FIRST)
    assert store.view.load(1, FIRST) == {}


@pytest.mark.parametrize(
    "after",
    [
        case("c1", assignee="bo"),
        case("c1", assignee="bo", opened_at=NOW - 9),
        case("c1", assignee="ada", severity=Severity.LOW),
        case("c1"),
        case("c1", assignee="ada", state=CaseState.CLOSED),
        case("c1", assignee="ada", state=CaseState.MERGED),
        case("c1", assignee="ada", state=CaseState.ACKNOWLEDGED, due=NOW),
    ],
)
def test_load_follows_each_case_whatever_is_written_twice(store: Store, after: Case) -> None:
    write(store, case("c1", assignee="ada"), case("c2", assignee="cy"))
    expected = {("cy", "high"): 1}
    if after.assignee and after.state not in Case.ENDED:
        expected[after.assignee, str(after.severity)] = 1
    for _ in range(2):
        write(store, after)
        assert store.view.load(0, FIRST) == expected


def test_load_of_removed_cases_and_of_a_new_incarnation_is_nothing(store: Store) -> None:
    write(store, case("c1", assignee="ada"), case("c2", assignee="ada"))
    removed = Changes(removed=[case("c1").case_id, case("c1").case_id])
    assert store.view.apply(0, FIRST, SECOND, removed)
    assert store.view.load(0, SECOND) == {("ada", "high"): 1}
    assert store.view.apply(0, SECOND, REBUILT, Changes(cases=[case("c3", assignee="bo")]))
    assert store.view.load(0, REBUILT) == {("bo", "high"): 1}


# ---- what nothing will wake


def test_live_cases_without_a_deadline_in_the_future_are_unattended(store: Store) -> None:
    forgotten, late = case("c1"), case("c2", due=NOW - 1)
    write(
        store,
        forgotten,
        late,
        case("c3", due=NOW),
        case("c4", due=NOW + 1, state=CaseState.ACKNOWLEDGED),
        case("c5", state=CaseState.CLOSED),
        case("c6", state=CaseState.MERGED),
    )
    assert set(store.view.unattended(0, FIRST, NOW, 100)) == {forgotten.case_id, late.case_id}
    assert set(store.view.unattended(0, FIRST, NOW - 1, 100)) == {forgotten.case_id}
    assert list(store.view.unattended(1, FIRST, NOW, 100)) == []


@pytest.mark.parametrize(
    ("status", "kind", "found"),
    [
        (EscalationStatus.PENDING, TimerKind.REMIND, True),
        (EscalationStatus.EXHAUSTED, TimerKind.REMIND, True),
        (EscalationStatus.NONE, TimerKind.REMIND, False),
        (EscalationStatus.PENDING, TimerKind.STEP, False),
        (EscalationStatus.PENDING, TimerKind.HELD, False),
        (EscalationStatus.EXHAUSTED, TimerKind.SNOOZE_END, False),
    ],
)
def test_who_waits_for_an_acknowledgement_without_a_next_step_is_unattended(
    store: Store, status: EscalationStatus, kind: TimerKind, found: bool
) -> None:
    """Another deadline, of a clock say, does not bring anybody."""
    held = msgspec.structs.replace(
        case("c1"),
        escalation=Escalation(status=status),
        timers=(Timer(kind=kind, due_at=NOW + 1, version=1),),
    )
    seen = msgspec.structs.replace(
        held, state=CaseState.ACKNOWLEDGED, case_id="acme:c1:other0123456"
    )
    write(store, held, seen)
    assert list(store.view.unattended(0, FIRST, NOW, 100)) == [held.case_id] * found


def test_a_few_at_a_time_all_are_looked_at_again_and_again(store: Store) -> None:
    cases = [case(f"c{number}", due=None if number % 10 else NOW) for number in range(2_000)]
    write(store, *cases)
    expected = {held.case_id for held in cases if held.next_due_at is None}
    for _ in range(2):
        found: set[str] = set()
        for _ in range(200):
            some = store.view.unattended(0, FIRST, NOW, 50)
            assert len(some) <= 200
            found.update(some)
        assert found == expected


def test_who_gets_a_deadline_is_attended_and_the_circle_starts_anew_with_the_view(
    store: Store,
) -> None:
    write(store, case("c1"), *(case(f"d{number}", due=NOW) for number in range(1_000)))
    store.view.unattended(0, FIRST, NOW, 10)
    assert store.view.apply(0, FIRST, REBUILT, Changes(cases=[case("c2"), case("c3")]))
    assert len(store.view.unattended(0, REBUILT, NOW, 100)) == 2
    write(store, case("c2", due=NOW), case("c3", due=NOW))
    assert list(store.view.unattended(0, REBUILT, NOW, 100)) == []


# ---- customers who were erased


def test_an_erasure_is_found_with_the_cases_of_its_customer(store: Store) -> None:
    changes = Changes(cases=[case("c2")], erased={KEY: NOW, "acme:ü *": 1})
    store.view.apply(0, None, FIRST, changes)
    found = store.other.fetch(0, [], [KEY, "acme:c2", "acme:ü *"])
    assert found.erased == {KEY: NOW, "acme:ü *": 1}
    assert found.cases == {KEY: {}, "acme:c2": {case("c2").case_id: case("c2")}, "acme:ü *": {}}
    assert store.view.fetch(0, [], ["acme:c2"]).erased == {}
    store.view.apply(0, FIRST, SECOND, Changes(erased={KEY: NOW + 1}))
    assert store.view.fetch(0, [], [KEY]).erased == {KEY: NOW + 1}
    store.view.apply(0, SECOND, REBUILT, Changes())
    assert store.view.fetch(0, [], [KEY]).erased == {}


# ---- lists


def test_pages_go_on_where_the_last_one_ended(store: Store) -> None:
    """Many cases are opened in one millisecond when a backlog is worked off."""
    cases = [case(f"c{number:03}", opened_at=NOW + number // 40) for number in range(100)]
    write(store, *cases)
    listed: list[Case] = []
    while page := store.view.page(0, 7, behind=place_of(listed[-1]) if listed else None):
        listed += page
    assert listed == sorted(cases, key=place_of, reverse=True)
    assert store.view.page(0, 1_000) == listed
    assert store.view.page(1, 10) == []


def test_pages_show_the_states_and_severities_asked_for(store: Store) -> None:
    cases = [
        case("c1", state=state, feedback=f"{state}{severity}", severity=severity)
        for state in CaseState
        for severity in Severity
    ]
    quiet = msgspec.structs.replace(case("c2"), backfilled=True)
    write(store, *cases, quiet)
    assert len(store.view.page(0, 99)) == len(cases) + 1
    for state in CaseState:
        found = store.view.page(0, 99, states=[state], severities=[Severity.HIGH, Severity.LOW])
        expected = 3 if state is CaseState.OPEN else 2
        assert [held.state for held in found] == [state] * expected
        assert {held.severity for held in found} == {Severity.HIGH, Severity.LOW}


def test_cases_are_found_by_their_ids(store: Store) -> None:
    one, two = case("c1"), case("c2", state=CaseState.CLOSED)
    assert store.view.by_id(0, [one.case_id]) == {}
    write(store, one, two, case("c3"))
    asked = [two.case_id, one.case_id, case("c9").case_id]
    assert store.view.by_id(0, asked) == {one.case_id: one, two.case_id: two}
    assert store.view.by_id(0, []) == {}


@pytest.mark.parametrize("store", KINDS[1:], indirect=True)
def test_what_is_encoded_already_is_kept_as_it_is(store: Store) -> None:
    raw = msgspec.json.format(msgspec.json.encode(case(due=NOW)))
    store.view.apply(0, None, FIRST, Changes(cases=[case()], encoded={case().case_id: raw}))
    assert store.view.by_id(0, [case().case_id]) == {case().case_id: case(due=NOW)}
    assert isinstance(store.view, RedisView)
    redis: Redis = store.view._redis
    assert redis.hget(f"{NAMESPACE}:{{0}}:1:of:{KEY}", case().case_id) == raw
