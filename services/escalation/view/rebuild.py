"""Bringing a view up to date from Kafka: from its checkpoint, or from the start when it is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

import msgspec
import structlog
from confluent_kafka import Message

from services.escalation.view.model import Changes, Checkpoint, View
from shared.clock import Clock
from shared.config import Scalar
from shared.errors import Misconfigured, Transient
from shared.events import Case, CustomerErased, FeedbackOutcome
from shared.ids import record_key_of_case
from shared.metrics import Metrics
from shared.streams.reader import Cluster, read_to_end
from shared.streams.records import Partition
from shared.topics import DAY_MS

MAX_AGE_MS = 5 * DAY_MS
"""A checkpoint older than this may have missed tombstones (``delete.retention.ms`` is 7 days)."""

log = structlog.get_logger(__name__)

BATCH = 500
"""Records in one write: Redis does nothing else meanwhile, about 10 ms."""

T = TypeVar("T")
_state = msgspec.json.Decoder(Case | CustomerErased)
_outcome = msgspec.json.Decoder(FeedbackOutcome)


class Rebuilder:
    """Replays ``case.state`` and ``feedback.outcomes`` of one partition into a view.

    Args:
        remember_ms: how long an outcome is remembered for deduplication.
        partitions: the number of partitions that the settings say.
    """

    def __init__(
        self,
        view: View,
        client: Mapping[str, Scalar],
        state_topic: str,
        outcomes_topic: str,
        clock: Clock,
        metrics: Metrics,
        remember_ms: int,
        partitions: int,
    ) -> None:
        self._view = view
        self._client = client
        self._state = state_topic
        self._outcomes = outcomes_topic
        self._clock = clock
        self._metrics = metrics
        self._remember_ms = remember_ms
        self._partitions = partitions
        self._cluster = Cluster(client)

    def bring_up(self, partition: int, interrupted: Callable[[], bool]) -> Checkpoint | None:
        """Return the checkpoint of the complete view, or None when interrupted.

        Raises:
            Transient: Kafka or the store is away, or another worker wrote meanwhile.
            Misconfigured: the topics have another number of partitions than the settings say.
        """
        count = len(self._cluster.sources(self._state))
        if count != self._partitions:
            raise Misconfigured(
                f"kafka.partitions is {self._partitions}, but {self._state} has {count}: set it right, "
                "or commands would go to the wrong partition"
            )
        topic_ids = self._cluster.topic_ids([self._state, self._outcomes])
        found = self._view.checkpoint(partition)
        ends = self._cluster.ends([Partition(one, partition) for one in topic_ids])
        reason = self._unusable(found, topic_ids) or self._ahead(partition, found, ends)
        if reason is None and found is not None:
            start = found
        else:
            if found is not None and found.former:
                self._view.forget(partition, found.former)
            start = self._fresh(found, topic_ids)
            self._metrics.view_rebuilds.labels(reason or "lost").inc()
            log.warning("rebuilding the view", partition=partition, reason=reason)
        done = self._replay(partition, found, start, ends, interrupted)
        if done is None or not (done.former or done.building):
            return done
        if done.former:
            self._view.forget(partition, done.former)
        clean = msgspec.structs.replace(done, former=0, building=False)
        self._write(partition, done, clean, Changes())
        return clean

    def _ahead(
        self, partition: int, found: Checkpoint | None, ends: Mapping[Partition, int]
    ) -> str | None:
        """Tell whether a view knows what Kafka does not: it has lost the end of a topic."""
        if found is None:
            return None
        state, outcomes = Partition(self._state, partition), Partition(self._outcomes, partition)
        behind = found.state_offset > ends[state] or found.outcomes_offset > ends[outcomes]
        return "ahead" if behind else None

    def _unusable(self, found: Checkpoint | None, topic_ids: Mapping[str, str]) -> str | None:
        if found is None:
            return "lost"
        ids = (topic_ids[self._state], topic_ids[self._outcomes])
        if (found.state_topic, found.outcomes_topic) != ids:
            return "topic_recreated"
        if self._clock.real_seconds(self._clock.now_ms() - found.at) * 1000 > MAX_AGE_MS:
            return "too_old"
        return None

    def _fresh(self, found: Checkpoint | None, topic_ids: Mapping[str, str]) -> Checkpoint:
        now = self._clock.now_ms()
        return Checkpoint(
            epoch=max(now, found.epoch + 1 if found else 0),
            state_topic=topic_ids[self._state],
            state_offset=0,
            outcomes_topic=topic_ids[self._outcomes],
            outcomes_offset=0,
            at=now,
            former=found.epoch if found else 0,
            building=True,
        )

    def _replay(
        self,
        partition: int,
        stored: Checkpoint | None,
        start: Checkpoint,
        ends: Mapping[Partition, int],
        interrupted: Callable[[], bool],
    ) -> Checkpoint | None:
        """Read and decode the next batch while the last one is written."""
        state, outcomes = Partition(self._state, partition), Partition(self._outcomes, partition)
        starts = {state: start.state_offset, outcomes: start.outcomes_offset}
        reached, expected = start, stored  # as it will be once what was handed over is written
        with ThreadPoolExecutor(1, "view-writer") as writer:
            written: Future[None] | None = None
            for records in _batches(read_to_end(self._client, starts, ends, interrupted)):
                reached = self._advance(reached, records)
                changes = self._changes(records)
                if written is not None:
                    written.result()
                written = writer.submit(self._write, partition, expected, reached, changes)
                expected = reached
            if written is not None:
                written.result()
        if interrupted():
            return None
        if expected != reached or stored is None or stored.epoch != start.epoch:
            self._write(partition, expected, reached, Changes())
        return reached

    def _write(
        self, partition: int, expected: Checkpoint | None, new: Checkpoint, changes: Changes
    ) -> None:
        if not self._view.apply(partition, expected, new, changes):
            raise Transient(f"the view of partition {partition} changed under the rebuild")

    def _advance(self, reached: Checkpoint, records: Sequence[Message]) -> Checkpoint:
        ends = {message.topic(): (message.offset() or 0) + 1 for message in records}
        return msgspec.structs.replace(
            reached,
            state_offset=ends.get(self._state, reached.state_offset),
            outcomes_offset=ends.get(self._outcomes, reached.outcomes_offset),
            at=self._clock.now_ms(),
        )

    def _changes(self, records: Sequence[Message]) -> Changes:
        cases: dict[str, tuple[Case, bytes]] = {}
        removed: set[str] = set()
        erased: dict[str, int] = {}
        outcomes: dict[str, int] = {}
        for message in records:
            key, value = (message.key() or b"").decode("utf-8", "replace"), message.value()
            if message.topic() == self._state:
                found = _read(_state, message)
                if isinstance(found, Case):
                    cases[key] = (found, value or b"")
                    removed.discard(key)
                elif found is None:
                    cases.pop(key, None)
                    with suppress(ValueError):  # a mark of erasure that somebody took back
                        record_key_of_case(key)
                        removed.add(key)
                else:
                    erased[found.record_key] = found.erased_at
            elif outcome := _read(_outcome, message):
                outcomes[outcome.feedback_id] = outcome.decided_at + self._remember_ms
        return Changes(
            cases=[case for case, _ in cases.values()],
            removed=sorted(removed),
            outcomes=outcomes,
            erased=erased,
            encoded={case_id: raw for case_id, (_, raw) in cases.items()},
        )


def _read(decoder: msgspec.json.Decoder[T], message: Message) -> T | None:
    value = message.value()
    try:
        return decoder.decode(value) if value else None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Misconfigured(
            f"{message.topic()}[{message.partition()}] at {message.offset()} cannot be read: {error}. "
            "Without it the view would lack a case: run the release that wrote it, or write it anew"
        ) from error


def _batches(polls: Iterable[list[Message]]) -> Iterator[list[Message]]:
    for records in polls:
        for start in range(0, len(records), BATCH):
            yield records[start : start + BATCH]
