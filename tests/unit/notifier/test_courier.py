"""What a courier does with what Kafka brings, and in which order."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
import pytest

from services.notifier.domain.breaker import FAULTS
from services.notifier.ports import Now, Result, Verdict
from shared.events import (
    CaseCommand,
    CommandKind,
    DeliveryStatus,
)
from tests.unit.notifier.courier_rig import ACK, AWAY, EVENT, OK, P0, PAGE, Rig, play
from tests.unit.notifier.world import case_id, notification


def command(name: str) -> CaseCommand:
    return CaseCommand(
        command_id=name,
        tenant="acme",
        case_id=case_id(1),
        kind=CommandKind.RECEIPT,
        actor="n",
        at=0,
    )


def test_an_end_is_recorded_in_order_and_then_committed() -> None:
    async def scenario(rig: Rig) -> None:
        rig.sink.answers["n1"] = [Result(Verdict.DELIVERED, commands=(command("c1"),))]
        rig.hears(notification(1, 1))
        await rig.until(lambda: rig.feed.low == {P0: 1})
        assert rig.story == ["sent n1", "command c1", "recorded n1", "remembered n1"]
        assert rig.feed.open == 0

    rig = play(scenario)
    assert rig.ended() == {"n1": DeliveryStatus.DELIVERED}
    assert rig.value("tocsin_notifications_total", status="delivered") == 1
    assert rig.value("tocsin_notifications_pending") == 0


def test_nothing_is_committed_while_kafka_does_not_take_what_ended() -> None:
    async def scenario(rig: Rig) -> None:
        rig.ledger.away = 2
        rig.hears(notification(1), notification(2))
        await rig.until(lambda: len(rig.sink.tried) == 2)
        assert rig.feed.low.get(P0, 0) == 0
        await rig.until(lambda: rig.feed.low == {P0: 2})
        assert rig.sink.tried == ["n1", "n2"]

    play(scenario)


def test_what_was_told_before_is_not_told_again_but_a_replay_is() -> None:
    async def scenario(rig: Rig) -> None:
        rig.told.kept.add("n1")
        replay = msgspec.structs.replace(notification(1), replay="r7")
        rig.hears(notification(1), notification(2), replay)
        await rig.until(lambda: rig.feed.low == {P0: 3})
        assert rig.sink.tried == ["n2", "n1"]
        assert rig.told.kept == {"n1", "n2", "n1/r7"}

    play(scenario)


def test_without_redis_it_goes_on() -> None:
    async def scenario(rig: Rig) -> None:
        rig.told.away = rig.standing.away = True
        rig.hears(notification(1, 1, PAGE, 1), notification(2, 2, PAGE, 1))
        await rig.until(lambda: rig.feed.low == {P0: 2})
        assert rig.standing.asked == 1  # and is left alone for a while then

    assert set(play(scenario).ended().values()) == {DeliveryStatus.DELIVERED}


@pytest.mark.parametrize(
    ("now", "status"),
    [
        (Now(1, True), DeliveryStatus.DELIVERED),
        (Now(1, False), DeliveryStatus.STALE),
        (Now(1, False, owes=True), DeliveryStatus.DELIVERED),
        (Now(2, True), DeliveryStatus.STALE),
        (Now(2, False, owes=True), DeliveryStatus.STALE),
        (Now(0, False), DeliveryStatus.DELIVERED),  # the view is behind
    ],
)
def test_a_page_is_sent_only_while_it_is_wanted(now: Now, status: DeliveryStatus) -> None:
    async def scenario(rig: Rig) -> None:
        rig.standing.cases[case_id(1)] = now
        rig.hears(notification(1, 1, PAGE, 1), notification(2, 1, EVENT))
        await rig.until(lambda: rig.feed.low == {P0: 2})

    assert play(scenario).ended() == {"n1": status, "n2": DeliveryStatus.DELIVERED}


def test_an_acknowledgement_overtakes_the_page_that_waits() -> None:
    async def scenario(rig: Rig) -> None:
        rig.sink.answers["n1"] = [Result(Verdict.RETRYABLE, "busy")]
        rig.hears(notification(1, 1, PAGE, 1))
        await rig.until(lambda: rig.sink.tried)
        rig.hears(notification(2, 1, ACK, 1))
        await rig.until(lambda: rig.feed.low == {P0: 2})
        assert rig.sink.tried == ["n1", "n2"]

    assert play(scenario).ended() == {"n1": DeliveryStatus.STALE, "n2": DeliveryStatus.DELIVERED}


def test_a_page_that_fails_after_it_was_acknowledged_is_stale() -> None:
    async def scenario(rig: Rig) -> None:
        rig.sink.held = asyncio.Event()
        rig.sink.answers["n1"] = [Result(Verdict.RETRYABLE, "busy")]
        rig.hears(notification(1, 1, PAGE, 1), notification(2, 1, ACK, 1))
        await rig.until(lambda: rig.sink.tried)
        rig.sink.held.set()
        await rig.until(lambda: rig.feed.low == {P0: 2})

    assert play(scenario).ended()["n1"] is DeliveryStatus.STALE


def test_no_more_run_at_once_than_allowed_and_a_case_is_not_overtaken() -> None:
    async def scenario(rig: Rig) -> None:
        rig.hears(*(notification(number, number % 7) for number in range(70)))
        await rig.until(lambda: rig.feed.low == {P0: 70})
        assert rig.sink.most == 5
        for case in range(7):
            mine = [name for name in rig.sink.tried if int(name[1:]) % 7 == case]
            assert mine == [f"n{number}" for number in range(case, 70, 7)]

    play(scenario, concurrency=5)


def test_a_dead_target_is_left_alone_and_what_waits_is_kept() -> None:
    async def scenario(rig: Rig) -> None:
        rig.sink.answers = {f"n{number}": [AWAY, OK] for number in range(40)}
        rig.hears(*(notification(number, number) for number in range(40)))
        await rig.until(lambda: rig.value("tocsin_sink_circuit_open") == 1)
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(rig.sink.tried) == FAULTS
        assert rig.feed.low.get(P0, 0) == 0

    rig = play(scenario, concurrency=1)
    assert rig.ended() == {}
    assert rig.value("tocsin_sink_circuit_open") == 0


def test_what_never_will_be_taken_is_parked() -> None:
    async def scenario(rig: Rig) -> None:
        rig.sink.answers["n1"] = [Result(Verdict.PERMANENT, "HTTP 400")]
        rig.hears(notification(1), notification(2))
        await rig.until(lambda: rig.feed.low == {P0: 2})
        assert rig.ledger.parked == [("n1", "HTTP 400")]
        assert rig.told.kept == {"n2"}  # what is parked can be replayed

    assert play(scenario).ended()["n1"] is DeliveryStatus.PARKED


def test_what_is_too_old_is_parked_after_its_attempts() -> None:
    async def scenario(rig: Rig) -> None:
        rig.sink.answers["n1"] = [Result(Verdict.RETRYABLE, "busy", 0.0)]
        rig.hears(notification(1, planned_at=rig.clock.now_ms() - 10**9))
        await rig.until(lambda: rig.feed.low == {P0: 1})
        assert len(rig.sink.tried) == 4

    rig = play(scenario)
    assert (rig.ended(), rig.ledger.records[0].attempts) == ({"n1": DeliveryStatus.PARKED}, 4)


def test_a_sink_that_is_gone_is_not_tried_again() -> None:
    async def scenario(rig: Rig) -> None:
        rig.sink.answers["n1"] = [Result(Verdict.GONE, "HTTP 410")]
        rig.hears(notification(1), notification(2), notification(3))
        await rig.until(lambda: rig.feed.low == {P0: 3})
        assert rig.sink.tried == ["n1"]

    assert set(play(scenario, concurrency=1).ended().values()) == {DeliveryStatus.PARKED}


def test_what_is_under_way_when_partitions_leave_ends_without_being_committed() -> None:
    async def scenario(rig: Rig) -> None:
        rig.sink.held = asyncio.Event()
        rig.hears(notification(1, 1), notification(2, 1))
        await rig.until(lambda: rig.sink.tried)
        rig.courier._hear(0)
        rig.sink.held.set()
        await rig.until(lambda: "n1" in rig.told.kept)
        assert (rig.sink.tried, rig.feed.low) == (["n1"], {})
        rig.assigned(2)
        rig.hears(notification(1, 1), notification(2, 1), generation=2)
        await rig.until(lambda: rig.feed.low == {P0: 2})
        assert rig.sink.tried == ["n1", "n2"]
        assert rig.feed.open == 0

    play(scenario)


def test_what_is_read_again_while_it_is_under_way_is_not_sent_twice() -> None:
    async def scenario(rig: Rig) -> None:
        rig.sink.held = asyncio.Event()
        rig.hears(notification(1, 1))
        await rig.until(lambda: rig.sink.tried)
        rig.courier._hear(0)
        rig.assigned(2)
        rig.hears(notification(1, 1), notification(2, 2), generation=2)
        await rig.until(lambda: len(rig.sink.tried) == 2)
        rig.sink.held.set()
        await rig.until(lambda: rig.feed.low == {P0: 2})
        assert rig.sink.tried == ["n1", "n2"]
        assert rig.feed.open == 0

    play(scenario)


def test_a_stop_waits_for_what_is_under_way_and_starts_nothing() -> None:
    async def scenario(rig: Rig) -> None:
        rig.sink.held = asyncio.Event()
        rig.hears(notification(1), notification(2))
        await rig.until(lambda: rig.sink.tried)
        asyncio.get_running_loop().call_later(0.05, rig.sink.held.set)

    rig = play(scenario, concurrency=1)
    assert rig.ended() == {"n1": DeliveryStatus.DELIVERED}
    assert rig.feed.low == {P0: 1}
    assert rig.story[-1] == "closed"


def test_what_ends_while_it_is_looked_up_is_not_sent_twice() -> None:
    async def scenario(rig: Rig) -> None:
        rig.sink.held, answer = asyncio.Event(), asyncio.Event()
        rig.hears(notification(1, 1))
        await rig.until(lambda: rig.sink.tried)
        look_up, asked = rig.told.known, asyncio.Event()

        async def known(notification_ids: Sequence[str]) -> frozenset[str]:
            found = await look_up(notification_ids)
            asked.set()
            await answer.wait()
            return found

        rig.told.known = known  # type: ignore[method-assign]
        rig.assigned(2)
        rig.hears(notification(1, 1), generation=2)
        await asked.wait()
        rig.sink.held.set()
        await rig.until(lambda: "n1" in rig.ended() and not rig.courier._open)
        answer.set()
        await rig.until(lambda: rig.feed.low == {P0: 1})
        assert (rig.sink.tried, rig.feed.open) == (["n1"], 0)

    play(scenario)
