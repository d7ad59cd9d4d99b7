"""Getting a producer that will not block: connected, with the metadata of its topics at hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from kafka import KafkaProducer
from kafka.errors import KafkaConfigurationError, KafkaError

from shared.errors import Misconfigured

_RETRY_S = 0.2
_QUIET_ATTEMPTS = 5
"""The first look-ups of a topic always fail: they only ask for the metadata."""

_log = structlog.get_logger(__name__)


async def connected(
    settings: dict[str, Any], topics: Sequence[str], waiting_for: Callable[[str], None]
) -> Any:
    """Return a ``KafkaProducer`` once a broker answers and all ``topics`` are there.

    Retries for ever; ``waiting_for`` is told what for.

    Raises:
        Misconfigured: no retry would help.
    """
    producer: Any = None
    attempt, last = 0, ""
    while True:
        attempt += 1
        try:
            if producer is None:
                producer = await asyncio.to_thread(lambda: KafkaProducer(**settings))
            for topic in topics:
                await asyncio.to_thread(producer.partitions_for, topic)
        except (KafkaConfigurationError, AssertionError) as error:
            raise Misconfigured(f"kafka: {error}") from error
        except KafkaError as error:
            problem = _describe(error, producer is not None)
            if problem != last and attempt > _QUIET_ATTEMPTS:
                _log.warning("waiting for kafka", problem=problem)
                last = problem
            waiting_for(problem)
            await asyncio.sleep(_RETRY_S)
        except asyncio.CancelledError:
            if producer is not None:
                producer.close(timeout=0)
            raise
        else:
            return producer


def _describe(error: KafkaError, reachable: bool) -> str:
    if reachable:
        return f"kafka: a topic is missing or has no leader ({type(error).__name__})"
    return f"kafka: no broker answers ({type(error).__name__})"
