"""What the tests of commands share: a refusal as what it says, and a team with people on duty."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from services.escalation.domain.calendar import Calendar, Window
from services.escalation.domain.decide import Decision, FeedbackIn
from services.escalation.domain.defaults import DEFAULT_POLICY
from services.escalation.domain.policy import Contact, Team
from services.escalation.domain.rota import Rota, Rotation, Unit
from services.escalation.domain.severity import RANK
from shared.events import (
    Case,
    CaseEvent,
    CaseEventKind,
    CaseState,
    Clock,
    ClockKind,
    CommandKind,
    Issue,
    Kind,
    Reason,
    Refusal,
    Severity,
)
from tests.unit.escalation.world import World, feedback

PEOPLE: Final = ("ada", "bob", "eve")
MORNINGS: Final = Calendar(
    name="mornings", zone="UTC", week=tuple((Window(start=8 * 60, end=12 * 60),) for _ in range(7))
)
TEAMS: Final = msgspec.structs.replace(
    DEFAULT_POLICY,
    team="desk",
    teams=(
        Team(name="desk", members=PEOPLE, rota="desk-rota", via=("queue",)),
        Team(name="pool", members=("pia", "quinn")),
    ),
    rotas=(
        Rota(
            name="desk-rota",
            rotations=tuple(
                Rotation(
                    name=name,
                    members=(name,),
                    zone="UTC",
                    starts="2025-01-01T00:00",
                    unit=Unit.DAY,
                    during=None if name != "eve" else MORNINGS.week,
                )
                for name in PEOPLE
            ),
        ),
    ),
    contacts=(*DEFAULT_POLICY.contacts, *(Contact(name=name) for name in PEOPLE)),
)
"""Ada and Bob are on duty round the clock, Eve in the mornings; Pia and Quinn share no rota."""


def told(event: CaseEvent) -> tuple[Refusal | None, str]:
    """Return why a command was refused, and the field that is named first."""
    assert event.kind is CaseEventKind.COMMAND_REFUSED
    return event.refusal, event.detail.partition(":")[0]


def refused(world: World, kind: CommandKind, **fields: Any) -> tuple[Refusal | None, str]:
    """Give a command that has to be refused, leaving the case as it was."""
    before = world.case
    decision = world.command(kind, **fields)
    (event,) = decision.events
    assert untouched(before) == untouched(world.case)
    assert world.case.case_seq == before.case_seq + 1
    assert not decision.sent
    return told(event)


def untouched(case: Case) -> Case:
    """Return a case without what every command leaves behind, a refused one as well."""
    return msgspec.structs.replace(case, case_seq=0, commands=(), refused=())


def clock_of(case: Case, kind: ClockKind) -> Clock:
    """Return the last clock of a kind."""
    return [one for one in case.clocks if one.kind is kind][-1]


def kinds_of_live(case: Case) -> set[ClockKind]:
    """Return the clocks that are running or paused."""
    return {one.kind for one in case.clocks if one.state.value in {"running", "paused"}}


def opened(severity: Severity = Severity.MEDIUM, world: World | None = None) -> World:
    """Return a world with one case, in thread t1."""
    world = world or World()
    world.feed(severity, thread="t1")
    return world


def state(world: World) -> CaseState:
    """Return where the case opened last stands."""
    return world.case.state


def issue(severity: Severity, *reasons: Reason, at: int = 0, kind: Kind = Kind.COMPLAINT) -> Issue:
    """Return one of the matters of a text, of 10 characters."""
    return Issue(severity=severity, kind=kind, start=at, end=at + 10, reasons=reasons)


def letter(world: World, *issues: Issue, number: int | None = None, **fields: Any) -> Decision:
    """Give one message that holds several matters; ``number``: a revision of an earlier one."""
    reasons = dict.fromkeys(reason for one in issues for reason in one.reasons)
    severity = max((one.severity for one in issues), key=RANK.__getitem__)
    given: dict[str, Any] = {
        "thread": "t1",
        "received_at": world.now,
        "revision": str(len(world.decisions)),
    }
    item = feedback(
        number or 900 + len(world.decisions), severity, reasons=reasons, **given | fields
    )
    found = msgspec.structs.replace(item.classification, issues=issues)
    return world.give(FeedbackIn(msgspec.structs.replace(item, classification=found)))
