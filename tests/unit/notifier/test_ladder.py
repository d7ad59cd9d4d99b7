"""When a notification is tried again."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from services.notifier.domain.ladder import (
    LEAST_ATTEMPTS,
    LEAST_S,
    MOST_S,
    SPREAD,
    STEPS_S,
    next_delay,
)

TWO_DAYS_S = 172_800.0
JITTER = st.floats(0, 1, exclude_max=True)


def test_the_steps_are_those_of_the_design() -> None:
    waits = [next_delay(attempt, 0.0, TWO_DAYS_S, 0.0) for attempt in range(1, 10)]
    assert waits == [5, 30, 120, 600, 1_800, 7_200, 21_600, 43_200, 86_400]
    assert next_delay(10, 0.0, TWO_DAYS_S, 0.0) == 86_400


def test_it_is_given_up_when_the_next_attempt_would_be_too_late() -> None:
    assert next_delay(9, TWO_DAYS_S - 86_400.0, TWO_DAYS_S, 0.0) == 86_400
    assert next_delay(9, TWO_DAYS_S - 86_399.0, TWO_DAYS_S, 0.0) is None


def test_what_waited_for_the_notifier_is_tried_all_the_same() -> None:
    old = 30 * 86_400.0
    tried = [next_delay(attempt, old, TWO_DAYS_S, 0.0) for attempt in range(1, LEAST_ATTEMPTS + 1)]
    assert tried == [5, 30, 120, None]


def test_retry_after_takes_the_place_of_the_step() -> None:
    assert next_delay(1, 0.0, TWO_DAYS_S, 0.0, 90.0) == 90
    assert next_delay(6, 0.0, TWO_DAYS_S, 0.0, 90.0) == 90
    assert next_delay(1, 0.0, TWO_DAYS_S, 0.0, 0.0) == LEAST_S
    assert next_delay(1, 0.0, 1e9, 0.0, 1e8) == MOST_S


@given(
    attempt=st.integers(1, 40),
    age=st.floats(0, 1e7),
    jitter=JITTER,
    asked=st.none() | st.floats(0, 1e9, allow_nan=False),
)
def test_a_wait_is_within_bounds_and_never_passes_the_limit(
    attempt: int, age: float, jitter: float, asked: float | None
) -> None:
    wait = next_delay(attempt, age, TWO_DAYS_S, jitter, asked)
    if wait is None:
        assert attempt >= LEAST_ATTEMPTS
        return
    assert LEAST_S <= wait <= MOST_S * (1 + SPREAD)
    assert attempt < LEAST_ATTEMPTS or age + wait <= TWO_DAYS_S


@given(jitter=JITTER, attempt=st.integers(1, len(STEPS_S)))
def test_jitter_only_makes_it_longer(jitter: float, attempt: int) -> None:
    wait = next_delay(attempt, 0.0, math.inf, jitter)
    assert wait is not None
    assert STEPS_S[attempt - 1] <= wait < STEPS_S[attempt - 1] * (1 + SPREAD) + 1e-6
