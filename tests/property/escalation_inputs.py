"""Whatever may come in: feedback of every kind, commands with plausible and implausible fields.

Each input is made by a ``Random`` of its own, not draw by draw: so a run of the state machine is long.
"""

from __future__ import annotations

from collections.abc import Collection
from copy import copy
from random import Random
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

_REASONS = (Reason.DELAY, Reason.PRICE, Reason.SERVICE)
_KINDS = [Kind.COMPLAINT] * 8 + list(Kind)
_ISSUES = (
    Issue(severity=Severity.MEDIUM, kind=Kind.COMPLAINT, start=0, end=21, reasons=(Reason.PRICE,)),
    Issue(severity=Severity.HIGH, kind=Kind.COMPLAINT, start=22, end=41, reasons=(Reason.DELAY,)),
    Issue(severity=Severity.LOW, kind=Kind.PRAISE, start=0, end=21, reasons=(Reason.PRAISE,)),
)
_ROLES = [Role.CUSTOMER] * 12 + list(Role)
_ORIGINS = [Origin.HUMAN] * 30 + list(Origin) + [Origin.BOUNCE_HARD]
_OPERATIONS = [Operation.CREATE] * 12 + list(Operation)
_FLAGS: list[tuple[Flag, ...]] = [()] * 8 + [(Flag.BACKFILL,), (Flag.SPAM,)]
_LATE = [None, 0, -HOUR, -3 * DAY, DAY]
_NOTES = [None, "", "short"] + ["long enough to show work on the case"] * 4
_PEOPLE = [None, "ada", "bob", "eve"]


def a_feedback(
    chance: Random, number: int, now: int, cases: Collection[Case]
) -> FeedbackClassified:
    """Return the ``number``-th item of one of the customers, or a revision of one before it."""
    one_of = chance.choice
    late = one_of(_LATE)
    listed = [ref.feedback_id for case in cases for ref in case.feedback]
    sent = [reply.id for case in cases for reply in case.replies]
    repeat = one_of([0] * 6 + [2, 3, 4])
    item = feedback(
        max(1, number - one_of([0] * 8 + [1, 2, 5])),
        one_of(list(Severity)),
        one_of(_KINDS),
        received_at=now - 1000,
        thread=one_of([None, "t1", "t1", "t2"]),
        channel=one_of([Channel.EMAIL, Channel.PHONE]),
        reasons=chance.sample(_REASONS, chance.randint(0, 2)),
        text=TEXT,
        revision=f"r{number}",
        occurred_at=None if late is None else now + late,
        author=Author(role=one_of(_ROLES)),
        origin=one_of(_ORIGINS),
        op=one_of(_OPERATIONS),
        flags=one_of(_FLAGS),
        parent_id=one_of(["", *sent]),
        may_auto_respond=one_of([True, False]),
        repeat=Repeat(of=one_of(["gone", *listed]), count=repeat) if repeat else None,
    )
    customer = one_of(CUSTOMERS)
    whose = {"record_key": ids.record_key(TENANT, customer), "customer_key": customer}
    issues = _ISSUES if chance.random() < 0.2 else ()
    return msgspec.structs.replace(
        item,
        feedback=msgspec.structs.replace(item.feedback, **whose),
        classification=msgspec.structs.replace(item.classification, issues=issues),
    )


