"""Files that may change while a process runs: whether they did, and a thread that keeps looking."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import structlog

EVERY_S = 2.0
Stamp = tuple[str, int, int]
_log = structlog.get_logger(__name__)


def stamp_of(path: Path) -> Stamp:
    """Return what changes with a file, or with its coming and going."""
    try:
        known = path.stat()
    except OSError:
        return str(path), 0, -1
    return str(path), known.st_mtime_ns, known.st_size


def follow(name: str, look: Callable[[], object]) -> None:
    """Have a thread call ``look`` every two seconds for as long as the process lives.

    Args:
        name: of the thread, and in the log when ``look`` fails; the next look may succeed.
    """

    def run() -> None:
        pause = threading.Event()
        while not pause.wait(EVERY_S):
            try:
                look()
            except Exception:  # noqa: BLE001  the next look may succeed
                _log.exception("cannot look at files", of=name)

    threading.Thread(target=run, name=name, daemon=True).start()
