"""The hand-written pipeline's second hop: a case per customer in Redis, an escalation out."""

from __future__ import annotations

import sys
import time
from typing import cast

import msgspec
import redis

from shared import ids
from shared.events import (
    Case,
    CaseEvent,
    CaseEventKind,
    CaseState,
    Cause,
    FeedbackClassified,
    FeedbackRef,
    Severity,
)
from tests.bench.contestants.hand import Output, consumer, producer, take, transact
from tests.bench.hop import Hop, from_argv

_classified = msgspec.json.Decoder(FeedbackClassified)
_cases = msgspec.json.Decoder(Case)
_encode = msgspec.json.Encoder().encode
_URGENT = {Severity.CRITICAL, Severity.HIGH}


def follow(event: FeedbackClassified, before: Case | None, now: int) -> Case:
    """Return the customer's case after `event`."""
    item, found = event.feedback, event.classification
    if before is not None:
        return msgspec.structs.replace(
            before, case_seq=before.case_seq + 1, feedback_count=before.feedback_count + 1
        )
    ref = FeedbackRef(
        feedback_id=item.feedback_id,
        channel=item.channel,
        severity=found.severity,
        received_at=item.received_at,
        excerpt=item.text[:200],
    )
    return Case(
        case_id=ids.digest("bench", "case", item.record_key),
        tenant=item.tenant,
        record_key=item.record_key,
        customer_key=item.customer_key,
        channel=item.channel,
        source=item.source,
        severity=found.severity,
        kind=found.kind,
        state=CaseState.OPEN,
        opened_at=now,
        case_seq=1,
        reasons=found.reasons,
        feedback=(ref,),
    )


def escalation(case: Case, now: int) -> bytes:
    """Return the event that asks for a person."""
    event = CaseEvent(
        event_id=ids.digest("bench", "event", case.case_id, str(case.case_seq)),
        kind=CaseEventKind.ESCALATION_TRIGGERED,
        case_id=case.case_id,
        case_seq=case.case_seq,
        tenant=case.tenant,
        at=now,
        recorded_at=now,
        cause=Cause.FEEDBACK,
        case=case,
    )
    return _encode(event)


def main(hop: Hop, redis_url: str) -> None:
    """Escalate until killed; the state is written after the commit."""
    store = redis.Redis.from_url(redis_url)
    member = consumer(hop.bootstrap, hop.group, [hop.source])
    out = producer(hop.bootstrap, hop.group)
    while True:
        if not (messages := take(member)):
            continue
        now = time.time_ns() // 1_000_000
        events = [_classified.decode(message.value() or b"") for message in messages]
        names = [f"{hop.group}:{event.feedback.record_key}" for event in events]
        found = cast("list[bytes | None]", store.mget(names))
        known = {name: raw for name, raw in zip(names, found, strict=True) if raw}
        outputs: list[Output] = []
        for message, event, name in zip(messages, events, names, strict=True):
            raw = known.get(name)
            case = follow(event, _cases.decode(raw) if raw else None, now)
            known[name] = _encode(case)
            if case.severity in _URGENT:
                number = message.partition() or 0
                outputs.append((hop.target, message.key(), escalation(case, now), number))
        transact(member, out, messages, outputs)
        with store.pipeline(transaction=False) as pipe:
            pipe.mset(known)
            pipe.execute()


if __name__ == "__main__":
    main(from_argv(), sys.argv[2])
