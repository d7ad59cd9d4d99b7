"""Order and exactly once: whatever ends a worker, the output is the input."""

from __future__ import annotations

import random
import threading
import urllib.request
from pathlib import Path

import pytest
from confluent_kafka import Producer

from shared.errors import Exit
from tests.integration.streams.conftest import Bench, assert_exactly
from tests.services import wait_for

pytestmark = pytest.mark.integration


def test_a_relay_copies_in_order(bench: Bench) -> None:
    written = bench.produce("in", 5_000)
    relay = bench.start()
    found = bench.wait_out(len(written))
    assert_exactly(found, written)
    relay.process.terminate(20)
    assert relay.process.returncode == Exit.OK


def test_kill_9_in_a_loop(bench: Bench) -> None:
    rng = random.Random(7)
    written: list[tuple[bytes, bytes]] = []
    feeder = threading.Thread(target=lambda: written.extend(bench.produce("in", 6_000, pace=0.002)))
    feeder.start()
    for _ in range(4):
        relay = bench.start(slow_s=0.02)
        before = len(bench.read())
        bench.wait_out(min(before + rng.randrange(50, 400), 6_000))
        relay.process.kill()
    feeder.join(60)
    bench.start()
    assert_exactly(bench.wait_out(len(written)), written)


@pytest.mark.parametrize("step", ["process", "committed"])
def test_kill_9_at_a_step_of_the_transaction(bench: Bench, tmp_path: Path, step: str) -> None:
    """Before the commit nothing is out; after it nothing comes again, although nobody was told."""
    written = bench.produce("in", 3_000)
    once = str(tmp_path / "died")
    first = bench.start(
        ready=False, die_at=step, die_after=500, once=once, settings={"streams.max_records": 200}
    )
    assert first.wait_end(30) == -9
    out = len(bench.read())
    assert out >= 500 if step == "committed" else out < 500
    bench.start()
    assert_exactly(bench.wait_out(len(written)), written)


def test_sigterm_with_a_chunk_in_flight(bench: Bench) -> None:
    written = bench.produce("in", 2_000)
    relay = bench.start(slow_s=0.7, settings={"streams.max_records": 100})
    bench.wait_out(100)
    relay.process.terminate(20)
    assert relay.process.returncode == Exit.OK
    done = len(bench.read())
    assert 0 < done < len(written)
    bench.start()
    assert_exactly(bench.wait_out(len(written)), written)


def test_a_zombie_is_fenced(bench: Bench) -> None:
    """SIGSTOP in the middle of a chunk, longer than the session time-out; another takes over."""
    written = bench.produce("in", 2_000)
    zombie = bench.start("0", slow_s=0.3, settings={"streams.max_records": 50})
    bench.wait_out(50)
    zombie.process.pause()
    bench.start("1", ready=False)
    assert_exactly(bench.wait_out(len(written)), written)
    more = bench.produce("in", 500, begin=2_000)
    bench.wait_out(2_500)
    zombie.process.resume()
    last = bench.produce("in", 500, begin=2_500)
    found = bench.wait_out(3_000)
    # Whether it ends or rejoins: nothing of what it had in hand may come out a second time.
    wait_for(lambda: not zombie.process.alive or zombie.ready, "the zombie ends or rejoins")
    more += last + bench.produce("in", 500, begin=3_000)
    found = bench.wait_out(3_500)
    assert_exactly(found, written + more)


def test_a_zombie_of_the_same_slot_is_fenced_by_its_transactional_id(bench: Bench) -> None:
    written = bench.produce("in", 1_000)
    zombie = bench.start("0", slow_s=0.3, settings={"streams.max_records": 50})
    bench.wait_out(50)
    zombie.process.pause()
    bench.start("0", ready=False)
    bench.wait_out(len(written))
    zombie.process.resume()
    assert zombie.wait_end(40) == Exit.FENCED
    written += bench.produce("in", 500, begin=1_000)
    assert_exactly(bench.wait_out(len(written)), written)


def test_the_position_is_fetched_after_the_open_transaction_has_ended(bench: Bench) -> None:
    """A worker dies between its output and its commit; its successor has another slot, so nobody
    fences: it must wait until the broker ends the open transaction, and start where that leaves it."""
    written = bench.produce("in", 2_000)
    first = bench.start("0", slow_s=0.5, settings={"streams.max_records": 100})
    bench.wait_out(100)
    first.process.kill()
    bench.start("1")
    assert_exactly(bench.wait_out(len(written)), written)


def test_aborted_transactions_in_the_input_are_skipped(bench: Bench) -> None:
    producer = Producer(
        {
            "bootstrap.servers": bench.installation.bootstrap,
            "transactional.id": bench.name("feeder"),
        }
    )
    producer.init_transactions(30)
    written = []
    for round_ in range(20):
        producer.begin_transaction()
        batch = [(b"k%d" % (n % 4), b"%d-%d" % (round_, n)) for n in range(40)]
        for key, value in batch:
            producer.produce(bench.name("in"), value, key, partition=int(key[1:]) % 4)
        if round_ % 3 == 1:
            producer.flush(30)
            producer.abort_transaction(30)
        else:
            producer.commit_transaction(30)
            written += batch
    bench.start(settings={"streams.max_records": 30})
    assert_exactly(bench.wait_out(len(written)), written)
    (relay,) = bench.relays
    # Markers take offsets, too: they must not look like a lag.
    wait_for(lambda: _lag(relay.port) == 0, "the lag falls to 0")


def _lag(port: int) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        rows = [
            row for row in answer.read().decode().splitlines() if "lag" in row and row[0] != "#"
        ]
    values = [float(row.rsplit(" ", 1)[1]) for row in rows if "seconds" not in row]
    return sum(values) if values else -1.0


def test_the_queue_is_bounded_and_resumes(bench: Bench) -> None:
    """Back-pressure: pause and resume of the fetching neither loses nor repeats a record."""
    written = bench.produce("in", 20_000)
    bench.start(slow_s=0.01, settings={"streams.max_records": 200, "streams.queue_bytes": 20_000})
    assert_exactly(bench.wait_out(len(written), 120), written)
