"""Composition root of the ingest service: ``python -m services.ingest``."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import time
from pathlib import Path

import uvloop
from aiohttp import web

from services.ingest.collectors import Collectors
from services.ingest.core import Core, compose_core
from services.ingest.lifecycle import Lifecycle, Parts
from services.ingest.registry import Registry
from services.ingest.sources.body import Bodies
from services.ingest.sources.fetching import Fetcher
from services.ingest.sources.gate import Gate
from services.ingest.sources.hooks import HookDoor
from services.ingest.sources.http import HttpDoor
from services.ingest.sources.keys import Callers, Keys, check_exposure
from services.ingest.sources.public_keys import PublicKeys, fetch
from services.ingest.sources.smtp import SmtpDoor
from services.ingest.sources.smtp_delivery import Postroom
from services.ingest.sources.smtp_house import Allowance, House, peers_of, tls_of
from services.ingest.sources.smtp_mailboxes import Mailboxes
from shared import config, logs, probes
from shared.config import Config
from shared.errors import Exit, Misconfigured
from shared.limits import Limits
from shared.metrics import Metrics, build_version, process_registry
from shared.server import Server

GC_THRESHOLDS = (5_000, 50, 100)
"""Records in flight are no cycles; looking for some among them costs a tenth of the throughput."""


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
    registry = Registry(Path(limits.sources_file))
    check_exposure(limits.host, keys, secret, registry.sources)
    metrics = Metrics(process_registry())
    metrics.build_info.labels(build_version(), "ingest").set(1)
    core = compose_core(settings, metrics)
    metrics.sources_broken.set_function(lambda: len(registry.faults))
    gate = Gate(metrics)
    rates = Limits(time.monotonic)
    fetcher = Fetcher(core.clock, metrics)
    app = web.Application()
    HttpDoor(
        core.intake, Callers(keys, registry), rates, limits, Bodies(limits.max_in_flight_bytes)
    ).add_routes(app, gate)
    HookDoor(
        core.intake,
        registry,
        Bodies(limits.max_in_flight_bytes),  # its own: strangers fill it before they prove anything
        PublicKeys(fetch, time.monotonic),
        core.nonces,
        rates,
        core.metering,
        core.clock,
        limits,
        fetcher,
    ).add_routes(app, gate)
    collectors = Collectors(settings, registry, core, rates, metrics)
    server = Server(app, limits.host, limits.port, gate.connections)
    watch = web.Application()
    checks = (core.log.problem, core.links.problem, gate.problem)
    probes.add_routes(watch, metrics.registry, lambda: None, checks)
    return Parts(
        settings.worker,
        core.log,
        core.dedupe,
        core.intake,
        gate,
        server,
        watch,
        services=(collectors, fetcher, _mail_door(settings, core, registry, rates, metrics)),
        background=(core.links.run, registry.watch),
    )


def _mail_door(
    settings: Config, core: Core, registry: Registry, rates: Limits, metrics: Metrics
) -> SmtpDoor:
    limits = settings.ingest
    mailboxes = Mailboxes(registry)
    postroom = Postroom(core.intake, mailboxes, rates, core.metering, metrics, core.clock)
    house = House(
        postroom,
        Allowance(limits.max_in_flight_bytes),
        peers_of(limits, settings.privacy.pseudonym_key),
        limits.smtp_max_bytes,
        limits.smtp_max_connections,
        tls_of(limits),
    )
    return SmtpDoor(limits, house)


def _check_crc32c() -> None:
    try:
        import crc32c  # noqa: F401
    except ImportError as error:
        raise Misconfigured(
            "the package crc32c is missing: without it kafka-python is six times slower"
        ) from error


if __name__ == "__main__":
    sys.exit(main())
