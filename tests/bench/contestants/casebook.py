"""Inputs and cases for the bench of escalation, made by the product's own ``decide``.

Everything that knows how ``decide`` is called is in :func:`mix` and :func:`_templates`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import partial

import msgspec

from services.escalation.domain.decide import (
    CommandIn,
    Decision,
    FeedbackIn,
    Input,
    TimerIn,
    decide,
)
from services.escalation.domain.defaults import DEFAULT_POLICY
from shared import ids
from shared.events import (
    Case,
    CaseCommand,
    CaseEvent,
    Channel,
    Classification,
    CommandKind,
    FeedbackClassified,
    FeedbackReceived,
    Kind,
    Reason,
    Severity,
)

TENANT = "bench"
MINUTE_MS = 60_000
SHARES = {"no case": 50, "opening": 20, "attach": 10, "command": 10, "timer": 10}
"""Per cent of the inputs, by kind."""

TEXT = (
    "I ordered this three weeks ago and it still has not arrived. I was charged twice, I have called "
    "your support line four times, and every time somebody promises to call back and nobody does. "
    "Please tell me when I will get my money back, order 4711-0815."
)
_CUSTOMER, _SUFFIX, _DUE = "c" * 32, "5" * ids.CASE_SUFFIX_DIGITS, 1_234_567_890_123
_encode = msgspec.json.Encoder().encode


def classified(
    number: int, customer: str, severity: Severity, kind: Kind, at: int
) -> FeedbackClassified:
    """Return the ``number``-th feedback, received at ``at`` (ms)."""
    received = FeedbackReceived(
        feedback_id=ids.digest(TENANT, "feedback", str(number)),
        tenant=TENANT,
        source="inbox",
        channel=Channel.EMAIL,
        native_id=f"m{number}",
        record_key=ids.record_key(TENANT, customer),
        customer_key=customer,
        received_at=at,
        text=TEXT,
        language="en",
    )
    found = Classification(
        severity=severity,
        kind=kind,
        confidence=0.9,
        reasons=(Reason.FINANCIAL_LOSS, Reason.DELAY) if kind is Kind.COMPLAINT else (),
        language="en",
        model_version="bench",
        rules_version="bench",
    )
    return FeedbackClassified(feedback=received, classification=found, classified_at=at + 5)


def customer_key(number: int) -> str:
    """Return the pseudonym of the ``number``-th customer."""
    return ids.digest(TENANT, "customer", str(number))


def mix(count: int, now: int) -> list[tuple[str, Callable[[], Decision]]]:
    """Return ``count`` decisions to be made, by kind, in the shares of ``SHARES``, shuffled."""
    chance = random.Random(6)
    made: list[tuple[str, Callable[[], Decision]]] = []
    for number in range(count):
        (what,) = chance.choices(list(SHARES), list(SHARES.values()))
        cases, given, at = _given(what, number, now)
        made.append((what, partial(decide, cases, given, at, DEFAULT_POLICY)))
    for what, call in made:
        if bool(call().cases) is (what == "no case"):
            raise RuntimeError(f"{what}: this is not what the bench takes it for")
    return made


def openings(count: int, now: int) -> Iterator[CaseEvent]:
    """Yield the openings of ``count`` cases, each of another customer."""
    for number in range(count):
        customer = customer_key(number)
        severity = (Severity.HIGH, Severity.MEDIUM, Severity.CRITICAL)[number % 3]
        given = FeedbackIn(classified(number, customer, severity, Kind.COMPLAINT, now))
        yield decide({}, given, now, DEFAULT_POLICY).events[0]


def _given(what: str, number: int, now: int) -> tuple[dict[str, Case], Input, int]:
    customer = customer_key(number)
    severity = (Severity.HIGH, Severity.MEDIUM, Severity.CRITICAL)[number % 3]
    if what == "no case":
        kind = (Kind.QUESTION, Kind.OTHER)[number % 2]
        return {}, FeedbackIn(classified(number, customer, Severity.LOW, kind, now)), now
    new = FeedbackIn(classified(number, customer, severity, Kind.COMPLAINT, now))
    if what == "opening":
        return {}, new, now
    case = _opened(-1 - number, customer, severity, now - MINUTE_MS)
    cases = {case.case_id: case}
    if what == "attach":
        return cases, new, now
    if what == "command":
        return cases, CommandIn(_command(case, number, now)), now
    return cases, TimerIn(case.case_id), case.next_due_at or now


def _opened(number: int, customer: str, severity: Severity, at: int) -> Case:
    given = FeedbackIn(classified(number, customer, severity, Kind.COMPLAINT, at))
    return decide({}, given, at, DEFAULT_POLICY).cases[0]


def _command(case: Case, number: int, now: int) -> CaseCommand:
    kind = (CommandKind.ACKNOWLEDGE, CommandKind.RESOLVE)[number % 2]
    return CaseCommand(
        command_id=f"k{number}",
        tenant=case.tenant,
        case_id=case.case_id,
        kind=kind,
        actor="ada",
        at=now,
        note="refunded" if kind is CommandKind.RESOLVE else None,
    )


class Snapshots:
    """Encoded cases, each with one timer that falls due when asked for.

    They are copies of a few that ``decide`` opened at ``now`` (ms): encoding a million one by one would
    take longer than what is measured.
    """

    def __init__(self, now: int) -> None:
        self._templates = [_encode(case).decode() for case in _templates(now)]

    def __call__(self, number: int, due_at: int) -> tuple[str, str, bytes]:
        """Return record key, case id and snapshot of the ``number``-th case."""
        customer = customer_key(number)
        suffix = customer[: len(_SUFFIX)]
        text = self._templates[number % len(self._templates)]
        text = text.replace(_CUSTOMER, customer).replace(_SUFFIX, suffix)
        key = ids.record_key(TENANT, customer)
        return key, f"{key}:{suffix}", text.replace(str(_DUE), str(due_at)).encode()


def _templates(now: int) -> Iterator[Case]:
    """Yield cases as one meets them, with placeholders for the customer and the next deadline."""
    for number, severity in enumerate((Severity.HIGH, Severity.MEDIUM, Severity.CRITICAL)):
        case = _opened(number, _CUSTOMER, severity, now)
        again = FeedbackIn(classified(100 + number, _CUSTOMER, severity, Kind.COMPLAINT, now))
        attached = decide({case.case_id: case}, again, now, DEFAULT_POLICY).cases[0]
        for one in (case, attached):
            first = min(one.timers, key=lambda timer: timer.due_at)
            timers = tuple(
                msgspec.structs.replace(timer, due_at=_DUE) if timer is first else timer
                for timer in one.timers
            )
            case_id = f"{one.record_key}:{_SUFFIX}"
            yield msgspec.structs.replace(one, case_id=case_id, timers=timers)
