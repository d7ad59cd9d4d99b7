"""One event in the hands of the program: the body of its ``with`` decides what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Generic, Self, TypeVar

from shared.client.engine import Engine, Handed
from shared.client.reading import event_id
from shared.client.transport import run
from shared.events import Struct

E = TypeVar("E", bound=Struct)


class Received(Generic[E]):
    """An event with what came along. See ``shared.events`` for the fields of events."""

    def __init__(self, engine: Engine[E], handed: Handed[E]) -> None:
        self._engine = engine
        self._handed = handed
        record = handed.record
        self.event: E = handed.read.event
        """The typed event."""
        self.left_out = handed.read.left_out
        """Words of a newer product that this client does not know, and left out of the event."""
        self.attempt = handed.attempt
        """Which try this is, from 1, in this process."""
        self.topic = record.at.topic
        self.partition = record.at.number
        self.offset = record.offset
        self.key = record.key
        self.raw = record.value or b""
        """The JSON as it was written."""
        self.at_ms = record.at_ms
        """When the broker took it: milliseconds since the epoch, UTC."""

    @property
    def id(self) -> str:
        """The id of the event, the same over all deliveries (CloudEvents ``id``)."""
        return self._handed.record.header("ce_id") or event_id(self.event)

    @property
    def headers(self) -> Mapping[str, str]:
        """All Kafka headers as text, CloudEvents attributes included (``ce_id``, ``ce_type`` …)."""
        pairs = self._handed.record.headers
        return {name: raw.decode("utf-8", "replace") for name, raw in pairs}

    @property
    def traceparent(self) -> str | None:
        """The W3C trace context of the event, if it has one."""
        return self._handed.record.header("traceparent")


class Delivery(Received[E]):
    """``with delivery:`` acknowledges after the body; an error in it is dealt with by ``on_error``."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if error is not None and not isinstance(error, Exception):
            self._engine.abandon(self._handed)
            return False
        return run(self._engine.end(self._handed, error)) and error is not None


class AsyncDelivery(Received[E]):
    """``async with delivery:`` does what ``with`` does for a ``Delivery``."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if error is not None and not isinstance(error, Exception):
            self._engine.abandon(self._handed)
            return False
        return await self._engine.end(self._handed, error) and error is not None
