"""Fixtures of all tests: real servers, one per run, and an installation of its own per test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import services
from tests.services import Installation


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that all processes of this pytest run have in common, and no other run."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base


@pytest.fixture(scope="session")
def kafka_bootstrap(run_folder: Path) -> Iterator[str]:
    """Address of the broker of this run, or of ``KAFKA_BOOTSTRAP_SERVERS``."""
    if given := os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        yield given
        return
    with services.shared_server(
        run_folder / "shared-kafka", services.kafka, lambda server: server.bootstrap
    ) as bootstrap:
        yield bootstrap


@pytest.fixture(scope="session")
def redis_url(run_folder: Path) -> Iterator[str]:
    """URL of the Redis of this run, or ``REDIS_URL``."""
    if given := os.environ.get("REDIS_URL"):
        yield given
        return
    with services.shared_server(
        run_folder / "shared-redis", services.redis, lambda server: server.url
    ) as url:
        yield url


@pytest.fixture
def installation(kafka_bootstrap: str, redis_url: str) -> Installation:
    """Return a fresh topic prefix and Redis namespace on the servers of this run."""
    return Installation(kafka_bootstrap, redis_url)
