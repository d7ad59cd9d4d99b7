"""What the tests of the clocks share: a policy in plain hours, replies, bounces, what was recorded."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from services.escalation.domain.calendar import HOUR, Calendar, Span, Window
from services.escalation.domain.decide import Decision
from services.escalation.domain.defaults import DEFAULT_POLICY
from services.escalation.domain.policy import Policy, SeverityPlan, Target
from shared.events import (
    Author,
    CaseEvent,
    CaseEventKind,
    Clock,
    ClockChange,
    ClockChangeKind,
    ClockKind,
    CommandKind,
    Origin,
    Role,
    Severity,
)
from tests.unit.escalation.world import RESOLUTION, T0, World

THREAD = "t1"
SPANS = {
    ClockKind.RECEIPT: "1h",
    ClockKind.FIRST_RESPONSE: "4h",
    ClockKind.NEXT_RESPONSE: "2h",
    ClockKind.UPDATE: "24h",
    ClockKind.FIRST_RESOLUTION: "48h",
    ClockKind.TOTAL_RESOLUTION: "72h",
}
FRIDAY_OFFICE = Calendar(name="office", week=((Window.parse("09:00-17:00"),),) * 5 + ((), ()))


def targets(spans: dict[ClockKind, str], calendar: str = "") -> tuple[Target, ...]:
    """Return the targets of a plan."""
    return tuple(
        Target(clock=kind, span=Span.parse(span), calendar=calendar) for kind, span in spans.items()
    )


def plan(spans: dict[ClockKind, str] | None = None, **fields: Any) -> SeverityPlan:
    """Return a plan without a ladder and without follow-ups, with the spans of ``SPANS``."""
    return SeverityPlan(clocks=targets(SPANS if spans is None else spans), **fields)


def policy(**fields: Any) -> Policy:
    """Return a policy in which every severity has the same plan, unless ``fields`` say otherwise."""
    plans = {severity.value: plan() for severity in Severity}
    return msgspec.structs.replace(DEFAULT_POLICY, **(plans | fields))


def clock(world: World, kind: ClockKind) -> Clock:
    """Return the last instance of a clock of the case opened last."""
    return next(one for one in reversed(world.case.clocks) if one.kind is kind)


def live(world: World) -> set[ClockKind]:
    """Return which clocks are running or paused."""
    return {one.kind for one in world.case.clocks if one.state in {"running", "paused"}}


def since_t0(at: int | None) -> float | None:
    """Return an instant in hours from T0 on."""
    return None if at is None else (at - T0) / HOUR


def changes(events: Iterable[CaseEvent], *kinds: ClockKind) -> list[ClockChange]:
    """Return what happened to the clocks of these kinds, in order."""
    return [one for event in events for one in event.clocks if one.clock in kinds]


def words(events: Iterable[CaseEvent], *kinds: ClockKind) -> list[tuple[str, float]]:
    """Return what happened to clocks as (change, hours from T0 on)."""
    return [(str(one.change), (one.at - T0) / HOUR) for one in changes(events, *kinds)]


def breaches(events: Iterable[CaseEvent]) -> list[tuple[str, float]]:
    """Return (detail, hours from T0 on) of every event that says that a clock is over."""
    return [
        (event.detail.partition(" ")[0], (event.at - T0) / HOUR)
        for event in events
        if event.kind is CaseEventKind.CLOCK_BREACHED
    ]


def fulfilled(world: World, kind: ClockKind) -> list[int | None]:
    """Return the elapsed times, in ms, at which a clock was fulfilled."""
    return [
        one.elapsed_ms
        for one in changes(world.log, kind)
        if one.change is ClockChangeKind.FULFILLED
    ]


def reply(world: World, message_id: str = "", **fields: Any) -> Decision:
    """A person of ours answers now."""
    if message_id:
        fields["message_id"] = message_id
    return world.command(CommandKind.REPLY, note="We look into it.", **fields)


def echo(world: World, said_at: int | None, **fields: Any) -> Decision:
    """A message of an agent is seen on the channel."""
    author = Author(name="ada", role=Role.AGENT)
    return world.feed(
        thread=THREAD, origin=Origin.OWN_ECHO, author=author, occurred_at=said_at, **fields
    )


def bounce(world: World, message_id: str) -> Decision:
    """A mail server says that a message of ours cannot be delivered."""
    return world.feed(
        thread=THREAD, origin=Origin.BOUNCE_HARD, parent_id=message_id, text="undeliverable"
    )


def wait(world: World, on: str = "customer", hours: float = 24) -> Decision:
    """The case waits for the customer or somebody else."""
    until = None if on == "customer" else world.now + int(hours * HOUR)
    return world.command(CommandKind.WAIT, on=on, until=until)


def resolve(world: World) -> Decision:
    """The case opened last is resolved."""
    return world.command(CommandKind.RESOLVE, note="refunded", resolution=RESOLUTION)


def at(text: str, zone: str = "UTC") -> int:
    """Return a local time as milliseconds since the epoch."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)
