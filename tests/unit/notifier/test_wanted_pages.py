"""No page is thought stale that the case asks for, whatever happens to it."""

from __future__ import annotations

import asyncio
from random import Random

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from services.notifier.domain.people import PAGES
from services.notifier.guards import StillWanted
from services.notifier.standing import now_of
from shared.events import Cause, NotificationKind, Severity
from tests.unit.escalation.world import World
from tests.unit.notifier.courier_rig import FakeStanding
from tests.unit.notifier.test_plan_pages import HOLDING, steps
from tests.unit.notifier.world import notification


@settings(deadline=None)
@given(st.integers(0, 2**32))
def test_every_page_is_wanted_when_it_is_planned(seed: int) -> None:
    chance, world = Random(seed), World(HOLDING)
    world.feed(chance.choice(list(Severity)), thread="t1")
    for _ in range(20):
        steps(world, chance)
    for one in world.log:
        if one.case is None or one.kind not in PAGES:
            continue
        page = notification(1, kind=NotificationKind.PAGE, epoch=one.epoch)
        page = msgspec.structs.replace(page, case_id=one.case_id)
        guard = StillWanted("s", FakeStanding({one.case_id: now_of(one.case)}), lambda: 0.0)
        assert asyncio.run(guard.stale([page])) == frozenset(), (one.kind, one.cause)
        assert one.cause is not Cause.FOLLOW_UP_OVERDUE or now_of(one.case).owes
