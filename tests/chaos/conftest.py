"""Brokers of the chaos tests' own: they are killed, so nobody else may depend on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from deploy.embedded.kafka import EmbeddedKafka
from deploy.embedded.redis import EmbeddedRedis
from tests import services
from tests.chaos.rig import Rig, Size
from tests.services import started


@pytest.fixture(scope="session")
def own_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedKafka]:
    """A broker that may be killed."""
    broker = started(services.kafka(tmp_path_factory.mktemp("chaos-kafka")))
    yield broker
    broker.stop()


@pytest.fixture(scope="session")
def own_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    """A Redis that may be killed."""
    server = started(services.redis(tmp_path_factory.mktemp("chaos-redis")))
    yield server
    server.stop()


@pytest.fixture
def brokers(
    own_kafka: EmbeddedKafka, own_redis: EmbeddedRedis
) -> tuple[EmbeddedKafka, EmbeddedRedis]:
    """Both, up: a scenario that failed may have left one dead."""
    own_kafka.resume()
    own_redis.resume()
    return own_kafka.start(), own_redis.start()


class Rigs:
    """Makes rigs with the numbers of workers and settings that a scenario wants."""

    def __init__(self, folder: Path, kafka: EmbeddedKafka, redis: EmbeddedRedis) -> None:
        self._folder = folder
        self.kafka = kafka
        self.redis = redis

    def __call__(
        self,
        each: int = 1,
        *,
        escalation: int | None = None,
        environ: Mapping[str, Mapping[str, str]] | None = None,
        **settings: str | float,
    ) -> Rig:
        """Return a rig.

        Args:
            each: processes per service.
            escalation: those of the escalation, when they are not as many.
            environ: further environment by the name of the worker.
            settings: as ``clock__speedup=60``.
        """
        workers = dict.fromkeys(("ingest", "classifier", "escalation"), each)
        workers["escalation"] = escalation or each
        folder = self._folder / "stack"
        return Rig(folder, self.kafka, self.redis, workers, dict(settings), environ or {})


@pytest.fixture
def rigs(tmp_path: Path, brokers: tuple[EmbeddedKafka, EmbeddedRedis]) -> Rigs:
    """Return the maker of rigs for this test."""
    return Rigs(tmp_path, *brokers)


@pytest.fixture(scope="session")
def size() -> Size:
    """Return how much to do."""
    return Size.from_environ()
