"""The circuit breaker, against rules that hold in every history."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.notifier.domain.breaker import (
    COOL_DOWN_S,
    FAULTS,
    MOST_COOL_DOWN_S,
    Breaker,
    begun,
    ended,
    may_pass,
)


def opened(now: float = 0.0) -> Breaker:
    state = Breaker()
    for _ in range(FAULTS):
        assert may_pass(state, now)
        state = ended(begun(state), True, now, probe=False)
    return state


def test_it_opens_after_so_many_faults_in_a_row() -> None:
    state = opened()
    assert not state.closed
    assert not may_pass(state, COOL_DOWN_S - 0.01)
    assert may_pass(state, COOL_DOWN_S)


def test_a_success_between_faults_keeps_it_closed() -> None:
    state = Breaker()
    for number in range(FAULTS * 4):
        state = ended(begun(state), number % FAULTS != 0, 0.0, probe=False)
    assert state.closed


def test_half_open_lets_one_probe_pass() -> None:
    state = begun(opened())
    assert state.probing
    assert not may_pass(state, 1e9)


def test_a_probe_that_succeeds_closes_it() -> None:
    state = ended(begun(opened()), False, COOL_DOWN_S, probe=True)
    assert state == Breaker()


def test_a_probe_that_fails_opens_it_for_longer_up_to_a_bound() -> None:
    state, now, waits = opened(), 0.0, []
    for _ in range(8):
        assert state.until is not None
        waits.append(state.until - now)
        now = state.until
        state = ended(begun(state), True, now, probe=True)
    assert waits == sorted(waits)
    assert waits[0] == COOL_DOWN_S
    assert waits[1] > waits[0]
    assert waits[-1] == MOST_COOL_DOWN_S


def test_what_began_before_it_opened_changes_nothing_by_failing() -> None:
    state = opened()
    assert ended(state, True, 3.0, probe=False) == state
    assert ended(begun(state), True, 3.0, probe=False).probing


def test_any_answer_of_the_target_closes_it() -> None:
    assert ended(opened(), False, 1.0, probe=False).closed


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 30), st.booleans()), max_size=60))
def test_in_every_history_at_most_one_attempt_is_out_while_it_is_not_closed(
    steps: list[tuple[bool, float, bool]],
) -> None:
    state, now = Breaker(), 0.0
    out: list[bool] = []  # attempts under way: whether each is the probe
    faults = 0
    for start, wait, fault in steps:
        now += wait
        if start and may_pass(state, now):
            probe = not state.closed
            assert not (probe and any(out))
            state = begun(state)
            out.append(probe)
        elif out:
            state = ended(state, fault, now, probe=out.pop(0))
            faults = faults + 1 if fault else 0
            assert fault or state.closed
            assert state.closed or faults >= FAULTS
