"""The timeline of a case: who did what, when and why, from the events of the case alone."""

from __future__ import annotations

import unicodedata
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, TypeVar

import msgspec

from services.record.times import rfc3339
from shared import codec, topics
from shared.errors import Misconfigured, Poison, Transient
from shared.events import Case, CaseEvent, CaseEventKind, Cause, Delivery, Struct
from shared.ids import partition_of, record_key_of_case
from shared.streams.reader import Cluster
from shared.streams.spans import Client, erasures, position, span_of

E = TypeVar("E", CaseEvent, Delivery)

CUSTOMER: Final = "customer"
TOCSIN: Final = "tocsin"

_BY_CUSTOMER = {
    Cause.FEEDBACK, Cause.REPEAT_CONTACT, Cause.REVISION, Cause.DELETION, Cause.REOPENED,
}  # fmt: skip
_ARRIVALS = {CaseEventKind.OPENED, CaseEventKind.FEEDBACK_ATTACHED, CaseEventKind.REOPENED}
_TOLD = {
    "type", "event_id", "kind", "case_id", "case_seq", "tenant", "at", "recorded_at", "cause",
    "case", "actor", "feedback_received_at",
}  # fmt: skip
_AT_OPENING = ("severity", "kind", "channel", "source", "reasons", "themes")
_BOOKKEEPING = {
    "type", "case_seq", "timer_version", "timers", "commands", "feedback", "feedback_count",
    "escalation", "follow_ups", "clocks", "replies", "refused",
}  # fmt: skip
"""Parts of the snapshot that other details tell, or that only the program needs."""


class Line(Struct, frozen=True):
    """One thing that happened: times in ms since the epoch, ``details`` as name and words.

    ``at`` is when it happened or was due, ``recorded_at`` when it was decided. ``case_seq`` is 0 of what
    is no event of the case: a delivery.
    """

    at: int
    recorded_at: int
    case_seq: int
    who: str
    what: str
    why: str
    details: tuple[tuple[str, str], ...] = ()


def timeline(events: Iterable[CaseEvent]) -> tuple[Line, ...]:
    """Return what happened to a case, in the order of its events; an event that comes twice counts once.

    Whatever an event holds is told, and so is what changed in the snapshot, whether or not this
    module knows of it.
    """
    once = {event.event_id: event for event in events}
    before: Case | None = None
    lines = []
    for event in sorted(once.values(), key=lambda one: (one.case_seq, one.recorded_at)):
        lines.append(_line(event, before))
        before = event.case or before
    return tuple(lines)


def with_deliveries(lines: Iterable[Line], deliveries: Iterable[Delivery]) -> tuple[Line, ...]:
    """Return a timeline with what was told to whom, each behind what had been decided by then."""
    told = deque(_told(one) for one in sorted(deliveries, key=lambda one: one.at))
    merged = []
    for line in lines:
        while told and told[0].at < line.recorded_at:
            merged.append(told.popleft())
        merged.append(line)
    return (*merged, *told)


def _told(one: Delivery) -> Line:
    whom = one.target or (CUSTOMER if one.message is not None else "all who follow")
    details = (("message", one.message), ("reference", one.reference), ("detail", one.detail))
    return Line(
        at=one.at,
        recorded_at=one.at,
        case_seq=0,
        who=TOCSIN,
        what=f"told {whom} by {one.sink}: {_spoken(one.status)}",
        why=_spoken(one.kind),
        details=tuple((name, str(value)) for name, value in details if value),
    )


def _line(event: CaseEvent, before: Case | None) -> Line:
    return Line(
        at=event.at,
        recorded_at=event.recorded_at,
        case_seq=event.case_seq,
        who=_who(event),
        what=event.kind.value.replace(".", " ").replace("_", " "),
        why=event.cause.value.replace("_", " "),
        details=(*_own(event), *_said(event), *_changes(event.case, before)),
    )


def _who(event: CaseEvent) -> str:
    if event.actor:
        return event.actor
    arrived = event.kind in _ARRIVALS and event.cause in _BY_CUSTOMER
    return CUSTOMER if arrived else TOCSIN


def _own(event: CaseEvent) -> Iterator[tuple[str, str]]:
    for name, value in _tree(event).items():
        if name not in _TOLD and value not in (None, "", [], {}):
            yield _spoken(name), _words(name, value)


