"""Commands on their way into Kafka, each acknowledged by itself."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress

from shared.commands import CommandSender
from shared.errors import Transient
from shared.events import CaseCommand, EraseCustomer

_POLL_S = 0.1


class KafkaCommands:
    """Sends from an event loop; a thread of its own listens to Kafka.

    Args:
        make: makes the sender; its ``message.timeout.ms`` is the time that a command is tried.
    """

    def __init__(self, make: Callable[[], CommandSender]) -> None:
        self._make = make
        self._sender: CommandSender | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="commands", daemon=True)

    def start(self) -> None:
        """Begin to listen to the answers of Kafka."""
        self._sender = self._make()
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Stop listening; call it when nobody sends any more."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    async def send(self, command: CaseCommand | EraseCustomer) -> None:
        """Return when Kafka has the command (``Transient`` when it has not)."""
        if self._sender is None:
            raise Transient("commands are not sent yet")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[str | None] = loop.create_future()

        def settle(fault: str | None) -> None:
            if not done.done():
                done.set_result(fault)

        def delivered(fault: str | None) -> None:
            with suppress(RuntimeError):  # the loop has ended, and nobody waits any more
                loop.call_soon_threadsafe(settle, fault)

        try:
            self._sender.send(command, delivered)
        except BufferError as error:
            raise Transient("too many commands wait for Kafka") from error
        fault = await done
        if fault is not None:
            raise Transient(f"Kafka has not acknowledged the command: {fault}")

    def _listen(self) -> None:
        while not self._ended.is_set():
            if self._sender is not None:
                self._sender.poll(_POLL_S)
