"""The streams that a program opens: one class per topic, in two kinds."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from types import FrameType, TracebackType
from typing import Generic, Self, TypeVar

from shared.client.delivery import AsyncDelivery, Delivery
from shared.client.engine import Engine
from shared.client.settings import Settings, What
from shared.client.transport import Call, Direct, Threaded, Transport, run
from shared.events import CaseEvent, Insight, ReplyDue, Struct
from shared.topics import CASE_EVENTS, ESCALATIONS, FOLLOWUPS, INSIGHTS, Topic

E = TypeVar("E", bound=Struct)
Handler = Callable[[int, FrameType | None], object] | int | None


@dataclass(kw_only=True, eq=False)
class _Base(Settings, Generic[E]):
    _engine: Engine[E] | None = field(default=None, init=False, repr=False)

    @property
    def counts(self) -> Counter[What]:
        """What happened so far, by kind."""
        return Counter() if self._engine is None else self._engine.counts

    def stop(self) -> None:
        """End the stream after the present body; safe to call from anywhere, also twice."""
        if self._engine is not None:
            self._engine.stopping = True

    def _make(self, threaded: bool) -> Engine[E]:
        if self._engine is not None:
            raise RuntimeError("a stream is opened once: make another one")
        transport: Transport
        call: Call = Direct()
        if isinstance(self.bootstrap, str):
            from shared.client.kafka import KafkaTransport

            transport = KafkaTransport(self)
            call = Threaded() if threaded else call
        else:
            transport = self.bootstrap.connect(self)
        return Engine(self, transport, call)


@dataclass(kw_only=True, eq=False)
class Stream(_Base[E]):
    """Events of some topics, one after the other, each in its ``with``.

    It is opened by ``with``, or by the loop itself; either way it is closed at the end.
    """

    _restored: dict[signal.Signals, Handler] = field(default_factory=dict, init=False, repr=False)

    def __enter__(self) -> Self:
        """Join the group.

        Raises:
            Misconfigured: no broker answers, or a topic is missing.
        """
        engine = self._make(threaded=False)
        run(engine.open())
        self._engine = engine
        if threading.current_thread() is threading.main_thread():
            for number in self.signals:
                self._restored[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if self._engine is not None:
                run(self._engine.close())
        finally:
            for number, handler in self._restored.items():
                signal.signal(number, signal.SIG_DFL if handler is None else handler)
            self._restored.clear()

    def __iter__(self) -> Iterator[Delivery[E]]:
        if self._engine is None:
            with self:
                yield from self._deliveries()
        else:
            yield from self._deliveries()

    def _deliveries(self) -> Iterator[Delivery[E]]:
        engine = self._engine
        while engine is not None and (handed := run(engine.next())) is not None:
            yield Delivery(engine, handed)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.stop()


@dataclass(kw_only=True, eq=False)
class AsyncStream(_Base[E]):
    """The same for asyncio: ``async for`` and ``async with``. Kafka is asked in a thread of its own."""

    _caught: list[signal.Signals] = field(default_factory=list, init=False, repr=False)

    async def __aenter__(self) -> Self:
        """Join the group.

        Raises:
            Misconfigured: no broker answers, or a topic is missing.
        """
        engine = self._make(threaded=True)
        await engine.open()
        self._engine = engine
        if threading.current_thread() is threading.main_thread():
            for number in self.signals:
                asyncio.get_running_loop().add_signal_handler(number, self.stop)
                self._caught.append(number)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if self._engine is not None:
                await self._engine.close()
        finally:
            for number in self._caught:
                asyncio.get_running_loop().remove_signal_handler(number)
            self._caught.clear()

    async def __aiter__(self) -> AsyncIterator[AsyncDelivery[E]]:
        if self._engine is None:
            async with self:
                async for delivery in self._deliveries():
                    yield delivery
        else:
            async for delivery in self._deliveries():
                yield delivery

    async def _deliveries(self) -> AsyncIterator[AsyncDelivery[E]]:
        engine = self._engine
        while engine is not None and (handed := await engine.next()) is not None:
            yield AsyncDelivery(engine, handed)


@dataclass(kw_only=True, eq=False)
class Escalations(Stream[CaseEvent]):
    """Cases that somebody has to take: triggered, escalated further, exhausted, acknowledged …"""

    topics: tuple[Topic, ...] = (ESCALATIONS,)


@dataclass(kw_only=True, eq=False)
class FollowUps(Stream[CaseEvent | ReplyDue]):
    """What is owed to customers: follow-ups and replies that are due."""

    topics: tuple[Topic, ...] = (FOLLOWUPS,)


@dataclass(kw_only=True, eq=False)
class Insights(Stream[Insight]):
    """What was learnt of many cases together."""

    topics: tuple[Topic, ...] = (INSIGHTS,)


@dataclass(kw_only=True, eq=False)
class CaseEvents(Stream[CaseEvent]):
    """Everything that happens to cases."""

    topics: tuple[Topic, ...] = (CASE_EVENTS,)


@dataclass(kw_only=True, eq=False)
class AsyncEscalations(AsyncStream[CaseEvent]):
    """``Escalations`` for asyncio."""

    topics: tuple[Topic, ...] = (ESCALATIONS,)


@dataclass(kw_only=True, eq=False)
class AsyncFollowUps(AsyncStream[CaseEvent | ReplyDue]):
    """``FollowUps`` for asyncio."""

    topics: tuple[Topic, ...] = (FOLLOWUPS,)


@dataclass(kw_only=True, eq=False)
class AsyncInsights(AsyncStream[Insight]):
    """``Insights`` for asyncio."""

    topics: tuple[Topic, ...] = (INSIGHTS,)


@dataclass(kw_only=True, eq=False)
class AsyncCaseEvents(AsyncStream[CaseEvent]):
    """``CaseEvents`` for asyncio."""

    topics: tuple[Topic, ...] = (CASE_EVENTS,)
