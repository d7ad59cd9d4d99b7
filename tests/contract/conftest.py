"""A real Redis for the suites that hold stores against it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from deploy.embedded.redis import EmbeddedRedis
from deploy.embedded.service import StartError


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    try:
        server = EmbeddedRedis(tmp_path_factory.mktemp("redis")).start()
    except (StartError, OSError) as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no redis: {error}")
    yield server
    server.stop()
