"""Composition root of the escalation worker: ``python -m services.escalation``."""

from __future__ import annotations

import os
import sys

import structlog

from services.escalation.handler import STAGE, EscalationHandler
from services.escalation.policies.current import CurrentPolicy
from services.escalation.policies.store import PolicyStore
from services.escalation.view.behind import WriteBehind
from services.escalation.view.rebuild import Rebuilder
from services.escalation.view.redis_view import RedisView, connect
from shared import config, topics, worker
from shared.errors import Exit, Misconfigured, Transient
from shared.streams.records import Handler
from shared.topics import DAY_MS

log = structlog.get_logger(__name__)


def build(made: worker.Context) -> Handler:
    """Return the handler with its view in Redis."""
    settings = made.config
    client = connect(settings.redis.url, settings.redis.timeout_s)
    view = RedisView(client, view_namespace(settings))
    try:
        view.check_eviction()
    except Transient as error:  # it is waited for later; only this check has to go without
        log.warning("Redis is away: its eviction policy was not checked", error=str(error))
    remember_ms = int(settings.ingest.dedupe_days * DAY_MS)
    rebuilder = Rebuilder(
        view,
        settings.kafka.client(),
        made.names.of(topics.CASE_STATE),
        made.names.of(topics.FEEDBACK_OUTCOMES),
        made.clock,
        made.metrics,
        remember_ms,
        settings.kafka.partitions,
    )
    store = PolicyStore(settings.kafka.client(), made.names)
    policies = CurrentPolicy(settings.escalation, store, made.clock, made.metrics, by=STAGE)
    policies.start()
    return EscalationHandler(made, WriteBehind(view), rebuilder, policies.now, remember_ms)


def view_namespace(settings: config.Config) -> str:
    """Return the Redis namespace of this installation's case view."""
    return f"{settings.redis.namespace}:{settings.kafka.topic_prefix}view"


def main() -> int:
    """Run until told to stop; return the exit code."""
    try:
        settings = config.load(os.environ).config
    except Misconfigured as error:
        sys.stderr.write(f"tocsin: {error}\n")
        return Exit.CONFIG
    return worker.run(STAGE, settings, build)


if __name__ == "__main__":
    sys.exit(main())
