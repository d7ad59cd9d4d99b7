"""What a transaction writes: every event to ``case.events``, and to the topics that people act on."""

from __future__ import annotations

from collections.abc import Iterator

from services.escalation.ledger import Ledger
from shared import codec, topics
from shared.events import CaseEvent, CaseEventKind, Struct
from shared.streams.records import Output

SOURCE = "tocsin/escalation"

ESCALATING = {
    CaseEventKind.ESCALATION_TRIGGERED,
    CaseEventKind.REESCALATED,
    CaseEventKind.ESCALATION_EXHAUSTED,
    CaseEventKind.ACK_TIMED_OUT,
    CaseEventKind.ACKNOWLEDGED,
    CaseEventKind.RESOLVED,
    CaseEventKind.REOPENED,
}
FOLLOWING_UP = {
    CaseEventKind.FOLLOW_UP_SCHEDULED,
    CaseEventKind.FOLLOW_UP_DUE,
    CaseEventKind.FOLLOW_UP_DONE,
    CaseEventKind.FOLLOW_UP_WAIVED,
    CaseEventKind.FOLLOW_UP_MISSED,
}


class Outputs:
    """Turns a ledger into records of one partition."""

    def __init__(self, names: topics.Names) -> None:
        self._events = names.of(topics.CASE_EVENTS)
        self._state = names.of(topics.CASE_STATE)
        self._outcomes = names.of(topics.FEEDBACK_OUTCOMES)
        self._escalations = names.of(topics.ESCALATIONS)
        self._followups = names.of(topics.FOLLOWUPS)

    def of(self, partition: int, ledger: Ledger) -> Iterator[Output]:
        """Yield the records of one partition's decisions."""
        for event, value in zip(ledger.events, ledger.values, strict=True):
            yield from self._event(partition, event, value)
        for case in ledger.snapshots:
            event_id = f"{case.case_id}/{case.case_seq}"
            yield _output(self._state, partition, case.case_id, case, event_id)
        for outcome in ledger.outcomes:
            yield _output(
                self._outcomes, partition, outcome.feedback_id, outcome, outcome.feedback_id
            )

    def _event(self, partition: int, event: CaseEvent, value: bytes) -> Iterator[Output]:
        key = event.case_id.rpartition(":")[0].encode()
        headers = codec.headers(event, event.event_id, SOURCE)
        yield Output(self._events, partition, key, value, headers)
        if event.kind in ESCALATING:
            yield Output(self._escalations, partition, key, value, headers)
        if event.kind in FOLLOWING_UP:
            yield Output(self._followups, partition, key, value, headers)


def _output(topic: str, partition: int, key: str, value: Struct, event_id: str) -> Output:
    headers = codec.headers(value, event_id, SOURCE)
    return Output(topic, partition, key.encode(), codec.encode(value), headers)
