"""Pages are taken back where they stay open, and nowhere else."""

from __future__ import annotations

from random import Random

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.escalation.domain.defaults import DEFAULT_POLICY
from services.escalation.domain.silence import Mute
from services.escalation.outputs import ESCALATING, FOLLOWING_UP
from services.notifier.domain.plan import plan
from services.notifier.routing import FixedRoutes
from shared.events import (
    Case,
    CaseEvent,
    CaseEventKind,
    CaseState,
    Cause,
    CommandKind,
    Escalation,
    EscalationStatus,
    FollowUp,
    FollowUpState,
    NotificationKind,
    Severity,
)
from tests.unit.escalation.world import World
from tests.unit.notifier.plan_world import T0, case, event, planned, routes, sink

HOUR = 3_600_000
KEY = {"routing_key": "key"}
SINKS = {
    "pager": sink("pagerduty", options={"routing_key": "key"}),
    "bridge": sink("webhook"),
    "crm": sink("webhook", "case.*"),
    "desk": sink("ticket"),
    "chat": sink("slack"),
    "mail": sink("smtp"),
}
TAKE_BACK = {NotificationKind.ACKNOWLEDGE, NotificationKind.RESOLVE}
CLOSED = {CaseState.CLOSED, CaseState.MERGED}


def taken_back(of: CaseEvent, by: FixedRoutes) -> list[tuple[str, str, int | None]]:
    made = plan(of, by, T0).notifications
    return [(one.sink, one.kind, one.epoch) for one in made if one.kind in TAKE_BACK]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (CaseEventKind.ACKNOWLEDGED, "acknowledge"),
        (CaseEventKind.RESOLVED, "resolve"),
        (CaseEventKind.MERGED, "resolve"),
        (CaseEventKind.CLOSED, "resolve"),
    ],
)
def test_the_end_of_a_page_is_told_where_it_stays_open(kind: CaseEventKind, expected: str) -> None:
    assert taken_back(event(kind), routes(SINKS)) == [
        ("pager", expected, 1),
        ("bridge", expected, 1),
    ]


def test_a_case_that_was_never_paged_has_nothing_to_take_back() -> None:
    assert (
        taken_back(event(CaseEventKind.RESOLVED, of=case(escalation=Escalation())), routes(SINKS))
        == []
    )


def test_the_next_epoch_takes_back_the_last_one_before_it_pages() -> None:
    by = routes({"pager": sink("pagerduty", options={"routing_key": "key"})}, {"anna": ("pager",)})
    again = event(CaseEventKind.REESCALATED, ["anna"], epoch=3, step=1, cause=Cause.SEVERITY_RAISED)
    assert planned(again, by) == [("pager", "", "resolve"), ("pager", "anna", "page")]
    assert taken_back(again, by) == [("pager", "resolve", 2)]


@pytest.mark.parametrize(
    "kind",
    [
        CaseEventKind.STEP_HELD,
        CaseEventKind.STEP_SKIPPED,
        CaseEventKind.NOTIFICATION_SUPPRESSED,
        CaseEventKind.ESCALATION_EXHAUSTED,
    ],
)
def test_an_epoch_that_begins_without_a_page_takes_back_the_last_one(kind: CaseEventKind) -> None:
    held = event(kind, epoch=2, step=1, cause=Cause.GATE)
    assert taken_back(held, routes(SINKS)) == [("pager", "resolve", 1), ("bridge", "resolve", 1)]


@pytest.mark.parametrize("cause", [Cause.ACK_TIMEOUT, Cause.REPEAT])
def test_the_next_step_takes_nothing_back(cause: Cause) -> None:
    again = event(CaseEventKind.REESCALATED, ["anna"], epoch=3, step=1, cause=cause)
    assert taken_back(again, routes(SINKS)) == []


def test_a_later_step_or_round_takes_nothing_back_though_it_was_held() -> None:
    second = event(CaseEventKind.STEP_HELD, epoch=3, step=2, cause=Cause.GATE)
    of = case(escalation=Escalation(epoch=3, step=1, rounds=1))
    round_two = event(CaseEventKind.STEP_HELD, of=of, epoch=3, step=1, cause=Cause.GATE)
    assert taken_back(second, routes(SINKS)) == taken_back(round_two, routes(SINKS)) == []


def test_work_on_a_case_acknowledges_its_page() -> None:
    stands = Escalation(epoch=2, status=EscalationStatus.ACKNOWLEDGED, acknowledged_at=T0)
    busy = case(state=CaseState.INVESTIGATING, escalation=stands)
    by = routes({"pager": SINKS["pager"]})
    assert taken_back(event(CaseEventKind.ASSIGNED, of=busy), by) == [("pager", "acknowledge", 2)]
    assert taken_back(event(CaseEventKind.ASSIGNED, of=busy, recorded_at=T0 + 1), by) == []


