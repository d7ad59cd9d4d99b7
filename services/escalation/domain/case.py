"""A case being changed: numbers the events, arms the timers, freezes a snapshot into each event.

A ``Draft`` lives inside one call of ``decide`` only. Every change of the case is followed by an
event, so that the last event's snapshot is the new state of the case.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from shared import ids
from shared.events import (
    Case,
    CaseEvent,
    CaseEventKind,
    Cause,
    FollowUp,
    Refusal,
    Timer,
    TimerKind,
)


@dataclass(frozen=True)
class Origin:
    """The input that a decision answers, as its events name it; all None for a timer."""

    feedback_id: str | None = None
    feedback_received_at: int | None = None
    command_id: str | None = None
    actor: str | None = None


class Draft:
    """One case under change at ``now``.

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

    def change(self, **fields: Any) -> None:
        """Replace fields of the case."""
        self.case = msgspec.structs.replace(self.case, **fields)

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
    ) -> None:
        """Append the next event of the case; ``at`` is the deadline that passed, default now."""
        self.change(case_seq=self.case.case_seq + 1)
        case = self.case
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
                feedback_id=self.origin.feedback_id,
                command_id=self.origin.command_id,
                actor=self.origin.actor,
                epoch=epoch,
                step=step,
                targets=targets,
                follow_up=follow_up,
                refusal=refusal,
                note=note,
                feedback_received_at=self.origin.feedback_received_at,
            )
        )

    def arm(self, kind: TimerKind, due_at: int, ref: int = 0) -> None:
        """Add a timer under a version never used before in this case."""
        version = self.case.timer_version + 1
        timer = Timer(kind=kind, due_at=due_at, version=version, ref=ref)
        self.change(timer_version=version, timers=(*self.case.timers, timer))

    def disarm(self, *kinds: TimerKind, ref: int | None = None) -> None:
        """Drop the timers of these kinds; with ``ref`` only those that belong to it."""
        self.change(
            timers=tuple(
                timer
                for timer in self.case.timers
                if timer.kind not in kinds or (ref is not None and timer.ref != ref)
            )
        )

    def take_due(self, last_version: int) -> Timer | None:
        """Remove and return the earliest timer that is due, or None.

        Timers armed after ``last_version`` wait for the next poll, so one poll ends.
        """
        due = [
            timer
            for timer in self.case.timers
            if timer.due_at <= self.now and timer.version <= last_version
        ]
        if not due:
            return None
        first = min(due, key=lambda timer: (timer.due_at, timer.version))
        self.change(timers=tuple(timer for timer in self.case.timers if timer is not first))
        return first
