from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.embedded.process import ChildProcess, Command

READY = "print('ready', flush=True); import time; time.sleep(60)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {READY}"


class Nursery:
    """Makes children that are gone after the test."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "child.log"
        self.children: list[ChildProcess] = []

    def python(self, code: str, *, tethered: bool = True) -> ChildProcess:
        argv = [sys.executable, "-c", code]
        child = ChildProcess("child", Command(argv, self.log, tethered=tethered))
        self.children.append(child)
        return child

    def wait_ready(self) -> None:
        pause = threading.Event()
        for _ in range(1500):
            if self.log.exists() and b"ready" in self.log.read_bytes():
                return
            pause.wait(0.02)
        pytest.fail("the child never got ready")


@pytest.fixture
def nursery(tmp_path: Path) -> Iterator[Nursery]:
    nursery = Nursery(tmp_path)
    yield nursery
    for child in nursery.children:
        child.kill()


def test_its_life(nursery: Nursery) -> None:
    child = nursery.python("print('a'); print('b'); raise SystemExit(5)")
    assert (child.alive, child.returncode) == (False, None)
    with pytest.raises(RuntimeError, match="not started"):
        _ = child.pid
    child.start()
    assert child.wait(30)
    assert child.returncode == 5
    assert child.log_tail(1) == "b"
    with pytest.raises(RuntimeError, match="before"):
        child.start()


@pytest.mark.parametrize("tethered", [True, False])
def test_terminate_asks_first(nursery: Nursery, *, tethered: bool) -> None:
    child = nursery.python(READY, tethered=tethered)
    child.start()
    nursery.wait_ready()
    child.terminate(30)
    assert child.returncode == -15


def test_terminate_kills_what_does_not_listen(nursery: Nursery) -> None:
    child = nursery.python(STUBBORN)
    child.start()
    nursery.wait_ready()
    child.terminate(0.1)
    assert child.returncode == -9


def test_a_paused_child_is_alive_and_can_be_ended(nursery: Nursery) -> None:
    child = nursery.python(READY)
    child.start()
    nursery.wait_ready()
    child.pause()
    state = subprocess.check_output(["ps", "-o", "stat=", "-p", str(child.pid)], text=True)
    assert state.startswith("T")
    child.resume()
    assert child.alive
    child.pause()
    child.terminate(30)
    assert child.returncode == -15


def test_it_outlives_the_thread_that_started_it(nursery: Nursery) -> None:
    child = nursery.python(READY)
    starter = threading.Thread(target=child.start)
    starter.start()
    starter.join()
    nursery.wait_ready()
    assert not child.wait(0.3)


def test_a_command_that_cannot_run_is_an_error_of_start(tmp_path: Path) -> None:
    child = ChildProcess("child", Command(["/no/such"], tmp_path / "log", tethered=False))
    with pytest.raises(FileNotFoundError):
        child.start()
    assert not child.alive
    assert child.wait(0)
    child.kill()


def test_no_log_no_tail(tmp_path: Path) -> None:
    assert ChildProcess("child", Command(["true"], tmp_path / "log")).log_tail() == ""
