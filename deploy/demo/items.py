"""Where the demonstration's items come from: the bundled sample, a file, or standard input."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from shared.errors import Misconfigured

BUNDLED = "sample.jsonl"


def lines(source: str | None) -> Iterator[bytes]:
    """Yield the non-empty lines of ``source``: None the sample, ``-`` standard input, else a file.

    Raises:
        Misconfigured: the file cannot be read.
    """
    if source is None:
        content = (files("deploy.demo") / BUNDLED).read_bytes()
        yield from (line for line in content.splitlines() if line.strip())
    elif source == "-":
        yield from (line.rstrip(b"\r\n") for line in sys.stdin.buffer if line.strip())
    else:
        try:
            with Path(source).open("rb") as file:
                yield from (line.rstrip(b"\r\n") for line in file if line.strip())
        except OSError as error:
            raise Misconfigured(f"cannot read {source}: {error.strerror}") from error
