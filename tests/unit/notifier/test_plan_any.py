"""Any event, any people, any sinks: compared with a planner that is slow and plain."""

from __future__ import annotations

from collections import Counter
from random import Random

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from services.notifier.domain.people import PAGES
from services.notifier.domain.plan import Plan, plan, targets_in
from services.notifier.routing import FixedRoutes
from services.notifier.settings import SinkSettings
from shared.events import (
    CaseEvent,
    CaseEventKind,
    CaseState,
    Cause,
    Channel,
    ClockKind,
    Escalation,
    FollowUp,
    FollowUpState,
    MessageKind,
    NotificationKind,
    Via,
)
from tests.unit.notifier.plan_world import T0, TENANT, case, event, routes, running, sink, warned

PEOPLE = ("anna", "bob", "crew", "integration:crm", "ghost", "")
NAMES = ("default", "chat", "mail", "crm", "pager", "desk")
KINDS = ("slack", "smtp", "webhook", "pagerduty", "ticket", "apprise")
PATTERNS = ("case.*", "escalation.*", "*", "nudge.due")
ALL = ",".join(MessageKind)
TO_PEOPLE = {NotificationKind.PAGE, NotificationKind.INFORM}


class Given(msgspec.Struct, frozen=True):
    """What is planned with, and what the slow planner needs to know of it."""

    cause: CaseEvent
    sinks: dict[str, SinkSettings]
    via: dict[str, tuple[str, ...]]
    people: dict[str, dict[str, str]]

    @property
    def routes(self) -> FixedRoutes:
        return routes(self.sinks, self.via, people=self.people, replies=ALL)


