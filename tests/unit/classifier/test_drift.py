"""The population stability index against a slow reference, and its windows."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.classifier.drift import BINS, Window, shares, stability

EVEN = [1 / BINS] * BINS
VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=60)


def _slow_shares(values: list[float]) -> list[float]:
    """Count value by value: bin ``k`` holds ``k/10 <= value < (k+1)/10``, the last one 1 too."""
    return [
        sum(1 for value in values if min(math.floor(value * 10), 9) == k) / len(values)
        for k in range(10)
    ]


def _slow_index(live: list[float], reference: list[float]) -> float:
    total = 0.0
    for p, q in zip(live, reference, strict=True):
        some, other = max(p, 0.001), max(q, 0.001)
        total += (some - other) * (math.log(some) - math.log(other))
    return total


@settings(max_examples=200, deadline=None)
@given(VALUES)
def test_shares(values: list[float]) -> None:
    assert shares(values) == pytest.approx(_slow_shares(values))
    assert sum(shares(values)) == pytest.approx(1.0)


def test_no_values_have_no_shares() -> None:
    assert shares([]) == [0.0] * BINS


@settings(max_examples=200, deadline=None)
@given(VALUES, VALUES)
def test_the_index(live: list[float], reference: list[float]) -> None:
    p, q = shares(live), shares(reference)
    assert stability(p, q) == pytest.approx(_slow_index(p, q), abs=1e-9)
    assert stability(p, q) == pytest.approx(stability(q, p), abs=1e-9)
    assert stability(p, q) >= -1e-12
    assert stability(p, p) == 0.0


def test_the_usual_thresholds_part_the_same_from_another() -> None:
    slightly = [0.12, 0.08, *EVEN[2:]]
    assert stability(slightly, EVEN) < 0.1
    assert stability([0.5, 0.3, 0.2, *[0.0] * 7], EVEN) > 0.25


@settings(max_examples=100, deadline=None)
@given(st.lists(VALUES, max_size=8), st.integers(1, 25))
def test_a_window_speaks_when_it_is_full_and_begins_anew(
    batches: list[list[float]], size: int
) -> None:
    window = Window(EVEN, size)
    seen: list[float] = []
    for batch in batches:
        full = (len(seen) + len(batch)) // size
        before = len(seen) // size
        seen += batch
        index = window.add(batch)
        assert (index is not None) == (full > before)
        if index is not None:
            last = seen[(full - 1) * size : full * size]
            assert index == pytest.approx(_slow_index(_slow_shares(last), EVEN), abs=1e-9)
