"""Composition root of the notifier: ``python -m services.notifier``.

It fits the case view and the policies, which the escalation owns, to the ports of the notifier.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from services.escalation.__main__ import view_namespace
from services.escalation.policies.store import PARTITION, PolicyStore
from services.escalation.view.model import Checkpoint
from services.escalation.view.redis_view import RedisView
from services.escalation.view.redis_view import connect as connect_view
from services.notifier.callbacks.acting import Acting
from services.notifier.callbacks.app import Hooks, make_app
from services.notifier.callbacks.doors import OutboundReplies, door
from services.notifier.callbacks.heard import Door
from services.notifier.checking import prove
from services.notifier.courier import Courier, MakeFeed
from services.notifier.couriers import Couriers, NoWriter, Wanted
from services.notifier.couriers import wanted as wanted_of
from services.notifier.customers.build import Customers
from services.notifier.customers.build import compose as compose_customers
from services.notifier.directory import NOBODY, CurrentRoutes, FollowedPeople, People
from services.notifier.feed import Arrival, Feed, courier_settings
from services.notifier.handler import STAGE, NotifierHandler
from services.notifier.ledger import KafkaLedger, Writer
from services.notifier.lifecycle import Downstream
from services.notifier.metering import Meter
from services.notifier.ports import Ledger, Sink
from services.notifier.registry import Registry
from services.notifier.routing import automatic
from services.notifier.settings import Sinks, SinkSettings
from services.notifier.sinks.build import Making, secrets_of
from services.notifier.sinks.build import build as build_sink
from services.notifier.sinks.outbound import Outbound
from services.notifier.standing import ViewStanding
from services.notifier.told import told
from shared import config, topics, worker
from shared.clock import SystemClock
from shared.config import Config
from shared.errors import Exit, Misconfigured
from shared.events import CaseCommand
from shared.limits import Limits
from shared.server import Server
from shared.stores.redis_dedupe import connect
from shared.streams.reader import Cluster
from shared.streams.records import Handler, Partition
from shared.worker import Companion, Context

Secret = Callable[[str], str]


class CommandsOf:
    """The way of call-backs to the cases, by the producer of the deliveries."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def send(self, command: CaseCommand) -> None:
        """Return when Kafka has the command (``Transient`` when it has not)."""
        await self._ledger.commands([command])


class Composition:
    """The parts of one process, put together in two steps: before the event loop runs, and in it."""

    def __init__(self, settings: Config, environ: Mapping[str, str]) -> None:
        self._settings = settings
        self._secret: Secret = secrets_of(environ)
        self._outbound = Outbound()
        self._registry = Registry(Path(settings.notifier.sinks_file), self._check)

    def handler(self, made: Context) -> Handler:
        """Return hop 1, with the sinks and people in force."""
        replies = automatic(self._settings.notifier.replies)
        people = _people(self._settings, made)
        people.refresh()
        people.start()
        self._registry.start()
        return NotifierHandler(made, CurrentRoutes(self._registry, people, replies), people.refresh)

    def companions(self, made: Context) -> Sequence[Companion]:
        """Return the couriers and the door."""
        settings = self._settings
        writer = Writer(settings.kafka.client())
        client = connect(settings.redis.url, settings.redis.timeout_s)
        memory = told(client, settings.redis.namespace, made.metrics)
        view = RedisView(
            connect_view(settings.redis.url, settings.redis.timeout_s), view_namespace(settings)
        )
        standing = ViewStanding(
            view.by_id,
            lambda partition: _is_whole(view.checkpoint(partition)),
            settings.kafka.partitions,
        )
        customers = compose_customers(
            settings, made.names, client, view.by_id, made.metrics, made.clock
        )

        def ledger(sink: str) -> KafkaLedger:
            partitions = settings.kafka.partitions
            return KafkaLedger(writer, sink, made.names, partitions, made.clock, made.metrics)

        def courier(wanted: Wanted, sink: Sink) -> Courier:
            return Courier(
                sink,
                _feeding(settings, made, sink.name),
                settings.notifier,
                memory,
                standing,
                ledger(sink.name),
                made.clock,
                Meter(made.metrics, wanted.kind),
            )

        hooks = Hooks(
            self._door,
            Acting(standing, CommandsOf(ledger("callbacks")), made.clock),
            OutboundReplies(self._outbound),
            Limits(time.monotonic),
            SystemClock(),
            made.metrics,
        )
        server = Server(
            make_app(hooks), settings.notifier.host, settings.notifier.port, hooks.connections
        )
        couriers = Couriers(self._registry, lambda wanted: self._sink(wanted, customers), courier)
        closing = (self._outbound.close, memory.close)
        downstream = Downstream(writer, couriers, hooks, server, closing)
        return [downstream] if customers.feed is None else [customers.feed, downstream]

    def _sink(self, wanted: Wanted, customers: Customers) -> Sink:
        if wanted.settings is None:
            return NoWriter(wanted.name)
        if wanted.is_writer:
            return customers.sink(self._making(wanted, wanted.settings))
        return build_sink(*self._making(wanted, wanted.settings))

    def _making(self, wanted: Wanted, settings: SinkSettings) -> Making:
        return Making(
            wanted.name, settings, self._outbound, wanted.people, self._settings, self._secret
        )

    def _check(self, sinks: Sinks) -> None:
        """Make everything once: what is wrong is told before it is taken over."""
        for wanted in wanted_of(sinks).values():
            if wanted.settings is None:
                continue
            prove(self._making(wanted, wanted.settings))

    def _door(self, name: str) -> Door | None:
        sinks = self._registry.sinks
        one = sinks.sinks.get(name)
        return None if one is None else door(self._making(Wanted(name, one, sinks.people), one))


def _is_whole(found: Checkpoint | None) -> bool:
    return found is not None and not found.building


def _feeding(settings: Config, made: Context, sink: str) -> MakeFeed:
    """Return what makes the feed of a sink, in a consumer group of its own."""
    kafka = settings.kafka
    group = made.names.group(f"{STAGE}.{sink}")

    def make(arrived: Callable[[Arrival], None], failed: Callable[[BaseException], None]) -> Feed:
        return Feed(
            sink,
            courier_settings(kafka.client(), group, kafka.session_timeout_ms),
            made.names.of(topics.NOTIFICATIONS),
            settings.notifier.window,
            arrived,
            failed,
            made.metrics,
        )

    return make


def _people(settings: Config, made: Context) -> FollowedPeople:
    """Return who follows the topic of policies."""
    client = settings.kafka.client()
    store, cluster = PolicyStore(client, made.names), Cluster(client)
    source = Partition(made.names.of(topics.POLICIES), PARTITION)

    def load() -> People:
        policy = next(reversed(store.load().values()), None)
        if policy is None:
            return NOBODY
        teams = {team.name: team.via for team in policy.teams}
        return teams | {contact.name: contact.via for contact in policy.contacts}

    return FollowedPeople(lambda: cluster.ends([source])[source], load)


def main() -> int:
    """Run until told to stop; return the exit code."""
    try:
        settings = config.load(os.environ).config
        parts = Composition(settings, os.environ)
    except Misconfigured as error:
        sys.stderr.write(f"tocsin: {error}\n")
        return Exit.CONFIG
    return worker.run(STAGE, settings, parts.handler, parts.companions)


if __name__ == "__main__":
    sys.exit(main())
