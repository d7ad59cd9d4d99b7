"""The sentence encoder in a process of its own: a text in, its vector out, one at a time.

The parent never waits longer than it was told to. A child that crashed, hangs or still owes an old
answer costs this chunk its second opinions and nothing else; a new one is started later, after pauses
that grow. One text at a time, not batches: on one core a batch is no faster, and a budget of a quarter
of a second is kept to the text. The child ends when its parent does, however that ends: the socket
between them closes.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Final, Literal

import numpy as np
import structlog

from services.classifier.second.embedding import WIDTH, Embedder, Floats

COMMAND: Final = (sys.executable, "-m", "services.classifier.second.child")
MOST_CHARACTERS: Final = 4_000
"""Far more than is read of a text, and little enough that sending never blocks."""
LOADING_S: Final = 30.0
HANGS_S: Final = 2.0
"""A child that owes an answer for so long is replaced; a text takes some 15 ms."""
PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 60.0
_READY: Final = b"ready"
_log = structlog.get_logger(__name__)


class Unavailable(Exception):
    """No answer now: ``late`` (no time left, or still busy), or ``failed`` (no child that works)."""

    def __init__(self, result: Literal["late", "failed"]) -> None:
        super().__init__(result)
        self.result = result


class Child:
    """Keeps one child process. For one thread.

    Args:
        command: what to start; it is given the number of its socket.
        hangs_s: seconds without an answer after which it counts as hung.
        pause_s: seconds before a lost one is replaced; doubled each time until one answers.
    """

    def __init__(
        self,
        command: Sequence[str] = COMMAND,
        *,
        hangs_s: float = HANGS_S,
        pause_s: float = PAUSE_S,
    ) -> None:
        self._command = tuple(command)
        self._hangs_s = hangs_s
        self._pause_s = pause_s
        self._failures = 0
        self._owed_since: float | None = None
        self._patience = LOADING_S
        self._restart_at: float | None = None
        self._start()

    @property
    def pid(self) -> int:
        """Return the process id of the child."""
        return self._process.pid

    @property
    def ready(self) -> bool:
        """Tell whether the child would answer now; starts another when it is gone."""
        try:
            self._settle()
        except Unavailable:
            return False
        return True

    def vector(self, text: str, deadline: float) -> Floats:
        """Return the vector of ``text``, by ``deadline`` (as ``time.monotonic`` tells).

        Raises:
            Unavailable: there is none in time; the next call may have more luck.
        """
        self._settle()
        left = deadline - time.monotonic()
        if left <= 0:
            raise Unavailable("late")
        try:
            self._socket.send_bytes(text[:MOST_CHARACTERS].encode("utf-8", "replace"))
            self._owed_since, self._patience = time.monotonic(), self._hangs_s
            if not self._socket.poll(left):
                raise Unavailable("late")
            answer = self._socket.recv_bytes()
        except (OSError, EOFError) as error:
            raise self._lost("the sentence encoder crashed") from error
        self._owed_since = None
        self._failures = 0
        return np.frombuffer(answer, np.float32, WIDTH)

    def close(self) -> None:
        """End the child."""
        self._end()

    def _settle(self) -> None:
        """Return when the child owes nothing; never waits."""
        now = time.monotonic()
        if self._process.poll() is not None and self._restart_at is None:
            raise self._lost("the sentence encoder crashed")
        if self._restart_at is not None:
            if now >= self._restart_at:
                self._restart(now)
            raise Unavailable("failed")
        if self._owed_since is None:
            return
        try:
            answered = self._socket.poll(0)
            loading = self._patience == LOADING_S
            if answered:
                self._socket.recv_bytes()
        except (OSError, EOFError) as error:
            raise self._lost("the sentence encoder crashed") from error
        if answered:
            self._owed_since = None
            return
        if now - self._owed_since > self._patience:
            raise self._lost("the sentence encoder hangs")
        raise Unavailable("failed" if loading else "late")

    def _start(self) -> None:
        mine, its = Pipe()
        with its:
            self._process = subprocess.Popen(
                [*self._command, str(its.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[its.fileno()],
            )
        self._socket = mine
        self._end = weakref.finalize(self, _end, self._process, mine)
        self._owed_since, self._patience = time.monotonic(), LOADING_S
        self._restart_at = None

    def _restart(self, now: float) -> None:
        try:
            self._start()
        except OSError as error:  # no memory or no file handles: perhaps later
            self._restart_at = now + _LONGEST_PAUSE_S
            _log.warning("cannot start the sentence encoder", error=str(error))

    def _lost(self, why: str) -> Unavailable:
        self._end()
        pause = min(self._pause_s * 2**self._failures, _LONGEST_PAUSE_S)
        self._failures = min(self._failures + 1, 10)
        self._restart_at = time.monotonic() + pause
        _log.warning(why, code=self._process.returncode, restart_in_s=pause)
        return Unavailable("failed")


def _end(process: subprocess.Popen[bytes], socket: Connection) -> None:
    socket.close()
    process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(1)


def main(socket: Connection) -> None:
    """Answer texts until the parent is gone."""
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C reaches the whole group; the parent decides
    os.nice(5)  # the fast path goes first
    embedder = Embedder()
    try:
        socket.send_bytes(_READY)
        while True:
            text = socket.recv_bytes().decode("utf-8", "replace")
            socket.send_bytes(embedder.vector(text).tobytes())
    except (EOFError, OSError):
        return


if __name__ == "__main__":
    main(Connection(int(sys.argv[1])))
