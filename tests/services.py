"""Kafka and Redis for tests: one of each per pytest run, also when xdist spreads it over processes.

The first process that asks starts the server and keeps it until the last user has let go; the others
find its address in the run's own temporary folder. A server that cannot be started is a reason to
skip at home and a failure where ``CI`` is set.
"""

from __future__ import annotations

import fcntl
import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn, TypeVar

import pytest

from deploy.embedded.kafka import EmbeddedKafka
from deploy.embedded.redis import EmbeddedRedis
from deploy.embedded.service import EmbeddedService, StartError
from shared.config import Loaded, Scalar, load
from shared.streams.admin import TopicAdmin
from shared.topics import Names

LAST_USER_S = 900.0
POLL_S = 0.05

S = TypeVar("S", bound=EmbeddedService)
T = TypeVar("T")


def missing(reason: str) -> NoReturn:
    """Skip at home, fail under CI: a suite that skips everything must not look green there."""
    if os.environ.get("CI", "").lower() in {"1", "true", "yes"}:
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def started(service: S) -> S:
    """Start ``service``; where that is impossible the test is skipped or fails, with the reason."""
    try:
        service.start()
    except (StartError, OSError, RuntimeError) as error:
        missing(f"{service.name} cannot be started here: {error}")
    return service


def wait_for(
    condition: Callable[[], T | None], what: str, deadline_s: float = 30.0, every_s: float = POLL_S
) -> T:
    """Return the first truthy answer of ``condition``; fail with ``what`` after ``deadline_s``."""
    deadline = time.monotonic() + deadline_s
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            pytest.fail(f"not within {deadline_s:g} s: {what}", pytrace=False)
        time.sleep(every_s)


@contextmanager
def shared_server(
    folder: Path, make: Callable[[Path], S], address: Callable[[S], str]
) -> Iterator[str]:
    """Yield the address of a server that all processes of this pytest run share.

    Args:
        folder: the same for all processes of the run, and of no other run.
        make: builds the server on a data folder; it is started by the first process only.
        address: what the clients need.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found, mine = folder / "address", folder / f"user-{os.getpid()}"
    server: S | None = None
    with _locked(folder):
        if not found.exists():
            server = started(make(folder / f"data-{uuid.uuid4().hex[:8]}"))
            found.write_text(address(server), "utf-8")
        where = found.read_text("utf-8")
        mine.touch()
    try:
        yield where
    finally:
        mine.unlink(missing_ok=True)
        if server is not None:
            _wait_for_others(folder, found)
            server.stop()


def _wait_for_others(folder: Path, found: Path) -> None:
    """Return when nobody uses the server any more; whoever comes later starts another one."""
    deadline = time.monotonic() + LAST_USER_S
    while True:
        with _locked(folder):
            users = [path for path in folder.glob("user-*") if _runs(path)]
            if not users or time.monotonic() > deadline:
                found.unlink(missing_ok=True)
                return
        time.sleep(POLL_S)


def _runs(user: Path) -> bool:
    """Tell whether the process behind a user file still runs: one that was killed never lets go."""
    try:
        os.kill(int(user.name.removeprefix("user-")), 0)
    except ProcessLookupError:
        return False
    return True


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def kafka(folder: Path) -> EmbeddedKafka:
    """Return a broker, not started.

    A broker that comes back after a crash still believes to lead its partitions until the controller
    fences its old incarnation. If it aborts a timed-out transaction in these seconds, it finds no
    leader, takes the partitions for deleted and skips the markers (Kafka 4.3.1: "likely deleted
    already and hence can be skipped"): the transaction hangs for ever, and with it every
    read-committed reader. So the first look for timed-out transactions has to come later than that.
    """
    return EmbeddedKafka(folder)


def redis(folder: Path) -> EmbeddedRedis:
    """Return a Redis, not started."""
    return EmbeddedRedis(folder)


@dataclass(frozen=True)
class Installation:
    """A Tocsin of its own on shared servers: nobody else has its topics and its Redis keys."""

    bootstrap: str
    redis_url: str
    name: str = field(default_factory=lambda: f"t{uuid.uuid4().hex[:10]}")

    @property
    def prefix(self) -> str:
        """Prefix of all topics and groups."""
        return f"{self.name}."

    @property
    def names(self) -> Names:
        """Topic names."""
        return Names(self.prefix)

    def settings(self, **extra: Scalar) -> dict[str, Scalar]:
        """Return dotted settings; ``extra`` is written ``kafka__partitions=4``."""
        return {
            "kafka.bootstrap_servers": self.bootstrap,
            "kafka.topic_prefix": self.prefix,
            "redis.url": self.redis_url,
            "redis.namespace": self.name,
        } | {name.replace("__", "."): value for name, value in extra.items()}

    def loaded(self, **extra: Scalar) -> Loaded:
        """Return the configuration (see :meth:`settings`)."""
        return load({}, flags=self.settings(**extra))

    def create_topics(self, partitions: int) -> None:
        """Create all topics of the product."""
        config = self.loaded(kafka__partitions=partitions).config
        with TopicAdmin(config.kafka) as admin:
            admin.apply(admin.plan(self.names, partitions))
