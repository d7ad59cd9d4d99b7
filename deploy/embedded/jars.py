"""The Kafka jars: fetched once by Maven coordinate, verified against the lock, kept in a cache."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from deploy.embedded.lock import Jar, lock_path, read_lock, write_lock
from deploy.embedded.maven import MavenError, download, resolve_runtime

_ATTEMPTS = 5
_PARALLEL = 4
_FIRST_BACKOFF_S = 0.5
_KAFKA = "org.apache.kafka:kafka_2.13:4.3.1"
_COMPILE_TIME_ONLY = ("org.scala-lang:scala-reflect",)  # macros of scala-logging

Download = Callable[[str, Path], Path]
"""Puts the jar of a coordinate somewhere below a scratch directory; raises MavenError."""


class JarError(RuntimeError):
    """A jar could not be had, or is not the one the lock names; the message says what to do."""


def cache_dir() -> Path:
    """`$TOCSIN_CACHE_DIR`, else `$XDG_CACHE_HOME/tocsin`, else `~/.cache/tocsin`."""
    if own := os.environ.get("TOCSIN_CACHE_DIR"):
        return Path(own)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "tocsin"


class JarCache:
    """Jars below `root`, each verified before it gets its final name."""

    def __init__(self, root: Path, download: Download = download) -> None:
        self._root = root
        self._download = download

    def ensure(self, jars: Sequence[Jar]) -> tuple[Path, ...]:
        """Return the path of each of `jars`, all verified; fetches what is missing or damaged.

        Touches no network when all are there. Raises JarError.
        """
        with ThreadPoolExecutor(_PARALLEL) as pool:
            intact = list(pool.map(self.is_intact, jars))
        missing = [jar for jar, good in zip(jars, intact, strict=True) if not good]
        if missing:
            self._fetch_all(missing)
        return tuple(self._root / jar.filename for jar in jars)

    def is_intact(self, jar: Jar) -> bool:
        """Whether the cached file has the locked size and SHA-256."""
        path = self._root / jar.filename
        try:
            return path.stat().st_size == jar.size and Jar.measure(jar.coordinate, path) == jar
        except FileNotFoundError:
            return False

    def _fetch_all(self, jars: Sequence[Jar]) -> None:
        self._root.mkdir(parents=True, exist_ok=True)
        console = Console(stderr=True)
        with (
            Progress(console=console, disable=not console.is_terminal, transient=True) as bar,
            ThreadPoolExecutor(_PARALLEL) as pool,
        ):
            task = bar.add_task("Kafka jars", total=sum(jar.size for jar in jars))
            for jar in pool.map(self._fetch, jars):
                bar.advance(task, jar.size)

    def _fetch(self, jar: Jar) -> Jar:
        with tempfile.TemporaryDirectory(dir=self._root, prefix=".fetch-") as scratch:
            path = self._download_patiently(jar, Path(scratch))
            found = Jar.measure(jar.coordinate, path)
            if found != jar:
                raise JarError(
                    f"{jar.coordinate}: expected {jar.size} bytes with SHA-256 {jar.sha256}, "
                    f"got {found.size} bytes with SHA-256 {found.sha256}. Nothing was kept. "
                    "A proxy or mirror may have changed it: try again, or use another repository "
                    "(jgo's settings file); never edit the lock to make this go away."
                )
            path.replace(self._root / jar.filename)
        return jar

    def _download_patiently(self, jar: Jar, scratch: Path) -> Path:
        for attempt in range(_ATTEMPTS):
            try:
                return self._download(jar.coordinate, scratch / str(attempt))
            except MavenError as error:
                last = error
                time.sleep(_FIRST_BACKOFF_S * 2**attempt)
        raise JarError(
            f"{jar.coordinate}: not downloaded in {_ATTEMPTS} attempts: {last}. Check the network "
            "and the CA certificates, then run: python -m deploy.embedded.jars fetch"
        ) from last


def kafka_jars() -> tuple[Path, ...]:
    """All jars of the locked Kafka, verified, fetched if need be; raises JarError."""
    return JarCache(cache_dir() / "jars").ensure(read_lock(lock_path()))


def needed_jars(closure: Sequence[str]) -> list[str]:
    """Of Kafka's `closure`, what a broker loads, and the bridge from its slf4j 1.7 to log4j 2.

    The bridge's version is that of log4j-core. It is added here rather than resolved together with
    Kafka: jgo reads every root as a bill of materials, and log4j's would set kafka-clients to 3.9.
    """
    core = "org.apache.logging.log4j:log4j-core:"
    bridges = [jar.replace("log4j-core", "log4j-slf4j-impl") for jar in closure if core in jar]
    return [jar for jar in closure if not jar.startswith(_COMPILE_TIME_ONLY)] + bridges


def regenerate(path: Path) -> None:
    """Resolve Kafka anew and write the lock at `path`, measured from what Maven gives now."""
    with tempfile.TemporaryDirectory(prefix="tocsin-lock-") as name:
        scratch = Path(name)

        def measured(coordinate: str) -> Jar:
            return Jar.measure(coordinate, download(coordinate, scratch / "jars"))

        wanted = needed_jars(resolve_runtime(_KAFKA, scratch / "poms"))
        with ThreadPoolExecutor(_PARALLEL) as pool:
            write_lock(path, pool.map(measured, wanted))


def main(argv: Sequence[str]) -> int:
    """`fetch` fills the cache, `lock` regenerates the lock."""
    if list(argv) == ["lock"]:
        regenerate(lock_path())
    elif list(argv) == ["fetch"]:
        sys.stdout.write(f"{len(kafka_jars())} jars verified in {cache_dir() / 'jars'}\n")
    else:
        sys.stderr.write("usage: python -m deploy.embedded.jars {fetch,lock}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
