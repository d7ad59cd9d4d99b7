"""The middle of every process that takes feedback in: the service with its doors, and the import."""

from __future__ import annotations

from dataclasses import dataclass

from services.ingest.intake import Intake
from services.ingest.link_feed import LinkFeed
from services.ingest.links import Links
from services.ingest.metering import Metering
from services.ingest.prepare import Preparer
from services.ingest.producer import KafkaLog
from services.ingest.repeats import WINDOW_MS, Repeats
from services.ingest.whereabouts import Whereabouts
from shared import topics
from shared.clock import Clock, SystemClock
from shared.config import Config
from shared.metrics import Metrics
from shared.ports import Nonces
from shared.sealing import Sealer
from shared.stores.redis_contacts import RedisContacts, RedisNonces
from shared.stores.redis_dedupe import RedisDedupe, connect
from shared.topics import Names

REDIS_TIMEOUT_S = 0.25
"""Intake goes on without Redis, so it does not wait long for it."""

NONCE_S = 86_400.0
SAID, OF = "said:", "of:"
"""What begins the keys of what customers said lately, and of whose an item or thread is."""

_DAY_S = 86_400.0


@dataclass(frozen=True)
class Core:
    """What every door needs. ``log.connect`` and ``links.run`` are to be run in the background."""

    names: Names
    clock: Clock
    log: KafkaLog
    links: LinkFeed
    dedupe: RedisDedupe
    nonces: Nonces
    metering: Metering
    intake: Intake


def redis_prefix(settings: Config) -> str:
    """Return what begins every key that intake has in Redis."""
    return f"{settings.redis.namespace}:ingest:"


def compose_core(settings: Config, metrics: Metrics) -> Core:
    """Put the one path behind all doors together; nothing connects yet."""
    clock = SystemClock(settings.clock.speedup, settings.clock.epoch_ms)
    names = Names(settings.kafka.topic_prefix)
    links = Links()
    preparer = Preparer(
        settings.tenant,
        settings.privacy.pseudonym_key.encode(),
        names,
        clock,
        links,
        Sealer(settings.privacy.seal_key.encode()) if settings.privacy.seal_key else None,
    )
    log = KafkaLog(settings, metrics, [*preparer.topics, names.of(topics.WATERMARKS)])
    redis = connect(settings.redis.url, min(REDIS_TIMEOUT_S, settings.redis.timeout_s))
    prefix = redis_prefix(settings)
    dedupe = RedisDedupe(
        redis, prefix, settings.ingest.dedupe_days * _DAY_S, on_health=metrics.redis_up.set
    )
    metering = Metering(metrics)
    intake = Intake(
        preparer,
        dedupe,
        Repeats(RedisContacts(redis, prefix + SAID, WINDOW_MS / 1000.0)),
        Whereabouts(RedisContacts(redis, prefix + OF, settings.ingest.dedupe_days * _DAY_S)),
        log,
        metering,
        settings.ingest.request_deadline_s,
    )
    return Core(
        names,
        clock,
        log,
        LinkFeed(settings.kafka, names, links),
        dedupe,
        RedisNonces(redis, f"{prefix}nonce:", NONCE_S),
        metering,
        intake,
    )
