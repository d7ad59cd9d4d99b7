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


class OtherImport(ValueError):
    """A state is there, but of something else; the message says what to do."""


class State(msgspec.Struct, kw_only=True):
    """Position in one file: ``steps`` (lines, rows, messages) are done, the last is at ``line``.

    ``key`` says which file that is, and how it was read.
    """

    key: str
    file: str
    source: str
    format: str
    steps: int = 0
    line: int = 0
    finished: bool = False
    counts: Counts = msgspec.field(default_factory=Counts)


def key_of(path: Path, *how: str) -> str:
    """Return the key of a file: from size, time of change, beginning, and how it is read.

    The time tells a file that was corrected further on, at equal length.
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
        stat = os.fstat(file.fileno())
    digest = hashlib.blake2b(digest_size=16)
    for part in (str(stat.st_size), str(stat.st_mtime_ns), *how):
        digest.update(part.encode() + b"\0")
    digest.update(head)
    return digest.hexdigest()


def load(place: Path, fresh: State) -> State:
    """Return the state kept at ``place``, or ``fresh`` if there is none.

    Raises:
        OtherImport: what is there is of another import, or no state.
    """
    try:
        kept = msgspec.json.decode(place.read_bytes(), type=State)
    except FileNotFoundError:
        return fresh
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise OtherImport(
            f"{place} is no state of an import; --restart overwrites it and begins anew"
        ) from error
    if kept.key != fresh.key:
        raise OtherImport(
            f"{place} is the state of {kept.file} ({kept.format}, source {kept.source}), which is"
            f" another file, was read in another way, or has changed since: --restart begins"
            f" {fresh.file} anew"
        )
    return kept


def save(place: Path, state: State) -> None:
    """Keep ``state`` at ``place``: whole or not at all, also when the machine stops."""
    place.parent.mkdir(parents=True, exist_ok=True)
    fresh = place.with_name(place.name + ".new")
    with fresh.open("wb") as file:
        file.write(msgspec.json.encode(state))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(place)
