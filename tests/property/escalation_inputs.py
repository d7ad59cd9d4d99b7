"""Whatever may come in: feedback of every kind, commands with plausible and implausible fields."""

from __future__ import annotations

from collections.abc import Collection
from copy import copy
from typing import Any

import msgspec
from hypothesis import strategies as st

from services.escalation.domain.policy import DAY, HOUR, MINUTE
from shared import ids
from shared.events import (
    Author,
    Case,
    CaseCommand,
    Channel,
    Clarification,
    CommandKind,
    FeedbackClassified,
    Flag,
    Issue,
    Kind,
    Offer,
    Operation,
    Origin,
    Reason,
    Repeat,
    Resolution,
    Role,
    Severity,
    Solution,
    Verdict,
)
from tests.unit.escalation.world import NOT_NEEDED, RESOLUTION, TENANT, feedback

CUSTOMERS = ("c0ffee", "decaf")
TEXT = "The invoice is wrong. The parcel is late."
WAITS = st.sampled_from([
    0, 0, 1, MINUTE, 15 * MINUTE, 31 * MINUTE, 3 * HOUR, 5 * HOUR, DAY, 3 * DAY, 9 * DAY, 31 * DAY,
])  # fmt: skip

_REASONS = st.lists(st.sampled_from([Reason.DELAY, Reason.PRICE, Reason.SERVICE]), max_size=2)
_KINDS = st.sampled_from([Kind.COMPLAINT] * 5 + list(Kind))
_ISSUES = (
    Issue(severity=Severity.MEDIUM, kind=Kind.COMPLAINT, start=0, end=21, reasons=(Reason.PRICE,)),
    Issue(severity=Severity.HIGH, kind=Kind.COMPLAINT, start=22, end=41, reasons=(Reason.DELAY,)),
    Issue(severity=Severity.LOW, kind=Kind.PRAISE, start=0, end=21, reasons=(Reason.PRAISE,)),
)
_SENDER_ROLES = st.sampled_from([Role.CUSTOMER] * 5 + list(Role))
_ORIGINS = st.sampled_from([Origin.HUMAN] * 10 + list(Origin))
_OPERATIONS = st.sampled_from([Operation.CREATE] * 5 + list(Operation))
_FLAGS = st.sampled_from([(), (), (), (), (Flag.BACKFILL,), (Flag.SPAM,)])
_LATE = st.sampled_from([None, 0, -HOUR, -3 * DAY, DAY])
_NOTES = st.sampled_from([None, "", "short", "long enough to show work on the case"])
_PEOPLE = st.sampled_from([None, "ada", "bob", "eve"])


@st.composite
def feedbacks(
    draw: st.DrawFn, number: int, now: int, cases: Collection[Case]
) -> FeedbackClassified:
    """Return the ``number``-th item of one of the customers, or a revision of one before it."""
    back = draw(st.sampled_from([0] * 6 + [1, 2, 5]))
    late = draw(_LATE)
    listed = sorted({ref.feedback_id for case in cases for ref in case.feedback})
    sent = sorted({reply.id for case in cases for reply in case.replies})
    repeat = draw(st.sampled_from([0] * 4 + [2, 3, 4]))
    item = feedback(
        max(1, number - back),
        draw(st.sampled_from(Severity)),
        draw(_KINDS),
        received_at=now - 1000,
        thread=draw(st.sampled_from([None, "t1", "t2", "t3"])),
        channel=draw(st.sampled_from([Channel.EMAIL, Channel.PHONE])),
        reasons=draw(_REASONS),
        text=TEXT,
        revision=f"r{number}",
        occurred_at=None if late is None else now + late,
        author=Author(role=draw(_SENDER_ROLES)),
        origin=draw(_ORIGINS),
        op=draw(_OPERATIONS),
        flags=draw(_FLAGS),
        parent_id=draw(st.sampled_from(["", *sent])),
        may_auto_respond=draw(st.booleans()),
        repeat=Repeat(of=draw(st.sampled_from(["gone", *listed])), count=repeat)
        if repeat
        else None,
    )
    customer = draw(st.sampled_from(CUSTOMERS))
    whose = {"record_key": ids.record_key(TENANT, customer), "customer_key": customer}
    issues = draw(st.sampled_from([(), (), _ISSUES]))
    return msgspec.structs.replace(
        item,
        feedback=msgspec.structs.replace(item.feedback, **whose),
        classification=msgspec.structs.replace(item.classification, issues=issues),
    )


