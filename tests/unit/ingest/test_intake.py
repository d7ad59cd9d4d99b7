from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from services.ingest.intake import SLICE
from services.ingest.log import Overloaded
from services.ingest.outcome import Result, Status
from services.ingest.prepare import Door, Raw
from shared.errors import Transient

Make = Callable[..., bytes]
RECEIVED = "tocsin_events_received_total"
DUPLICATES = "tocsin_events_deduplicated_total"


def _statuses(results: Sequence[Result]) -> list[Status]:
    return [result.status for result in results]


class Away:
    """A dedupe store that never answers."""

    async def known(self, _: Sequence[str]) -> frozenset[str]:
        raise Transient("away")

    async def remember(self, _: Sequence[str], ttl_s: float | None = None) -> None:
        raise Transient("away")

    async def close(self) -> None:
        return


def test_accepted_then_recognised(rig: Any, item: Make) -> None:
    async def scenario() -> None:
        intake = rig.intake()
        [first] = await intake.take([Raw(item())], Door())
        await intake.settle()
        [second] = await intake.take([Raw(item())], Door())
        [edited] = await intake.take([Raw(item(text="It broke twice."))], Door())
        assert (first.status, second.status) == (Status.ACCEPTED, Status.DUPLICATE)
        assert first.feedback_id == second.feedback_id
        assert edited.status is Status.ACCEPTED
        assert edited.feedback_id != first.feedback_id
        await intake.settle()

    asyncio.run(scenario())
    assert len(rig.log.records) == 2
    assert rig.metric(RECEIVED, channel="email") == 2
    assert rig.metric(DUPLICATES, channel="email", kind="exact") == 1


def test_remembered_only_after_the_acknowledgement(rig: Any, item: Make) -> None:
    async def scenario() -> None:
        rig.log.hold = True
        intake = rig.intake(deadline_s=0.05)
        [late] = await intake.take([Raw(item())], Door())
        assert late.status is Status.UNAVAILABLE
        assert "did not acknowledge within 0.05 s" in str(late.detail)
        key = rig.preparer.prepare(Raw(item()), Door()).record.id
        assert not await rig.dedupe.known([key])
        retry = asyncio.create_task(intake.take([Raw(item())], Door()))
        await asyncio.sleep(0)
        rig.log.release()
        assert _statuses(await retry) == [Status.DUPLICATE]
        await intake.settle()
        assert await rig.dedupe.known([key])

    asyncio.run(scenario())
    assert len(rig.log.records) == 1
    assert rig.metric(RECEIVED, channel="email") == 1


def test_equal_items_in_flight_are_written_once(rig: Any, item: Make) -> None:
    async def scenario() -> None:
        rig.log.hold = True
        intake = rig.intake()
        one = asyncio.create_task(intake.take([Raw(item()), Raw(item(id="2"))], Door()))
        two = asyncio.create_task(intake.take([Raw(item()), Raw(item())], Door()))
        await asyncio.sleep(0.01)
        rig.log.release()
        assert _statuses(await one) == [Status.ACCEPTED, Status.ACCEPTED]
        assert _statuses(await two) == [Status.DUPLICATE, Status.DUPLICATE]

    asyncio.run(scenario())
    assert len(rig.log.records) == 2


def test_a_bad_item_does_not_hold_up_its_neighbours(rig: Any, item: Make) -> None:
    async def scenario() -> list[Result]:
        raws = [Raw(item(id="1"), 1), Raw(b"{oops", 2), Raw(item(id="3"), 3)]
        taken: list[Result] = await rig.intake().take(raws, Door())
        return taken

    results = asyncio.run(scenario())
    assert _statuses(results) == [Status.ACCEPTED, Status.REJECTED, Status.ACCEPTED]
    assert (results[1].reason, results[1].line) == ("bad_json", 2)
    [letter] = [record for record in rig.log.records if record.topic == "dead-letters"]
    assert results[1].dead_letter == letter.id
    assert rig.metric("tocsin_events_rejected_total", channel="unknown", reason="bad_json") == 1


def test_a_repeated_bad_item_leaves_one_letter(rig: Any) -> None:
    async def scenario() -> list[Result]:
        intake = rig.intake()
        taken: list[Result] = await intake.take([Raw(b"{oops"), Raw(b"{oops")], Door())
        await intake.settle()
        taken += await intake.take([Raw(b"{oops")], Door())
        return taken

    assert _statuses(asyncio.run(scenario())) == [Status.REJECTED] * 3
    assert len(rig.log.records) == 1


def test_a_letter_that_cannot_be_written_is_unavailable(rig: Any) -> None:
    rig.log.fail_with = lambda: Transient("kafka: away")
    [result] = asyncio.run(rig.intake().take([Raw(b"{oops")], Door()))
    assert result.status is Status.UNAVAILABLE


def test_the_store_may_be_away(rig: Any, item: Make) -> None:
    rig.dedupe = Away()

    async def scenario() -> None:
        intake = rig.intake()
        for _ in range(2):
            assert _statuses(await intake.take([Raw(item())], Door())) == [Status.ACCEPTED]
            await intake.settle()

    asyncio.run(scenario())
    assert len(rig.log.records) == 2
    assert rig.log.records[0].id == rig.log.records[1].id


def test_bounds_fail_the_rest_of_a_batch_and_leave_no_claims(rig: Any, item: Make) -> None:
    async def scenario() -> None:
        intake = rig.intake()
        taken = 0

        def refuse_third() -> Exception:
            return Overloaded("3 records in flight")

        append = rig.log.append

        def bounded(record: Any) -> None:
            nonlocal taken
            taken += 1
            if taken > 2:
                raise refuse_third()
            append(record)

        rig.log.append = bounded
        raws = [Raw(item(id=str(n))) for n in range(5)]
        results = await intake.take(raws, Door())
        assert _statuses(results) == [Status.ACCEPTED] * 2 + [Status.UNAVAILABLE] * 3
        assert results[4].detail == "3 records in flight"
        rig.log.append = append
        again = await intake.take(raws, Door())
        assert _statuses(again) == [Status.DUPLICATE] * 2 + [Status.ACCEPTED] * 3

    asyncio.run(scenario())


def test_a_cancelled_request_lets_go_of_what_it_did_not_write(rig: Any, item: Make) -> None:
    class Slow(Away):
        async def known(self, _: Sequence[str]) -> frozenset[str]:
            await asyncio.sleep(60)
            return frozenset()

    rig.dedupe = Slow()

    async def scenario() -> None:
        intake = rig.intake()
        task = asyncio.create_task(intake.take([Raw(item())], Door()))
        await asyncio.sleep(0.01)
        joined = asyncio.create_task(intake.take([Raw(item())], Door()))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert _statuses(await joined) == [Status.UNAVAILABLE]
        rig.dedupe = Away()
        assert _statuses(await rig.intake().take([Raw(item())], Door())) == [Status.ACCEPTED]

    asyncio.run(scenario())


def test_a_large_batch_lets_others_through(rig: Any, item: Make) -> None:
    async def scenario() -> None:
        intake = rig.intake()
        raws = [Raw(item(id=str(n))) for n in range(SLICE * 10)]
        large = asyncio.create_task(intake.take(raws, Door()))
        await asyncio.sleep(0)
        small = await intake.take([Raw(item(id="small"))], Door())
        assert not large.done()
        assert _statuses(small) == [Status.ACCEPTED]
        assert set(_statuses(await large)) == {Status.ACCEPTED}

    asyncio.run(scenario())
