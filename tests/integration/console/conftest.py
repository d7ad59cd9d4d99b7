"""One installation with its processes for all tests of this folder: starting it takes seconds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.console.rig import House
from tests.services import Installation


@pytest.fixture(scope="session")
def house(
    kafka_bootstrap: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    """Return a console and an escalation worker that are ready."""
    made = House(Installation(kafka_bootstrap, redis_url), tmp_path_factory.mktemp("house"))
    try:
        yield made.start()
    finally:
        made.close()
