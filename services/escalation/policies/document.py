"""A policy as a YAML document: read over the default policy, and written whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

import msgspec
import yaml

from services.escalation.domain.calendar import Calendar
from services.escalation.domain.defaults import DEFAULT_POLICY
from services.escalation.domain.policy import (
    Contact,
    Match,
    Pack,
    Policy,
    SeverityPlan,
    Team,
    fingerprint,
)
from services.escalation.domain.rota import Rota
from services.escalation.domain.silence import Mute, MuteWeek
from services.escalation.policies import schema
from services.escalation.policies.forms import NAME, Plain, optional
from services.escalation.policies.parts import Part, Report, Wrong
from shared.events import Kind, Severity

MAX_VERSION: Final = 80
UNNAMED: Final = "policy"
KEYS: Final = (
    "version",
    *schema.TOP.fields,
    "calendars",
    "contacts",
    "teams",
    "rotas",
    "mutes",
    "severities",
    "packs",
)
_NO_PLANS: Final[dict[str, SeverityPlan]] = {}
_PACK_KEYS: Final = ("name", "match", "team", "severities")

T = TypeVar("T")
D = TypeVar("D")
N = TypeVar("N", bound=Calendar | Contact | Team | Rota)


def read(node: yaml.Node | None, report: Report) -> Policy:
    """Return the policy of a document; its complaints are in ``report``.

    What the document does not name is as in ``DEFAULT_POLICY``. Keys that begin with ``x-`` are for
    anchors, and have no meaning.
    """
    base = DEFAULT_POLICY
    parts: dict[str, Part] = {}
    if node is not None:
        try:
            top = Part(node, (), report)
            own = (name for name in top.entries() if name.startswith("x-"))
            parts = top.fields((*KEYS, *own))
        except Wrong:
            return base

    def part(key: str, form: Callable[[Part], T], otherwise: D) -> T | D:
        return parts[key].attempt(form, otherwise) if key in parts else otherwise

    values = _top(parts, base)
    plans = part("severities", _plans_over(base.plan), _NO_PLANS)
    found = msgspec.structs.replace(base, **values, **plans)
    contacts = part("contacts", schema.CONTACTS.read, ())
    teams = part("teams", schema.TEAMS.read, ())
    rotas = part("rotas", schema.ROTAS.read, ())
    taken = _taken(parts, contacts, teams, rotas)
    mutes = part("mutes", schema.MUTES.read, ())
    calendars = part("calendars", schema.CALENDARS.read, ())
    found = msgspec.structs.replace(
        found,
        calendars=_with(calendars, base.calendars, {one.name for one in calendars}),
        contacts=_with(contacts, base.contacts, taken),
        teams=_with(teams, base.teams, taken),
        rotas=_with(rotas, base.rotas, taken),
        mutes=tuple(one for one in mutes if isinstance(one, Mute)),
        mute_weeks=tuple(one for one in mutes if isinstance(one, MuteWeek)),
        packs=part("packs", lambda one: _packs(one, found), base.packs),
    )
    text = part("version", _version, UNNAMED)
    return msgspec.structs.replace(found, version=f"{text}-{content_of(found)}")


def content_of(policy: Policy) -> str:
    """Return 8 hex digits over what a policy says; its version and archive are no part of that."""
    return fingerprint(msgspec.structs.replace(policy, version="", archive={}))


def written(policy: Policy) -> str:
    """Return the whole policy as a document that gives the same policy when it is read."""
    text = policy.version.removesuffix(f"-{content_of(policy)}")
    plain: dict[str, Plain] = {"version": text}
    plain |= schema.TOP.plain(policy, whole=True)
    plain["calendars"] = schema.CALENDARS.write(policy.calendars)
    plain["contacts"] = schema.CONTACTS.write(policy.contacts)
    plain["teams"] = schema.TEAMS.write(policy.teams)
    plain["rotas"] = schema.ROTAS.write(policy.rotas)
    plain["mutes"] = schema.MUTES.write((*policy.mutes, *policy.mute_weeks))
    plain["severities"] = _write_plans({one: policy.plan(one) for one in Severity})
    plain["packs"] = [_write_pack(pack) for pack in policy.packs]
    return as_yaml(plain)


def as_yaml(plain: Plain) -> str:
    """Return plain data as YAML, keys in their order."""
    return yaml.safe_dump(
        plain, sort_keys=False, allow_unicode=True, width=100, default_flow_style=None
    )


def _top(parts: dict[str, Part], base: Policy) -> dict[str, Any]:
    """Return the attributes of the policy that stand at the top of the document."""
    values: dict[str, Any] = {}
    for key, (name, form) in schema.TOP.fields.items():
        if key in parts:
            values[name] = parts[key].attempt(form.read, getattr(base, name))
    # In the order of the vocabulary: the content, and so the version, is that of any order.
    thanks = {**base.thanks, **values.get("thanks", {})}
    values["thanks"] = {kind: one for kind in Kind if (one := thanks.get(kind)) is not None}
    if "limits" in values:
        values["limits"] = parts["limits"].attempt(
            lambda one: schema.LIMITS.over(one, base.limits), base.limits
        )
    return values


def _version(part: Part) -> str:
    text = part.written().strip()
    if not text or len(text) > MAX_VERSION or not text.isprintable() or "/" in text:
        raise part.wrong(f"is a text of 1 to {MAX_VERSION} characters without a slash")
    return text


def _plans_over(
    base: Callable[[Severity], SeverityPlan],
) -> Callable[[Part], dict[str, SeverityPlan]]:
    def read(part: Part) -> dict[str, SeverityPlan]:
        found: dict[str, SeverityPlan] = {}
        for name, below in part.fields(Severity).items():
            former = base(Severity(name))
            found[name] = below.attempt(
                lambda one, former=former: schema.plan_over(one, former),  # type: ignore[misc]
                former,
            )
        return found

    return read


def _taken(
    parts: dict[str, Part],
    contacts: Iterable[Contact],
    teams: Iterable[Team],
    rotas: Iterable[Rota],
) -> set[str]:
    """Return the names that can be notified; each may stand for one thing only."""
    taken: dict[str, str] = {}
    listed: tuple[tuple[str, Iterable[Contact | Team | Rota]], ...] = (
        ("contacts", contacts),
        ("teams", teams),
        ("rotas", rotas),
    )
    for section, named in listed:
        for one in named:
            former = taken.setdefault(one.name, section)
            if former != section:
                below = parts[section].entries()[one.name]
                below.wrong(f"the name is taken by one of the {former}")
    return set(taken)


def _with(own: tuple[N, ...], defaults: tuple[N, ...], taken: set[str]) -> tuple[N, ...]:
    """Return what the document has, and those defaults whose names are free."""
    return (*own, *(one for one in defaults if one.name not in taken))


def _packs(part: Part, policy: Policy) -> tuple[Pack, ...]:
    found: dict[str, Pack] = {}
    for below in part.items():
        try:
            pack = _pack(below, policy)
            if pack.name in found:
                raise below.wrong(f"there is a pack {pack.name!r} already")
        except Wrong:
            continue
        found[pack.name] = pack
    return tuple(found.values())


def _pack(part: Part, policy: Policy) -> Pack:
    fields = part.fields(_PACK_KEYS)
    for key in ("name", "match", "severities"):
        if key not in fields:
            raise part.wrong(f"needs {key!r}")
    plans = fields["severities"].attempt(_plans_over(policy.plan), _NO_PLANS)
    name = fields["name"].attempt(_version, "")
    return Pack(
        name=name or "?",
        match=fields["match"].attempt(schema.MATCH.made, Match()),
        plans={severity: plans[severity] for severity in Severity if severity in plans},
        team=fields["team"].attempt(optional(NAME).read, None) if "team" in fields else None,
    )


def _write_pack(pack: Pack) -> Plain:
    plain: dict[str, Plain] = {"name": pack.name, "match": schema.MATCH.plain(pack.match)}
    if pack.team is not None:
        plain["team"] = pack.team
    return plain | {"severities": _write_plans(pack.plans)}


def _write_plans(plans: dict[Severity, SeverityPlan]) -> Plain:
    return {severity.value: schema.PLAN.plain(plan, whole=True) for severity, plan in plans.items()}
