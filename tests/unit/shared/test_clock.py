from __future__ import annotations

import time

import pytest

from shared.clock import Clock, ManualClock, SystemClock

EPOCH = 1_750_000_000_000


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Return the machine's time, to be moved by the test: seconds."""
    now = {"wall": EPOCH / 1000, "monotonic": 50.0}
    monkeypatch.setattr(time, "time_ns", lambda: int(now["wall"] * 1000) * 1_000_000)
    monkeypatch.setattr(time, "monotonic", lambda: now["monotonic"])
    return now


def test_the_machine_s_clock_is_milliseconds_utc(real: dict[str, float]) -> None:
    clock = SystemClock()
    assert clock.now_ms() == EPOCH
    assert clock.monotonic() == 50.0
    assert clock.real_seconds(1_500) == 1.5


def test_policy_time_runs_faster_from_the_epoch_on(real: dict[str, float]) -> None:
    clock = SystemClock(speedup=60.0, epoch_ms=EPOCH)
    assert clock.now_ms() == EPOCH
    real["wall"] += 10
    assert clock.now_ms() == EPOCH + 600_000


def test_speedup_holds_for_both_clocks_alike(real: dict[str, float]) -> None:
    clock = SystemClock(speedup=60.0, epoch_ms=EPOCH)
    before = clock.now_ms() / 1000 - clock.monotonic()
    real["wall"] += 10
    real["monotonic"] += 10
    assert clock.now_ms() / 1000 - clock.monotonic() == pytest.approx(before)


def test_policy_spans_are_short_in_reality() -> None:
    assert SystemClock(speedup=60.0, epoch_ms=EPOCH).real_seconds(60_000) == 1.0


def test_processes_of_one_run_agree(real: dict[str, float]) -> None:
    real["wall"] += 123.456
    one, other = (SystemClock(speedup=7.0, epoch_ms=EPOCH) for _ in range(2))
    assert one.now_ms() == other.now_ms()


def test_a_manual_clock_stands_still() -> None:
    clock: Clock = ManualClock(EPOCH)
    assert [clock.now_ms(), clock.now_ms()] == [EPOCH, EPOCH]
    assert clock.monotonic() == 0.0
    assert clock.real_seconds(2_000) == 2.0


def test_a_manual_clock_advances_both_and_jumps_one() -> None:
    clock = ManualClock(EPOCH)
    clock.advance(1.5)
    assert (clock.now_ms(), clock.monotonic()) == (EPOCH + 1_500, 1.5)
    clock.jump(3600)
    assert (clock.now_ms(), clock.monotonic()) == (EPOCH + 3_601_500, 1.5)
    clock.jump(-7200)
    assert (clock.now_ms(), clock.monotonic()) == (EPOCH - 3_598_500, 1.5)
