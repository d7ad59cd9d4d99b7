"""One attempt of a sink, whatever the sink does: it may fail, cancel itself, or never come back."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from services.notifier.domain import ladder
from services.notifier.ports import Result, Sink, Verdict
from shared.events import Notification

HANGS_S: Final = 900.0
"""No sink takes so long: each has time-outs of its own."""

log = structlog.get_logger(__name__)


class Attempts:
    """Attempts of one sink, which it closes."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    async def make(self, notification: Notification, number: int) -> Result:
        """Try once; ``number`` counts the attempts of this notification."""
        try:
            async with asyncio.timeout(HANGS_S):
                return await self._sink.deliver(notification)
        except (Exception, asyncio.CancelledError) as error:
            if _is_cancelled():
                raise
            return self._bug(notification, number, error)

    async def close(self) -> None:
        """Let go of the sink; a bug of it holds up nobody."""
        try:
            await self._sink.close()
        except Exception:
            log.exception("a sink does not close", sink=self._sink.name)

    def _bug(self, notification: Notification, number: int, error: BaseException) -> Result:
        """Return what a bug of the sink is: a matter of this notification, that may pass, or stay.

        What the error says may be a secret or a customer's, so it is not kept.
        """
        log.error("a sink failed", sink=self._sink.name, kind=notification.kind, exc_info=error)
        stays = number >= ladder.LEAST_ATTEMPTS
        verdict = Verdict.PERMANENT if stays else Verdict.RETRYABLE
        return Result(verdict, f"a bug of the sink: {type(error).__name__}")


def _is_cancelled() -> bool:
    """Tell whether somebody cancels this task; a sink can let a cancellation of its own escape."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
