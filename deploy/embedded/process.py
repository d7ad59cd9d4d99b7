"""A child process with its own session, log file and deadlines, tied to the life of this one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deploy.embedded import tether
from deploy.embedded.ports import free_port

__all__ = ["ChildProcess", "Command", "free_port"]

_REAP_S = 10.0


@dataclass(frozen=True, slots=True)
class Command:
    """What to run: `env` adds to this process's environment, `pass_fds` are inherited."""

    argv: Sequence[str]
    log: Path
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    pass_fds: Sequence[int] = ()
    tethered: bool = True


class ChildProcess:
    """One run of a Command; standard output and error are appended to its log.

    The child leads a session of its own: Ctrl-C in the terminal reaches only us, and we stop the
    children in order. A thread is kept per child, which forks it and then waits for it: tethered
    children die with the *thread* that forked them, and that one lives exactly as long as the child.
    """

    def __init__(self, name: str, command: Command) -> None:
        self.name = name
        self._command = command
        self._ended = threading.Event()
        self._popen: subprocess.Popen[bytes] | None = None
        self._failure: OSError | None = None

    def start(self) -> None:
        """Start the child; raises OSError when it cannot be, RuntimeError when it was before."""
        if self._popen is not None:
            raise RuntimeError(f"{self.name} was started before")
        forked = threading.Event()
        threading.Thread(
            target=self._keep, args=(forked,), name=f"keeper-of-{self.name}", daemon=True
        ).start()
        forked.wait()
        if self._failure is not None:
            raise self._failure

    @property
    def pid(self) -> int:
        """The child's process id, also its group's and session's; RuntimeError before start."""
        if self._popen is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._popen.pid

    @property
    def alive(self) -> bool:
        """Whether it was started and has not ended; a paused child is alive."""
        return self._popen is not None and not self._ended.is_set()

    @property
    def returncode(self) -> int | None:
        """The exit code, negative for a signal; None as long as it lives."""
        return self._popen.returncode if self._popen and self._ended.is_set() else None

    def wait(self, timeout_s: float) -> bool:
        """Wait up to `timeout_s` seconds for the end; returns whether it has ended."""
        return not self.alive or self._ended.wait(timeout_s)

    def terminate(self, deadline_s: float) -> None:
        """Ask it to end (SIGTERM; resumes it if paused), kill it after `deadline_s` seconds."""
        self._signal(signal.SIGTERM)
        self._signal(signal.SIGCONT)
        if not self.wait(deadline_s):
            self.kill()

    def kill(self) -> None:
        """SIGKILL; returns once the child is gone, its ports and locks with it."""
        self._signal(signal.SIGKILL)
        if not self.wait(_REAP_S):
            raise RuntimeError(f"{self.name} (process {self.pid}) outlived SIGKILL")

    def pause(self) -> None:
        """SIGSTOP: it keeps its connections, and answers nothing."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    def log_tail(self, lines: int = 20, limit_bytes: int = 8192) -> str:
        """The last `lines` lines of the log, for error messages; empty when there is none."""
        try:
            with self._command.log.open("rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - limit_bytes))
                text = log.read().decode("utf-8", "replace")
        except FileNotFoundError:
            return ""
        return "\n".join(text.splitlines()[-lines:])

    def _signal(self, number: signal.Signals) -> None:
        if self.alive:
            try:
                os.killpg(self.pid, number)
            except (ProcessLookupError, PermissionError):  # it ended just now (macOS says EPERM)
                return

    def _keep(self, forked: threading.Event) -> None:
        try:
            self._popen = self._fork()
        except OSError as error:
            self._failure = error
            return
        finally:
            forked.set()
        self._popen.wait()
        self._ended.set()

    def _fork(self) -> subprocess.Popen[bytes]:
        command = self._command
        argv = list(command.argv)
        if command.tethered:
            tie = [sys.executable, "-IS", tether.__file__, "--parent", str(os.getpid()), "--"]
            argv = [*tie, *argv]
        with command.log.open("ab") as log:
            return subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=command.cwd,
                env={**os.environ, **command.env},
                pass_fds=command.pass_fds,
                start_new_session=True,
            )
