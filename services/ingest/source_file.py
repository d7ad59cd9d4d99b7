"""Changing ``sources.toml``: whole or not at all, and for its owner's eyes only."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import tomli_w

from services.ingest.registry import MAX_SECRETS, Source, configured, read
from shared.errors import Misconfigured

HEADER = "# The sources that Tocsin listens to; `tocsin sources` edits this file.\n\n"


@contextlib.contextmanager
def editing(path: Path) -> Iterator[dict[str, Source]]:
    """Lend the sources in ``path`` for changes, and write them when the block ends well.

    Raises:
        Misconfigured: what is there cannot be read, or what was made of it would not load.
    """
    try:
        lock = path.with_name(f".{path.name}.lock").open("w")
    except OSError as error:
        raise Misconfigured(f"cannot write beside {path}: {error.strerror}") from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two operators at once: the second waits
        sources = read(path)
        before = dict(sources)
        yield sources
        for name, source in sources.items():
            if before.get(name) != source:  # what is broken already must not be in the way
                configured(name, source)
        _write(path, sources)


def rotated(source: Source, secret: str) -> Source:
    """Return ``source`` with a new secret in front; the one before stays valid beside it."""
    return msgspec.structs.replace(source, secrets=(secret, *source.secrets)[:MAX_SECRETS])


def finished(source: Source) -> Source:
    """Return ``source`` with its newest secret only."""
    return msgspec.structs.replace(source, secrets=source.secrets[:1])


def _write(path: Path, sources: dict[str, Source]) -> None:
    tree = {"sources": {name: msgspec.to_builtins(source) for name, source in sources.items()}}
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(HEADER + tomli_w.dumps(tree))
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
