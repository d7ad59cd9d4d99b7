"""A case being changed: numbers the events, arms the timers, freezes a snapshot into each event.

A ``Draft`` lives inside one call of ``decide`` only. Every change of the case is followed by an
event, so that the last event's snapshot is the new state of the case.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from shared import ids
from shared.events import (
    Case,
    CaseCommand,
    CaseEvent,
    CaseEventKind,
    Cause,
    Clock,
    ClockChange,
    FollowUp,
    Refusal,
    Timer,
    TimerKind,
)

_set = msgspec.structs.force_setattr
_copy = msgspec.structs.replace
_NO_FACTS: Final[Mapping[str, int]] = MappingProxyType({})


class Origin(msgspec.Struct, frozen=True):
    """The input that a decision answers, as its events name it; all None for a timer.

    ``policy`` is the version in force; ``facts`` what else the decision was told: how many live cases
    people have, as ``name/severity``.
    """

    feedback_id: str | None = None
    feedback_received_at: int | None = None
    command_id: str | None = None
    actor: str | None = None
    policy: str = ""
    facts: Mapping[str, int] = _NO_FACTS


class Draft:
    """One case under change at ``now``.

    The case is copied when it is first changed after an event (or the start), since that holds it.

    Args:
        case: the snapshot to start from; ``case_seq`` 0 for a case about to be opened.
        now: milliseconds since the Unix epoch.
        origin: the input, named in every event.
    """

    def __init__(self, case: Case, now: int, origin: Origin) -> None:
        self.before = case
        self.case = case
        self.now = now
        self.origin = origin
        self.events: list[CaseEvent] = []
        self.sent: list[CaseCommand] = []
        self._own = False
        self._clocks: list[ClockChange] = []

    def change(self, **fields: Any) -> None:
        """Replace fields of the case."""
        if not self._own:
            self.case = _copy(self.case)
            self._own = True
        case = self.case
        for name, value in fields.items():
            _set(case, name, value)

    def emit(
        self,
        kind: CaseEventKind,
        cause: Cause,
        *,
        at: int | None = None,
        epoch: int | None = None,
        step: int | None = None,
        targets: tuple[str, ...] = (),
        follow_up: FollowUp | None = None,
        refusal: Refusal | None = None,
        note: str | None = None,
        detail: str = "",
    ) -> None:
        """Append the next event of the case; ``at`` is the deadline that passed, default now."""
        self.change(case_seq=self.case.case_seq + 1)
        case, origin = self.case, self.origin
        self._own = False
        changed, self._clocks = tuple(self._clocks), []
        self.events.append(
            CaseEvent(
                event_id=ids.case_event_id(case.tenant, case.case_id, case.case_seq),
                kind=kind,
                case_id=case.case_id,
                case_seq=case.case_seq,
                tenant=case.tenant,
                at=self.now if at is None else at,
                recorded_at=self.now,
                cause=cause,
                case=case,
                feedback_id=origin.feedback_id,
                command_id=origin.command_id,
                actor=origin.actor,
                epoch=epoch,
                step=step,
                targets=targets,
                follow_up=follow_up,
                refusal=refusal,
                note=note,
                feedback_received_at=origin.feedback_received_at,
                clocks=changed,
                policy=origin.policy,
                facts=dict(origin.facts) if origin.facts else {},
                detail=detail,
            )
        )

    def seal(self) -> None:
        """Let the last event show what was changed after it; before anybody has seen it."""
        if self._own and self.events:
            last = self.events[-1]
            changed, self._clocks = (*last.clocks, *self._clocks), []
            self.events[-1] = msgspec.structs.replace(last, case=self.case, clocks=changed)
            self._own = False

    def send(self, command: CaseCommand) -> None:
        """Have a command sent to another case, in the same transaction."""
        self.sent.append(command)

    def arm(self, kind: TimerKind, due_at: int, ref: int = 0) -> None:
        """Add a timer under a version never used before in this case."""
        version = self.case.timer_version + 1
        timer = Timer(kind=kind, due_at=due_at, version=version, ref=ref)
        self.change(timer_version=version, timers=(*self.case.timers, timer))

    def disarm(self, *kinds: TimerKind, ref: int | None = None) -> None:
        """Drop the timers of these kinds; with ``ref`` only those that belong to it."""
        timers = self.case.timers
        if not timers:
            return
        kept = tuple(
            timer
            for timer in timers
            if timer.kind not in kinds or (ref is not None and timer.ref != ref)
        )
        if len(kept) != len(timers):
            self.change(timers=kept)

    def is_armed(self, kind: TimerKind) -> bool:
        """Tell whether a timer of this kind is pending."""
        return any(timer.kind is kind for timer in self.case.timers)

    def tell_clock(self, change: ClockChange) -> None:
        """Let the next event tell what happened to a clock."""
        self._clocks.append(change)

    def put_clock(self, clock: Clock) -> None:
        """Put a clock in the place of its last state, else at the end."""
        clocks = self.case.clocks
        place = len(clocks)
        for at, one in enumerate(clocks):
            if one.kind is clock.kind and one.instance == clock.instance:
                place = at
                break
        self.change(clocks=(*clocks[:place], clock, *clocks[place + 1 :]))

    def take_due(self, last_version: int) -> Timer | Clock | None:
        """Return the earliest deadline that has passed, or None; a timer is removed.

        Timers armed after ``last_version`` wait for the next poll, so one poll ends; a clock ends by
        itself: each of its instants comes once.
        """
        first: Timer | Clock | None = None
        first_at = self.now
        for clock in self.case.clocks:
            if clock.next_at is not None and (
                clock.next_at < first_at or (first is None and clock.next_at == first_at)
            ):
                first, first_at = clock, clock.next_at
        for timer in self.case.timers:
            if timer.version <= last_version and (
                timer.due_at < first_at or (first is None and timer.due_at == first_at)
            ):
                first, first_at = timer, timer.due_at
        if isinstance(first, Timer):
            self.change(timers=tuple(timer for timer in self.case.timers if timer is not first))
        return first
