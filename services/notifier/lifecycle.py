"""What lives beside hop 1 in a notifier process: the couriers and the door for call-backs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from services.notifier.callbacks.app import Hooks
from services.notifier.couriers import Couriers
from services.notifier.ledger import Writer
from shared.daemon import in_daemon
from shared.errors import Misconfigured
from shared.server import Server

DOOR_SHARE: Final = 0.3
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Downstream:
    """See :class:`shared.worker.Companion`. What was begun first ends last.

    Args:
        closing: what to let go of at the end.
    """

    writer: Writer
    couriers: Couriers
    hooks: Hooks
    server: Server
    closing: Sequence[Callable[[], Awaitable[None]]]

    async def start(self, failed: Callable[[BaseException], None]) -> None:
        """Begin to deliver and to listen."""
        self.writer.start()
        await self.couriers.start(failed)
        try:
            await self.server.start()
        except OSError as error:
            raise Misconfigured(f"notifier.port {self.server.port}: {error.strerror}") from error
        log.info("call-backs", host=self.server.host, port=self.server.port)

    async def stop(self, timeout_s: float) -> None:
        """Turn call-backs away, let deliveries end and be recorded, and let go of everything."""
        await self.server.stop_listening()
        await self.hooks.drain(timeout_s * DOOR_SHARE)
        await self.couriers.stop(timeout_s * (1 - DOOR_SHARE))
        await self.server.stop()
        for close in self.closing:
            await close()
        await in_daemon(self.writer.stop, "ledger-stop")

    def silent_for_s(self) -> float:
        """Seconds since the most silent courier last went round."""
        return self.couriers.silent_for_s()

    def problem(self) -> str | None:
        """Return what is waited for."""
        return self.hooks.problem() or self.couriers.problem()
