"""What a transaction writes: every event to ``case.events``, and to the topics that people act on."""

from __future__ import annotations

from collections.abc import Iterator

from services.escalation.ledger import Ledger
from shared import codec, topics
from shared.events import CaseCommand, CaseEvent, CaseEventKind, EscalationStatus, Struct
from shared.ids import partition_of, record_key_of_case
from shared.streams.records import Output

SOURCE = "tocsin/escalation"

ESCALATING = {
    CaseEventKind.OPENED,
    CaseEventKind.ESCALATION_TRIGGERED,
    CaseEventKind.REESCALATED,
    CaseEventKind.ESCALATION_EXHAUSTED,
    CaseEventKind.ACK_TIMED_OUT,
    CaseEventKind.ACKNOWLEDGED,
    CaseEventKind.RESOLVED,
    CaseEventKind.REOPENED,
    CaseEventKind.CLOSED,
    CaseEventKind.MERGED,
    CaseEventKind.UNMERGED,
    CaseEventKind.ASSIGNED,
    CaseEventKind.SEVERITY_RAISED,
    CaseEventKind.SEVERITY_CORRECTED,
    CaseEventKind.CLOCK_WARNED,
    CaseEventKind.CLOCK_BREACHED,
    CaseEventKind.REMINDED,
    CaseEventKind.REPAIRED,
    CaseEventKind.QUARANTINED,
    CaseEventKind.STEP_SKIPPED,
    CaseEventKind.STEP_HELD,
    CaseEventKind.NOTIFICATION_SUPPRESSED,
    CaseEventKind.WAIT_OVER,
    CaseEventKind.SNOOZE_OVER,
    CaseEventKind.REPLY_BOUNCED,
}
FOLLOWING_UP = {
    CaseEventKind.FOLLOW_UP_SCHEDULED,
    CaseEventKind.FOLLOW_UP_DUE,
    CaseEventKind.FOLLOW_UP_DONE,
    CaseEventKind.FOLLOW_UP_WAIVED,
    CaseEventKind.FOLLOW_UP_MISSED,
    CaseEventKind.NUDGE_DUE,
}


class Outputs:
    """Turns a ledger into records of one partition."""

    def __init__(self, names: topics.Names, partitions: int) -> None:
        self._partitions = partitions
        self._commands = names.of(topics.CASE_COMMANDS)
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
        for case_id in ledger.removed:
            yield Output(self._state, partition, case_id.encode(), None, [])
        for erased in ledger.erased:
            yield _output(self._state, partition, erased.record_key, erased, erased.command_id)
        for command in ledger.sent:
            yield self._command(command)
        for outcome in ledger.outcomes:
            yield _output(
                self._outcomes, partition, outcome.feedback_id, outcome, outcome.feedback_id
            )

    def _command(self, command: CaseCommand) -> Output:
        """Return a command to another case, in the partition of that case's customer."""
        key = record_key_of_case(command.case_id)
        owner = partition_of(key, self._partitions)
        return _output(self._commands, owner, key, command, command.command_id)

    def _event(self, partition: int, event: CaseEvent, value: bytes) -> Iterator[Output]:
        key = event.case_id.rpartition(":")[0].encode()
        headers = codec.headers(event, event.event_id, SOURCE)
        yield Output(self._events, partition, key, value, headers)
        quiet = event.kind is CaseEventKind.OPENED and event.case and event.case.backfilled
        if (event.kind in ESCALATING or _acknowledges(event)) and not quiet:
            yield Output(self._escalations, partition, key, value, headers)
        if event.kind in FOLLOWING_UP:
            yield Output(self._followups, partition, key, value, headers)


def _acknowledges(event: CaseEvent) -> bool:
    """Tell whether it shows that somebody works on the case: whoever was paged has to know."""
    if event.case is None:
        return False
    stands = event.case.escalation
    return (
        stands.status is EscalationStatus.ACKNOWLEDGED
        and stands.acknowledged_at == event.recorded_at
    )


def _output(topic: str, partition: int, key: str, value: Struct, event_id: str) -> Output:
    headers = codec.headers(value, event_id, SOURCE)
    return Output(topic, partition, key.encode(), codec.encode(value), headers)
