"""What the embedded servers have in common: start until it answers, stop, crash, come back."""

from __future__ import annotations

import fcntl
import os
import time
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Self

from deploy.embedded.ports import free_port, is_free
from deploy.embedded.process import ChildProcess, Command

_POLL_S = 0.05
_PORT_ATTEMPTS = 5
_CLAIM_S = 5.0
_PORT_TAKEN = "Address already in use"


class StartError(RuntimeError):
    """A server did not come up; the message carries the end of its log."""


class EmbeddedService(ABC):
    """A server on 127.0.0.1 that keeps its data in `data_dir`.

    Port 0 means a free one, chosen at the first start; the object keeps it from then on, so that
    clients find a restarted server again. The data directory is reopened, never emptied. One
    server at a time has it: the lock is inherited by the server process, so it holds until that is
    really gone, also when our own process was killed. Methods are for one thread at a time.
    """

    name: str
    """For messages and the log file."""

    def __init__(self, data_dir: Path, port: int, start_deadline_s: float) -> None:
        self.data_dir = data_dir.absolute()
        self._port = port
        self._start_deadline_s = start_deadline_s
        self._child: ChildProcess | None = None
        self._claim: int | None = None

    @property
    def port(self) -> int:
        """The port clients connect to; RuntimeError before the first start unless given."""
        if not self._port:
            raise RuntimeError(f"{self.name} has no port before it is started")
        return self._port

    @property
    def pid(self) -> int:
        """The server's process id; RuntimeError before the first start."""
        if self._child is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._child.pid

    @property
    def alive(self) -> bool:
        """Whether the process runs; a paused one does."""
        return self._child is not None and self._child.alive

    @property
    def log_path(self) -> Path:
        """Where the server logs; kept over restarts."""
        return self.data_dir / f"{self.name}.log"

    def start(self) -> Self:
        """Start it and return once it answers; does nothing when it runs. Raises StartError."""
        if self.alive:
            return self
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self._claim_data_dir()
        try:
            self._start_on_some_port()
        except BaseException:  # also Ctrl-C: whatever was started ends here
            self.stop()
            raise
        return self

    def stop(self, deadline_s: float = 15.0) -> None:
        """Let it end in order, kill it after `deadline_s` seconds; releases the data directory."""
        if self._child is not None:
            self._child.terminate(deadline_s)
        if self._claim is not None:
            os.close(self._claim)
            self._claim = None

    def kill(self) -> None:
        """Crash it (SIGKILL); `start` brings it back on the same data and port."""
        if self._child is not None:
            self._child.kill()

    def pause(self) -> None:
        """Freeze it (SIGSTOP): connections stay open and nothing is answered."""
        if self._child is not None:
            self._child.pause()

    def resume(self) -> None:
        """Let a frozen one go on (SIGCONT)."""
        if self._child is not None:
            self._child.resume()

    def restart(self) -> Self:
        """Stop and start it on the same data and port."""
        self.stop()
        return self.start()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @abstractmethod
    def _command(self, port: int, pass_fds: tuple[int, ...]) -> Command:
        """Prepare the data directory and return what to run; called at every start."""

    @abstractmethod
    def _answers(self) -> bool:
        """Whether it serves requests now; takes a second at most."""

    def _start_on_some_port(self) -> None:
        kept = self._port
        for _ in range(_PORT_ATTEMPTS):
            self._port = kept or free_port()
            if not is_free(self._port):
                raise StartError(f"{self.name}: port {self._port} is taken by another process")
            if self._start_once():
                return
        self._port = kept
        raise StartError(self._obituary("found a port taken again and again"))

    def _start_once(self) -> bool:
        """Return whether it came up, False when a port was taken just now; raises StartError."""
        claim = () if self._claim is None else (self._claim,)
        child = self._child = ChildProcess(self.name, self._command(self.port, claim))
        child.start()
        deadline = time.monotonic() + self._start_deadline_s
        while time.monotonic() < deadline:
            if self._answers():
                return True
            if child.wait(_POLL_S):
                if _PORT_TAKEN in child.log_tail():
                    return False
                raise StartError(self._obituary(f"ended with code {child.returncode}"))
        child.kill()
        raise StartError(self._obituary(f"did not answer within {self._start_deadline_s:g} s"))

    def _obituary(self, what: str) -> str:
        tail = self._child.log_tail() if self._child else ""
        return f"{self.name} {what}. The end of {self.log_path}:\n{tail}"

    def _claim_data_dir(self) -> None:
        if self._claim is not None:
            return
        claim = os.open(self.data_dir / ".claim", os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + _CLAIM_S
        while True:
            try:
                fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    os.close(claim)
                    raise StartError(
                        f"{self.data_dir} is in use by another {self.name}: stop that one, "
                        "or choose another data directory"
                    ) from None
                time.sleep(_POLL_S)
            else:
                self._claim = claim
                return
