"""How far an import is, kept in a file: written only when what lies before is durable."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import msgspec

HEAD = 64 * 1024


class Counts(msgspec.Struct):
    """What became of the items so far. ``ignored`` are parts that are nothing to us."""

    accepted: int = 0
    duplicate: int = 0
    rejected: int = 0
    ignored: int = 0


class State(msgspec.Struct, kw_only=True):
    """Position in one file: ``steps`` (lines, rows, messages) are done, the last is at ``line``."""

    file: str
    source: str
    format: str
    steps: int = 0
    line: int = 0
    finished: bool = False
    counts: Counts = msgspec.field(default_factory=Counts)


def key_of(path: Path, *how: str) -> str:
    """Return the name of the state of a file: from its size, its beginning, and how it is read."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    digest = hashlib.blake2b(digest_size=16)
    for part in (str(path.stat().st_size), *how):
        digest.update(part.encode() + b"\0")
    digest.update(head)
    return digest.hexdigest()


def load(place: Path, fresh: State) -> State:
    """Return the state kept at ``place``, or ``fresh`` if there is none that can be read."""
    try:
        return msgspec.json.decode(place.read_bytes(), type=State)
    except (FileNotFoundError, msgspec.DecodeError):
        return fresh


def save(place: Path, state: State) -> None:
    """Keep ``state`` at ``place``: whole or not at all, also when the machine stops."""
    place.parent.mkdir(parents=True, exist_ok=True)
    fresh = place.with_name(place.name + ".new")
    with fresh.open("wb") as file:
        file.write(msgspec.json.encode(state))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(place)
