"""HTTP request → escalation read by a read-committed consumer: the product, and the same by hand."""

from __future__ import annotations

import http.client
import re
import sys
import time
from collections.abc import Iterator

import msgspec

from shared.events import CaseEvent, CaseEventKind
from tests.bench.cluster import Reader
from tests.bench.contest import Arena, child
from tests.bench.contestants.load_http import Requests, body
from tests.bench.stats import Latency, latency

WARM_UP_S = 3.0
READY_S = 90.0
GRACE_S = 15.0
PROBES = 20
FIRST_PROBE = 1_000_000
_NUMBER = re.compile(r"^\[(\d+)\]")
_decoder = msgspec.json.Decoder(CaseEvent)

Arrivals = Iterator[list[tuple[int, int]]]
"""Batches of (request number, time of arrival in ns)."""


def measure(arena: Arena, port: int, topic: str, rate: float, seconds: float) -> Latency:
    """Return the latencies of `seconds` of requests; a warm-up before is left out."""
    reader = Reader(arena.bootstrap, [topic])
    try:
        arrivals = _arrivals(reader)
        _await_ready(port, arrivals)
        count, first = int(rate * (WARM_UP_S + seconds)), int(rate * WARM_UP_S)
        began_ns = time.time_ns() + 1_000_000_000
        load = Requests(f"http://127.0.0.1:{port}/v1/feedback", began_ns, rate, count)
        argv = [sys.executable, "-m", "tests.bench.contestants.load_http"]
        argv.append(msgspec.json.encode(load).decode())
        with child(f"load-{topic}", argv, arena.logs):
            came = _collect(arrivals, count)
    finally:
        reader.close()
    took = (
        (at - began_ns) / 1e6 - number / rate * 1e3
        for number, at in came.items()
        if number >= first
    )
    return latency(took, count - first)


def _arrivals(reader: Reader) -> Arrivals:
    for batch in reader.live():
        now = time.time_ns()
        events = [_decoder.decode(message.value() or b"") for message in batch]
        yield [
            (int(match[1]), now)
            for event in events
            if event.kind is CaseEventKind.ESCALATION_TRIGGERED and event.case is not None
            if (match := _NUMBER.match(event.case.feedback[0].excerpt))
        ]


def _await_ready(port: int, arrivals: Arrivals) -> None:
    """Post probes of many customers until all of them have come through."""
    deadline = time.monotonic() + READY_S
    waiting: set[int] = set()
    asked = 0.0
    for batch in arrivals:
        waiting -= {number for number, _ in batch}
        if asked and not waiting:
            return
        if time.monotonic() > deadline:
            raise RuntimeError(f"{len(waiting) or 'all'} probes did not come through")
        if not asked and _post(port, FIRST_PROBE):
            waiting = set(range(FIRST_PROBE + 1, FIRST_PROBE + 1 + PROBES))
            asked = time.monotonic()
            for number in waiting:
                _post(port, number)


def _post(port: int, number: int) -> bool:
    door = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        door.request("POST", "/v1/feedback", body(number), {"Content-Type": "application/json"})
        return door.getresponse().status == 202
    except OSError:
        return False
    finally:
        door.close()


def _collect(arrivals: Arrivals, count: int) -> dict[int, int]:
    came: dict[int, int] = {}
    last = time.monotonic()
    for batch in arrivals:
        for number, at in batch:
            if number < FIRST_PROBE:
                came.setdefault(number, at)
        if batch:
            last = time.monotonic()
        if len(came) >= count or time.monotonic() - last > GRACE_S:
            break
    return came
