"""The ladder against a slow, simple model of it, which walks through time minute by minute."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from services.escalation.domain.policy import DAY, DEFAULT_POLICY, MINUTE, SeverityPlan
from shared.events import CaseState, CommandKind, Severity, TimerKind
from tests.unit.escalation.world import T0, World

MAX_EPOCHS = 4
MAX_AGE = 2000
POLICY = msgspec.structs.replace(
    DEFAULT_POLICY, max_epochs=MAX_EPOCHS, max_age_ms=MAX_AGE * MINUTE
)
Notification = tuple[int, int, int]
"""Minute at which somebody was notified, epoch, step."""


class Model:
    """One case: what a person with a stopwatch and the codebook would do. All in minutes."""

    def __init__(self, plan: SeverityPlan) -> None:
        self.waits = [step.wait_ms // MINUTE for step in plan.steps]
        self.rounds = plan.repeat + 1
        self.repeat = plan.repeat_ms // MINUTE
        self.expiry = None if plan.ack_expiry_ms is None else plan.ack_expiry_ms // MINUTE
        self.epoch = 1
        self.rungs = self.waits * self.rounds
        self.climbed = 1
        self.acknowledged = False
        self.deadline: int | None = self.rungs[0]
        self.notified: list[Notification] = [(0, 1, 1)]

    def acknowledge(self, minute: int) -> None:
        self.acknowledged = True
        self.deadline = None if self.expiry is None else minute + self.expiry

    def look(self, minute: int) -> None:
        """Somebody looks at the stopwatch at this minute."""
        if self.deadline is None or minute < self.deadline:
            return
        capped = self.epoch >= MAX_EPOCHS or minute >= MAX_AGE
        if self.acknowledged:
            self.acknowledged = False
            self.epoch += 1
            self.climbed = len(self.rungs) + 1 if capped else 1
        else:
            self.climbed += 1
        if self.climbed <= len(self.rungs):
            step = (self.climbed - 1) % len(self.waits) + 1
            self.deadline = minute + self.rungs[self.climbed - 1]
        else:
            step = 1 if capped and self.climbed == len(self.rungs) + 1 else self.last_step
            self.deadline = minute + (DAY // MINUTE if capped else self.repeat)
        self.last_step = step
        self.notified.append((minute, self.epoch, step))

    last_step = 1


severities = st.sampled_from(
    [Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.UNDETERMINED]
)


def play(
    severity: Severity, looks: list[int], acks: set[int]
) -> tuple[list[Notification], list[Notification]]:
    """Return the notifications of the core and of the model for the same looks and acks."""
    world, model = World(POLICY), Model(POLICY.plan(severity))
    world.feed(severity)
    for minute in looks:
        world.now = T0 + minute * MINUTE
        world.poll()
        model.look(minute)
        if minute in acks and not model.acknowledged:
            assert world.command(CommandKind.ACKNOWLEDGE).events[0].refusal is None
            model.acknowledge(minute)
        expected = None if model.deadline is None else T0 + model.deadline * MINUTE
        assert world.case.next_due_at == expected
        assert (world.case.state is CaseState.ACKNOWLEDGED) == model.acknowledged
    notified = [
        ((event.recorded_at - T0) // MINUTE, event.epoch or 0, event.step or 0)
        for event in world.log
        if event.targets
    ]
    return notified, model.notified
