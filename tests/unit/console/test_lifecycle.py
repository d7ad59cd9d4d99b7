"""What ``/readyz`` says while Kafka or Redis is away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry

from services.console import lifecycle
from services.console.lifecycle import Health
from shared.errors import Misconfigured, Transient
from shared.metrics import Metrics


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "RETRY_S", 0.001)
    monkeypatch.setattr(lifecycle, "CHECK_S", 0.001)


def failing(times: int) -> Callable[[], None]:
    """Return a check that fails so often and is well then."""
    left = [Transient(f"away {n}") for n in range(times)]

    def check() -> None:
        if left:
            raise left.pop()

    return check


def test_kafka_is_waited_for_until_its_topics_were_seen() -> None:
    async def main() -> None:
        health = Health(Metrics(CollectorRegistry()))
        assert health.kafka() == "waiting for Kafka"
        await asyncio.wait_for(health.watch_topics(failing(3)), 10.0)
        assert health.kafka() is None

    asyncio.run(main())


def test_topics_that_are_wrong_end_the_watch() -> None:
    def wrong() -> None:
        raise Misconfigured("kafka.partitions is 3, but there are 2")

    async def main() -> None:
        health = Health(Metrics(CollectorRegistry()))
        with pytest.raises(Misconfigured):
            await asyncio.wait_for(health.watch_topics(wrong), 10.0)
        assert health.kafka() == "waiting for Kafka"

    asyncio.run(main())


def test_redis_is_watched_for_ever() -> None:
    async def main() -> None:
        metrics = Metrics(CollectorRegistry())
        health = Health(metrics)
        seen: list[tuple[str | None, float | None]] = []
        ended = asyncio.Event()
        outcomes = [True, False, True]

        def check() -> None:
            up = metrics.registry.get_sample_value("tocsin_redis_up")
            seen.append((health.redis(), up))
            if len(seen) > len(outcomes):
                loop.call_soon_threadsafe(ended.set)
            elif not outcomes[len(seen) - 1]:
                raise Transient("away")

        loop = asyncio.get_running_loop()
        watch = asyncio.create_task(health.watch_view(check))
        await asyncio.wait_for(ended.wait(), 10.0)
        watch.cancel()
        waiting = "waiting for Redis"
        assert seen[:4] == [(waiting, 0.0), (None, 1.0), (waiting, 0.0), (None, 1.0)]

    asyncio.run(main())
