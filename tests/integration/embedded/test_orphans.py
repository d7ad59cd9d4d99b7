"""A program that is killed leaves no server behind, and its data can be opened again at once."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deploy.embedded.kafka import EmbeddedKafka
from deploy.embedded.ports import is_free
from deploy.embedded.redis import EmbeddedRedis

pytestmark = pytest.mark.integration

OWNER = """
import sys, time
from pathlib import Path
from deploy.embedded.{module} import {kind}
service = {kind}(Path(sys.argv[1])).start()
print(service.pid, service.port, flush=True)
{then}
"""
DEADLINE_S = 20.0


def owner(kind: type[EmbeddedKafka | EmbeddedRedis], folder: Path, then: str) -> list[str]:
    module = kind.__module__.rpartition(".")[2]
    code = OWNER.format(module=module, kind=kind.__name__, then=then)
    return [sys.executable, "-c", code, str(folder)]


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    # Nobody may be there to collect it: in a container without an init it stays a zombie.
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout
    return not state or state.startswith("Z")


def assert_nothing_left(line: str) -> None:
    pid, port = map(int, line.split())
    deadline = time.monotonic() + DEADLINE_S
    while not (gone(pid) and is_free(port)):
        assert time.monotonic() < deadline, f"process {pid} or port {port} is still there"
        time.sleep(0.02)


@pytest.mark.parametrize("kind", [EmbeddedKafka, EmbeddedRedis])
def test_kill_9_of_the_owner(kind: type[EmbeddedKafka | EmbeddedRedis], tmp_path: Path) -> None:
    argv = owner(kind, tmp_path, "time.sleep(600)")
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        line = program.stdout.readline()
        program.kill()
    assert_nothing_left(line)
    with kind(tmp_path) as heir:
        assert heir.alive


@pytest.mark.parametrize("then", ["raise SystemExit(0)", "raise KeyError", "service.pause()"])
def test_an_owner_that_forgets_to_stop(then: str, tmp_path: Path) -> None:
    argv = owner(EmbeddedRedis, tmp_path, then)
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, timeout=60, check=False)
    assert_nothing_left(done.stdout)
