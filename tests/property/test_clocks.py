"""The clocks against a slow reference that knows only minutes: over any calendar, in any order."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from services.escalation.domain import clocks, intake, retargeting, timing
from services.escalation.domain.calendar import DAY, MINUTE, Calendar, Span, Window
from services.escalation.domain.case import Draft, Origin
from services.escalation.domain.defaults import DEFAULT_POLICY
from services.escalation.domain.policy import Policy, SeverityPlan, Target
from services.escalation.domain.severity import RANK
from shared.events import (
    Case,
    CaseEvent,
    CaseEventKind,
    CaseState,
    Cause,
    ClockKind,
    ClockState,
    Severity,
    Timer,
)
from tests.property.slow_clock import WARN, Promise, SlowClock, minutes
from tests.property.test_calendar import open_minutes, worlds
from tests.unit.escalation.world import feedback

KIND = ClockKind.TOTAL_RESOLUTION
BEFORE, AFTER = 2 * 24 * 60, 5 * 24 * 60
"""Minutes around the change of the local clock; all that happens lies between."""

promises = st.builds(
    Promise,
    target=st.integers(1, 60).map(lambda number: 20 * number),  # so 75 and 90 % are whole minutes
    wall=st.booleans(),
    grace=st.sampled_from([0, 15, 30, 400]),
)
steps = st.lists(
    st.tuples(
        st.one_of(
            st.sampled_from(["poll", "wait", "work", "fulfil", "revoke", "go_on"]),
            st.sampled_from(list(Severity)),
        ),
        st.one_of(st.integers(0, 40), st.integers(0, 250)),
    ),
    max_size=25,
)


def plan(promise: Promise) -> SeverityPlan:
    """Return a plan with the one clock."""
    span = Span(ms=promise.target * MINUTE, business=not promise.wall)
    target = Target(clock=KIND, span=span)
    return SeverityPlan(clocks=(target,), warn=WARN, grace_ms=promise.grace * MINUTE)


def policy(plans: dict[Severity, Promise], calendar: Calendar) -> Policy:
    """Return a policy with these promises."""
    by_name = {severity.value: plan(promise) for severity, promise in plans.items()}
    return msgspec.structs.replace(
        DEFAULT_POLICY, calendar="any", calendars=(calendar,), packs=(), **by_name
    )


class Engine:
    """The product's clock: each step in a draft of its own, as a decision has it."""

    def __init__(self, policy: Policy, now: int) -> None:
        self.policy = policy
        self.now = now
        self.events: list[CaseEvent] = []
        self.case: Case = intake.new_case(feedback(1, Severity.MEDIUM), now)
        draft = self._draft()
        clocks.start(draft, policy, KIND, "x", now)
        self._keep(draft)

    def take(self, step: str | Severity) -> None:
        """Take a step now."""
        draft = self._draft()
        match step:
            case Severity():
                raised = RANK[step] > RANK[draft.case.severity]
                draft.change(severity=step)
                retargeting.retarget(draft, self.policy, raised=raised)
            case "poll":
                while due := draft.take_due(0):
                    assert not isinstance(due, Timer)
                    clocks.fire(draft, self.policy, due)
            case "wait":
                draft.change(state=CaseState.WAITING_CUSTOMER)
                kinds = clocks.pausing(draft.case, self.policy.plan_for(draft.case))
                clocks.pause(draft, kinds)
            case "work":
                draft.change(state=CaseState.OPEN)
                clocks.resume(draft, self.policy)
            case "fulfil":
                clocks.fulfil(draft, self.policy, (KIND,), self.now)
            case "revoke":
                clocks.revoke(draft, self.policy, (f"{KIND}/x",))
            case _:
                if draft.case.clocks[0].state is ClockState.FULFILLED:
                    draft.change(state=CaseState.OPEN)
                    clocks.go_on(draft, self.policy)
        self._keep(draft)

    def _draft(self) -> Draft:
        return Draft(self.case, self.now, Origin())

    def _keep(self, draft: Draft) -> None:
        draft.emit(CaseEventKind.NOTED, Cause.COMMAND)
        self.events += draft.events
        self.case = draft.case


def step_reference(slow: SlowClock, step: str | Severity, before: Severity, at: Promise) -> None:
    """Take the same step in the reference; ``at`` is the promise of the severity after it."""
    if isinstance(step, Severity):
        slow.retarget(at, raised=RANK[step] > RANK[before])
    else:
        getattr(slow, step)()


