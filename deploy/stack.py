"""The whole system as child processes: brokers, topics, one process per worker, kept running.

``KAFKA_BOOTSTRAP_SERVERS`` / ``REDIS_URL`` (or their settings) set: those are used and no server is
started. A worker that ends is started again with back-off, except when its exit code says that this
cannot help. The children die with this process, however it ends.
"""

from __future__ import annotations

import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deploy.embedded.kafka import EmbeddedKafka
from deploy.embedded.ports import free_port
from deploy.embedded.process import ChildProcess, Command
from deploy.embedded.redis import EmbeddedRedis
from deploy.embedded.service import EmbeddedService
from shared.config import Config, Loaded, Scalar, as_environ, dotted
from shared.errors import Exit, Misconfigured, Transient
from shared.streams.admin import TopicAdmin
from shared.topics import Names

HOPELESS = {Exit.DEAD_LETTERS, Exit.CONFIG}
RESTART_S = (0.1, 0.5, 1.0, 2.0, 5.0)
STEADY_S = 30.0
"""Whoever ran for so long is started again at once: back-off is for those that never get up."""
DOORS = {"ingest": "ingest.port", "console": "console.port", "notifier": "notifier.port"}
"""Services that listen, and the setting of their port."""
SERVICES = ("ingest", "console", "classifier", "escalation", "notifier")
"""In the order of the stream: what people and systems reach stops first, who tells them last."""
READY_S = 120.0
STOP_S = 25.0
WATCH_S = 0.1

Progress = Callable[[str], None]


@dataclass
class Member:
    """One worker process of the stack: what it runs, where it listens, how often it was started."""

    name: str
    service: str
    settings: Mapping[str, Scalar]
    log: Path
    process: ChildProcess | None = None
    starts: int = 0
    attempts: int = 0
    started: float = 0.0
    next_start: float = 0.0
    given_up: bool = False

    @property
    def metrics_url(self) -> str:
        """Base address of the probes."""
        return f"http://127.0.0.1:{self.settings['worker.metrics_port']}"


def _silent(_: str) -> None:
    return None


