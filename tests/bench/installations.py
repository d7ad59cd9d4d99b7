"""What the pipeline is measured on: the product's three processes, and three written by hand."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import msgspec

from deploy.embedded.ports import free_port
from shared.config import Config, as_environ
from shared.config import Kafka as KafkaSettings
from shared.streams.admin import TopicAdmin
from shared.topics import ESCALATIONS, Names
from tests.bench.cluster import Cluster
from tests.bench.contest import Arena, child, unique
from tests.bench.contestants.hand_front import Front
from tests.bench.hop import PARTITIONS, Hop, to_argv

SERVICES = ("services.ingest", "services.classifier", "services.escalation")


def settings_of(
    bootstrap: str, redis_url: str, prefix: str, port: int = 0, partitions: int = PARTITIONS
) -> dict[str, str]:
    """Return the environment that the services of one installation are started with."""
    return as_environ(
        {
            "kafka.bootstrap_servers": bootstrap,
            "kafka.topic_prefix": prefix,
            "kafka.partitions": partitions,
            "redis.url": redis_url,
            "redis.namespace": prefix + "tocsin",
            "ingest.port": port or Config().ingest.port,
            "log.level": "warning",
        }
    )


def create_topics(bootstrap: str, prefix: str, partitions: int = PARTITIONS) -> Names:
    """Create all topics of an installation; return their names."""
    names = Names(prefix)
    with TopicAdmin(KafkaSettings(bootstrap_servers=bootstrap)) as admin:
        admin.apply(admin.plan(names, partitions))
    return names


@contextmanager
def product(arena: Arena, cluster: Cluster, redis_url: str) -> Iterator[tuple[int, str]]:
    """Run the product; yield the port of its door and the topic of escalations."""
    prefix = unique("p") + "."
    names = create_topics(cluster.bootstrap, prefix)
    port = free_port()
    environ = settings_of(cluster.bootstrap, redis_url, prefix, port)
    with ExitStack() as stack:
        for module in SERVICES:
            argv = [sys.executable, "-m", module]
            stack.enter_context(child(prefix + module, argv, arena.logs, **environ))
        yield port, names.of(ESCALATIONS)


@contextmanager
def by_hand(arena: Arena, cluster: Cluster, redis_url: str) -> Iterator[tuple[int, str]]:
    """Run the hand-written pipeline, also three processes; yield the same."""
    received, classified, out = (cluster.create(f"hand.{n}") for n in ("in", "classified", "out"))
    port = free_port()
    front = msgspec.json.encode(Front(cluster.bootstrap, received, port)).decode()
    first = Hop(cluster.bootstrap, received, classified, unique("hand-classify"))
    second = Hop(cluster.bootstrap, classified, out, unique("hand-escalate"))
    parts = {
        "hand_front": [front],
        "hand_classify": [to_argv(first)],
        "hand_escalate": [to_argv(second), redis_url],
    }
    with ExitStack() as stack:
        for module, arguments in parts.items():
            argv = [sys.executable, "-m", f"tests.bench.contestants.{module}", *arguments]
            stack.enter_context(child(f"{module}-{out}", argv, arena.logs))
        yield port, out
