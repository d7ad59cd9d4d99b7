"""What a policy asks for in one kind of case: its pack, deadlines, ladder, mutes and follow-ups."""

from __future__ import annotations

import datetime as dt
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from services.escalation.domain.calendar import HORIZON, Span
from services.escalation.domain.policy import DAY, Match, Policy, Target
from services.escalation.policies.forms import instant_text
from services.escalation.policies.simulation import PAGES, Sample, Simulation
from shared.events import Case, CaseEvent, CaseEventKind, Struct

_LADDER: Final = PAGES | {
    CaseEventKind.STEP_SKIPPED,
    CaseEventKind.STEP_HELD,
    CaseEventKind.NOTIFICATION_SUPPRESSED,
}
_LONGEST: Final = 60 * DAY
"""A ladder has at most 200 steps of 150 hours; held ones are later still. This much of it is shown."""


class PackTold(Struct, frozen=True):
    """Whether a pack fits, and which of its conditions decided."""

    name: str
    fits: bool
    why: str


class ClockTold(Struct, frozen=True):
    """A promise, and when it is broken if its clock starts at the given time."""

    clock: str
    within: str
    calendar: str
    due: str
    due_local: str


class StepTold(Struct, frozen=True):
    """What escalation does at one instant while nobody acknowledges."""

    at: str
    round: int
    step: int
    what: str
    targets: tuple[str, ...]
    notified: tuple[str, ...]
    detail: str


class PromiseTold(Struct, frozen=True):
    """A follow-up, counted from the resolution."""

    kind: str
    after: str
    via: str


class Explained(Struct, frozen=True):
    """All that a policy says of one case that is opened ``at``."""

    version: str
    at: str
    severity: str
    team: str | None
    pack: str | None
    packs: tuple[PackTold, ...]
    clocks: tuple[ClockTold, ...]
    ladder: tuple[StepTold, ...]
    repeat_every: str
    muted: str | None
    follow_ups: tuple[PromiseTold, ...]
    no_case: str | None = None


def explain(policy: Policy, sample: Sample, at: int, team: str | None = None) -> Explained:
    """Return what happens to a case like ``sample`` that is opened at ``at`` (ms).

    Args:
        team: who owns it, when no pack says; None: as the policy says.
    """
    if team is not None:
        policy = msgspec.structs.replace(policy, team=team)
    simulation = Simulation(policy)
    decision = simulation.feed(sample.feedback(1, at), at)
    if not decision.cases:
        outcome = decision.outcome
        return _nothing(policy, sample, at, str(outcome.no_case_reason) if outcome else "")
    case = decision.cases[0]
    simulation.run_until(at + _LONGEST)
    plan, pack, mute = policy.plan_for(case), policy.pack_for(case), policy.muted(case, at)
    targets = [*plan.clocks, *([thanks] if (thanks := policy.thanks.get(case.kind)) else [])]
    return Explained(
        version=policy.version,
        at=instant_text(at),
        severity=case.severity.value,
        team=case.team,
        pack=None if pack is None else pack.name,
        packs=_packs(policy, case),
        clocks=tuple(_clock(policy, case, target, at) for target in targets),
        ladder=tuple(_step(event) for event in _until_exhausted(simulation.events)),
        repeat_every=str(Span(ms=plan.repeat_ms)),
        muted=None
        if mute is None
        else f"{mute.name} until {instant_text(mute.end)}: {mute.reason}",
        follow_ups=tuple(
            PromiseTold(kind=one.kind, after=str(Span(ms=one.after_ms)), via=one.via.value)
            for one in plan.follow_ups
        ),
    )


def local(at_ms: int, zone: str) -> str:
    """Return an instant as people in a zone read it, with the zone's name."""
    at = dt.datetime.fromtimestamp(at_ms // 1000, ZoneInfo(zone))
    return f"{at:%a %Y-%m-%d %H:%M} {zone}"


def _nothing(policy: Policy, sample: Sample, at: int, reason: str) -> Explained:
    return Explained(
        version=policy.version,
        at=instant_text(at),
        severity=sample.severity.value,
        team=None,
        pack=None,
        packs=(),
        clocks=(),
        ladder=(),
        repeat_every="",
        muted=None,
        follow_ups=(),
        no_case=reason,
    )


def _packs(policy: Policy, case: Case) -> tuple[PackTold, ...]:
    """Return the packs up to the one that is taken."""
    told: list[PackTold] = []
    for pack in policy.packs:
        named = [
            (field, given)
            for field in Match.__struct_fields__
            if (given := getattr(pack.match, field))
        ]
        fitting = [(field, Match(**{field: given}).fits(case)) for field, given in named]
        missing = [field for field, fits in fitting if not fits]
        if case.severity not in pack.plans:
            told.append(PackTold(name=pack.name, fits=False, why=f"it has no {case.severity}"))
        elif missing:
            told.append(PackTold(name=pack.name, fits=False, why=f"other {', '.join(missing)}"))
        else:
            why = ", ".join(f"{field} {'/'.join(map(str, given))}" for field, given in named)
            told.append(PackTold(name=pack.name, fits=True, why=why or "it fits every case"))
            break
    return tuple(told)


def _clock(policy: Policy, case: Case, target: Target, at: int) -> ClockTold:
    name = policy.calendar_of(case, target)
    working = policy.time_of(name)
    if working is None:
        due, zone = at + target.span.ms, _zone(policy)
    else:
        found = working.add(at, target.span.ms)
        due = at + HORIZON if found is None else found
        zone = working.calendar.zone
    return ClockTold(
        clock=target.clock.value,
        within=str(target.span),
        calendar=name,
        due=instant_text(due),
        due_local=local(due, zone),
    )


def _zone(policy: Policy) -> str:
    """Return the zone of the policy's calendar, which is that of its people."""
    return next((one.zone for one in policy.calendars if one.name == policy.calendar), "UTC")


def _until_exhausted(events: list[CaseEvent]) -> list[CaseEvent]:
    found: list[CaseEvent] = []
    for event in events:
        if event.kind in _LADDER:
            found.append(event)
        if event.kind is CaseEventKind.ESCALATION_EXHAUSTED:
            break
    return found


def _step(event: CaseEvent) -> StepTold:
    stands = event.case.escalation if event.case else None
    ladder = stands.ladder if stands else None
    step = event.step or 0
    within = ladder is not None and 0 < step <= len(ladder.steps)
    exhausted = event.kind is CaseEventKind.ESCALATION_EXHAUSTED
    return StepTold(
        at=instant_text(event.recorded_at),
        round=(stands.rounds if stands else 0) + 1,
        step=step,
        what=event.kind.value,
        targets=ladder.steps[step - 1].targets if ladder and within and not exhausted else (),
        notified=event.targets,
        detail=event.detail,
    )
