from __future__ import annotations

import os
import subprocess
import sys

import pytest

from deploy.embedded import tether

TETHER = (sys.executable, "-IS", tether.__file__)


def run(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*TETHER, *argv], capture_output=True, text=True, timeout=30, check=False)


def test_the_command_keeps_its_own_flags() -> None:
    assert tether.parse(["--parent", "7", "--", "ls", "--parent", "8", "-l"], 1) == (
        7,
        ["ls", "--parent", "8", "-l"],
    )
    assert tether.parse(["--", "ls"], 1) == (1, ["ls"])


def test_output_and_exit_code_are_the_commands() -> None:
    done = run("--", sys.executable, "-c", "print('out'); raise SystemExit(3)")
    assert (done.stdout, done.returncode) == ("out\n", 3)


def test_a_command_that_is_not_there_is_named() -> None:
    done = run("--", "/no/such/program")
    assert done.returncode == tether.EXIT_NOT_RUN
    assert "/no/such/program: No such file" in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a poll finds out")
def test_nothing_runs_when_the_parent_died_before() -> None:
    done = run("--parent", str(os.getpid() + 1), "--", "echo", "ran")
    assert (done.stdout, done.returncode) == ("", tether.EXIT_ORPHANED)


def test_watching_returns_the_exit_code_and_kills_for_a_missing_parent() -> None:
    script = "import sys; from deploy.embedded.tether import watch; sys.exit(watch({}, {}))"

    def watch(parent: str, *command: str) -> int:
        code = script.format(parent, list(command))
        done = subprocess.run([sys.executable, "-c", code], timeout=30, check=False)
        return done.returncode

    assert watch("__import__('os').getppid()", "sh", "-c", "exit 4") == 4
    assert watch("-1", "sleep", "60") == 128 + 9
    assert watch("-1", "/no/such/program") == tether.EXIT_NOT_RUN
