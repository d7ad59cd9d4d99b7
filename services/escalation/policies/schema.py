"""The keys of a policy document, and what each becomes: deploy/docs/policy.md tells them to people."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final, TypeVar

import msgspec

from services.escalation.domain.calendar import Calendar, Holiday
from services.escalation.domain.policy import (
    HOUR,
    MINUTE,
    Contact,
    Limits,
    Match,
    Policy,
    Promise,
    SeverityPlan,
    Target,
    Team,
)
from services.escalation.domain.rota import Override, Rota, Rotation, Unit
from services.escalation.domain.silence import Mute, MuteWeek
from services.escalation.policies.forms import (
    FLAG,
    INSTANT,
    LONGEST_MS,
    NAME,
    NONE,
    SPAN,
    TEXT,
    WEEK,
    WINDOWS,
    WRITTEN,
    Form,
    Plain,
    Record,
    instant_text,
    list_of,
    list_or_none,
    named,
    number,
    optional,
    or_empty,
    wall,
    word,
)
from services.escalation.policies.parts import Part, Wrong, nearest
from shared.events import Channel, ClockKind, Kind, Reason, Severity, Step, Via

Targets = dict[ClockKind, Target | None]
Thanks = dict[Kind, Target | None]
B = TypeVar("B", Override, Mute)

NAMES: Final = list_of(NAME)
PEOPLE: Final = list_or_none(NAMES)
CLOCKS: Final = tuple(kind for kind in ClockKind if kind is not ClockKind.THANK_YOU)

HOLIDAY: Final = Record(
    Holiday,
    {"date": WRITTEN, "name": TEXT, "windows": WINDOWS, "active": FLAG},
    single="date",
)
CALENDAR: Final = Record(
    Calendar,
    {
        "always": ("always_open", FLAG),
        "zone": TEXT,
        "week": WEEK,
        "holidays": list_of(HOLIDAY.form, most=5_000),
    },
)
CONTACT: Final = Record(Contact, {"via": PEOPLE}, single="via")
TEAM: Final = Record(
    Team,
    {"members": PEOPLE, "rota": optional(NAME), "calendar": or_empty(NAME), "via": PEOPLE},
)
ROTATION: Final = Record(
    Rotation,
    {
        "name": NAME,
        "members": NAMES,
        "zone": TEXT,
        "starts": WRITTEN,
        "unit": word(Unit),
        "every": number(1, 366),
        "during": optional(WEEK),
    },
)
_OVERRIDE: Final = Record(
    Override, {"start": INSTANT, "end": INSTANT, "person": optional(NAME), "note": TEXT}
)
LIMITS: Final = Record(
    Limits,
    {"critical": number(1, 100_000), "high": number(1, 100_000), "total": number(1, 100_000)},
)
MATCH: Final = Record(
    Match,
    {
        "channels": list_of(word(Channel)),
        "sources": NAMES,
        "tenants": NAMES,
        "kinds": list_of(word(Kind)),
        "reasons": list_of(word(Reason)),
        "themes": NAMES,
        "languages": NAMES,
        "teams": NAMES,
    },
)
_SCOPE: Final[dict[str, Form[Any]]] = {
    "reason": TEXT,
    "tenants": NAMES,
    "channels": list_of(Form[str](word(Channel).read, str)),
    "sources": NAMES,
    "severities": list_of(Form[str](word(Severity).read, str)),
    "products": NAMES,
}
_MUTE: Final = Record(Mute, {"start": INSTANT, "end": INSTANT, **_SCOPE})
_MUTE_WEEK: Final = Record(MuteWeek, {"zone": TEXT, "week": WEEK, **_SCOPE})


def _in_order(part: Part, made: B) -> B:
    if made.end <= made.start:
        end, start = instant_text(made.end), instant_text(made.start)
        raise part.wrong(f"the end {end} is not after the start {start}")
    return made


OVERRIDE: Final = Form[Override](
    lambda part: _in_order(part, _OVERRIDE.made(part, rota="")), _OVERRIDE.plain
)
_ROTA: Final = Record(
    Rota,
    {
        "rotations": list_of(ROTATION.form),
        "overrides": list_of(OVERRIDE),
        "fallback": optional(NAME),
    },
)


def _rotas(part: Part) -> tuple[Rota, ...]:
    """Return the rotas, whose overrides know them by name."""
    replace = msgspec.structs.replace
    return tuple(
        replace(rota, overrides=tuple(replace(one, rota=rota.name) for one in rota.overrides))
        for rota in named(_ROTA).read(part)
    )


def _mutes(part: Part) -> tuple[Mute | MuteWeek, ...]:
    found: list[Mute | MuteWeek] = []
    for name, below in part.entries().items():
        try:
            if below.is_mapping and "week" in below.entries():
                found.append(_MUTE_WEEK.made(below, name=name))
            else:
                found.append(_in_order(below, _MUTE.made(below, name=name)))
        except Wrong:
            continue
    return tuple(found)


def _write_mutes(mutes: tuple[Mute | MuteWeek, ...]) -> Plain:
    return {
        one.name: _MUTE.plain(one) if isinstance(one, Mute) else _MUTE_WEEK.plain(one)
        for one in mutes
    }


CALENDARS: Final = named(CALENDAR, whole=True)
CONTACTS: Final = named(CONTACT, whole=True)
TEAMS: Final = named(TEAM)
ROTAS: Final = Form[tuple[Rota, ...]](_rotas, named(_ROTA).write)
MUTES: Final = Form[tuple[Mute | MuteWeek, ...]](_mutes, _write_mutes)


# --------------------------------------------------------------------------- promises

_TARGET: Final = Record(
    Target, {"within": ("span", SPAN), "calendar": or_empty(NAME)}, single="within"
)


def _read_target(part: Part, clock: ClockKind) -> Target | None:
    if not part.is_mapping and part.written() == NONE:
        return None
    return _TARGET.made(part, clock=clock)


def _write_target(target: Target | None) -> Plain:
    if target is None:
        return NONE
    return _TARGET.plain(target) if target.calendar else str(target.span)


def _read_clocks(part: Part) -> Targets:
    found: Targets = {}
    for name, below in part.fields(CLOCKS).items():
        try:
            found[ClockKind(name)] = _read_target(below, ClockKind(name))
        except Wrong:
            continue
    return found


def _write_clocks(targets: tuple[Target, ...]) -> Plain:
    by_clock = {target.clock: target for target in targets}
    return {clock.value: _write_target(by_clock.get(clock)) for clock in CLOCKS}


def _read_thanks(part: Part) -> Thanks:
    found: Thanks = {}
    for name, below in part.entries().items():
        try:
            if name not in list(Kind):
                raise below.wrong(f"is no kind{nearest(name, list(Kind))}")
            found[Kind(name)] = _read_target(below, ClockKind.THANK_YOU)
        except Wrong:
            continue
    return found


def _write_thanks(thanks: dict[Kind, Target]) -> Plain:
    return {kind.value: _write_target(thanks.get(kind)) for kind in Kind}


THANKS: Final = Form[Any](_read_thanks, _write_thanks)


# --------------------------------------------------------------------------- severities


def _wait(low_ms: int, high_ms: int = LONGEST_MS) -> Form[int]:
    """Return the form of a wait; a wrong one is told, and the names beside it are looked at."""
    form = wall(low_ms, high_ms)
    return Form(lambda part: part.attempt(form.read, low_ms), form.write)


_STEP: Final = Record(
    Step,
    {
        "to": ("targets", list_of(NAME, least=1, most=100)),
        "wait": ("wait_ms", _wait(MINUTE, 150 * HOUR)),
        "gate": optional(NAME),
    },
)
_STEPS: Final = list_of(_STEP.form, least=1, most=20)
_LADDER: Final = Form[tuple[Step, ...]](
    lambda part: optional(_STEPS).read(part) or (), lambda steps: _STEPS.write(steps) or NONE
)
_PROMISE: Final = Record(
    Promise, {"kind": NAME, "after": ("after_ms", _wait(MINUTE)), "via": word(Via)}
)


def _ascending(form: Form[tuple[int, ...]]) -> Form[tuple[int, ...]]:
    def read(part: Part) -> tuple[int, ...]:
        found = form.read(part)
        if any(later <= earlier for earlier, later in pairwise(found)):
            raise part.wrong("each has to be more than the one before it")
        return found

    return Form(read, form.write)


PLAN: Final = Record(
    SeverityPlan,
    {
        "ladder": ("steps", _LADDER),
        "repeat": number(0, 9),
        "repeat_every": ("repeat_ms", wall(MINUTE)),
        "ack_expiry": ("ack_expiry_ms", optional(wall(MINUTE))),
        "exhausted": PEOPLE,
        "clocks": Form[Any](_read_clocks, _write_clocks),
        "warn": list_or_none(_ascending(list_of(number(1, 99)))),
        "grace": ("grace_ms", wall()),
        "pause_for_customer": FLAG,
        "pause_for_third_party": FLAG,
        "follow_ups": list_or_none(list_of(_PROMISE.form, most=20)),
        "follow_up_grace": ("follow_up_grace_ms", wall(MINUTE)),
        "nudges": ("nudges_ms", list_or_none(_ascending(list_of(wall(MINUTE), most=20)))),
        "no_response": ("no_response_ms", optional(wall(MINUTE))),
        "reopen": ("reopen_ms", wall()),
        "snooze": ("snooze_ms", wall()),
    },
)


def plan_over(part: Part, base: SeverityPlan) -> SeverityPlan:
    """Return ``base`` with what a document says of a severity; its clocks one by one."""
    values = PLAN.values(part)
    if "clocks" in values:
        targets: Targets = {**base.targets, **values["clocks"]}
        values["clocks"] = tuple(
            target for clock in ClockKind if (target := targets.get(clock)) is not None
        )
    return msgspec.structs.replace(base, **values)


# --------------------------------------------------------------------------- the rest

_WINDOW: Final = wall(MINUTE)


def _read_windows(part: Part) -> dict[Channel, int]:
    found: dict[Channel, int] = {}
    for name, below in part.entries().items():
        try:
            if name not in list(Channel):
                raise below.wrong(f"is no channel{nearest(name, list(Channel))}")
            found[Channel(name)] = _WINDOW.read(below)
        except Wrong:
            continue
    return {channel: found[channel] for channel in Channel if channel in found}


def _write_windows(windows: dict[Channel, int]) -> Plain:
    return {channel.value: _WINDOW.write(ms) for channel, ms in windows.items()}


TOP: Final = Record(
    Policy,
    {
        "calendar": or_empty(NAME),
        "team": optional(NAME),
        "overdue_targets": PEOPLE,
        "fallback": PEOPLE,
        "limits": Form[Limits](LIMITS.made, lambda limits: LIMITS.plain(limits, whole=True)),
        "thanks": THANKS,
        "thanks_team": optional(NAME),
        "grouping": ("grouping_ms", wall()),
        "max_epochs": number(1, 1_000),
        "max_age": ("max_age_ms", wall(HOUR)),
        "stale_repeat": ("stale_repeat_ms", wall(MINUTE)),
        "max_split": number(1, 20),
        "max_wait": ("max_wait_ms", wall(HOUR)),
        "survey_quiet": ("survey_quiet_ms", wall()),
        "survey_every": ("survey_every_ms", wall()),
        "reply_windows": Form[Any](_read_windows, _write_windows),
        "loop_reopens": number(1, 1_000),
        "loop_within": ("loop_ms", wall(MINUTE)),
        "unmerge": ("unmerge_ms", wall()),
        "activity_chars": number(0, 10_000),
        "keep": ("keep_ms", wall(HOUR)),
        "keep_merged": ("keep_merged_ms", wall(HOUR)),
    },
)
