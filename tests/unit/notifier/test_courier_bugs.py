"""What a courier does with a sink that has a bug."""

from __future__ import annotations

import asyncio

import pytest

from services.notifier import attempts
from services.notifier.domain import ladder
from services.notifier.domain.ladder import LEAST_ATTEMPTS
from services.notifier.ports import Result
from shared.events import DeliveryStatus, Notification
from tests.unit.notifier.courier_rig import P0, FakeSink, Rig, play
from tests.unit.notifier.world import notification


@pytest.mark.parametrize("error", [KeyError("hush"), asyncio.CancelledError("hush")])
def test_a_bug_that_stays_parks_its_notification_and_the_lane_goes_on(
    error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ladder, "STEPS_S", (0.0, 0.0, 0.0))

    class Broken(FakeSink):
        async def deliver(self, notification: Notification) -> Result:
            if notification.notification_id == "n1":
                self.tried.append("n1")
                raise error
            return await super().deliver(notification)

    async def scenario(rig: Rig) -> None:
        rig.use(Broken(rig.story))
        rig.hears(notification(1, 1), notification(2, 1))
        await rig.until(lambda: rig.feed.low == {P0: 2})
        assert rig.sink.tried == ["n1"] * LEAST_ATTEMPTS + ["n2"]

    rig = play(scenario, concurrency=1)
    assert rig.ended() == {"n1": DeliveryStatus.PARKED, "n2": DeliveryStatus.DELIVERED}
    assert rig.ledger.parked == [("n1", f"a bug of the sink: {type(error).__name__}")]


def test_a_bug_of_a_sink_concerns_one_notification() -> None:
    class Broken(FakeSink):
        async def deliver(self, notification: Notification) -> Result:
            if notification.notification_id == "n1" and not self.tried:
                self.tried.append("n1")
                raise KeyError("x")
            return await super().deliver(notification)

    async def scenario(rig: Rig) -> None:
        rig.use(Broken(rig.story))
        rig.hears(notification(1), notification(2))
        await rig.until(lambda: "n2" in rig.ended())
        assert rig.feed.low == {P0: 0}

    play(scenario)


def test_a_sink_that_never_comes_back_holds_its_lane_up_for_a_while_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ladder, "STEPS_S", (0.0, 0.0, 0.0))
    monkeypatch.setattr(attempts, "HANGS_S", 0.01)

    class Hanging(FakeSink):
        async def deliver(self, notification: Notification) -> Result:
            if not self.tried:
                self.tried.append(notification.notification_id)
                await asyncio.Event().wait()
            return await super().deliver(notification)

    async def scenario(rig: Rig) -> None:
        rig.use(Hanging(rig.story))
        rig.hears(notification(1, 1), notification(2, 1))
        await rig.until(lambda: rig.feed.low == {P0: 2})
        assert rig.sink.tried == ["n1", "n1", "n2"]

    play(scenario, concurrency=1)


def test_a_sink_that_does_not_close_is_left_all_the_same() -> None:
    class Stuck(FakeSink):
        async def close(self) -> None:
            raise OSError("the connection is gone")

    async def scenario(rig: Rig) -> None:
        rig.use(Stuck(rig.story))
        rig.hears(notification(1, 1))
        await rig.until(lambda: rig.feed.low == {P0: 1})

    assert play(scenario).feed.stopped
