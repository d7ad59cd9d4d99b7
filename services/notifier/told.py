"""What was told is remembered in Redis, so that nothing that Kafka brings again is told again."""

from __future__ import annotations

from typing import Final

from redis.asyncio import Redis

from shared.metrics import Metrics
from shared.stores.memory_dedupe import MemoryDedupe
from shared.stores.redis_dedupe import RedisDedupe
from shared.topics import NOTIFICATIONS

SPARE_S: Final = 7 * 86_400.0
TTL_S: Final = NOTIFICATIONS.retention_ms / 1000 + SPARE_S
"""Longer than a notification can be read again."""

RedisTold = RedisDedupe
MemoryTold = MemoryDedupe
"""Its twin in memory, for tests."""


def told(client: Redis, namespace: str, metrics: Metrics, ttl_s: float = TTL_S) -> RedisTold:
    """Return the memory of one installation; see ``services.notifier.ports.Told``."""
    return RedisTold(client, f"{namespace}:told:", ttl_s, metrics.redis_up.set)
