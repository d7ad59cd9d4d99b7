"""Run a command that dies with its parent, even when that is killed with SIGKILL.

    python -m deploy.embedded.tether [--parent PID] -- command [argument …]

Linux: the kernel is told to kill this process with its parent (PR_SET_PDEATHSIG), then the command
takes its place; the process id stays. The kernel counts the *thread* that forked as the parent, so
start this from a thread that lives as long as the child should (`process.py` does). The setting
survives exec except of a setuid program, and is not inherited by the command's own children.

Elsewhere (macOS) this process stays, looks for its parent a few times a second and kills the
command when it is gone. Signals go to the process group, which both share.

Only the standard library is imported, so it also runs as a plain file: `python -IS tether.py …`.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import NoReturn

EXIT_ORPHANED = 125
EXIT_NOT_RUN = 127
_PR_SET_PDEATHSIG = 1
_POLL_S = 0.2


def parse(argv: Sequence[str], parent: int) -> tuple[int, list[str]]:
    """Return the expected parent's process id (`parent` unless given) and the command."""
    parser = argparse.ArgumentParser(prog="tether", description="Run a command tied to its parent.")
    parser.add_argument("--parent", type=int, default=parent, metavar="PID")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args(argv)
    expected: int = options.parent
    command: list[str] = options.command
    return expected, command


def exec_tethered(parent: int, command: list[str]) -> NoReturn:
    """Linux: become `command`, to be killed when `parent` dies."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        sys.exit(f"tether: prctl: {os.strerror(number)}")
    if os.getppid() != parent:  # it died before the line above: nobody would kill us
        sys.exit(EXIT_ORPHANED)
    try:
        os.execvp(command[0], command)  # noqa: S606 - the program is the caller's to choose
    except OSError as error:
        sys.stderr.write(f"tether: {command[0]}: {error.strerror}\n")
        sys.exit(EXIT_NOT_RUN)


def watch(parent: int, command: Sequence[str]) -> int:
    """Elsewhere: run `command`, kill it when `parent` is gone; returns its exit code."""
    try:
        child = subprocess.Popen(command, close_fds=False)
    except OSError as error:
        sys.stderr.write(f"tether: {command[0]}: {error.strerror}\n")
        return EXIT_NOT_RUN
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):  # the child got it as well
        signal.signal(number, signal.SIG_IGN)
    while True:
        try:
            code = child.wait(_POLL_S)
        except subprocess.TimeoutExpired:
            if os.getppid() != parent:
                child.kill()
        else:
            return code if code >= 0 else 128 - code


def main(argv: Sequence[str]) -> int:
    """Run the command as the platform allows."""
    parent, command = parse(argv, os.getppid())
    if platform.system() == "Linux":
        exec_tethered(parent, command)
    return watch(parent, command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
