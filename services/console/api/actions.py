"""What can be done to a case: one row an action, from its address to the command it becomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.console.api import bodies
from services.console.api.bodies import Because, Body, Remark
from services.console.tokens import Role
from shared.events import Case, CommandKind, Kind, Reason, Severity, Solution, Verdict
from shared.ids import record_key_of_case

SEVERITIES = (
    Severity.LOW, Severity.MEDIUM, Severity.UNDETERMINED, Severity.HIGH, Severity.CRITICAL,
)  # fmt: skip
"""From the lowest to the highest, as the engine compares them."""

_THANKED = frozenset({Kind.PRAISE, Kind.SUGGESTION})
"""Of what is low and of such a kind the engine asks no more than thanks."""

EXAMPLE_CASE = "acme:4f6ad8be1b8f6a7f0c2f8a4f5e0d3c21:9c1f0a2b3d4e"
_OTHER_CASE = "acme:4f6ad8be1b8f6a7f0c2f8a4f5e0d3c21:0d1e2f3a4b5c"
_AN_HOUR = 1_767_229_200_000


@dataclass(frozen=True)
class Action:
    """One action: ``path`` follows the case, ``kind`` is what the engine is asked.

    ``role`` is who may; a case that needs more is told by :func:`role_needed`. ``number``: the path
    names a follow-up.
    """

    path: str
    kind: CommandKind
    body: type[Body]
    summary: str
    example: Body
    role: Role = Role.AGENT

    @property
    def name(self) -> str:
        """Operation id: the word of the command."""
        return self.kind.value

    @property
    def numbered(self) -> bool:
        """Whether the path names a follow-up."""
        return "{number}" in self.path


def _plain(kind: CommandKind, summary: str, note: str, role: Role = Role.AGENT) -> Action:
    """Return an action that takes nothing but a remark."""
    return Action(kind.value, kind, Remark, summary, Remark(note=note), role)


ACTIONS: Sequence[Action] = (
    _plain(
        CommandKind.ACKNOWLEDGE,
        "Somebody works on it: the ladder stops",
        "On the phone with them.",
    ),
    Action(
        "receipt",
        CommandKind.RECEIPT,
        bodies.Sent,
        "The customer was told that the message has arrived",
        bodies.Sent(message_id="<r1@example.com>"),
    ),
    Action(
        "reply",
        CommandKind.REPLY,
        bodies.Replied,
        "A person has answered the customer",
        bodies.Replied(message_id="<m1@example.com>", note="Asked for the order number."),
    ),
    Action(
        "bounce",
        CommandKind.BOUNCE,
        bodies.Bounced,
        "A message of ours did not arrive: its clocks run on",
        bodies.Bounced(message_id="<m1@example.com>"),
    ),
    Action(
        "assign",
        CommandKind.ASSIGN,
        bodies.Given,
        "Give the case to a person, or to who is free in a team",
        bodies.Given(assignee="jane"),
    ),
    Action(
        "delegate",
        CommandKind.DELEGATE,
        bodies.HandedOn,
        "Hand the case on, and say what is to be done",
        bodies.HandedOn(assignee="joe", note="Please check the invoice."),
    ),
    _plain(CommandKind.INVESTIGATE, "Somebody looks into it", "Asked the carrier."),
    Action(
        "wait",
        CommandKind.WAIT,
        bodies.Waits,
        "Wait for the customer, or until a time for somebody else",
        bodies.Waits(on="third_party", until=_AN_HOUR),
    ),
    Action(
        "clarify",
        CommandKind.CLARIFY,
        bodies.Clarified,
        "What was asked and answered, or why nothing had to be",
        bodies.Clarified(asked="Which order?", answered="The one of Monday."),
    ),
    Action(
        "offer",
        CommandKind.OFFER,
        bodies.Offered,
        "Offer solutions; record which was chosen, approved, fulfilled",
        bodies.Offered(options=(Solution.REFUND, Solution.REPLACEMENT)),
    ),
    Action(
        "resolve",
        CommandKind.RESOLVE,
        bodies.Resolved,
        "The matter is done; the follow-ups are promised",
        bodies.Resolved(
            outcome="Refunded.",
            reason="Charged twice.",
            next_step="We call in two days.",
            root_cause="A retry without a key.",
            prevention="The retry has one now.",
            not_needed="The bank's statement says it all.",
        ),
    ),
    Action(
        "communicate",
        CommandKind.COMMUNICATE,
        bodies.Sent,
        "The customer was told how it was resolved",
        bodies.Sent(message_id="<m2@example.com>"),
    ),
    Action(
        "decide",
        CommandKind.DECIDE,
        bodies.Decided,
        "What becomes of a suggestion",
        bodies.Decided(verdict=Verdict.PLANNED, note="In the spring."),
    ),
    _plain(CommandKind.REOPEN, "Take a settled case up again", "It broke again."),
    _plain(CommandKind.CLOSE, "End a case by hand", "No answer in two weeks."),
    Action(
        "note",
        CommandKind.NOTE,
        Because,
        "Put a remark on record",
        Because(note="Prefers calls in the evening."),
    ),
    Action(
        "snooze",
        CommandKind.SNOOZE,
        bodies.Snoozed,
        "Hold the ladder for a while; the clocks run on",
        bodies.Snoozed(until=_AN_HOUR),
    ),
    Action(
        "merge",
        CommandKind.MERGE,
        bodies.Merged,
        "Another case goes on for this one; one of another customer needs a lead",
        bodies.Merged(into=_OTHER_CASE),
    ),
    _plain(
        CommandKind.UNMERGE, "Undo a merge: the case stands alone again", "Two matters after all."
    ),
    Action(
        "follow-ups/{number}/done",
        CommandKind.FOLLOW_UP_DONE,
        Remark,
        "A promised follow-up was kept",
        Remark(note="All is well."),
    ),
    Action(
        "follow-ups/{number}/waive",
        CommandKind.FOLLOW_UP_WAIVE,
        Remark,
        "A promised follow-up is not needed",
        Remark(note="The customer asked for it."),
    ),
    Action(
        "correct-severity",
        CommandKind.CORRECT_SEVERITY,
        bodies.Corrected,
        "Say how grave the case is; downwards, or that it is no complaint, needs a lead",
        bodies.Corrected(severity=Severity.HIGH, reasons=(Reason.FINANCIAL_LOSS,)),
    ),
    Action(
        "reapply",
        CommandKind.REAPPLY,
        Because,
        "Apply the present policy to a running case",
        Because(note="New promises."),
        Role.LEAD,
    ),
    Action(
        "hold",
        CommandKind.HOLD,
        Because,
        "Put a legal hold on the case: it cannot be erased",
        Because(note="Claim 12/26."),
        Role.LEAD,
    ),
    _plain(CommandKind.RELEASE, "End a legal hold", "The claim is settled.", Role.LEAD),
)
"""All of them. What cases say to each other and the auditor's command are none."""


def role_needed(action: Action, body: Body, case: Case) -> Role:
    """Return who may do ``action`` with this body to this case."""
    if isinstance(body, bodies.Corrected):
        lower = SEVERITIES.index(body.severity) < SEVERITIES.index(case.severity)
        waved_off = case.kind not in _THANKED and body.kind in _THANKED
        return Role.LEAD if lower or waved_off else action.role
    if isinstance(body, bodies.Merged) and _key(body.into) != case.record_key:
        return Role.LEAD
    return action.role


def _key(case_id: str) -> str:
    try:
        return record_key_of_case(case_id)
    except ValueError:
        return ""
