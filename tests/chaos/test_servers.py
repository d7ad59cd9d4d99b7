"""(c), (d): Redis forgets or dies, the broker dies and comes back."""

from __future__ import annotations

import time

import pytest
import redis

from deploy.embedded.redis import EmbeddedRedis
from tests.chaos.conftest import Rigs
from tests.chaos.rig import Size
from tests.services import wait_for

pytestmark = [pytest.mark.integration, pytest.mark.chaos]


def flush(server: EmbeddedRedis) -> None:
    with redis.Redis.from_url(server.url) as client:
        client.flushall()


def test_redis_that_forgets_or_dies_costs_nothing(rigs: Rigs, size: Size) -> None:
    with rigs() as rig:
        load = rig.send(size.events, size.rate)
        faults = max(3, size.bounces)
        for number in range(faults):
            rig.wait_progress(0.1 + 0.8 * number / faults)
            began = time.monotonic()
            if number % 3 == 0:
                fault = "Redis FLUSHALL"
                flush(rigs.redis)
            elif number % 3 == 1:
                fault = "Redis kill -9 and back"
                rigs.redis.kill()
                rigs.redis.start()
            else:
                fault = "FLUSHALL and kill -9 of escalation"
                flush(rigs.redis)
                rig.kill(rig.stack.of("escalation")[0])
            rig.say(fault)
            if load.running:
                rig.recover(f"{fault} #{number}", began)
        rig.wait_ready()
        report = rig.judge()
    assert report.figures["accepted"] == size.events


def test_broker_kill_9_and_back(rigs: Rigs, size: Size) -> None:
    """While it is away nothing is accepted and senders are told so; what was accepted is there."""
    with rigs() as rig:
        load = rig.send(size.events, size.rate)
        for number in range(max(1, size.bounces // 3)):
            rig.wait_progress(0.2 + 0.6 * number / size.bounces)
            assert load.running, "the load is over before the faults are"
            rig.say("kill -9 of the broker")
            rigs.kafka.kill()
            dead = time.monotonic()
            before = len(load.answers)
            wait_for(
                lambda before=before: [  # type: ignore[misc]
                    answer for answer in load.answers[before:] if answer.status == 503
                ],
                "ingest answers 503 while the broker is away",
                30.0,
            )
            false = [
                answer
                for answer in load.answers
                if answer.began > dead and answer.status in {200, 202}
            ]
            assert not false, f"accepted without a broker: {false}"
            back = time.monotonic()
            rigs.kafka.start()
            up = time.monotonic()
            rig.say(f"the broker was away for {up - dead:.1f} s, its start took {up - back:.1f} s")
            if load.running:
                rig.recover(f"broker kill -9 #{number}", up)
        rig.wait_ready()
        report = rig.judge()
    assert report.figures["accepted"] == size.events
