"""The committed lock of the Kafka jars: a coordinate, a size and a SHA-256 a line, no addresses."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_LINE = re.compile(
    r"(?P<coordinate>[\w.-]+:[\w.-]+:[\w.-]+) size=(?P<size>\d+) sha256=(?P<sha256>[0-9a-f]{64})"
)


class LockError(ValueError):
    """The lock file itself cannot be used."""


@dataclass(frozen=True, slots=True, order=True)
class Jar:
    """One locked jar.

    `coordinate` is Maven's group:artifact:version, `size` is in bytes, `sha256` in lower-case hex.
    """

    coordinate: str
    size: int
    sha256: str

    @property
    def filename(self) -> str:
        """The jar's name in the cache; the group is part of it, so that no two jars collide."""
        return self.coordinate.replace(":", "-") + ".jar"

    @classmethod
    def measure(cls, coordinate: str, path: Path) -> Jar:
        """Describe the file at `path`; raises OSError when it cannot be read."""
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return cls(coordinate, path.stat().st_size, digest)


def lock_path() -> Path:
    """Where the committed lock lies: beside this module."""
    return Path(__file__).with_name("kafka.lock")


def read_lock(path: Path) -> tuple[Jar, ...]:
    """Parse the lock at `path`; raises LockError naming the line that does not fit."""
    jars = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise LockError(f"{path}:{number}: not 'group:artifact:version size=… sha256=…'")
        jars.append(Jar(match["coordinate"], int(match["size"]), match["sha256"]))
    if not jars:
        raise LockError(f"{path}: no jar is locked; run: python -m deploy.embedded.jars lock")
    return tuple(jars)


def write_lock(path: Path, jars: Iterable[Jar]) -> None:
    """Write `jars` to `path`, sorted, so that a new lock differs only where a jar does."""
    lines = [f"{jar.coordinate} size={jar.size} sha256={jar.sha256}" for jar in sorted(jars)]
    header = "# Made by: python -m deploy.embedded.jars lock"
    path.write_text("\n".join([header, *lines, ""]), "utf-8")