def some(chance: Random, values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(chance.choices(values, k=chance.randint(0, len(values))))


def an_event(chance: Random) -> CaseEvent:
    one_of = chance.choice
    of = case(
        channel=one_of(list(Channel)),
        state=one_of(list(CaseState)),
        backfilled=chance.random() < 0.1,
        may_auto_respond=one_of([True, False]),
        part=one_of([0, 0, 1]),
        assignee=one_of([None, "anna"]),
        team=one_of([None, "crew"]),
        clocks=one_of([(), (running(ClockKind.RECEIPT), running(ClockKind.UPDATE))]),
        escalation=Escalation(epoch=one_of([0, 1, 2])),
    )
    item = FollowUp(
        number=1, kind="check", due_at=T0, state=FollowUpState.DUE, via=one_of([None, *Via])
    )
    return event(
        one_of(list(CaseEventKind)),
        some(chance, PEOPLE),
        of,
        cause=one_of(list(Cause)),
        actor=one_of([None, "anna", "integration:crm", "integration:pager"]),
        epoch=one_of([None, 1, 2]),
        step=one_of([None, 1, 2]),
        follow_up=one_of([None, item]),
        clocks=one_of([(), (warned(ClockKind.UPDATE),)]),
        event_id=f"e{chance.randint(0, 9)}",
    )


@st.composite
def givens(draw: st.DrawFn) -> Given:
    chance = Random(draw(st.integers(0, 2**32)))
    one_of = chance.choice
    sinks = {
        name: sink(
            one_of(KINDS),
            *some(chance, PATTERNS)[:1],
            disabled=chance.random() < 0.1,
            tenants=one_of([(), (), (TENANT,), ("other",)]),
            options=one_of([{}, {"routing_key": "key"}]),
        )
        for name in set(some(chance, NAMES))
    }
    via = {name: some(chance, (*NAMES, "gone"))[:3] for name in PEOPLE[:4]}
    people = {
        name: {kind: f"{name}-{kind}" for kind in some(chance, ("email", "pagerduty", "slack"))}
        for name in PEOPLE[:4]
    }
    return Given(an_event(chance), sinks, via, people)


def expected_people(made: Plan, known: Given) -> set[tuple[str, str, str]]:
    """Return sink, name and kind of all who are to be told, one by one."""
    cause = known.cause
    asks = cause.kind in PAGES
    kind = "page" if asks else "inform"
    if made.replies or (cause.kind is CaseEventKind.NUDGE_DUE and told_customer(made)):
        return set()
    names = {name for name in cause.targets if name and (asks or name != cause.actor)}
    due = cause.kind is CaseEventKind.FOLLOW_UP_DUE and cause.follow_up is not None
    if not names and due and cause.follow_up and cause.follow_up.via in {None, Via.CALL}:
        assert cause.case is not None
        names = {cause.case.assignee or cause.case.team or ""}
    if not names and asks:
        names = {""}
    pairs = {(one, name) for name in names for one in alive(known, name)}
    echo = (cause.actor or "").partition("integration:")[2]
    return {(one, name, kind) for one, name in pairs if asks or one != echo}


def alive(known: Given, name: str) -> set[str]:
    """Return the sinks by which somebody is told."""
    fit = {
        one
        for one, given in known.sinks.items()
        if not given.disabled and given.tenants in {(), (TENANT,)}
    }
    return fit & set(known.via.get(name, ())) or fit & {"default"}


def told_customer(made: Plan) -> bool:
    return any(one.kind is NotificationKind.CUSTOMER for one in made.notifications)


@given(givens())
def test_everybody_is_told_exactly_once_by_each_sink(known: Given) -> None:
    made = plan(known.cause, known.routes, T0)
    if known.cause.case is not None and known.cause.case.backfilled:
        assert made == ((), (), ())
        return
    found = Counter(
        (one.sink, name, str(one.kind))
        for one in made.notifications
        if one.kind in TO_PEOPLE
        for name in targets_in(one) or ("",)
    )
    assert set(found.values()) <= {1}
    assert set(found) == expected_people(made, known)
    assert all(not alive(known, name) for name in made.unreached)


@given(givens())
def test_a_sink_with_one_place_is_not_told_the_same_twice(known: Given) -> None:
    notifications = plan(known.cause, known.routes, T0).notifications
    shared = {
        name for name, one in known.sinks.items() if one.kind in {"slack", "webhook", "ticket"}
    }
    per_sink = Counter(one.sink for one in notifications if one.kind in TO_PEOPLE)
    assert all(per_sink[name] <= 1 for name in shared)
    for name, one in known.sinks.items():
        if one.kind == "slack":
            assert sum(sent.sink == name for sent in notifications) <= 1


@given(givens())
def test_ids_are_unique_and_the_same_again(known: Given) -> None:
    made = plan(known.cause, known.routes, T0)
    ids = [one.notification_id for one in made.notifications]
    assert len(set(ids)) == len(ids)
    again = plan(known.cause, known.routes, T0 + 999)
    assert [one.notification_id for one in again.notifications] == ids
    assert [one.reply_id for one in again.replies] == [one.reply_id for one in made.replies]


@given(givens())
def test_followers_hear_of_everything_but_their_own_doing(known: Given) -> None:
    cause = known.cause
    assert cause.case is not None
    made = plan(cause, known.routes, T0)
    echo = (cause.actor or "").partition("integration:")[2]
    for name, one in known.sinks.items():
        sent = [each for each in made.notifications if each.sink == name]
        events = [each for each in sent if each.kind is NotificationKind.EVENT]
        follows = not one.disabled and one.follows(cause.kind, TENANT)
        if name == echo or cause.case.backfilled or not follows:
            assert not events
        elif one.kind in {"webhook", "ticket"}:
            assert len(events) == 1
        else:
            assert sent
            assert len(events) <= 1


@given(givens())
def test_customers_get_one_message_or_a_person_writes_and_machines_get_none(known: Given) -> None:
    assert known.cause.case is not None
    made = plan(known.cause, known.routes, T0)
    messages = [one for one in made.notifications if one.kind is NotificationKind.CUSTOMER]
    assert len(messages) + len(made.replies) <= 1
    assert all(one.message is not None for one in messages)
    if not known.cause.case.may_auto_respond:
        assert not messages
    for one in messages:
        assert one.sink in {"customer.email", "customer.reviews"}
