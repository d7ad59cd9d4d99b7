"""The broker dies under a worker and comes back."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests import services
from tests.integration.streams.conftest import Bench, assert_exactly
from tests.services import Installation, started, wait_for

pytestmark = pytest.mark.integration


def test_broker_kill_9_and_back(tmp_path: Path) -> None:
    with started(services.kafka(tmp_path / "kafka")) as broker:
        bench = Bench(Installation(broker.bootstrap, "redis://127.0.0.1:1/0"), tmp_path)
        bench.create("in", "out", "dead")
        written: list[tuple[bytes, bytes]] = []
        feeder = threading.Thread(
            target=lambda: written.extend(bench.produce("in", 4_000, pace=0.003))
        )
        try:
            relay = bench.start(slow_s=0.02, settings={"streams.max_records": 100})
            feeder.start()
            for count in (500, 1_500):
                bench.wait_out(count)
                broker.kill()
                broker.start()
            feeder.join(90)
            found = bench.wait_out(4_000, 90)
            assert_exactly(found, written)
            wait_for(lambda: relay.ready or not relay.process.alive, "ready again")
            assert relay.process.alive, relay.process.log_tail()
        finally:
            for one in bench.relays:
                one.process.kill()
