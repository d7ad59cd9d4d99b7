"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from shared.errors import Misconfigured


def write(content: bytes, path: Path) -> None:
    """Write ``content`` to ``path``: whoever looks sees what was there before, or all of it.

    Raises:
        Misconfigured: it cannot be written; what was there before stays.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise Misconfigured(f"{path}: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)
