"""Two cases that are one: the survivor takes over, the other one points to it.

Cases of one customer are merged in one decision. Those of two customers have two owners, who talk by
commands: the one that is merged hands over at once (``absorb``) and forwards what still comes in; when
the other one cannot take it, it says so (``absorbed`` with a reason), and the case goes on as before.
Two that are merged into each other at the same moment refuse each other: no cycle can come about.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeVar

import msgspec

from services.escalation.domain import (
    bounds,
    clocks,
    escalation,
    follow_up,
    lifecycle,
    reopening,
    retargeting,
    thanking,
    union,
)
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
    Escalation,
    FeedbackRef,
    Refusal,
)

SYSTEM: Final = "tocsin"
"""Actor of what cases say to each other."""

_UNSAID: Final[Mapping[str, object]] = {
    "timers": (),
    "commands": (),
    "refused": (),
    "clocks": (),
    "follow_ups": (),
    "replies": (),
    "escalation": Escalation(),
    "clarification": None,
    "offer": None,
    "outcome": None,
    "resolution": None,
}
"""What a survivor of another customer does not need to know: a command has to fit a record."""

T = TypeVar("T")


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
        _hand_over(draft, command, into)
        return None
    survivor = _survivor(cases, into)
    if survivor.case_id == case.case_id:
        raise Refuse(Refusal.CYCLE, f"into: {into} was merged into this case")
    if (why := _why_not(survivor, case)) is not None:
        raise Refuse(why[0], f"into: {why[1]}")
    other = Draft(survivor, draft.now, draft.origin)
    _take_over(other, policy, case)
    _become(draft, survivor.case_id)
    _say_merged(draft, command)
    return other


def absorb(draft: Draft, policy: Policy, command: CaseCommand) -> None:
    """Take over a case of another customer; answer it when that cannot be."""
    loser = command.case
    if loser is None:
        raise Refuse(Refusal.MISSING, "case")
    if (why := _why_not(draft.case, loser)) is not None:
        draft.send(_answer(command, loser.case_id, ": ".join(why), draft.now))
        raise Refuse(*why)
    _take_over(draft, policy, bounds.possible_case(loser, draft.now))


def unknown_survivor(command: CaseCommand, now: int) -> CaseCommand | None:
    """Return the answer to another case that hands something over to one that does not exist."""
    loser = None
    if command.kind is CommandKind.ABSORB and command.case is not None:
        loser = command.case.case_id
    elif command.kind is CommandKind.FORWARD:
        loser = command.into
    if loser is None or not bounds.is_case_id(loser):  # an answer needs somebody to go to
        return None
    return _answer(command, loser, Refusal.UNKNOWN_CASE, now)


def absorbed(draft: Draft, policy: Policy, command: CaseCommand) -> None:
    """The other case could not take this one over: it goes on, from the first step."""
    if command.into is None or draft.case.merged_into != command.into:
        raise Refuse(Refusal.WRONG_STATE, "the case was not merged into that one")
    _undo(draft, policy, Cause.MERGED, lifecycle.note_of(command) or "")


def unmerge(draft: Draft, policy: Policy, _: CaseCommand) -> None:
    """Undo a merge: the case stands alone again and goes on. What the survivor took, it keeps."""
    case = draft.case
    if case.state is not CaseState.MERGED or case.closed_at is None:
        raise Refuse(Refusal.WRONG_STATE, "the case is not merged")
    if draft.now - case.closed_at > policy.unmerge_ms:
        raise Refuse(Refusal.NOT_ALLOWED, "it was merged too long ago")
    _undo(draft, policy, Cause.COMMAND)


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


def _hand_over(draft: Draft, command: CaseCommand, into: str) -> None:
    case = draft.case
    absorb = CaseCommand(
        command_id=ids.digest(case.tenant, "absorb", case.case_id, into, str(case.case_seq)),
        tenant=case.tenant,
        case_id=into,
        kind=CommandKind.ABSORB,
        actor=SYSTEM,
        at=draft.now,
        case=msgspec.structs.replace(case, **_UNSAID),
        into=case.case_id,
    )
    bounds.check_handed_over(absorb)
    draft.send(absorb)
    _become(draft, into)
    _say_merged(draft, command)


def _answer(command: CaseCommand, loser: str, why: str, now: int) -> CaseCommand:
    return CaseCommand(
        command_id=ids.digest(command.tenant, "absorbed", command.command_id),
        tenant=command.tenant,
        case_id=loser,
        kind=CommandKind.ABSORBED,
        actor=SYSTEM,
        at=now,
        into=command.case_id,
        note=why,
    )


def _why_not(survivor: Case, loser: Case) -> tuple[Refusal, str] | None:
    """Return why the one cannot take over the other; what is open must not end up in what is not."""
    name = survivor.case_id
    if survivor.tenant != loser.tenant:
        return Refusal.OTHER_TENANT, f"{name} is a case of another tenant"
    if loser.case_id in {survivor.merged_into, name}:
        return Refusal.CYCLE, f"{name} is merged into this very case"
    if survivor.state is CaseState.MERGED:
        return Refusal.WRONG_STATE, f"{name} is merged into {survivor.merged_into}"
    if survivor.state is CaseState.CLOSED:
        return Refusal.WRONG_STATE, f"{name} is closed"
    if loser.state in Case.UNRESOLVED and survivor.state in Case.SETTLING:
        return Refusal.WRONG_STATE, f"{name} is {survivor.state}: reopen it first"
    return None


def _take_over(draft: Draft, policy: Policy, loser: Case) -> None:
    """Earliest opening, highest severity, all that was said; the clocks stay the survivor's.

    But the oldest question that nobody has answered counts, whoever asked it; and a survivor that was
    quiet, as imported history or as thanks, is quiet no longer if the other one was not.
    """
    case = draft.case
    severity = higher(case.severity, loser.severity)
    raised = severity is not case.severity
    turned = thanking.is_thanks(case) and not thanking.is_thanks(loser)
    woken = case.backfilled and not loser.backfilled
    listed = {ref.item or ref.feedback_id for ref in case.feedback}
    added = [
        ref if loser.record_key == case.record_key else union.came_with(ref, loser)
        for ref in loser.feedback
        if (ref.item or ref.feedback_id) not in listed
    ]
    count = len(added) if loser.case_id in case.aliases else loser.feedback_count
    draft.change(
        opened_at=min(case.opened_at, loser.opened_at),
        severity=severity,
        set_by=loser.set_by if raised else case.set_by,
        kind=loser.kind if turned else case.kind,
        reasons=union.united(case.reasons, loser.reasons),
        themes=union.united(case.themes, loser.themes),
        feedback=union.in_order((*case.feedback, *added)),
        feedback_count=case.feedback_count + count,
        aliases=union.aliases(case, loser),
        replies=union.replies(case, loser),
        threads=union.threads(case, loser),
        legal_hold=case.legal_hold or loser.legal_hold,
        may_auto_respond=case.may_auto_respond and loser.may_auto_respond,
        backfilled=case.backfilled and loser.backfilled,
    )
    if case.state in Case.UNRESOLVED and not draft.case.backfilled:
        _promise_as_before(draft, policy, loser, anew=turned or woken)
    if raised:
        retargeting.retarget(draft, policy, raised=True)
    draft.emit(CaseEventKind.ABSORBED, Cause.MERGED, detail=loser.case_id)
    loud = case.state in Case.UNRESOLVED and not draft.case.backfilled
    if loud and (raised or turned or woken):
        cause = Cause.SEVERITY_RAISED if raised else Cause.MERGED
        lifecycle.escalate(draft, policy, cause)


def _promise_as_before(draft: Draft, policy: Policy, loser: Case, *, anew: bool) -> None:
    """Whoever waits for an answer waits no longer than without the merge."""
    name = f"merged-{loser.case_id}"
    asked = [at for at in (draft.case.waiting_since, loser.waiting_since) if at is not None]
    waits = min(asked, default=None)
    if anew:
        thanking.stop(draft, policy, name, draft.now if waits is None else waits)
    if loser.waiting_since is None or waits is None:
        return
    draft.change(waiting_since=waits)
    lifecycle.customer_answered(draft, policy)
    kind = ClockKind.NEXT_RESPONSE
    for clock in draft.case.clocks:
        if clock.kind in clocks.RESPONSES and clock.state in clocks.LIVE:
            if clock.started_at <= waits:
                return
            kind = clock.kind
            clocks.withdraw(draft, kind, clock.instance)
    clocks.start(draft, policy, kind, name, waits)


def _become(draft: Draft, into: str) -> None:
    """Make the case one that points to ``into``; nothing of its own is pending any more."""
    follow_up.waive_all(draft, Cause.MERGED)
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


def _say_merged(draft: Draft, command: CaseCommand) -> None:
    draft.emit(
        CaseEventKind.MERGED,
        Cause.COMMAND,
        note=lifecycle.note_of(command),
        detail=draft.case.merged_into or "",
    )


def _undo(draft: Draft, policy: Policy, cause: Cause, detail: str = "") -> None:
    """Let the case stand alone: as it was if it had been settled, else open, from the first step.

    What came in for it meanwhile, and was handed on, it has heard itself now.
    """
    case = draft.case
    heard = [one for one in case.feedback if one.asked_at is not None and one.cause is Cause.MERGED]
    settled = CaseState.RESOLVED if case.communicated_at is None else CaseState.COMMUNICATED
    draft.change(
        state=CaseState.OPEN if case.resolved_at is None else settled,
        merged_into=None,
        closed_at=None,
        acknowledged_at=None,
        acknowledged_by=None,
        timers=(),
        feedback=tuple(map(_own, case.feedback)),
    )
    draft.emit(CaseEventKind.UNMERGED, cause, detail=detail)
    if case.backfilled:
        return
    clocks.restore(draft, policy)
    if draft.case.state in Case.SETTLING and heard:
        reopening.take_up(draft, policy)
        clocks.go_on(draft, policy)
        draft.emit(CaseEventKind.REOPENED, cause)
    if heard:
        asked_at = heard[0].asked_at or draft.now
        if draft.case.waiting_since is None:
            draft.change(waiting_since=asked_at)
        clocks.start(draft, policy, ClockKind.NEXT_RESPONSE, heard[0].feedback_id, asked_at)
    if draft.case.state in Case.SETTLING:
        follow_up.schedule(draft, policy)
    elif not thanking.is_thanks(draft.case):
        escalation.start(draft, policy, Cause.REOPENED)


def _own(ref: FeedbackRef) -> FeedbackRef:
    """Return what was handed on as what the case has heard itself."""
    handed_on = ref.cause is Cause.MERGED
    return msgspec.structs.replace(ref, cause=Cause.FEEDBACK) if handed_on else ref
