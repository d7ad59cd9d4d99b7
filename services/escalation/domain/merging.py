"""Two cases that are one: the survivor takes over, the other one points to it.

Cases of one customer are merged in one decision. Those of two customers have two owners, who talk by
commands: the one that is merged hands over at once (``absorb``) and forwards what still comes in; when
the other one cannot take it, it says so (``absorbed`` with a reason), and the case goes on as before.
Two that are merged into each other at the same moment refuse each other: no cycle can come about.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from services.escalation.domain import clocks, escalation, lifecycle
from services.escalation.domain.case import Draft
from services.escalation.domain.policy import Policy
from services.escalation.domain.refuse import Refuse
from services.escalation.domain.severity import higher
from shared import ids
from shared.events import (
    Case,
    CaseCommand,
    CaseEventKind,
    CaseState,
    Cause,
    ClockKind,
    CommandKind,
    FeedbackRef,
    Refusal,
)

MAX_ALIASES: Final = 64
SYSTEM: Final = "tocsin"
"""Actor of what cases say to each other."""


def merge(
    draft: Draft, policy: Policy, command: CaseCommand, cases: Mapping[str, Case]
) -> Draft | None:
    """Merge the case into another one; return the draft of that one if it is at hand."""
    case, into = draft.case, command.into
    if not into:
        raise Refuse(Refusal.MISSING, "into")
    if case.state in Case.ENDED:
        raise Refuse(Refusal.WRONG_STATE, f"the case is {case.state}")
    try:
        key = ids.record_key_of_case(into)
    except ValueError as error:
        raise Refuse(Refusal.INVALID, f"into: {error}") from error
    if key.partition(":")[0] != case.tenant:
        raise Refuse(Refusal.OTHER_TENANT, "into: a case of another tenant")
    if into == case.case_id:
        raise Refuse(Refusal.CYCLE, "into: the case itself")
    if key != case.record_key:
        _hand_over(draft, into)
        return None
    survivor = _survivor(cases, into)
    if survivor.case_id == case.case_id:
        raise Refuse(Refusal.CYCLE, f"into: {into} was merged into this case")
    if survivor.state is CaseState.CLOSED:
        raise Refuse(Refusal.WRONG_STATE, f"into: {survivor.case_id} is closed")
    other = Draft(survivor, draft.now, draft.origin)
    _take_over(other, policy, case)
    _become(draft, survivor.case_id)
    draft.emit(CaseEventKind.MERGED, Cause.COMMAND, note=command.note, detail=survivor.case_id)
    return other


def absorb(draft: Draft, policy: Policy, command: CaseCommand) -> None:
    """Take over a case of another customer; answer it when that cannot be."""
    loser = command.case
    if loser is None:
        raise Refuse(Refusal.MISSING, "case")
    refused = _why_not(draft.case, loser)
    if refused is not None:
        draft.send(_answer(draft.case, command, loser.case_id, refused, draft.now))
        raise Refuse(refused, f"{loser.case_id} cannot be merged into this case")
    _take_over(draft, policy, loser)


def unknown_survivor(command: CaseCommand, now: int) -> CaseCommand | None:
    """Return the answer to an ``absorb`` for a case that does not exist (any more)."""
    if command.kind is not CommandKind.ABSORB or command.case is None:
        return None
    other = msgspec.structs.replace(command.case, case_id=command.case_id)
    return _answer(other, command, command.case.case_id, Refusal.UNKNOWN_CASE, now)


def absorbed(draft: Draft, policy: Policy, command: CaseCommand) -> None:
    """The other case could not take this one over: it goes on, from the first step."""
    if draft.case.merged_into != command.into:
        raise Refuse(Refusal.WRONG_STATE, "the case was not merged into that one")
    _undo(draft, Cause.MERGED, command.note or "")
    _go_on(draft, policy)


def unmerge(draft: Draft, policy: Policy, _: CaseCommand) -> None:
    """Undo a merge: the case stands alone again and goes on. What the survivor took, it keeps."""
    case = draft.case
    if case.state is not CaseState.MERGED or case.closed_at is None:
        raise Refuse(Refusal.WRONG_STATE, "the case is not merged")
    if draft.now - case.closed_at > policy.unmerge_ms:
        raise Refuse(Refusal.NOT_ALLOWED, "it was merged too long ago")
    _undo(draft, Cause.COMMAND, "")
    _go_on(draft, policy)


def forward(draft: Draft, ref: FeedbackRef) -> None:
    """Tell the case that goes on for this one what came in for it; without an event."""
    into = draft.case.merged_into
    if into is None:
        return
    draft.send(
        CaseCommand(
            command_id=ids.digest(draft.case.tenant, "forward", into, ref.feedback_id),
            tenant=draft.case.tenant,
            case_id=into,
            kind=CommandKind.FORWARD,
            actor=SYSTEM,
            at=draft.now,
            feedback=ref,
        )
    )


def _survivor(cases: Mapping[str, Case], into: str) -> Case:
    """Return the case at the end of the chain of merges that begins at ``into``."""
    seen = set[str]()
    while into not in seen:
        seen.add(into)
        found = cases.get(into)
        if found is None:
            raise Refuse(Refusal.UNKNOWN_CASE, f"into: there is no case {into}")
        if found.merged_into is None:
            return found
        if ids.record_key_of_case(found.merged_into) != found.record_key:
            raise Refuse(Refusal.WRONG_STATE, f"into: {into} was merged into {found.merged_into}")
        into = found.merged_into
    raise Refuse(Refusal.CYCLE, f"into: the merges of {into} go round in a circle")


def _hand_over(draft: Draft, into: str) -> None:
    snapshot = msgspec.structs.replace(draft.case, timers=(), commands=(), refused=())
    draft.send(
        CaseCommand(
            command_id=ids.digest(
                snapshot.tenant, "absorb", snapshot.case_id, into, str(snapshot.case_seq)
            ),
            tenant=snapshot.tenant,
            case_id=into,
            kind=CommandKind.ABSORB,
            actor=SYSTEM,
            at=draft.now,
            case=snapshot,
            into=snapshot.case_id,
        )
    )
    _become(draft, into)
    draft.emit(CaseEventKind.MERGED, Cause.COMMAND, detail=into)


def _answer(
    survivor: Case, command: CaseCommand, loser: str, refusal: Refusal, now: int
) -> CaseCommand:
    return CaseCommand(
        command_id=ids.digest(survivor.tenant, "absorbed", command.command_id),
        tenant=survivor.tenant,
        case_id=loser,
        kind=CommandKind.ABSORBED,
        actor=SYSTEM,
        at=now,
        into=survivor.case_id,
        note=str(refusal),
    )


def _why_not(survivor: Case, loser: Case) -> Refusal | None:
    if survivor.tenant != loser.tenant:
        return Refusal.OTHER_TENANT
    if loser.case_id in {survivor.merged_into, survivor.case_id}:
        return Refusal.CYCLE
    return Refusal.WRONG_STATE if survivor.state in Case.ENDED else None


def _take_over(draft: Draft, policy: Policy, loser: Case) -> None:
    """Earliest opening, highest severity, all that was said; the clocks stay the survivor's.

    But the oldest question that nobody has answered counts, whoever asked it.
    """
    case = draft.case
    severity = higher(case.severity, loser.severity)
    listed = {ref.item or ref.feedback_id for ref in case.feedback}
    added = [ref for ref in loser.feedback if (ref.item or ref.feedback_id) not in listed]
    together = sorted((*case.feedback, *added), key=lambda ref: (ref.received_at, ref.feedback_id))
    aliases = dict.fromkeys((*case.aliases, *loser.aliases, loser.case_id))
    aliases.pop(case.case_id, None)  # what was merged into the other one before, and taken out
    asked = [at for at in (case.waiting_since, loser.waiting_since) if at is not None]
    draft.change(
        opened_at=min(case.opened_at, loser.opened_at),
        severity=severity,
        reasons=tuple(dict.fromkeys((*case.reasons, *loser.reasons))),
        feedback=(together[0], *together[1:][-(Case.MAX_REFS - 1) :]) if together else (),
        feedback_count=case.feedback_count + loser.feedback_count,
        aliases=tuple(aliases)[-MAX_ALIASES:],
        threads=_threads(case, loser),
        waiting_since=min(asked, default=None),
    )
    waits = draft.case.waiting_since
    answering = clocks.is_live(draft, ClockKind.FIRST_RESPONSE) or clocks.is_live(
        draft, ClockKind.NEXT_RESPONSE
    )
    if waits is not None and not answering and case.state in Case.UNRESOLVED:
        clocks.start(draft, policy, ClockKind.NEXT_RESPONSE, f"merged-{loser.case_id}", waits)
    if severity is not case.severity:
        clocks.retarget(draft, policy, raised=True)
    draft.emit(CaseEventKind.ABSORBED, Cause.MERGED, detail=loser.case_id)
    if severity is not case.severity and case.state in Case.UNRESOLVED and not case.backfilled:
        lifecycle.escalate(draft, policy, Cause.SEVERITY_RAISED)


def _threads(case: Case, loser: Case) -> tuple[str, ...]:
    own = {case.thread_id} if case.thread_id else set()
    others = dict.fromkeys((*case.threads, *loser.threads, loser.thread_id or ""))
    return tuple(one for one in others if one and one not in own)[-MAX_ALIASES:]


def _become(draft: Draft, into: str) -> None:
    """Make the case one that points to ``into``; nothing of its own is pending any more."""
    escalation.cancel(draft)
    clocks.cancel(draft, tuple(ClockKind))
    draft.change(
        state=CaseState.MERGED,
        merged_into=into,
        closed_at=draft.now,
        timers=(),
        snoozed_until=None,
        wait_until=None,
    )


def _go_on(draft: Draft, policy: Policy) -> None:
    """Let the clocks run on that were running, and the ladder begin anew."""
    case = draft.case
    if case.backfilled or case.state not in Case.UNRESOLVED:
        return
    clocks.restore(draft, policy)
    escalation.start(draft, policy, Cause.REOPENED)


def _undo(draft: Draft, cause: Cause, detail: str) -> None:
    settled = draft.case.resolved_at is not None
    draft.change(
        state=CaseState.RESOLVED if settled else CaseState.OPEN,
        merged_into=None,
        closed_at=None,
        acknowledged_at=None,
        acknowledged_by=None,
        timers=(),
    )
    draft.emit(CaseEventKind.UNMERGED, cause, detail=detail)
