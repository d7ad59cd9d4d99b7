"""What one transaction decides on, partition by partition, and whose it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from confluent_kafka import Message

from services.escalation.domain.bounds import MAX_COMMAND_BYTES
from shared.errors import Poison, PoisonReason
from shared.events import CaseCommand, CommandKind, EraseCustomer, FeedbackClassified
from shared.ids import is_record_key, record_key_of_case

Order = CaseCommand | EraseCustomer
"""What comes by ``case.commands``."""
Received = FeedbackClassified | Order
BY_LOAD = frozenset({CommandKind.ASSIGN, CommandKind.DELEGATE})


@dataclass
class Inbox:
    """The inputs of one partition, in the order in which they will be decided."""

    records: list[tuple[Message, Received]] = field(default_factory=list)
    due: Sequence[str] = ()
    audited: Sequence[str] = ()

    def feedback_ids(self) -> list[str]:
        return [
            e.feedback.feedback_id for _, e in self.records if isinstance(e, FeedbackClassified)
        ]

    def keys(self) -> list[str]:
        keys = {key_of(event) for _, event in self.records}
        keys.update(map(record_key_of_case, self.due))
        keys.update(map(record_key_of_case, self.audited))
        return sorted(keys)


def key_of(event: Received) -> str:
    """Return the record key of the customer that an input concerns."""
    if isinstance(event, FeedbackClassified):
        return event.feedback.record_key
    if isinstance(event, EraseCustomer):
        return event.record_key
    return record_key_of_case(event.case_id)


def key_of_order(message: Message, command: Order) -> str:
    """Return the record key of the customer that a command concerns; Poison when it is unusable."""
    if len(message.value() or b"") > MAX_COMMAND_BYTES:
        raise Poison(PoisonReason.TOO_LARGE, f"command of more than {MAX_COMMAND_BYTES} bytes")
    if isinstance(command, EraseCustomer) and not is_record_key(command.record_key, command.tenant):
        # Its mark stands in case.state under this key: there must be no case under it.
        why = (
            f"{command.record_key[:200]!r} is not the record key of a customer of {command.tenant}"
        )
        raise Poison(PoisonReason.BAD_SCHEMA, why)
    try:
        return key_of(command)
    except ValueError as error:
        raise Poison(PoisonReason.BAD_SCHEMA, str(error)) from error
