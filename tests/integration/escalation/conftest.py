"""One installation with an escalation worker for all tests of this folder that only use it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.escalation.rig import Office
from tests.services import Installation


@pytest.fixture(scope="module")
def office(
    kafka_bootstrap: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Office]:
    """Return an escalation worker that is ready."""
    made = Office(Installation(kafka_bootstrap, redis_url), tmp_path_factory.mktemp("office"))
    try:
        yield made.start()
    finally:
        made.close()
