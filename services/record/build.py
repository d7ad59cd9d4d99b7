"""Bringing the index up to date from Kafka: from the offsets it holds, or from the beginning."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable
from typing import Final

from confluent_kafka import Message

from services.record.entries import facts, of_event, of_feedback
from services.record.index import Found, Index
from shared import codec, topics
from shared.errors import Poison
from shared.events import CaseEvent, FeedbackClassified
from shared.streams.reader import Cluster
from shared.streams.spans import Client, Erasures, Moved, first_offsets, place, position, span_of
from shared.topics import Names, Topic

ORDER: Final = (topics.CASE_STATE, topics.CASE_EVENTS, topics.FEEDBACK_CLASSIFIED)
"""``case.state`` comes first: it says who was erased, and what must not be taken in again."""

BATCH: Final = 2_000
"""A transaction is as many records: what a kill in between costs is read again."""

_classified = codec.Decoder[FeedbackClassified](topics.FEEDBACK_CLASSIFIED.carries)
_events = codec.Decoder[CaseEvent](topics.CASE_EVENTS.carries)


def found_in(topic: Topic, message: Message) -> Found:
    """Return what a record of ``topic`` gives to the index.

    Raises:
        Poison: it is no event of that topic.
    """
    at, offset, raw = place(message), position(message), message.value()
    if topic is topics.CASE_STATE:
        return Found(at, offset, erased=Erasures().learn(raw))
    if topic is topics.FEEDBACK_CLASSIFIED:
        return Found(at, offset, (of_feedback(_classified.decode(raw)),))
    event = _events.decode(raw)
    if event.case is None:
        return Found(at, offset)
    entries = tuple(of_event(event, event.case))
    return Found(at, offset, entries, facts(event.case), event.feedback_id)


def bring_up(
    index: Index, client: Client, names: Names, started: Callable[[int], Moved]
) -> dict[str, int]:
    """Take in what Kafka has and the index has not; return what could not be read, by reason.

    Args:
        index: is complete up to this moment afterwards.
        client: where Kafka is.
        names: of the topics.
        started: is told how many offsets a topic has to be read, and returns whom to tell of each.

    Raises:
        Transient: Kafka does not answer; what was taken in stays.
        Misconfigured: a topic does not exist.
    """
    ids = Cluster(client).topic_ids([names.of(topic) for topic in ORDER])
    reached = index.begin(ids)
    skipped: Counter[str] = Counter()
    for topic in ORDER:
        whole = span_of(client, names.of(topic))
        starts = {at: reached.get(at, 0) for at in whole.starts}
        span = dataclasses.replace(whole, starts=starts)
        found: list[Found] = []
        for batch in span.read(started(span.size)):
            for message in batch:
                try:
                    found.append(found_in(topic, message))
                except Poison as poison:
                    skipped[poison.reason.value] += 1
            if len(found) >= BATCH:
                index.apply(found, ids)
                found.clear()
        index.apply(found, ids)
        index.reach(span.ends, ids)
    for topic in (topics.CASE_EVENTS, topics.FEEDBACK_CLASSIFIED):
        index.prune(first_offsets(client, names.of(topic)))
    return dict(sorted(skipped.items()))
