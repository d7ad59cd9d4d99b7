"""Logging: JSON lines on stderr, or a readable rendering on a terminal. Ids only, never feedback text.

Records of the standard library (Faust, aiohttp, kafka-python) pass through the same formatter.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable

import structlog
from structlog.typing import EventDict, Processor

from shared.config import Log
from shared.errors import Misconfigured

NOISY = ("aiokafka", "faust", "mode", "kafka", "aiohttp.access", "asyncio")


def configure(settings: Log, service: str) -> None:
    """Send all log records of this process to stderr.

    Raises:
        Misconfigured: unknown level or format.
    """
    level = logging.getLevelNamesMapping().get(settings.level.upper())
    if level is None:
        raise Misconfigured(f"log.level: {settings.level!r} is not a level such as info or warning")

    def name_service(_: object, __: str, event: EventDict) -> EventDict:
        event["service"] = service
        return event

    shared_processors: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        name_service,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared_processors,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _renderer(settings.format),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in NOISY:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    structlog.configure(
        processors=[*shared_processors, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )


def _renderer(name: str) -> Processor:
    renderers: dict[str, Callable[[], Processor]] = {
        "json": structlog.processors.JSONRenderer,
        "console": structlog.dev.ConsoleRenderer,
    }
    if name == "auto":
        name = "console" if sys.stderr.isatty() else "json"
    if name not in renderers:
        raise Misconfigured(f"log.format: {name!r}; known: auto, {', '.join(renderers)}")
    return renderers[name]()