def agree(engine: Engine, slow: SlowClock, first: int) -> None:
    """Both say the same of the clock as it stands."""
    (one,) = engine.case.clocks
    assert one.state is slow.state
    assert timing.elapsed(engine.policy, one, _counts_to(one.ended_at, engine.now)) == (
        slow.elapsed() * MINUTE
    )
    assert one.warned == slow.warned
    assert one.breached_at == (None if slow.breached is None else (first + slow.breached) * MINUTE)
    if slow.state is not ClockState.RUNNING or slow.breached is not None:
        assert (one.due_at, one.next_at) == (None, None)
        return
    assert one.due_at is not None
    assert one.next_at is not None
    assert one.next_at <= one.due_at
    due = slow.due()
    if due < len(slow.working):
        assert minutes(one.due_at, first) == due
    else:  # further away than the reference can see
        assert one.due_at >= (first + due) * MINUTE


def _counts_to(ended_at: int | None, now: int) -> int:
    return now if ended_at is None else ended_at


@given(
    world=worlds(),
    plans=st.fixed_dictionaries(dict.fromkeys(Severity, promises)),
    offset=st.integers(0, BEFORE),
    taken=steps,
)
@settings(max_examples=100, deadline=None)
def test_the_clock_is_as_the_reference_says(
    world: tuple[Calendar, int],
    plans: dict[Severity, Promise],
    offset: int,
    taken: list[tuple[str | Severity, int]],
) -> None:
    calendar, change = world
    first = change - BEFORE
    working = open_minutes(calendar, first, change + AFTER)
    engine = Engine(policy(plans, calendar), (first + offset) * MINUTE)
    slow = SlowClock(working, plans[Severity.MEDIUM], offset)
    agree(engine, slow, first)
    for step, gap in taken:
        slow.pass_time(gap)
        engine.now += gap * MINUTE
        before = engine.case.severity
        engine.take(step)
        step_reference(slow, step, before, plans[engine.case.severity])
        agree(engine, slow, first)
    changes = [one for event in engine.events for one in event.clocks]
    assert [(one.change, minutes(one.at, first), one.percent) for one in changes] == slow.changes
    broken = [one for one in engine.events if one.kind is CaseEventKind.CLOCK_BREACHED]
    assert len(broken) <= 1
    for event in broken:
        assert event.cause is (Cause.RETARGET if slow.by_grace else Cause.CLOCK)
        assert event.at <= event.recorded_at


OFFICE = Calendar(name="any", week=((Window.parse("09:00-17:00"),),) * 7)


@given(
    plans=st.fixed_dictionaries(dict.fromkeys(Severity, promises)),
    severities=st.lists(st.tuples(st.sampled_from(list(Severity)), st.integers(0, 300))),
)
@settings(deadline=None)
def test_a_raise_never_lengthens_a_deadline(
    plans: dict[Severity, Promise], severities: list[tuple[Severity, int]]
) -> None:
    engine = Engine(policy(plans, OFFICE), 20_000 * DAY)
    for severity, gap in severities:
        engine.now += gap * MINUTE
        before = engine.case
        engine.take(severity)
        was, now = before.clocks[0].due_at, engine.case.clocks[0].due_at
        if was is not None and RANK[severity] > RANK[before.severity]:
            assert now is None or now <= was


@given(promise=promises, gaps=st.lists(st.integers(0, 500), max_size=12), split=st.booleans())
@settings(deadline=None)
def test_how_often_it_is_polled_changes_nothing_but_the_warnings(
    promise: Promise, gaps: list[int], split: bool
) -> None:
    plans = dict.fromkeys(Severity, promise)
    often = Engine(policy(plans, OFFICE), 20_000 * DAY)
    seldom = Engine(policy(plans, OFFICE), 20_000 * DAY)
    for gap in gaps:
        often.now = seldom.now = often.now + gap * MINUTE
        often.take("poll")
        if split:
            seldom.take("wait")
            often.take("wait")
            seldom.take("work")
            often.take("work")
    seldom.take("poll")
    often.take("poll")
    ours, theirs = often.case.clocks[0], seldom.case.clocks[0]
    assert ours.breached_at == theirs.breached_at
    assert ours.intervals == theirs.intervals
    assert ours.due_at == theirs.due_at


def test_the_reference_itself() -> None:
    """By hand: 20 minutes, of which 8 pass, 5 are a pause, and 3 are not worked."""
    working = [True] * 100
    working[15:18] = [False] * 3
    slow = SlowClock(working, Promise(target=20, wall=False, grace=0), 0)
    slow.pass_time(8)
    slow.wait()
    slow.pass_time(5)
    slow.work()
    assert slow.due() == 28
    slow.pass_time(15)
    slow.poll()
    assert slow.changes[-1][1:] == (28, None)
