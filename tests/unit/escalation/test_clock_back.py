"""The wall clock was hours ahead and is set right: nothing begins in the future, no clock runs back."""

from __future__ import annotations

import pytest

from services.escalation.domain.policy import HOUR
from shared.events import ClockChangeKind, CommandKind, Severity
from tests.unit.escalation.world import World

WORK = (CommandKind.REPLY, CommandKind.WAIT, CommandKind.RESOLVE, CommandKind.COMMUNICATE)


@pytest.mark.parametrize("first", range(len(WORK)))
@pytest.mark.parametrize("severity", [Severity.CRITICAL, Severity.HIGH, Severity.LOW])
def test_work_on_a_case_that_was_opened_in_the_future(first: int, severity: Severity) -> None:
    world = World()
    world.feed(severity)
    ahead = len(world.log)
    world.now -= 3 * HOUR
    for kind in WORK[first:]:
        world.command(kind, on="customer")
        world.poll()
    world.run(5 * HOUR)
    for event in world.log[ahead:]:
        assert event.at <= event.recorded_at
        for change in event.clocks:
            assert (change.elapsed_ms or 0) >= 0
            if change.change is ClockChangeKind.ACTIVATED:
                assert change.at <= event.recorded_at
