"""Composition root of the console: ``python -m services.console``.

It fits the case view and the record, which other services own, to the ports of the API.
"""

from __future__ import annotations

import asyncio
import heapq
import os
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
import structlog
import uvloop
from aiohttp import web

from services.console import lifecycle, policies
from services.console.api.app import make_app
from services.console.api.gate import Gate, Pace
from services.console.api.reading import Reading
from services.console.api.reads import Reads
from services.console.api.writes import Writes
from services.console.lifecycle import Health, Parts
from services.console.ports import Customer, Hit, Line, Place
from services.console.tokens import Tokens
from services.console.waiting import Waiting
from services.escalation.__main__ import view_namespace
from services.escalation.view import model
from services.escalation.view.redis_view import RedisView, connect
from services.record.build import bring_up
from services.record.index import Index
from services.record.search import CLOSE, OPEN, Only, search
from services.record.timeline import deliveries_of, events_of, timeline, with_deliveries
from services.record.words import parse
from shared import config, logs, probes, topics
from shared.clock import SystemClock
from shared.commands import CommandSender
from shared.config import Config
from shared.daemon import in_daemon
from shared.errors import Exit, Misconfigured, Transient
from shared.events import Case, CaseState, PolicyVersion, Severity
from shared.ids import partition_of, record_key_of_case
from shared.limits import Limits
from shared.metrics import Metrics, build_version, process_registry
from shared.sending import KafkaCommands
from shared.server import Server
from shared.streams.reader import Cluster
from shared.topics import Names

PAGE = 50
READS_AT_ONCE = 16
RECORD_AT_ONCE = 2
RECORD_S = 30.0
LEAST_TIMEOUT_MS = 100
"""A shorter one the client library refuses, or no broker meets."""

log = structlog.get_logger(__name__)


class ViewCases:
    """The case view of all partitions; see :class:`services.console.ports.Cases`."""

    def __init__(self, view: model.View, partitions: int) -> None:
        self._view = view
        self._partitions = partitions

    def by_id(self, case_ids: Collection[str]) -> Mapping[str, Case]:
        """Return those of the cases that there are; an id that cannot be one is passed over."""
        wanted: dict[int, list[str]] = defaultdict(list)
        for case_id in case_ids:
            try:
                key = record_key_of_case(case_id)
            except ValueError:
                continue
            wanted[partition_of(key, self._partitions)].append(case_id)
        found: dict[str, Case] = {}
        for partition, ids in wanted.items():
            here = self._view.by_id(partition, ids)
            if len(here) < len(ids):
                self._check(partition)
            found |= here
        return found

    def newest(
        self, states: Collection[CaseState], severities: Collection[Severity], behind: Place | None
    ) -> Iterator[Case]:
        """Yield cases from ``behind`` on, the latest opened first."""
        parts = [self._of(number, states, severities, behind) for number in range(self._partitions)]
        return heapq.merge(*parts, key=model.place_of, reverse=True)

    def customer(self, record_key: str) -> Customer:
        """Return what there is of a customer."""
        partition = partition_of(record_key, self._partitions)
        found = self._view.fetch(partition, [], [record_key])
        if found.checkpoint is None:
            raise _no_view(partition)
        return Customer(found.cases[record_key], found.erased.get(record_key))

    def check(self) -> None:
        """Raise ``Transient`` if Redis does not answer."""
        self._view.checkpoint(0)

    def _of(
        self,
        partition: int,
        states: Collection[CaseState],
        severities: Collection[Severity],
        behind: Place | None,
    ) -> Iterator[Case]:
        self._check(partition)
        last = None if behind is None else model.Place(*behind)
        while page := self._view.page(
            partition, PAGE, states=states, severities=severities, behind=last
        ):
            yield from page
            last = model.place_of(page[-1])

    def _check(self, partition: int) -> None:
        if self._view.checkpoint(partition) is None:
            raise _no_view(partition)