@dataclass
class Stack:
    """Brokers and workers of one run.

    Args:
        folder: data and logs live here.
        loaded: the settings; what is not set points to the embedded servers.
        workers: number of processes per service.
        progress: told what is going on.
        environ: further environment of single workers, by their name (``escalation-0``).
    """

    folder: Path
    loaded: Loaded
    workers: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys(SERVICES, 1))
    progress: Progress = _silent
    environ: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.kafka: EmbeddedKafka | None = None
        self.redis: EmbeddedRedis | None = None
        self.members: list[Member] = []
        self.config: Config = self.loaded.config
        self._settings: dict[str, Scalar] = {
            name: value
            for name, value in dotted(self.config).items()
            if name in self.loaded.origins
        }
        self._closing = threading.Event()
        self._watcher: threading.Thread | None = None

    # ---- life

    def start(self) -> None:
        """Start everything and return when all workers are ready.

        Raises:
            Misconfigured: a worker cannot run with these settings; the message has its log.
            Transient: something did not get ready in time.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._start_servers()
        self._apply_topics()
        self.progress("starting the workers")
        self.members = [
            self._member(name, number) for name, n in self.workers.items() for number in range(n)
        ]
        for member in self.members:
            self.launch(member)
        self._watcher = threading.Thread(target=self._watch, name="supervisor", daemon=True)
        self._watcher.start()
        self.wait_ready()

    def stop(self) -> None:
        """Stop the workers in the order of the stream, then the servers."""
        self._closing.set()
        if self._watcher is not None:
            self._watcher.join(5.0)
        for service in self.workers:
            _together(
                [
                    member.process
                    for member in self.members
                    if member.service == service and member.process is not None
                ]
            )
        servers: Sequence[EmbeddedService | None] = (self.redis, self.kafka)
        for server in servers:
            if server is not None:
                server.stop()

    @property
    def intake_url(self) -> str:
        """Address of the HTTP door."""
        return f"http://127.0.0.1:{self._settings['ingest.port']}"

    @property
    def console_url(self) -> str:
        """Address of the HTTP API."""
        return f"http://127.0.0.1:{self._settings['console.port']}"

    @property
    def hooks_url(self) -> str:
        """Address of the door for call-backs."""
        return f"http://127.0.0.1:{self._settings['notifier.port']}"

    def of(self, service: str) -> list[Member]:
        """Return the processes of a service."""
        return [member for member in self.members if member.service == service]

    # ---- servers

    def _start_servers(self) -> None:
        if "kafka.bootstrap_servers" not in self._settings:
            self.progress("starting Kafka")
            self.kafka = EmbeddedKafka(self.folder / "kafka")
            self.kafka.start()
            self._set("kafka.bootstrap_servers", self.kafka.bootstrap)
        if "redis.url" not in self._settings:
            self.progress("starting Redis")
            self.redis = EmbeddedRedis(self.folder / "redis")
            self.redis.start()
            self._set("redis.url", self.redis.url)
        for name in DOORS.values():
            if name not in self._settings:
                self._set(name, free_port())

    def _set(self, name: str, value: Scalar) -> None:
        from shared import config

        self._settings[name] = value
        self.config = config.load(as_environ(self._settings)).config

    def _apply_topics(self) -> None:
        self.progress("applying the topics")
        with TopicAdmin(self.config.kafka) as admin:
            names = Names(self.config.kafka.topic_prefix)
            admin.apply(admin.plan(names, self.config.kafka.partitions))

    # ---- workers

    def _member(self, service: str, number: int) -> Member:
        settings: dict[str, Scalar] = {
            "worker.slot": str(number),
            "worker.metrics_port": free_port(),
            "log.format": "json",
        }
        if service in DOORS and number > 0:
            settings[DOORS[service]] = free_port()
        name = f"{service}-{number}"
        return Member(name, service, settings, self.folder / f"{name}.log")

    def launch(self, member: Member) -> None:
        """Start a worker process."""
        environ = as_environ({**self._settings, **member.settings})
        command = Command(
            argv=[sys.executable, "-m", f"services.{member.service}"],
            log=member.log,
            env={**environ, "PYTHONUNBUFFERED": "1", **self.environ.get(member.name, {})},
        )
        process = ChildProcess(member.name, command)
        process.start()
        member.process = process  # only now: whoever stops it must find it running
        member.starts += 1
        member.attempts += 1
        member.started = time.monotonic()

    def _watch(self) -> None:
        while not self._closing.wait(WATCH_S):
            for member in self.members:
                if member.process is None or member.process.alive or member.given_up:
                    continue
                if not member.next_start:
                    code = member.process.returncode
                    member.given_up = code in HOPELESS
                    if time.monotonic() - member.started > STEADY_S:
                        member.attempts = 1
                    delay = RESTART_S[min(member.attempts - 1, len(RESTART_S) - 1)]
                    member.next_start = time.monotonic() + delay
                    self.progress(f"{member.name} ended with code {code}")
                elif time.monotonic() >= member.next_start:
                    member.next_start = 0.0
                    try:
                        self.launch(member)
                    except OSError as error:  # out of processes or memory: others need the watch
                        member.attempts += 1
                        self.progress(f"{member.name} cannot be started: {error}")

    def wait_ready(self, timeout_s: float = READY_S) -> None:
        """Wait until every worker says that it is ready (same errors as :meth:`start`)."""
        deadline = time.monotonic() + timeout_s
        for member in self.members:
            while not is_ready(member.metrics_url):
                if member.given_up and member.process is not None:
                    raise Misconfigured(f"{member.name} cannot run:\n{member.process.log_tail()}")
                if time.monotonic() > deadline:
                    tail = member.process.log_tail() if member.process else ""
                    raise Transient(f"{member.name} is not ready after {timeout_s:.0f} s:\n{tail}")
                self._closing.wait(0.05)


def is_ready(base_url: str) -> bool:
    """Return True when the process behind ``base_url`` answers its readiness probe with 200."""
    try:
        with urllib.request.urlopen(f"{base_url}/readyz", timeout=2.0) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _together(processes: Sequence[ChildProcess]) -> None:
    threads = [threading.Thread(target=process.terminate, args=(STOP_S,)) for process in processes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