def test_a_broken_promise_that_is_kept_at_last_takes_its_page_back() -> None:
    def settled(state: FollowUpState) -> CaseEvent:
        items = (FollowUp(number=1, kind="check", due_at=T0, state=state),)
        of = case(state=CaseState.RESOLVED, follow_ups=items)
        return event(CaseEventKind.FOLLOW_UP_DONE, of=of)

    by = routes({"pager": SINKS["pager"]})
    assert taken_back(settled(FollowUpState.DONE), by) == [("pager", "resolve", 1)]
    assert taken_back(settled(FollowUpState.MISSED), by) == []


def test_every_key_of_its_own_is_told_once() -> None:
    keys = {"anna": {"pagerduty": "k1"}, "bob": {"pagerduty": "k1"}, "eve": {"pagerduty": "k2"}}
    via = {"anna": ("pager",), "bob": ("pager",), "eve": ("mail",), "crew": ("pager",)}
    own = routes({"pager": sink("pagerduty"), "mail": sink("smtp")}, via, people=keys)
    assert planned(event(CaseEventKind.RESOLVED), own) == [("pager", "anna", "resolve")]


def test_an_integration_that_acknowledged_is_not_told_so() -> None:
    said = event(CaseEventKind.ACKNOWLEDGED, actor="integration:pager")
    assert taken_back(said, routes(SINKS)) == [("bridge", "acknowledge", 1)]


HOLDING = msgspec.structs.replace(
    DEFAULT_POLICY,
    mutes=tuple(
        Mute(name="works", reason="works", start=T0 + hour * HOUR, end=T0 + (hour + 3) * HOUR)
        for hour in (0, 6, 100)
    ),
)
"""Some epochs of it begin with a step that is held."""


class Pager:
    """What PagerDuty does with keys: it passes over an end of what it does not have."""

    def __init__(self) -> None:
        self.open: dict[tuple[str, int | None], str] = {}

    def take(self, of: CaseEvent, by: FixedRoutes) -> None:
        for one in plan(of, by, T0).notifications:
            key = (one.case_id, one.epoch)
            if one.kind is NotificationKind.PAGE:
                self.open[key] = "triggered"
            elif one.kind is NotificationKind.RESOLVE:
                self.open.pop(key, None)
            elif one.kind is NotificationKind.ACKNOWLEDGE and key in self.open:
                self.open[key] = "acknowledged"

    def check(self, of: CaseEvent, now: Case) -> None:
        """Nothing but the present epoch is open, and of a case that is over nothing is."""
        epochs = {key[1]: how for key, how in self.open.items() if key[0] == of.case_id}
        assert set(epochs) <= {now.escalation.epoch}, (of.kind, epochs)
        if now.state in CLOSED:
            assert not epochs, of.kind
        if of.kind is CaseEventKind.ACKNOWLEDGED:
            assert "triggered" not in epochs.values()


def steps(world: World, chance: Random) -> None:
    """Let one thing happen to the case, or a while pass."""
    wanted = chance.choice([*_WORK, *[None] * 6, "news"])
    if wanted is None:
        world.run(chance.choice([HOUR // 4, 5 * HOUR, 50 * HOUR, 9 * 24 * HOUR]))
    elif isinstance(wanted, CommandKind):
        numbers = [item.number for item in world.case.follow_ups] or [1]
        world.command(wanted, follow_up=chance.choice(numbers), note="what was done about it")
    else:
        world.feed(chance.choice(list(Severity)), thread="t1")


_WORK = (
    CommandKind.ACKNOWLEDGE, CommandKind.RESOLVE, CommandKind.REOPEN, CommandKind.COMMUNICATE,
    CommandKind.FOLLOW_UP_DONE, CommandKind.FOLLOW_UP_WAIVE, CommandKind.CLOSE,
)  # fmt: skip


@example(536415)
@settings(deadline=None)
@given(st.integers(0, 2**32))
def test_no_page_stays_open_that_nobody_waits_for(seed: int) -> None:
    chance, world, pager = Random(seed), World(HOLDING), Pager()
    by = routes({"default": sink("pagerduty", options={"routing_key": "key"})})
    world.feed(chance.choice(list(Severity)), thread="t1")
    for _ in range(20):
        steps(world, chance)
    for one in world.log:
        if one.case is not None and one.kind in ESCALATING | FOLLOWING_UP:
            pager.take(one, by)
            pager.check(one, one.case)
