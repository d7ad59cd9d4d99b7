"""The broker dies under a worker and comes back."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from shared.errors import Exit
from tests import services
from tests.integration.streams.conftest import Bench, assert_exactly
from tests.services import Installation, started, wait_for

pytestmark = pytest.mark.integration

SETTINGS: dict[str, str | int | float | bool] = {"streams.max_records": 100}


@pytest.mark.parametrize("down_s", [0.0, 12.0], ids=["short", "longer than the session"])
def test_broker_kill_9_and_back(tmp_path: Path, down_s: float) -> None:
    """The worker may end (a supervisor starts it again) or go on; either way within seconds."""
    with started(services.kafka(tmp_path / "kafka")) as broker:
        bench = Bench(Installation(broker.bootstrap, "redis://127.0.0.1:1/0"), tmp_path)
        bench.create("in", "out", "dead")
        written: list[tuple[bytes, bytes]] = []
        feeder = threading.Thread(
            target=lambda: written.extend(bench.produce("in", 4_000, pace=0.003)), daemon=True
        )
        supervisor = Supervisor(bench)
        try:
            feeder.start()
            supervisor.start()
            for count in (500, 1_500):
                bench.wait_out(count)
                broker.kill()
                back = time.monotonic() + down_s
                wait_for(lambda back=back: time.monotonic() >= back, "time passes")  # type: ignore[misc]
                broker.start()
                up, before = time.monotonic(), len(bench.read())
                bench.wait_out(min(before + 200, 4_000), 45.0)
                print(f"records flow again {time.monotonic() - up:.1f} s after the broker is back")
            feeder.join(90)
            assert_exactly(bench.wait_out(4_000, 90), written)
        finally:
            supervisor.stop()
    assert supervisor.codes <= {Exit.FENCED}


class Supervisor:
    """Keeps one relay running, as the stack does."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.codes: set[int] = set()

    def start(self) -> None:
        """Start the relay and watch it."""
        self._thread.start()

    def stop(self) -> None:
        """Stop watching and kill the relay."""
        self._stop.set()
        self._thread.join(10)
        for relay in self._bench.relays:
            relay.process.kill()

    def _run(self) -> None:
        while not self._stop.is_set():
            relay = self._bench.start(slow_s=0.02, settings=SETTINGS, ready=False)
            while not self._stop.wait(0.1):
                if not relay.process.alive:
                    self.codes.add(relay.process.returncode or 0)
                    break
