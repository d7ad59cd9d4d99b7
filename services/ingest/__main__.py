"""Composition root of the ingest service: ``python -m services.ingest``."""

from __future__ import annotations

import asyncio
import gc
import os
import sys

import uvloop
from aiohttp import web

from services.ingest.intake import Intake
from services.ingest.lifecycle import Lifecycle, Parts
from services.ingest.metering import Metering
from services.ingest.prepare import Preparer
from services.ingest.producer import KafkaLog
from services.ingest.sources.http import HttpDoor
from services.ingest.sources.keys import Keys, check_exposure
from services.ingest.sources.server import Server
from shared import config, logs, probes
from shared.clock import SystemClock
from shared.config import Config
from shared.errors import Exit, Misconfigured
from shared.metrics import Metrics, build_version, process_registry
from shared.stores.redis_dedupe import RedisDedupe, connect
from shared.topics import Names

DEDUPE_TIMEOUT_S = 0.25
"""Intake goes on without Redis, so it does not wait long for it."""

GC_THRESHOLDS = (5_000, 50, 100)
"""Records in flight are no cycles; looking for some among them costs a tenth of the throughput."""

_DAY_S = 86_400.0


async def run(settings: Config) -> int:
    """Run the ingest service with ``settings`` until SIGTERM or SIGINT; return the exit code.

    Raises:
        Misconfigured: the service cannot run as it was told to.
        OSError: an address is taken.
    """
    _check_crc32c()
    return await Lifecycle(_compose(settings)).run()


def main() -> int:
    """Run with the configuration of the environment."""
    try:
        settings = config.load(os.environ).config
        logs.configure(settings.log, "ingest")
        config.check_exposure(settings)
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(run(settings))
    except (Misconfigured, OSError) as error:
        sys.stderr.write(f"tocsin ingest: {error}\n")
        return Exit.CONFIG


def _compose(settings: Config) -> Parts:
    limits, secret = settings.ingest, settings.privacy.pseudonym_key
    keys = Keys(limits.keys)
    check_exposure(limits.host, keys, secret)
    metrics = Metrics(process_registry())
    metrics.build_info.labels(build_version(), "ingest").set(1)
    clock = SystemClock(settings.clock.speedup, settings.clock.epoch_ms)
    names = Names(settings.kafka.topic_prefix)
    preparer = Preparer(settings.tenant, secret.encode(), names, clock)
    log = KafkaLog(settings, metrics, preparer.topics)
    dedupe = RedisDedupe(
        connect(settings.redis.url, min(DEDUPE_TIMEOUT_S, settings.redis.timeout_s)),
        f"{settings.redis.namespace}:ingest:",
        limits.dedupe_days * _DAY_S,
        on_health=metrics.redis_up.set,
    )
    intake = Intake(preparer, dedupe, log, Metering(metrics), limits.request_deadline_s)
    door = HttpDoor(intake, keys, limits, metrics)
    app = web.Application()
    door.add_routes(app)
    server = Server(app, limits.host, limits.port, door.connections)
    watch = web.Application()
    probes.add_routes(watch, metrics.registry, lambda: None, (log.problem, door.problem))
    return Parts(settings.worker, log, dedupe, intake, door, server, watch)


def _check_crc32c() -> None:
    try:
        import crc32c  # noqa: F401
    except ImportError as error:
        raise Misconfigured(
            "the package crc32c is missing: without it kafka-python is six times slower"
        ) from error


if __name__ == "__main__":
    sys.exit(main())
