"""Whose a case is: assigned or delegated, within what one person can carry; else the team's queue.

How much everybody has is a fact that the decision is told (``Origin.facts``, live cases as
``name/severity``), and that its event records. The limits are soft: two partitions that assign at the
same moment may both take the last place.
"""

from __future__ import annotations

from collections.abc import Mapping

from services.escalation.domain import escalation, lifecycle
from services.escalation.domain.case import Draft
from services.escalation.domain.policy import Policy, Team
from services.escalation.domain.refuse import Refuse
from shared.events import (
    Case,
    CaseCommand,
    CaseEventKind,
    CaseState,
    Cause,
    CommandKind,
    Refusal,
    Severity,
)


def assign(draft: Draft, policy: Policy, command: CaseCommand) -> None:
    """Give the case to a person, or to a team: then to who is on duty and has least to do."""
    if draft.case.state in Case.ENDED:
        raise Refuse(Refusal.WRONG_STATE, f"the case is {draft.case.state}")
    team = policy.team_named(command.team) if command.team else None
    if command.team and team is None:
        raise Refuse(Refusal.INVALID, f"team: there is no {command.team!r} in the policy")
    if not command.assignee and team is None:
        raise Refuse(Refusal.MISSING, "assignee or team")
    owner = team or (policy.team_named(draft.case.team) if draft.case.team else None)
    wanted = command.assignee
    if wanted and has_room(draft, policy, wanted):
        _give(draft, command, wanted, owner)
        return
    free = least_loaded(draft, policy, owner, but=wanted)
    over = f"{wanted} has as much as one can carry; " if wanted else ""
    if free is not None:
        _give(draft, command, free, owner, f"{over}least to do on duty" if over else "")
    elif owner is None and wanted:
        detail = f"{over}no team to take it, so it stays where it was wanted"
        _give(draft, command, wanted, None, detail)
    else:
        _queue(draft, policy, command, owner, f"{over}nobody on duty has room")


def delegate(draft: Draft, policy: Policy, command: CaseCommand) -> None:
    """Hand the case on, and say why."""
    if not (command.note or "").strip():
        raise Refuse(Refusal.MISSING, "note: what is the other one to do?")
    if command.assignee and command.assignee == draft.case.assignee:
        raise Refuse(Refusal.INVALID, f"assignee: {command.assignee} has the case already")
    assign(draft, policy, command)


def relevant(
    load: Mapping[str, int], case: Case, command: CaseCommand, policy: Policy, now: int
) -> dict[str, int]:
    """Return that part of ``load`` which the decision on ``command`` may look at, for its event."""
    if not load or command.kind not in {CommandKind.ASSIGN, CommandKind.DELEGATE}:
        return {}
    names = {command.assignee, case.assignee}
    for team_name in filter(None, (command.team, case.team)):
        team = policy.team_named(team_name)
        if team is not None:
            names.update((*team.members, *policy.reach(team.name, now)))
    return {one: count for one, count in load.items() if one.rpartition("/")[0] in names}


def has_room(draft: Draft, policy: Policy, name: str) -> bool:
    """Tell whether somebody may have one more case of this severity."""
    if draft.case.assignee == name:
        return True
    severity = draft.case.severity
    return (
        _carried(draft, name, severity) < policy.limits.of(severity)
        and _carried(draft, name) < policy.limits.total
    )


def least_loaded(
    draft: Draft, policy: Policy, team: Team | None, but: str | None = None
) -> str | None:
    """Return who is on duty in ``team``, has room, and has least to do; None when nobody has.

    Where a team has no rota all its members are on duty.
    """
    if team is None:
        return None
    people = team.members if team.rota is None else policy.reach(team.name, draft.now)
    free = [
        name for name in people if name not in {but, team.name} and has_room(draft, policy, name)
    ]
    return min(
        free,
        key=lambda name: (_carried(draft, name, draft.case.severity), _carried(draft, name), name),
        default=None,
    )


def keep_owner_on_duty(draft: Draft, policy: Policy) -> None:
    """A case that is open again stays with its owner if on duty, else goes to the team."""
    team = policy.team_named(draft.case.team) if draft.case.team else None
    owner = draft.case.assignee
    if team is None or team.rota is None or owner is None:
        return
    if owner not in policy.reach(team.name, draft.now):
        draft.change(assignee=None)


def _give(
    draft: Draft,
    command: CaseCommand,
    name: str,
    team: Team | None,
    detail: str = "",
) -> None:
    draft.change(assignee=name, team=draft.case.team if team is None else team.name)
    draft.emit(
        CaseEventKind.ASSIGNED,
        Cause.COMMAND,
        targets=(name,),
        note=lifecycle.note_of(command),
        detail=detail,
    )


def _queue(
    draft: Draft, policy: Policy, command: CaseCommand, team: Team | None, detail: str
) -> None:
    """Put it into the team's queue; that is told by the ladder, from its first step."""
    draft.change(assignee=None, team=draft.case.team if team is None else team.name)
    draft.emit(
        CaseEventKind.ASSIGNED,
        Cause.COMMAND,
        targets=() if team is None else (team.name,),
        note=lifecycle.note_of(command),
        detail=detail,
    )
    told = draft.case.state is CaseState.OPEN and escalation.is_waiting(draft.case)
    if draft.case.state in Case.UNRESOLVED and not draft.case.backfilled and not told:
        lifecycle.escalate(draft, policy, Cause.COMMAND)


def _carried(draft: Draft, name: str, severity: Severity | None = None) -> int:
    facts = draft.origin.facts
    if severity is not None:
        return facts.get(f"{name}/{severity}", 0)
    return sum(facts.get(f"{name}/{one}", 0) for one in Severity)