class KafkaRecord:
    """The durable record; see :class:`services.console.ports.Record`.

    Args:
        index: file of the index of the search.
    """

    def __init__(self, settings: config.Kafka, index: Path) -> None:
        self._client = settings.client()
        self._names = Names(settings.topic_prefix)
        self._partitions = settings.partitions
        self._index = index
        self._building = threading.Lock()

    def timeline(self, case_id: str) -> Sequence[Line]:
        """Return what happened to a case, in order."""
        record_key_of_case(case_id)
        where = (self._client, self._names, self._partitions, case_id)
        events = events_of(*where)
        lines = with_deliveries(timeline(events), deliveries_of(*where) if events else ())
        return [msgspec.convert(line, Line, from_attributes=True) for line in lines]

    def search(self, query: str, limit: int) -> Sequence[Hit]:
        """Return what was found, the best first."""
        wanted = parse(query)
        if wanted is None:
            raise ValueError("there is no word to look for")
        with self._building, Index(self._index) as index:
            skipped = bring_up(index, self._client, self._names, lambda _: lambda _: None)
            if skipped:
                log.warning("unreadable records are not in the index", skipped=skipped)
            hits = search(index, wanted, Only(), limit)
        return [_hit(msgspec.convert(hit, Hit, from_attributes=True)) for hit in hits]

    def policy(self) -> PolicyVersion | None:
        """Return the policy that is in force."""
        return policies.current(self._client, self._names)

    def check(self) -> None:
        """Raise ``Misconfigured`` if commands would go to the wrong partition."""
        topic = self._names.of(topics.CASE_COMMANDS)
        count = len(Cluster(self._client).sources(topic))
        if count != self._partitions:
            raise Misconfigured(f"kafka.partitions is {self._partitions}, but {topic} has {count}")


def _no_view(partition: int) -> Transient:
    return Transient(f"the view of partition {partition} is not there: no worker has built it yet")


def _hit(hit: Hit) -> Hit:
    plain = hit.snippet.replace(OPEN, "").replace(CLOSE, "")
    return msgspec.structs.replace(hit, snippet=plain)


def compose(settings: Config, folder: Path) -> Parts:
    """Return the parts of a console; nothing is contacted yet. ``folder`` is for what is temporary.

    Raises:
        Misconfigured: the tokens are not of their form.
    """
    limits, kafka = settings.console, settings.kafka
    metrics = Metrics(process_registry())
    metrics.build_info.labels(build_version(), "console").set(1)
    names = Names(kafka.topic_prefix)
    client = connect(settings.redis.url, settings.redis.timeout_s)
    cases = ViewCases(RedisView(client, view_namespace(settings)), kafka.partitions)
    record = KafkaRecord(kafka, Path(limits.index_file or folder / "index.sqlite3"))
    timeout_ms = max(LEAST_TIMEOUT_MS, int(limits.deadline_s * 1000))
    producer = {**kafka.client(), "message.timeout.ms": timeout_ms}
    commands = KafkaCommands(lambda: CommandSender(producer, names, kafka.partitions))
    view = Reading("view", READS_AT_ONCE, settings.redis.timeout_s * 2)
    waiting = Waiting(lambda ids: in_daemon(lambda: cases.by_id(ids), "waiting"))
    reads = Reads(cases, record, view, Reading("record", RECORD_AT_ONCE, RECORD_S))
    clock = SystemClock(settings.clock.speedup, settings.clock.epoch_ms)
    pace = Pace(limits.rate, 2 * limits.rate)
    gate = Gate(Tokens(limits.tokens), Limits(time.monotonic), pace, metrics)
    app = make_app(gate, reads, Writes(reads, commands, waiting, clock, limits.deadline_s))
    watch, health = web.Application(), Health(metrics)
    checks = (health.kafka, health.redis, gate.problem)
    probes.add_routes(watch, metrics.registry, lambda: None, checks)
    return Parts(
        settings.worker,
        gate,
        Server(app, limits.host, limits.port, gate.connections),
        watch,
        commands,
        waiting,
        health,
        record.check,
        cases.check,
    )


async def run(settings: Config) -> int:
    """Run a console until SIGTERM or SIGINT; return the exit code."""
    with tempfile.TemporaryDirectory(prefix="tocsin-console-") as folder:
        return await lifecycle.run(compose(settings, Path(folder)))


def main() -> int:
    """Run with the configuration of the environment."""
    try:
        settings = config.load(os.environ).config
        logs.configure(settings.log, "console")
        config.check_exposure(settings)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(run(settings))
    except (Misconfigured, OSError) as error:
        sys.stderr.write(f"tocsin console: {error}\n")
        return Exit.CONFIG


if __name__ == "__main__":
    sys.exit(main())
