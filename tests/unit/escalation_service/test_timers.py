from __future__ import annotations

import pytest

from services.escalation.timers import HOLD_S, JUMP_S, JumpGuard

EPOCH_S = 1_750_000_000.0


class Clocks:
    """Both clocks of a machine."""

    def __init__(self) -> None:
        self.guard = JumpGuard()
        self.wall = EPOCH_S
        self.monotonic = 100.0

    def pass_(self, seconds: float) -> bool:
        self.wall += seconds
        self.monotonic += seconds
        return self.guard.may_fire(int(self.wall * 1000), self.monotonic)

    def jump(self, seconds: float) -> bool:
        self.wall += seconds
        return self.pass_(0.1)


@pytest.fixture
def clocks() -> Clocks:
    made = Clocks()
    assert made.pass_(0)
    return made


def test_time_that_passes_is_no_jump(clocks: Clocks) -> None:
    assert all(clocks.pass_(seconds) for seconds in (0.1, 59, 61, 3600, 86_400))


@pytest.mark.parametrize("step", [JUMP_S - 1, -JUMP_S + 1, 0.5])
def test_small_corrections_are_borne(clocks: Clocks, step: float) -> None:
    assert clocks.jump(step)


@pytest.mark.parametrize("step", [JUMP_S + 1, -JUMP_S - 1, 86_400, -86_400])
def test_a_jump_holds_timers_for_a_while_and_then_is_the_truth(clocks: Clocks, step: float) -> None:
    assert not clocks.jump(step)
    assert not clocks.pass_(HOLD_S - 1)
    assert clocks.pass_(1.1)
    assert clocks.pass_(1)


def test_a_jump_that_is_taken_back_holds_no_longer(clocks: Clocks) -> None:
    assert not clocks.jump(3600)
    assert clocks.jump(-3600)


def test_each_jump_is_held_anew(clocks: Clocks) -> None:
    for step in (3600, -7200, 100):
        assert not clocks.jump(step)
        assert clocks.pass_(HOLD_S + 0.1)


def test_a_jump_after_one_was_taken_back_has_its_own_time(clocks: Clocks) -> None:
    assert not clocks.jump(3600)
    assert not clocks.pass_(HOLD_S - 1)
    assert clocks.jump(-3600)
    assert not clocks.jump(3600)
    assert not clocks.pass_(HOLD_S - 1)


def test_a_process_that_was_frozen_has_not_jumped(clocks: Clocks) -> None:
    assert clocks.pass_(12 * 3600)