def _said(event: CaseEvent) -> Iterator[tuple[str, str]]:
    if event.case is not None and event.kind in _ARRIVALS:
        for ref in event.case.feedback:
            if ref.feedback_id == event.feedback_id and ref.excerpt:
                yield "text", ref.excerpt


def _changes(case: Case | None, before: Case | None) -> Iterator[tuple[str, str]]:
    if case is None:
        return
    now = _tree(case)
    if before is None:
        yield from ((_spoken(one), _words(one, now[one])) for one in _AT_OPENING if one in now)
        return
    then = _tree(before)
    for name in dict.fromkeys([*now, *then]):
        old, new = then.get(name), now.get(name)
        if name in _BOOKKEEPING or old == new:
            continue
        told = _words(name, new) if new is not None else "none"
        yield _spoken(name), told if old is None else f"{_words(name, old)} → {told}"


def _tree(event: Struct) -> dict[str, object]:
    tree: dict[str, object] = msgspec.to_builtins(event)
    return tree


def _spoken(name: str) -> str:
    return name.replace("_", " ")


def _words(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and name.endswith(("_at", "_until", "_since")):
        return rfc3339(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{_spoken(key)} {_words(key, one)}" for key, one in value.items())
    if isinstance(value, list | tuple):
        nested = any(isinstance(one, Mapping) for one in value)
        return ("; " if nested else ", ").join(_words(name, one) for one in value)
    return str(value)


def render(lines: Iterable[Line]) -> str:
    """Return a timeline for a terminal: a line each, its details indented below.

    Control characters of what people wrote are taken out.
    """
    shown = []
    for one in lines:
        shown.append(f"{rfc3339(one.at)}  {one.who}: {one.what} ({one.why})")
        if one.recorded_at != one.at:
            shown.append(f"    decided: {rfc3339(one.recorded_at)}")
        shown.extend(f"    {name}: {text}" for name, text in one.details)
    return "\n".join(map(printable, shown))


def printable(text: str) -> str:
    """Return ``text`` without what steers a terminal or turns the direction of writing."""
    return "".join(" " if unicodedata.category(one) in {"Cc", "Cf"} else one for one in text)


def events_of(
    client: Client, names: topics.Names, partitions: int, case_id: str
) -> list[CaseEvent]:
    """Return all events of a case that are kept, in order; none if its customer was erased since.

    Only the partition of the customer is read.

    Raises:
        Transient: Kafka does not answer, or holds an event that this version cannot read.
        Misconfigured: ``case_id`` is not one, or the topic has another number of partitions.
    """
    found = _kept(client, names, partitions, case_id, topics.CASE_EVENTS, CaseEvent)
    if not found:
        return []
    owner = record_key_of_case(case_id)
    gone = erasures(client, names, partition_of(owner, partitions))
    return [event for event in found if not gone.cover(owner, _born(event))]


def deliveries_of(
    client: Client, names: topics.Names, partitions: int, case_id: str
) -> list[Delivery]:
    """Return what was told of a case to whom, in order (same errors as :func:`events_of`)."""
    return _kept(client, names, partitions, case_id, topics.DELIVERIES, Delivery)


def _kept(
    client: Client,
    names: topics.Names,
    partitions: int,
    case_id: str,
    of: topics.Topic,
    kind: type[E],
) -> list[E]:
    """Return the records of a topic that speak of a case, in order."""
    try:
        owner = record_key_of_case(case_id)
    except ValueError as error:
        raise Misconfigured(str(error)) from error
    topic, number = names.of(of), partition_of(owner, partitions)
    count = len(Cluster(client).sources(topic))
    if count != partitions:
        raise Misconfigured(f"kafka.partitions is {partitions}, but {topic} has {count}")
    decoder = codec.Decoder[E]((kind,))
    key, wanted = owner.encode(), case_id.encode()
    found = []
    for batch in span_of(client, topic, only=number).read():
        for message in batch:
            raw = message.value() or b""
            if message.key() != key or wanted not in raw:  # cheaper than decoding
                continue
            try:
                event = decoder.decode(raw)
            except Poison as poison:
                raise Transient(f"{topic}[{number}] at {position(message)}: {poison}") from poison
            if event.case_id == case_id:
                found.append(event)
    return found


def _born(event: CaseEvent) -> int:
    return event.case.opened_at if event.case is not None else event.recorded_at
