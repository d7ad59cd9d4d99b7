"""The encoder's process, with stand-ins that are real processes: they answer, hang, crash."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.classifier.second.child import Child, Unavailable
from services.classifier.second.embedding import WIDTH
from tests.unit.classifier.second_factory import alive, until

BEGIN = f"""\
import os, sys, time
from multiprocessing.connection import Connection
socket = Connection(int(sys.argv[1]))
vector = b"\\x00\\x00\\x80\\x3f" * {WIDTH}
"""
ANSWERS = """\
socket.send_bytes(b"ready")
while True:
    text = socket.recv_bytes()
    if text == b"crash":
        os._exit(7)
    if text == b"hang":
        time.sleep(600)
    socket.send_bytes(vector)
"""
BUDGET_S = 0.2
Start = Callable[[str], Child]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a stand-in from the end of its source; all are ended afterwards."""
    started: list[Child] = []

    def begin(source: str) -> Child:
        file = tmp_path / f"child{len(started)}.py"
        file.write_text(BEGIN + source, "utf-8")
        child = Child([sys.executable, str(file)], hangs_s=1.0, pause_s=0.05)
        started.append(child)
        return child

    yield begin
    for child in started:
        child.close()


def _ask(child: Child, text: str = "text") -> str:
    """Return what came of a question, which must not take longer than it may."""
    begun = time.monotonic()
    try:
        result = "ok" if child.vector(text, begun + BUDGET_S).shape == (WIDTH,) else "wrong"
    except Unavailable as none:
        result = none.result
    assert time.monotonic() - begun < BUDGET_S + 0.5
    return result


def _ready(child: Child) -> None:
    until(lambda: child.ready, "the child is not ready")


def test_it_answers(start: Start) -> None:
    child = start(ANSWERS)
    _ready(child)
    assert [_ask(child) for _ in range(3)] == ["ok"] * 3


def test_nobody_waits_while_it_loads(start: Start) -> None:
    child = start("socket.recv_bytes()")
    begun = time.monotonic()
    assert _ask(child) == "failed"
    assert time.monotonic() - begun < 0.15


def test_no_time_left_is_late(start: Start) -> None:
    child = start(ANSWERS)
    _ready(child)
    with pytest.raises(Unavailable, match="late"):
        child.vector("text", time.monotonic())


def test_a_crashed_one_is_replaced(start: Start) -> None:
    child = start(ANSWERS)
    _ready(child)
    first = child.pid
    assert _ask(child, "crash") == "failed"
    _ready(child)
    assert child.pid != first
    assert _ask(child) == "ok"


def test_one_that_was_killed_is_replaced(start: Start) -> None:
    child = start(ANSWERS)
    _ready(child)
    os.kill(child.pid, signal.SIGKILL)
    until(lambda: not alive(child.pid), "it is still there")
    assert _ask(child) == "failed"
    _ready(child)
    assert _ask(child) == "ok"


@pytest.mark.parametrize("how", ["hang", "stop"])
def test_a_hung_one_costs_one_budget_and_is_replaced(start: Start, how: str) -> None:
    child = start(ANSWERS)
    _ready(child)
    first = child.pid
    if how == "stop":
        os.kill(first, signal.SIGSTOP)
    assert _ask(child, "hang") == "late"
    begun = time.monotonic()
    assert _ask(child) == "late"  # it still owes the last answer: nobody waits again
    assert time.monotonic() - begun < 0.15
    _ready(child)
    assert child.pid != first
    assert not alive(first)
    assert _ask(child) == "ok"


def test_one_that_never_starts_fails_at_once_and_less_and_less_often(start: Start) -> None:
    child = start("sys.exit(3)")
    pids = {child.pid}
    deadline = time.monotonic() + 1.5
    while time.monotonic() < deadline:
        assert _ask(child) == "failed"
        pids.add(child.pid)
        time.sleep(0.005)
    assert 2 <= len(pids) <= 6


def test_one_that_cannot_be_started_again_is_no_error(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = start(ANSWERS)
    _ready(child)
    assert _ask(child, "crash") == "failed"

    def refuse(*_: object, **__: object) -> None:
        refused.append(1)
        raise OSError("no memory")

    refused: list[int] = []
    monkeypatch.setattr(subprocess, "Popen", refuse)
    until(lambda: _ask(child) == "failed" and bool(refused), "no new start was tried")
    assert _ask(child) == "failed"


def test_a_late_answer_is_not_taken_for_the_next_one(start: Start) -> None:
    child = start("""\
socket.send_bytes(b"ready")
socket.recv_bytes()
time.sleep(0.25)
socket.send_bytes(b"\\x00" * len(vector))
socket.recv_bytes()
socket.send_bytes(vector)
time.sleep(600)
""")
    _ready(child)
    assert _ask(child) == "late"
    _ready(child)
    assert child.vector("next", time.monotonic() + 5).tolist() == [1.0] * WIDTH


def test_it_ends_with_its_parent_however_that_ends() -> None:
    source = """\
import time
from services.classifier.second.child import Child
child = Child()
print(child.pid, flush=True)
time.sleep(600)
"""
    parent = subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent.stdout:
        pid = int(parent.stdout.readline())
    assert alive(pid)
    parent.kill()
    parent.wait()
    until(lambda: not alive(pid), "the child outlives its parent")
