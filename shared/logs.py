"""Logging: JSON lines on stderr, or a readable rendering on a terminal. Ids only, never feedback text.

Records of the standard library (Faust, aiohttp, kafka-python) pass through the same formatter.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable

import structlog
from structlog.typing import EventDict, Processor

from shared.config import Log
from shared.errors import Misconfigured

MAX_KINDS = 1_000
DIGITS = re.compile(r"\d+")
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
    handler.addFilter(RepeatFilter())
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


class RepeatFilter(logging.Filter):
    """Lets a few records of the same kind pass per window; an outage repeats itself by the thousand.

    Two records are of the same kind when logger, level and text without digits are equal. The first
    record of the next window tells how many were left out.
    """

    def __init__(self, most: int = 5, window_s: float = 10.0) -> None:
        super().__init__()
        self._most = most
        self._window_s = window_s
        self._seen: dict[tuple[str, int, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return False for a record too many."""
        text = record.msg if isinstance(record.msg, str) else str(record.msg.get("event", ""))
        kind = (record.name, record.levelno, DIGITS.sub("", text)[:80])
        began, count = self._seen.get(kind, (record.created, 0))
        if record.created - began >= self._window_s:
            if count > self._most and isinstance(record.msg, dict):
                record.msg["left_out"] = count - self._most
            began, count = record.created, 0
        if len(self._seen) > MAX_KINDS:
            self._seen.clear()
        self._seen[kind] = (began, count + 1)
        return count < self._most or record.levelno < logging.WARNING


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
