"""Events for the record: small, with what the tests look at."""

from __future__ import annotations

from typing import Any

from services.record.build import found_in
from services.record.index import Found, Index
from shared import codec, events, ids, topics
from shared.events import (
    Case,
    CaseEvent,
    CaseEventKind,
    CaseState,
    Cause,
    Channel,
    Classification,
    CustomerErased,
    FeedbackClassified,
    FeedbackReceived,
    FeedbackRef,
    Kind,
    Severity,
)
from shared.streams.records import Partition
from shared.topics import Topic

T0 = 1_750_000_000_000
IDS = {"case.state": "s1", "case.events": "e1", "feedback.classified": "f1"}


def key(customer: str) -> str:
    return ids.record_key("acme", customer)


def case_id(customer: str) -> str:
    return ids.case_id("acme", customer, f"{customer}-1")


def classified(
    text: str, customer: str = "ada", number: int = 1, at: int = T0, **fields: Any
) -> FeedbackClassified:
    severity = fields.pop("severity", Severity.MEDIUM)
    received = FeedbackReceived(
        feedback_id=fields.pop("feedback_id", f"{customer}-{number}"),
        tenant="acme",
        source="inbox",
        channel=fields.pop("channel", Channel.EMAIL),
        native_id=f"{customer}/{number}",
        record_key=key(customer),
        customer_key=customer,
        received_at=at,
        text=text,
        **fields,
    )
    found = Classification(severity=severity, kind=Kind.COMPLAINT, confidence=0.5)
    return FeedbackClassified(feedback=received, classification=found, classified_at=at + 5)


def case(customer: str = "ada", **fields: Any) -> Case:
    given: dict[str, Any] = {
        "case_id": case_id(customer),
        "tenant": "acme",
        "record_key": key(customer),
        "customer_key": customer,
        "channel": Channel.EMAIL,
        "source": "inbox",
        "severity": Severity.HIGH,
        "kind": Kind.COMPLAINT,
        "state": CaseState.OPEN,
        "opened_at": T0,
        "case_seq": 1,
    }
    return Case(**(given | fields))


def ref(text: str, customer: str = "ada", number: int = 1, **fields: Any) -> FeedbackRef:
    return FeedbackRef(
        feedback_id=f"{customer}-{number}",
        channel=Channel.EMAIL,
        severity=Severity.HIGH,
        received_at=T0,
        excerpt=text,
        item=f"item{number}",
        **fields,
    )


def event(of: Case, kind: CaseEventKind = CaseEventKind.OPENED, **fields: Any) -> CaseEvent:
    given: dict[str, Any] = {
        "event_id": ids.case_event_id("acme", of.case_id, of.case_seq),
        "kind": kind,
        "case_id": of.case_id,
        "case_seq": of.case_seq,
        "tenant": "acme",
        "at": T0 + of.case_seq,
        "recorded_at": T0 + of.case_seq,
        "cause": Cause.COMMAND,
        "case": of,
    }
    return CaseEvent(**(given | fields))


def erased(customer: str, at: int) -> CustomerErased:
    return CustomerErased(
        command_id="erase",
        tenant="acme",
        record_key=key(customer),
        actor="bo",
        erased_at=at,
        reason="asked for it",
    )


class Message:
    """A record as a consumer gives it."""

    def __init__(self, topic: Topic, offset: int, value: bytes | None, at: int = T0) -> None:
        self._topic, self._offset, self._value, self._at = topic.name, offset, value, at

    def topic(self) -> str:
        return self._topic

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self._offset

    def value(self) -> bytes | None:
        return self._value


def found(offset: int, given: events.Struct) -> Found:
    """Return what an event gives to the index as record ``offset`` of its topic."""
    topic = {
        FeedbackClassified: topics.FEEDBACK_CLASSIFIED,
        CaseEvent: topics.CASE_EVENTS,
    }.get(type(given), topics.CASE_STATE)
    return found_in(topic, Message(topic, offset, codec.encode(given)))  # type: ignore[arg-type]


def at(topic: Topic) -> Partition:
    return Partition(topic.name, 0)


def dump(index: Index) -> list[str]:
    """Return all that the index holds, but for the numbers of rows."""
    selects = {
        "position": "SELECT * FROM position",
        "erased": "SELECT * FROM erased",
        "facts": "SELECT * FROM facts",
        "member": "SELECT * FROM member",
        "entry": "SELECT name, kind, owner, words, at, severity, case_id, feedback_id, topic, offset "
        "FROM entry",
    }
    rows = [f"{of} {row}" for of, one in selects.items() for row in index.store.execute(one)]
    index.store.execute("INSERT INTO word(word, rank) VALUES('integrity-check', 1)")
    return sorted(rows)
