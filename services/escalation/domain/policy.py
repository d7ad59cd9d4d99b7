"""What each severity asks for: clocks, ladder, follow-ups; and who can be reached, and when.

A ``Policy`` is data: it comes from a YAML file (see deploy/docs/policy.md), is checked there, and is
kept whole in the topic ``policies`` under its version. A ladder is a tuple of steps: the first is
notified at once, each waits its ``wait_ms`` for somebody to acknowledge, then the next one is
notified; the whole ladder is repeated, then it is exhausted. Times in ``…_ms`` are milliseconds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cached_property
from typing import Final

import msgspec

from services.escalation.domain.calendar import Calendar, Span, WorkingTime
from services.escalation.domain.rota import Duty, Rota
from services.escalation.domain.silence import Mute, MuteWeek, Recurring, muted
from shared.events import (
    Case,
    Channel,
    ClockKind,
    Kind,
    Ladder,
    Reason,
    Severity,
    Step,
    Struct,
    Via,
)

MINUTE: Final = 60_000
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR


class Promise(Struct, frozen=True):
    """A follow-up that every resolution promises, ``after_ms`` after it."""

    kind: str
    after_ms: int
    via: Via = Via.MESSAGE


class Target(Struct, frozen=True):
    """How long a clock may run. A business span is measured in ``calendar``, else the owner's."""

    clock: ClockKind
    span: Span
    calendar: str = ""


class SeverityPlan(Struct, frozen=True, dict=True):
    """What one severity asks for. Without ``steps`` nobody is notified.

    ``repeat`` counts the further rounds over the ladder after the first; ``repeat_ms`` is the
    interval of the notifications once exhausted; ``ack_expiry_ms`` None means that an
    acknowledgement holds until the case is resolved. ``warn`` are percents of a clock's target;
    ``grace_ms`` is what a new target leaves at least. ``nudges_ms`` and ``no_response_ms`` count from
    the moment the case began to wait for the customer (None: a person has to decide).
    """

    steps: tuple[Step, ...] = ()
    repeat: int = 2
    repeat_ms: int = DAY
    ack_expiry_ms: int | None = None
    exhausted: tuple[str, ...] = ()
    follow_ups: tuple[Promise, ...] = ()
    follow_up_grace_ms: int = 72 * HOUR
    reopen_ms: int = 14 * DAY
    clocks: tuple[Target, ...] = ()
    warn: tuple[int, ...] = (75, 90)
    grace_ms: int = 0
    pause_for_customer: bool = True
    pause_for_third_party: bool = False
    nudges_ms: tuple[int, ...] = (2 * DAY, 5 * DAY)
    no_response_ms: int | None = 14 * DAY
    snooze_ms: int = DAY

    @cached_property
    def targets(self) -> Mapping[ClockKind, Target]:
        """Return the targets by their clock."""
        return {target.clock: target for target in self.clocks}

    @property
    def everyone(self) -> tuple[str, ...]:
        """Return all targets of the ladder, each once, in order."""
        return tuple(dict.fromkeys(name for step in self.steps for name in step.targets))


class Contact(Struct, frozen=True):
    """A person or an address that can be notified by the sinks ``via``; without one it cannot."""

    name: str
    via: tuple[str, ...] = ("default",)


class Team(Struct, frozen=True):
    """Who owns cases together: on duty by ``rota``, counting time by ``calendar``.

    ``via`` is the queue of the team: it is notified when nobody of it is on duty.
    """

    name: str
    members: tuple[str, ...] = ()
    rota: str | None = None
    calendar: str = ""
    via: tuple[str, ...] = ()


class Limits(Struct, frozen=True):
    """How many live cases one person may have at a time, by severity and in all."""

    critical: int = 1
    high: int = 3
    total: int = 20

    def of(self, severity: Severity) -> int:
        """Return the limit of a severity."""
        return {Severity.CRITICAL: self.critical, Severity.HIGH: self.high}.get(
            severity, self.total
        )


