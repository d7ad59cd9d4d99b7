"""The ladder against a slow, simple model of it: a person with a stopwatch and the codebook."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from services.escalation.domain.policy import DAY, MINUTE, SeverityPlan
from shared.events import CaseState, Severity
from tests.unit.escalation.world import PLAIN, T0, World

MAX_EPOCHS = 4
MAX_AGE = 3000
HORIZON = 5 * DAY // MINUTE
POLICY = msgspec.structs.replace(PLAIN, max_epochs=MAX_EPOCHS, max_age_ms=MAX_AGE * MINUTE)
REMINDER = DAY // MINUTE
Notification = tuple[int, int | None, int | None]
"""Minute at which somebody was notified, epoch, step; step 0 is everyone, the ladder being over.

Epoch and step None: a reminder that nothing else is pending.
"""


class Model:
    """One case, opened at minute 0. It is looked at now and then; all times are minutes."""

    def __init__(self, plan: SeverityPlan) -> None:
        steps = list(enumerate((step.wait_ms // MINUTE for step in plan.steps), start=1))
        self.ladder = steps * (1 + plan.repeat)
        self.repeat = plan.repeat_ms // MINUTE
        self.expiry = None if plan.ack_expiry_ms is None else plan.ack_expiry_ms // MINUTE
        self.epoch = 1
        self.acknowledged = False
        self.deadline = 0
        self.notified: list[Notification] = []
        self.ahead = list(self.ladder)
        self.notify(0)

    def is_capped(self, minute: int) -> bool:
        return self.epoch >= MAX_EPOCHS or minute >= MAX_AGE

    def notify(self, minute: int) -> None:
        if self.ahead:
            step, wait = self.ahead.pop(0)
        else:
            step, wait = 0, DAY // MINUTE if self.is_capped(minute) else self.repeat
        self.notified.append((minute, self.epoch, step))
        self.deadline = minute + wait

    def acknowledge(self, minute: int) -> None:
        self.acknowledged = True
        self.deadline = minute + (REMINDER if self.expiry is None else self.expiry)

    def look(self, minute: int) -> None:
        if minute < self.deadline:
            return
        if self.acknowledged and self.expiry is None:
            self.notified.append((minute, None, None))
            self.deadline = minute + REMINDER
            return
        if self.acknowledged:
            self.acknowledged = False
            self.ahead = [] if self.is_capped(minute) else list(self.ladder)
            self.epoch += 1
        self.notify(minute)


def play(severity: Severity, looks: list[int], acks: set[int]) -> None:
    """Let core and model look at the same minutes, and compare all notifications."""
    plan = POLICY.plan(severity)
    world, model = World(POLICY), Model(plan)
    world.feed(severity)
    for minute in looks:
        world.now = T0 + minute * MINUTE
        world.poll()
        model.look(minute)
        if minute in acks and not model.acknowledged:
            assert world.acknowledge().events[0].refusal is None
            model.acknowledge(minute)
        assert world.case.next_due_at == T0 + model.deadline * MINUTE
        assert (world.case.state is CaseState.ACKNOWLEDGED) == model.acknowledged
    assert model.notified == [
        (
            (event.recorded_at - T0) // MINUTE,
            event.epoch,
            0 if event.targets == plan.everyone else event.step,
        )
        for event in world.log
        if event.targets
    ]


severities = st.sampled_from(
    [Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.UNDETERMINED]
)
minutes = st.integers(min_value=0, max_value=HORIZON)


@settings(max_examples=25, deadline=None)
@given(severity=severities, acks=st.sets(minutes | st.integers(0, 300), max_size=8))
def test_a_worker_that_polls_every_minute(severity: Severity, acks: set[int]) -> None:
    play(severity, list(range(HORIZON)), acks)


@settings(max_examples=100, deadline=None)
@given(severity=severities, looks=st.sets(minutes, min_size=1, max_size=60), data=st.data())
def test_a_worker_that_is_often_down(
    severity: Severity, looks: set[int], data: st.DataObject
) -> None:
    acks = data.draw(st.sets(st.sampled_from(sorted(looks))))
    play(severity, sorted(looks), acks)


def test_nobody_ever_acknowledges() -> None:
    for severity in (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.UNDETERMINED):
        play(severity, list(range(2 * HORIZON)), set())
