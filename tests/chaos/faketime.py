"""The clock of one process, changed while it runs: libfaketime, preloaded, with a file of its own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.services import missing

WHERE = ("*/faketime/libfaketimeMT.so.1", "faketime/libfaketimeMT.so.1")
"""The variant for threads: without its lock, one reads the time while another reads the file."""
WAITS = Path(__file__).with_name("waits.c")


def library() -> Path:
    """Return the library to preload; without it the test is skipped, or fails under CI."""
    found = [path for pattern in WHERE for path in Path("/usr/lib").glob(pattern)]
    if not found:
        missing("libfaketime is not installed here (Debian: apt install libfaketime)")
    return found[0]


def waits(folder: Path) -> Path:
    """Return the built library of ``waits.c``; without a C compiler, see :func:`library`."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        missing("there is no C compiler here (Debian: apt install gcc libc6-dev)")
    built = folder / "waits.so"
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", built, WAITS], check=True)
    return built


class FakeTime:
    """The wall clock of one process, off by ``shift`` seconds; its monotonic clock stays right."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._libraries = f"{waits(file.parent)}:{library()}"
        self.shift(0)

    def shift(self, seconds: int) -> None:
        """Let the process see its wall clock ``seconds`` ahead of the machine's, within a second."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n", "ascii")
        new.replace(self._file)  # whoever reads it meanwhile finds the old or the new one

    @property
    def environ(self) -> dict[str, str]:
        """What the process has to be started with."""
        return {
            "LD_PRELOAD": self._libraries,
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