class Match(Struct, frozen=True):
    """Which cases a pack of plans is for: what is given must fit, each list by any of its entries."""

    channels: tuple[Channel, ...] = ()
    sources: tuple[str, ...] = ()
    tenants: tuple[str, ...] = ()
    kinds: tuple[Kind, ...] = ()
    reasons: tuple[Reason, ...] = ()
    themes: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()

    def fits(self, case: Case) -> bool:
        """Tell whether ``case`` is one of those."""
        return (
            (not self.channels or case.channel in self.channels)
            and (not self.sources or case.source in self.sources)
            and (not self.tenants or case.tenant in self.tenants)
            and (not self.kinds or case.kind in self.kinds)
            and (not self.reasons or not set(self.reasons).isdisjoint(case.reasons))
            and (not self.themes or not set(self.themes).isdisjoint(case.themes))
            and (not self.languages or case.language in self.languages)
            and (not self.teams or case.team in self.teams)
        )


class Pack(Struct, frozen=True):
    """Plans of their own for some cases. The first pack that fits, and has the severity, is taken."""

    name: str
    match: Match
    plans: dict[Severity, SeverityPlan]
    team: str | None = None


class Policy(Struct, frozen=True, dict=True):
    """The whole policy: a plan per severity, and the limits that hold for all of them.

    A run of escalation (from opening, a raised severity or a reopening on) starts at most
    ``max_epochs`` times and for at most ``max_age_ms``; after that it repeats every
    ``stale_repeat_ms`` only. ``fallback`` is told when nobody of a ladder can be reached.
    A survey comes ``survey_quiet_ms`` after the last word, once in ``survey_every_ms``, and within the
    ``reply_windows`` of its channel. ``archive`` holds the calendars of earlier versions.
    """

    version: str
    critical: SeverityPlan
    high: SeverityPlan
    medium: SeverityPlan
    low: SeverityPlan
    undetermined: SeverityPlan
    packs: tuple[Pack, ...] = ()
    grouping_ms: int = 72 * HOUR
    max_epochs: int = 12
    max_age_ms: int = 7 * DAY
    stale_repeat_ms: int = DAY
    overdue_targets: tuple[str, ...] = ("team-lead",)
    fallback: tuple[str, ...] = ("team-lead",)
    team: str | None = None
    calendar: str = ""
    calendars: tuple[Calendar, ...] = ()
    contacts: tuple[Contact, ...] = ()
    teams: tuple[Team, ...] = ()
    rotas: tuple[Rota, ...] = ()
    mutes: tuple[Mute, ...] = ()
    mute_weeks: tuple[MuteWeek, ...] = ()
    limits: Limits = Limits()
    thanks: dict[Kind, Target] = msgspec.field(default_factory=dict)
    thanks_team: str | None = None
    max_split: int = 3
    max_wait_ms: int = 7 * DAY
    survey_quiet_ms: int = DAY
    survey_every_ms: int = 14 * DAY
    reply_windows: dict[Channel, int] = msgspec.field(default_factory=dict)
    loop_reopens: int = 3
    loop_ms: int = HOUR
    unmerge_ms: int = 30 * DAY
    activity_chars: int = 20
    keep_ms: int = 45 * DAY
    keep_merged_ms: int = 400 * DAY
    archive: dict[str, Calendar] = msgspec.field(default_factory=dict)

    def plan(self, severity: Severity) -> SeverityPlan:
        """Return the plan of ``severity`` for whatever no pack is for."""
        return self._plans[severity]

    def plan_for(self, case: Case) -> SeverityPlan:
        """Return the plan of a case: that of the first pack that fits."""
        pack = self.pack_for(case) if self.packs else None
        return self.plan(case.severity) if pack is None else pack.plans[case.severity]

    def pack_for(self, case: Case) -> Pack | None:
        """Return the first pack that fits ``case`` and has a plan for its severity."""
        for pack in self.packs:
            if case.severity in pack.plans and pack.match.fits(case):
                return pack
        return None

    def ladder_for(self, case: Case) -> Ladder:
        """Return the ladder to be kept in the case while its epoch lasts."""
        pack = self.pack_for(case) if self.packs else None
        name = f"{'' if pack is None else pack.name}/{case.severity}"
        ladder = self._ladders.get(name)
        if ladder is None:
            plan = self.plan_for(case)
            ladder = self._ladders[name] = Ladder(
                name=f"{self.version}/{name.lstrip('/')}",
                steps=plan.steps,
                repeat=plan.repeat,
                repeat_ms=plan.repeat_ms,
                ack_expiry_ms=plan.ack_expiry_ms,
                exhausted=plan.exhausted,
            )
        return ladder

    def calendar_of(self, case: Case, target: Target) -> str:
        """Return the calendar by which a clock counts, as ``name@version``; "" for wall time.

        It is that of the target, else of the team that owns the case now, else the policy's.
        """
        if not target.span.business:
            return ""
        team = self.team_named(case.team) if case.team else None
        return self._versions.get(
            target.calendar or (team.calendar if team else "") or self.calendar, ""
        )

    def time_of(self, calendar: str) -> WorkingTime | None:
        """Return the working time of ``name@version``; None is wall time.

        A version that is nowhere any more counts as what its name means now.
        """
        if not calendar:
            return None
        found = self._times.get(calendar)
        if found is None:
            name = calendar.partition("@")[0]
            held = self.archive.get(calendar) or self._calendars.get(name)
            found = _ALWAYS if held is None else WorkingTime(held)
            self._times[calendar] = found
        return found

    def reach(self, name: str, at: int) -> tuple[str, ...]:
        """Return whom to notify at ``at`` for the target ``name``; nobody when no one is on duty."""
        if name in self._contacts:
            return (name,) if self._contacts[name].via else ()
        if name in self._duties:
            return self._duties[name].on_duty(at)
        team = self.team_named(name)
        if team is None:
            return ()
        people = self._duties[team.rota].on_duty(at) if team.rota in self._duties else ()
        return people or ((name,) if team.via else ())

    def team_named(self, name: str) -> Team | None:
        """Return a team."""
        return self._teams.get(name)

    def gate(self, name: str) -> WorkingTime | None:
        """Return the working time of a gate's calendar, None when there is none of that name."""
        return self.time_of(self._versions.get(name, ""))

    def muted(self, case: Case, at: int) -> Mute | None:
        """Return the mute that holds the notifications of ``case`` at ``at``."""
        if not self._silences:
            return None
        return muted(
            self._silences,
            at=at,
            tenant=case.tenant,
            channel=case.channel,
            source=case.source,
            severity=case.severity,
            reasons=case.reasons,
        )

    @cached_property
    def _plans(self) -> dict[Severity, SeverityPlan]:
        return {
            Severity.CRITICAL: self.critical,
            Severity.HIGH: self.high,
            Severity.MEDIUM: self.medium,
            Severity.LOW: self.low,
            Severity.UNDETERMINED: self.undetermined,
        }

    @cached_property
    def _ladders(self) -> dict[str, Ladder]:
        return {}

    @cached_property
    def _silences(self) -> tuple[Mute | Recurring, ...]:
        return (*self.mutes, *(Recurring(one) for one in self.mute_weeks))

    @cached_property
    def _versions(self) -> dict[str, str]:
        return {one.name: f"{one.name}@{fingerprint(one)}" for one in self.calendars}

    @cached_property
    def _calendars(self) -> dict[str, Calendar]:
        return {calendar.name: calendar for calendar in self.calendars}

    @cached_property
    def _times(self) -> dict[str, WorkingTime]:
        return {}

    @cached_property
    def _contacts(self) -> dict[str, Contact]:
        return {contact.name: contact for contact in self.contacts}

    @cached_property
    def _teams(self) -> dict[str, Team]:
        return {team.name: team for team in self.teams}

    @cached_property
    def _duties(self) -> dict[str, Duty]:
        return {rota.name: Duty(rota) for rota in self.rotas}


_ALWAYS: Final = WorkingTime(Calendar(name="always", always_open=True))


def fingerprint(data: Struct) -> str:
    """Return 8 hex digits that change with the content, and with nothing else."""
    content = msgspec.json.encode(_content(data), order="sorted")
    return hashlib.blake2b(content, digest_size=4).hexdigest()


def _content(value: object) -> object:
    """Return ``value`` without what equals a default: msgspec leaves out the very same object only."""
    if isinstance(value, Struct):
        return {
            field.name: _content(held)
            for field in msgspec.structs.fields(value)
            if (held := getattr(value, field.name)) != field.default
        }
    if isinstance(value, tuple):
        return [_content(one) for one in value]
    if isinstance(value, dict):
        return {str(key): _content(one) for key, one in value.items()}
    return value