@st.composite
def commands(
    draw: st.DrawFn, number: int, now: int, case: Case, cases: Collection[Case]
) -> CaseCommand:
    """Return a command on ``case``: what it needs is there most of the time, and fits as often."""
    kind = draw(st.sampled_from([one for one in CommandKind if one not in _BETWEEN_CASES]))
    given = draw(_FIELDS.get(kind, st.just({})))
    match kind:
        case CommandKind.MERGE:
            given["into"] = draw(st.sampled_from([*sorted(one.case_id for one in cases), "nobody"]))
        case CommandKind.BOUNCE:
            given["message_id"] = draw(st.sampled_from([None, *(one.id for one in case.replies)]))
        case CommandKind.FOLLOW_UP_DONE | CommandKind.FOLLOW_UP_WAIVE:
            numbers = [item.number for item in case.follow_ups]
            given["follow_up"] = draw(st.sampled_from([None, 99, *numbers, *numbers]))
        case CommandKind.WAIT | CommandKind.SNOOZE:
            ahead = draw(st.sampled_from([None, -HOUR, HOUR, 2 * HOUR, DAY, 6 * DAY, 30 * DAY]))
            given["until"] = None if ahead is None else now + ahead
    return CaseCommand(
        command_id=f"k{number}",
        tenant=draw(st.sampled_from([TENANT] * 20 + ["other"])),
        case_id=case.case_id,
        kind=kind,
        actor=draw(st.sampled_from(["ada", "bob"])),
        at=now - draw(st.sampled_from([0, 1000, 2 * HOUR])),
        expected_seq=draw(st.sampled_from([None] * 4 + [case.case_seq, case.case_seq - 1])),
        **({"note": draw(_NOTES)} | given),
    )


def _sometimes(name: str, *values: object) -> st.SearchStrategy[dict[str, Any]]:
    """Return fields with one of the ``values`` under ``name``, or without."""
    return _one_of(*({name: value} for value in values), {})


def _one_of(*given: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.sampled_from(given).map(copy)


_BETWEEN_CASES = {CommandKind.ABSORB, CommandKind.ABSORBED, CommandKind.FORWARD}
"""What only cases send: the owner delivers what they sent."""

_FIELDS: dict[CommandKind, st.SearchStrategy[dict[str, Any]]] = {
    CommandKind.RESOLVE: _one_of(
        {"resolution": RESOLUTION, "clarification": NOT_NEEDED},
        {"resolution": RESOLUTION, "clarification": NOT_NEEDED},
        {"resolution": RESOLUTION},
        {"resolution": Resolution(outcome="", reason=" ", next_step="none")},
        {},
    ),
    CommandKind.CLARIFY: _sometimes(
        "clarification",
        Clarification(asked="Which invoice?"),
        Clarification(asked="Which invoice?", answered="The one of May."),
        NOT_NEEDED,
    ),
    CommandKind.OFFER: _sometimes(
        "offer",
        Offer(options=(Solution.REFUND, Solution.APOLOGY)),
        Offer(options=(Solution.REFUND,), chosen=Solution.REFUND, approved_by="bob"),
        Offer(chosen=Solution.REFUND, fulfilled_at=1),
        Offer(chosen=Solution.REDO),
    ),
    CommandKind.WAIT: _sometimes("on", "customer", "third_party", "customer", "godot"),
    CommandKind.DECIDE: _sometimes("verdict", *Verdict),
    CommandKind.CORRECT_SEVERITY: st.fixed_dictionaries({
        "severity": st.sampled_from([None, *Severity]),
        "kind_is": st.sampled_from([None, None, None, *Kind]),
    }),
    CommandKind.ASSIGN: st.fixed_dictionaries({
        "assignee": _PEOPLE, "team": st.sampled_from([None, "crew", "ghosts"]),
    }),
    CommandKind.DELEGATE: st.fixed_dictionaries({
        "assignee": _PEOPLE, "team": st.sampled_from([None, "crew"]),
    }),
}  # fmt: skip
