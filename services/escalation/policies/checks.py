"""What no single key of a policy tells: whether names are known, people reachable, times sensible."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import combinations
from typing import Final, NamedTuple

from services.escalation.domain import calendar, rota, silence
from services.escalation.domain.calendar import DAY
from services.escalation.domain.policy import Pack, Policy, SeverityPlan, Target
from services.escalation.domain.rota import Duty, Rota
from services.escalation.domain.silence import MuteWeek
from services.escalation.policies.forms import instant_text
from services.escalation.policies.parts import nearest
from shared.events import ClockKind, Severity
from shared.yaml_lines import Path

HORIZON_DAYS: Final = 400
GRAVE: Final = (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW)
"""From the gravest on; what is undetermined has no place among them."""

NAMING: Final = frozenset({"calendars", "contacts", "teams", "rotas"})
"""The sections that give names to things."""
_NO_CONTACT: Final = "is no contact, so nobody could reach them"
_PLACE: Final = re.compile(r"([a-z]+(?:\.[a-z]+)*)(?:\[(\d+)\])?(?: [^:]*)?: ")


class Finding(NamedTuple):
    """What is wrong, or doubtful (``warning``), and the path to it in the document."""

    path: Path
    message: str
    warning: bool = False


def findings(policy: Policy, now: int, also: Collection[str] = ()) -> Iterator[Finding]:
    """Yield all that is wrong or doubtful with a policy.

    Args:
        now: ms since the epoch; where its future begins.
        also: names that are there, but cannot be read.
    """
    known = _Names(policy, also)
    yield from _calendars(policy)
    yield from _people(policy, known)
    yield from _mutes(policy)
    yield from _top(policy, known)
    for severity in Severity:
        place: Path = ("severities", severity.value)
        yield from _plan(policy, known, place, policy.plan(severity), severity)
    yield from _packs(policy, known)
    yield from _milder(("severities",), policy.plan)
    yield from _gaps(policy, now)


class _Names:
    """What names there are, and how to complain about one that is not."""

    def __init__(self, policy: Policy, also: Collection[str]) -> None:
        self.contacts = {one.name for one in policy.contacts}
        self.teams = {one.name for one in policy.teams}
        self.rotas = {one.name for one in policy.rotas}
        self.calendars = {one.name for one in policy.calendars}
        self._also = also
        self.everyone = self.contacts | self.teams | self.rotas

    def targets(self, path: Path, names: Iterable[str]) -> Iterator[Finding]:
        what = "is neither a contact, a team nor a rota"
        return self._among(path, names, self.everyone, what)

    def person(self, path: Path, name: str | None) -> Iterator[Finding]:
        yield from self._one(path, name, self.contacts, _NO_CONTACT)

    def people(self, path: Path, names: Iterable[str]) -> Iterator[Finding]:
        return self._among(path, names, self.contacts, _NO_CONTACT)

    def team(self, path: Path, name: str | None) -> Iterator[Finding]:
        yield from self._one(path, name, self.teams, "is no team")

    def calendar(self, path: Path, name: str | None) -> Iterator[Finding]:
        yield from self._one(path, name, self.calendars, "is no calendar")

    def rota(self, path: Path, name: str | None) -> Iterator[Finding]:
        yield from self._one(path, name, self.rotas, "is no rota")

    def _among(
        self, path: Path, names: Iterable[str], known: set[str], what: str
    ) -> Iterator[Finding]:
        for number, name in enumerate(names):
            yield from self._one((*path, number), name, known, what)

    def _one(self, path: Path, name: str | None, known: set[str], what: str) -> Iterator[Finding]:
        if name and name not in known and name not in self._also:
            yield Finding(path, f"{name!r} {what}{nearest(name, known)}")


def _calendars(policy: Policy) -> Iterator[Finding]:
    for one in policy.calendars:
        yield from _told(("calendars", one.name), calendar.problems(one))


def _people(policy: Policy, known: _Names) -> Iterator[Finding]:
    for contact in policy.contacts:
        if not contact.via:
            yield Finding(
                ("contacts", contact.name), "cannot be reached: name at least one sink in `via`"
            )
    for team in policy.teams:
        place: Path = ("teams", team.name)
        yield from known.rota((*place, "rota"), team.rota)
        yield from known.calendar((*place, "calendar"), team.calendar)
        yield from known.people((*place, "members"), team.members)
        if team.rota is None and not team.via:
            yield Finding(place, "nobody of it can be reached: give it a `rota` or a `via`")
    for one in policy.rotas:
        yield from _rota(one, known)


def _rota(one: Rota, known: _Names) -> Iterator[Finding]:
    place: Path = ("rotas", one.name)
    yield from _told(place, rota.problems(one))
    yield from known.person((*place, "fallback"), one.fallback)
    for number, rotation in enumerate(one.rotations):
        yield from known.people((*place, "rotations", number, "members"), rotation.members)
    for number, override in enumerate(one.overrides):
        yield from known.person((*place, "overrides", number, "person"), override.person)


def _mutes(policy: Policy) -> Iterator[Finding]:
    mutes: tuple[silence.Mute | MuteWeek, ...] = (*policy.mutes, *policy.mute_weeks)
    for mute in mutes:
        yield from _told(("mutes", mute.name), silence.problems(mute))


def _top(policy: Policy, known: _Names) -> Iterator[Finding]:
    yield from known.calendar(("calendar",), policy.calendar)
    yield from known.team(("team",), policy.team)
    yield from known.team(("thanks_team",), policy.thanks_team)
    for key, names in (("overdue_targets", policy.overdue_targets), ("fallback", policy.fallback)):
        yield from known.targets((key,), names)
        if not names:
            yield Finding((key,), "nobody would be told: name at least one")
    for kind, target in policy.thanks.items():
        yield from _target(policy, known, ("thanks", kind.value), target)


def _packs(policy: Policy, known: _Names) -> Iterator[Finding]:
    for number, pack in enumerate(policy.packs):
        place: Path = ("packs", number)
        yield from known.team((*place, "team"), pack.team)
        for at, team in enumerate(pack.match.teams):
            yield from known.team((*place, "match", "teams", at), team)
        if not pack.plans:
            yield Finding((*place, "severities"), "has no severity, so the pack changes nothing")
        for severity, plan in pack.plans.items():
            at_plan = (*place, "severities", severity.value)
            base = policy.plan(severity)
            yield from _plan(policy, known, at_plan, plan, severity, base)
        at_plans: Path = (*place, "severities")
        yield from _milder(at_plans, _effective(policy, pack), policy.plan)


def _effective(policy: Policy, pack: Pack) -> Callable[[Severity], SeverityPlan]:
    return lambda severity: pack.plans.get(severity) or policy.plan(severity)


def _plan(
    policy: Policy,
    known: _Names,
    place: Path,
    plan: SeverityPlan,
    severity: Severity,
    base: SeverityPlan | None = None,
) -> Iterator[Finding]:
    """Yield what is wrong with a plan; what a pack inherits is told at the plan it comes from."""
    if base is None or plan.steps != base.steps:
        yield from _ladder(known, (*place, "ladder"), plan, severity)
    if base is None or plan.exhausted != base.exhausted:
        yield from known.targets((*place, "exhausted"), plan.exhausted)
    inherited = () if base is None else base.clocks
    for target in plan.clocks:
        if target not in inherited:
            at = (*place, "clocks", target.clock.value)
            yield from _target(policy, known, at, target)
    last = plan.nudges_ms[-1] if plan.nudges_ms else 0
    if plan.no_response_ms is not None and last >= plan.no_response_ms and base != plan:
        yield Finding((*place, "nudges"), "the last one comes after `no_response`", warning=True)


def _ladder(
    known: _Names, place: Path, plan: SeverityPlan, severity: Severity
) -> Iterator[Finding]:
    if not plan.steps and severity in {Severity.CRITICAL, Severity.HIGH, Severity.UNDETERMINED}:
        yield Finding(place, f"nobody is notified of a {severity} case", warning=True)
    for number, step in enumerate(plan.steps):
        yield from known.targets((*place, number, "to"), step.targets)
        yield from known.calendar((*place, number, "gate"), step.gate)
        if step.gate and severity is Severity.CRITICAL:
            message = "a critical case does not wait for gates"
            yield Finding((*place, number, "gate"), message, warning=True)


def _target(policy: Policy, known: _Names, place: Path, target: Target) -> Iterator[Finding]:
    yield from known.calendar((*place, "calendar"), target.calendar)
    if target.span.business and not target.calendar and not policy.calendar:
        yield Finding(
            place, f"{target.span} needs a calendar: name one here, or `calendar` for all"
        )


def _milder(
    place: Path,
    plan: Callable[[Severity], SeverityPlan],
    base: Callable[[Severity], SeverityPlan] | None = None,
) -> Iterator[Finding]:
    """Warn where a graver severity has more time than a milder one; not again where ``base`` has."""
    for graver, milder in combinations(GRAVE, 2):
        for clock in ClockKind:
            own, theirs = (plan(one).targets.get(clock) for one in (graver, milder))
            if theirs is None or (own is not None and not _longer(own, theirs)):
                continue
            if base and [own, theirs] == [base(one).targets.get(clock) for one in (graver, milder)]:
                continue
            said = "no deadline at all" if own is None else str(own.span)
            yield Finding(
                (*place, graver.value, "clocks", clock.value),
                f"{said} is more than the {theirs.span} of {milder}",
                warning=True,
            )


def _longer(one: Target, other: Target) -> bool:
    """Tell whether ``one`` surely ends later: working time never passes faster than the clock."""
    if one.span.business == other.span.business:
        return one.span.ms > other.span.ms
    return one.span.business and one.span.ms >= other.span.ms


def _gaps(policy: Policy, now: int) -> Iterator[Finding]:
    end = now + HORIZON_DAYS * DAY
    for one in policy.rotas:
        if one.fallback is not None or rota.problems(one):
            continue
        duty = Duty(one)
        begins = [now] if not duty.on_duty(now) else []
        begins += [change.at for change in duty.handovers(now + 1, end) if not change.after]
        if begins:
            until = duty.next_change(begins[0])
            ends = "on" if until is None else f"to {instant_text(until)}"
            yield Finding(
                ("rotas", one.name),
                f"nobody is on duty from {instant_text(begins[0])} {ends}, {len(begins)} such gaps "
                f"in {HORIZON_DAYS} days: name a `fallback`",
                warning=True,
            )


def _told(place: Path, problems: Iterable[str]) -> Iterator[Finding]:
    """Yield the problems that the domain names, each with its place in words."""
    for problem in problems:
        path, text = place, problem
        while found := _PLACE.match(text):
            path = (*path, *found[1].split("."))
            if found[2] is not None:
                path = (*path, int(found[2]))
            text = text[found.end() :]
        yield Finding(path, text.replace("always_open", "`always: true`"))