def a_command(
    chance: Random, number: int, now: int, case: Case, cases: Collection[Case]
) -> CaseCommand:
    """Return a command on ``case``: what it needs is there most of the time, and fits as often."""
    one_of = chance.choice
    kind = one_of(_COMMANDS if chance.random() < 0.2 else _likely(case))
    given = copy(one_of(_FIELDS.get(kind, [{}])))
    match kind:
        case CommandKind.MERGE:
            given["into"] = one_of([*(one.case_id for one in cases), "nobody"])
        case CommandKind.BOUNCE:
            given["message_id"] = one_of([None, *(one.id for one in case.replies)])
        case CommandKind.FOLLOW_UP_DONE | CommandKind.FOLLOW_UP_WAIVE:
            numbers = [item.number for item in case.follow_ups]
            given["follow_up"] = one_of([None, 99, *numbers * 3])
        case CommandKind.WAIT | CommandKind.SNOOZE:
            ahead = one_of([None, -HOUR, HOUR, HOUR, 2 * HOUR, DAY, 6 * DAY, 30 * DAY])
            given["until"] = None if ahead is None else now + ahead
        case CommandKind.CORRECT_SEVERITY:
            given["severity"] = one_of([None, *Severity])
            given["kind_is"] = one_of([None, None, None, *Kind])
        case CommandKind.ASSIGN | CommandKind.DELEGATE:
            given["assignee"] = one_of(_PEOPLE)
            given["team"] = one_of([None, None, "crew", "ghosts", "nobody"])
    return CaseCommand(
        command_id=f"k{number}",
        tenant=one_of([TENANT] * 30 + ["other"]),
        case_id=case.case_id,
        kind=kind,
        actor=one_of(["ada", "bob"]),
        at=now - one_of([0, 1000, 2 * HOUR]),
        expected_seq=one_of([None] * 8 + [case.case_seq, case.case_seq - 1]),
        **({"note": one_of(_NOTES)} | given),
    )


_BETWEEN_CASES = {CommandKind.ABSORB, CommandKind.ABSORBED, CommandKind.FORWARD}
"""What only cases send: the owner delivers what they sent."""

_COMMANDS = [kind for kind in CommandKind if kind not in _BETWEEN_CASES]


def _likely(case: Case) -> list[CommandKind]:
    """Return what somebody may want of a case in its state."""
    if case.state in Case.UNRESOLVED:
        return _ON_OPEN
    return _ON_SETTLED if case.state in Case.SETTLING else _ON_ENDED


_ON_OPEN = [
    CommandKind.ACKNOWLEDGE, CommandKind.REPLY, CommandKind.RECEIPT, CommandKind.INVESTIGATE,
    CommandKind.WAIT, CommandKind.CLARIFY, CommandKind.OFFER, CommandKind.ASSIGN,
    CommandKind.DELEGATE, CommandKind.SNOOZE, CommandKind.RESOLVE, CommandKind.RESOLVE,
    CommandKind.DECIDE, CommandKind.CORRECT_SEVERITY, CommandKind.MERGE, CommandKind.BOUNCE,
]  # fmt: skip
_ON_SETTLED = [
    CommandKind.COMMUNICATE, CommandKind.FOLLOW_UP_DONE, CommandKind.FOLLOW_UP_WAIVE,
    CommandKind.REOPEN, CommandKind.CLOSE, CommandKind.BOUNCE, CommandKind.MERGE,
]  # fmt: skip
_ON_ENDED = [
    CommandKind.REOPEN, CommandKind.UNMERGE, CommandKind.HOLD, CommandKind.RELEASE,
    CommandKind.BOUNCE,
]  # fmt: skip
_FIELDS: dict[CommandKind, list[dict[str, Any]]] = {
    CommandKind.RESOLVE: [
        *[{"resolution": RESOLUTION, "clarification": NOT_NEEDED}] * 4,
        {"resolution": RESOLUTION},
        {"resolution": Resolution(outcome="", reason=" ", next_step="none")},
        {},
    ],
    CommandKind.CLARIFY: [
        {"clarification": Clarification(asked="Which invoice?")},
        {"clarification": Clarification(asked="Which invoice?", answered="The one of May.")},
        {"clarification": NOT_NEEDED},
        {},
    ],
    CommandKind.OFFER: [
        {"offer": Offer(options=(Solution.REFUND, Solution.APOLOGY))},
        {"offer": Offer(options=(Solution.REFUND,), chosen=Solution.REFUND, approved_by="bob")},
        {"offer": Offer(chosen=Solution.REFUND, fulfilled_at=1)},
        {"offer": Offer(chosen=Solution.REDO)},
        {},
    ],
    CommandKind.WAIT: [{"on": "customer"}] * 2 + [{"on": "third_party"}, {"on": "godot"}, {}],
    CommandKind.DECIDE: [*({"verdict": verdict} for verdict in Verdict), {}],
}
