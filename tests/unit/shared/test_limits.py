from __future__ import annotations

from services.ingest.registry import Source
from shared.clock import ManualClock
from shared.limits import Limits

SOURCE = Source(provider="x", rate=10.0, burst=20)


def test_a_burst_then_the_rate() -> None:
    clock = ManualClock()
    limits = Limits(clock.monotonic)
    assert limits.wait_s("a", SOURCE) == 0
    limits.charge("a", SOURCE, 20)
    assert 0 < limits.wait_s("a", SOURCE) <= 0.1
    clock.advance(0.2)
    assert limits.wait_s("a", SOURCE) == 0


def test_a_large_request_is_let_in_and_paid_for_afterwards() -> None:
    clock = ManualClock()
    limits = Limits(clock.monotonic)
    limits.charge("a", SOURCE, 120)
    assert 10.0 <= limits.wait_s("a", SOURCE) <= 10.2
    clock.advance(10.2)
    assert limits.wait_s("a", SOURCE) == 0


def test_sources_do_not_pay_for_one_another_and_nothing_is_saved_up_beyond_the_burst() -> None:
    clock = ManualClock()
    limits = Limits(clock.monotonic)
    limits.charge("a", SOURCE, 1_000)
    assert limits.wait_s("b", SOURCE) == 0
    clock.advance(1e6)
    limits.charge("a", SOURCE, 20)
    assert limits.wait_s("a", SOURCE) > 0
