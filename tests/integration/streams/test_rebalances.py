"""Rebalances: equal partition numbers stay together, nothing is lost, nothing comes twice."""

from __future__ import annotations

import random
import re
import threading
import time
import urllib.request

import pytest

from shared.errors import Exit
from tests.integration.streams.conftest import Bench, Benches, assert_exactly
from tests.services import wait_for

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("workers", [1, 2, 3, 4, 5])
def test_equal_partition_numbers_go_to_the_same_worker(benches: Benches, workers: int) -> None:
    bench = benches(4, ["in", "in2", "out", "dead"])
    relays = [bench.start(str(slot), inputs=["in", "in2"], ready=False) for slot in range(workers)]
    for relay in relays:
        wait_for(lambda relay=relay: relay.ready, f"ready; {relay.log}", 60)  # type: ignore[misc]

    def shared_out() -> bool:
        owned = [number for relay in relays for number in _owned(relay.port)["in"]]
        return sorted(owned) == list(range(4))

    wait_for(shared_out, "every partition has one owner", 60)
    written = bench.produce("in", 2_000) + bench.produce("in2", 2_000)
    found = bench.wait_out(len(written))
    assert_exactly([r for r in found if r.origin.endswith(".in")], written[:2_000])
    assert_exactly([r for r in found if r.origin.endswith(".in2")], written[2_000:])
    for relay in relays:
        owned = _owned(relay.port)
        assert owned["in"] == owned["in2"], "a worker has unequal numbers of the two topics"


def _owned(port: int) -> dict[str, set[int]]:
    """Return the partitions a worker exports a lag for, by topic."""
    owned: dict[str, set[int]] = {"in": set(), "in2": set()}
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        for row in answer.read().decode().splitlines():
            topic, number = re.search(r'topic="([^"]+)"', row), re.search(r'partition="(\d+)"', row)
            if topic and number and topic[1].rpartition(".")[2] in owned:
                owned[topic[1].rpartition(".")[2]].add(int(number[1]))
    return owned


def test_a_rebalance_storm_loses_and_doubles_nothing(bench: Bench) -> None:
    rng = random.Random(11)
    written: list[tuple[bytes, bytes]] = []
    feeder = threading.Thread(target=lambda: written.extend(bench.produce("in", 8_000, pace=0.003)))
    feeder.start()
    steady = bench.start("steady", slow_s=0.05, settings={"streams.max_records": 100})
    for round_ in range(5):
        guest = bench.start(
            f"guest-{round_ % 2}", slow_s=0.05, settings={"streams.max_records": 100}, ready=False
        )
        wait_for(lambda guest=guest: guest.ready, f"ready; {guest.log}")  # type: ignore[misc]
        bench.wait_out(min(8_000, len(bench.read()) + 200))
        if rng.random() < 0.5:
            guest.process.kill()
        else:
            guest.process.terminate(20)
            assert guest.process.returncode == Exit.OK
    feeder.join(60)
    assert_exactly(bench.wait_out(len(written), 120), written)
    assert steady.process.alive, steady.process.log_tail()


def test_64_partitions_are_ready_soon(benches: Benches) -> None:
    bench = benches(64)
    began = time.monotonic()
    bench.start()
    took = time.monotonic() - began
    print(f"64 partitions: ready after {took:.1f} s, Python's start included")
    written = bench.produce("in", 6_400, keys=64)
    assert_exactly(bench.wait_out(len(written)), written)
    assert took < 20
