"""(e): deadlines that pass while workers and Redis die are met once, late, with their own time."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import redis

from tests.chaos import deadlines
from tests.chaos.conftest import Rigs
from tests.chaos.findings import Finding
from tests.chaos.history import History
from tests.chaos.rig import Size

pytestmark = [pytest.mark.integration, pytest.mark.chaos]

SPEEDUP = 600.0
"""Fifteen minutes of policy are 1.5 s: the ladder of a critical case is climbed in 13.5 s."""

GRACE_MS = int(15 * 1_000 * SPEEDUP)
"""How late a timer may be when the workers are stopped: 15 real seconds."""


def none_missed(history: History, stopped_ms: int) -> Iterator[Finding]:
    """No deadline was forgotten."""
    return deadlines.overdue(history, stopped_ms, GRACE_MS)


def test_timers_fire_once_through_kills(rigs: Rigs, size: Size) -> None:
    epoch_ms = int(time.time() * 1000)
    events = min(size.events // 10, 1_500)
    with rigs(clock__speedup=SPEEDUP, clock__epoch_ms=epoch_ms) as rig:
        rig.send(events, rate=events / 5.0)
        rig.wait_fired(10, "the start")
        for number in range(size.bounces):
            (worker,) = rig.stack.of("escalation")
            began = rig.kill(worker)
            rig.wait_fired(10, "kill -9 of the escalation worker")
            rig.say(f"timers fire again after {time.monotonic() - began:.1f} s")
            if number % 2:
                began = rig.terminate(worker)
                rig.wait_fired(10, "SIGTERM of the escalation worker")
                rig.say(f"timers fire again after {time.monotonic() - began:.1f} s")
        rig.judge(more=none_missed)


def test_timers_survive_redis_in_silence(rigs: Rigs, size: Size) -> None:
    """No feedback comes in any more; Redis forgets everything; the deadlines are met all the same."""
    epoch_ms = int(time.time() * 1000)
    with rigs(clock__speedup=SPEEDUP, clock__epoch_ms=epoch_ms) as rig:
        load = rig.send(200, rate=200.0)
        load.finish(60.0)
        rig.wait_settled()
        rig.wait_fired(10, "the start")
        with redis.Redis.from_url(rigs.redis.url) as client:
            client.flushall()
        began = time.monotonic()
        rig.wait_fired(10, "FLUSHALL, with no feedback coming in")
        rig.say(f"timers fire again after {time.monotonic() - began:.1f} s")
        rigs.redis.kill()
        rigs.redis.start()
        began = time.monotonic()
        rig.wait_fired(10, "kill -9 of Redis")
        rig.say(f"timers fire again after {time.monotonic() - began:.1f} s")
        rig.judge(more=none_missed)
