"""Percentiles and medians."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Latency:
    """Milliseconds of `count` events; `lost` never came."""

    count: int
    lost: int
    p50: float
    p99: float
    worst: float


def latency(milliseconds: Iterable[float], expected: int) -> Latency:
    """Sum up what arrived of `expected` events."""
    ordered = sorted(milliseconds)
    return Latency(
        len(ordered),
        expected - len(ordered),
        percentile(ordered, 0.5),
        percentile(ordered, 0.99),
        ordered[-1] if ordered else math.nan,
    )


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the nearest-rank percentile; NaN of nothing."""
    if not ordered:
        return math.nan
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def median(values: Iterable[float]) -> float:
    """Return the median; NaN of nothing."""
    found = list(values)
    return statistics.median(found) if found else math.nan


def middle(found: Sequence[Latency]) -> Latency:
    """Return the medians of p50 and p99 over the rounds, the sums of counts, the worst of all."""
    return Latency(
        sum(one.count for one in found),
        sum(one.lost for one in found),
        median(one.p50 for one in found),
        median(one.p99 for one in found),
        max((one.worst for one in found), default=math.nan),
    )
