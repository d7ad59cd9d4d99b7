"""Whom an event is for, and in how many notifications they are told of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from services.notifier.domain.routes import Routes
from shared.events import Case, CaseEvent, CaseEventKind, Insight, ReplyDue, Via

PAGES: Final = frozenset({
    CaseEventKind.ESCALATION_TRIGGERED,
    CaseEventKind.REESCALATED,
    CaseEventKind.ESCALATION_EXHAUSTED,
})  # fmt: skip
"""What asks for an acknowledgement."""

SEPARATOR: Final = ", "
_BY_PERSON: Final = frozenset({Via.CALL, None})


class Told(NamedTuple):
    """One notification: ``targets`` are reached by ``sink`` at one place."""

    sink: str
    targets: tuple[str, ...]


class Reached(NamedTuple):
    """Who is told, and who has no sink at all."""

    told: Sequence[Told]
    unreached: tuple[str, ...]


def targets_of(cause: CaseEvent | ReplyDue | Insight) -> tuple[str, ...]:
    """Return whom ``cause`` is for, each once; "" is whoever reads the sink ``default``.

    Whoever did something knows of it, and is not told, unless it asks for an acknowledgement. What a
    person has to do is for somebody, even where nobody is named: whoever owns the case, else "".
    """
    named = dict.fromkeys(filter(None, cause.targets))
    if isinstance(cause, ReplyDue):
        return tuple(named) or ("",)
    if isinstance(cause, Insight):
        return tuple(named)
    if cause.kind in PAGES:
        return tuple(named) or ("",)
    if cause.actor:
        named.pop(cause.actor, None)
    return tuple(named) or (owners(cause.case) or ("",) if _needs_somebody(cause) else ())


def owners(case: Case | None) -> tuple[str, ...]:
    """Return whose a case is: its assignee, else its team, else nobody."""
    one = case and (case.assignee or case.team)
    return (one,) if one else ()


def reach(targets: Iterable[str], tenant: str, routes: Routes, but: str = "") -> Reached:
    """Return the notifications by which ``targets`` are told, in their order.

    Targets for whom a sink has one place, such as a channel, are told together.

    Args:
        but: a sink that is not told; who is reached by it alone knows already.
    """
    groups: dict[tuple[str, str | None], list[str]] = {}
    unreached = []
    for target in targets:
        sinks = routes.via(target, tenant)
        if not sinks:
            unreached.append(target)
        for sink in sinks:
            if sink != but:
                own = target if routes.reaches(sink, target) else None
                groups.setdefault((sink, own), []).append(target)
    told = [Told(sink, tuple(names)) for (sink, _), names in groups.items()]
    return Reached(told, tuple(unreached))


def _needs_somebody(event: CaseEvent) -> bool:
    """Tell whether a person has to do what is due: the follow-up is a call."""
    return (
        event.kind is CaseEventKind.FOLLOW_UP_DUE
        and event.follow_up is not None
        and event.follow_up.via in _BY_PERSON
    )
