"""Hop 1: events in, notifications out, in one transaction; nothing is sent to anybody here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec
import structlog
from confluent_kafka import Message

from services.notifier.domain.plan import kind_of, plan
from services.notifier.domain.routes import Routes
from shared import codec, topics
from shared.errors import Poison, PoisonReason
from shared.events import CaseEvent, Insight, Notification, ReplyDue, Struct
from shared.streams.dead_letters import Sieve, header, source_of
from shared.streams.records import Assignment, Chunk, Interrupted, Output, Partition, Work
from shared.worker import Context

STAGE: Final = "notifier"
SOURCE: Final = "tocsin/notifier"
SINK: Final = "sink"
"""The header of a notification by which a courier passes over what is not its own."""

Cause = CaseEvent | ReplyDue | Insight
_NEWER: Final = frozenset({PoisonReason.UNKNOWN_TYPE, PoisonReason.UNKNOWN_VERSION})

log = structlog.get_logger(__name__)


class Newer(Struct, frozen=True, tag_field="type", tag="newer"):
    """An event that a newer release writes and this one does not know: never on a topic."""


class _Tolerant(codec.Decoder[Cause | Newer]):
    """Passes over types and versions that it does not know, as the contract asks of consumers."""

    def decode(self, raw: bytes | None) -> Cause | Newer:
        try:
            return super().decode(raw)
        except Poison as poison:
            if poison.reason in _NEWER:
                return Newer()
            raise


class NotifierHandler:
    """Ids follow from the events, and one version of the routes plans an event.

    The inputs and ``notifications`` have the same number of partitions; what an event leads to goes
    to its own partition, under its own key.

    Args:
        made: what the process gives to its handlers.
        routes: tells the sinks and people in force.
        refresh: looks for another policy. It is called when an event names one for the first time,
            which may have come into force a moment ago, with people who are told at once.
    """

    stage = STAGE
    tracked: frozenset[str] = frozenset()
    tick_s: float | None = None

    def __init__(
        self,
        made: Context,
        routes: Callable[[], Routes],
        refresh: Callable[[], object] = lambda: None,
    ) -> None:
        self._clock = made.clock
        self._metrics = made.metrics
        self._routes = routes
        self._refresh = refresh
        self._policies: set[str] = set()
        read = (topics.ESCALATIONS, topics.FOLLOWUPS, topics.INSIGHTS)
        self.inputs: Sequence[str] = tuple(made.names.of(one) for one in read)
        self._notifications = made.names.of(topics.NOTIFICATIONS)
        self._followups = made.names.of(topics.FOLLOWUPS)
        decoder = _Tolerant((CaseEvent, ReplyDue, Insight))
        self._sieve = Sieve(STAGE, made.names.of(topics.DEAD_LETTERS), decoder, made.metrics)

    def assigned(self, assignment: Assignment, interrupted: Interrupted) -> None:
        """Need nothing: there is no state."""

    def process(self, chunks: Sequence[Chunk], interrupted: Interrupted) -> Work:
        """Plan all events of all chunks."""
        now, routes = self._clock.now_ms(), self._routes()
        outputs: list[Output] = []
        buried: Counter[Partition] = Counter()
        for chunk in chunks:
            good, dead = self._sieve.sift(chunk, now)
            outputs.extend(dead)
            if dead:
                buried[chunk.source] += len(dead)
            for message, event in good:
                if isinstance(event, Newer):
                    self._pass_over(message)
                    continue
                if isinstance(event, CaseEvent) and event.policy not in self._policies:
                    self._policies.add(event.policy)
                    self._refresh()
                    routes = self._routes()
                try:
                    outputs.extend(list(self._planned(message, event, routes, now)))
                except Poison as poison:  # with its envelope it is too large for a record
                    outputs.append(self._sieve.bury(message, poison, now))
                    buried[source_of(message)] += 1
        return Work(outputs, buried)

    def _planned(
        self, message: Message, event: Cause, routes: Routes, now: int
    ) -> Iterator[Output]:
        made = plan(event, routes, now)
        if isinstance(event, ReplyDue):
            self._metrics.replies_due.labels(event.why).inc()
        if made.unreached:
            self._report(event, made.unreached)
        if not (made.notifications or made.replies):
            return
        partition, key = message.partition() or 0, message.key()
        trace = header(message, "traceparent")
        carried = [("traceparent", trace)] if trace else []
        raw = msgspec.Raw(message.value() or b"")
        for one in made.notifications:
            headers = codec.headers(one, one.notification_id, SOURCE)
            headers += [(SINK, one.sink.encode()), *carried]
            yield Output(self._notifications, partition, key, _encoded(one, raw), headers)
        for reply in made.replies:
            headers = codec.headers(reply, reply.reply_id, SOURCE) + carried
            yield Output(self._followups, partition, key, codec.encode(reply), headers)

    def _pass_over(self, message: Message) -> None:
        self._metrics.stage_errors.labels(STAGE, "newer").inc()
        kind = (header(message, "ce_type") or b"").decode("utf-8", "replace")
        log.warning("passed over an event of a newer release", ce_type=kind)

    def _report(self, event: Cause, unreached: Sequence[str]) -> None:
        self._metrics.stage_errors.labels(STAGE, "unreached").inc(len(unreached))
        log.error(
            "no sink for somebody who is to be told; name one in `via`, or give a sink `default`",
            targets=unreached,
            kind=kind_of(event),
            case_id=None if isinstance(event, Insight) else event.case_id,
        )


def _encoded(notification: Notification, cause: msgspec.Raw) -> bytes:
    """Return the JSON of ``notification``; its cause goes in as it came, whole and unread."""
    return codec.encode(msgspec.structs.replace(notification, cause=cause))
