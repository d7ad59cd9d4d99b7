"""What the case makes of a message that was sent, and what it wants no more: with the real engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from services.escalation.domain.calendar import DAY, HOUR
from services.escalation.domain.decide import CommandIn
from services.notifier.customers.budgets import Keys, MemoryBudgets
from services.notifier.customers.sink import CustomerSink
from services.notifier.customers.writing import Outgoing
from services.notifier.domain.customer import message_of
from services.notifier.ports import Result, Verdict
from shared.events import (
    Case,
    CaseEvent,
    CaseEventKind,
    CaseState,
    CommandKind,
    MessageKind,
    Notification,
    NotificationKind,
    Severity,
)
from shared.metrics import Metrics
from shared.routes import Route
from tests.unit.escalation.clock_world import reply, wait
from tests.unit.escalation.world import World
from tests.unit.notifier.customers import cases
from tests.unit.notifier.customers.desk import MAIL
from tests.unit.notifier.customers.test_sink import Known


class Mailbox:
    """A writer that keeps what it is given."""

    def __init__(self) -> None:
        self.sent: list[Outgoing] = []

    def is_public(self, _: Route) -> bool:
        return False

    async def write(self, _: Route, message: Outgoing) -> Result:
        self.sent.append(message)
        return Result(Verdict.DELIVERED, reference=f"{message.name}@shop.example")


class Shop:
    """A world whose customer is written to."""

    def __init__(self, severity: Severity = Severity.MEDIUM) -> None:
        self.world = World()
        self.mailbox = Mailbox()
        self.sink = CustomerSink(
            "customer.email",
            Known(MAIL),
            self,
            MemoryBudgets(),
            Keys(b"secret"),
            cases.COMPOSER,
            cases.HOUSE,
            self.mailbox,
            Metrics(CollectorRegistry()),
            lambda: self.world.now,
        )
        self.world.feed(severity, language="en")

    async def of(self, case_id: str) -> Case | None:
        """Return how the case is now."""
        return self.world.cases.get(case_id)

    def planned(self, kind: MessageKind) -> Notification:
        """Return the last notification of this kind that the log asks for."""
        for event in reversed(self.world.log):
            if event.case is not None and message_of(event, event.case) is kind:
                return _notification(event, kind)
        raise AssertionError([event.kind for event in self.world.log])

    def tell(self, told: Notification) -> tuple[Verdict, list[CaseEvent]]:
        """Write to the customer, and give the case what follows."""
        result = asyncio.run(self.sink.deliver(told))
        decisions = [self.world.give(CommandIn(command)) for command in result.commands]
        return result.verdict, [event for one in decisions for event in one.events]


def _notification(event: CaseEvent, kind: MessageKind) -> Notification:
    return Notification(
        notification_id=f"n:{event.event_id}",
        sink="customer.email",
        kind=NotificationKind.CUSTOMER,
        tenant=event.tenant,
        cause=event,
        planned_at=event.at,
        case_id=event.case_id,
        message=kind,
    )


def opened(_: Shop) -> None:
    """Nothing but the complaint."""


def resolved(shop: Shop) -> None:
    """It is resolved."""
    shop.world.run(HOUR)
    shop.world.acknowledge()
    shop.world.resolve()


def surveyed(shop: Shop) -> None:
    """It is resolved, told, and long enough ago."""
    resolved(shop)
    shop.tell(shop.planned(MessageKind.RESOLUTION))
    shop.world.run(20 * DAY)


def waited(shop: Shop) -> None:
    """The customer does not answer."""
    shop.world.acknowledge()
    wait(shop.world)
    shop.world.run(4 * DAY)


def promised(shop: Shop) -> None:
    """Somebody works on it, and the next word to the customer is nearly due."""
    shop.world.acknowledge()
    reply(shop.world)
    while not any(
        event.case and message_of(event, event.case) is MessageKind.PROGRESS
        for event in shop.world.log
    ):
        shop.world.run(HOUR)


@pytest.mark.parametrize(
    ("kind", "severity", "happens", "becomes"),
    [
        (MessageKind.RECEIPT, Severity.MEDIUM, opened, CaseEventKind.RECEIPT_SENT),
        (MessageKind.RESOLUTION, Severity.MEDIUM, resolved, CaseEventKind.COMMUNICATED),
        (MessageKind.SURVEY, Severity.LOW, surveyed, CaseEventKind.FOLLOW_UP_DONE),
        (MessageKind.NUDGE, Severity.MEDIUM, waited, None),
        (MessageKind.PROGRESS, Severity.HIGH, promised, None),
    ],
)
def test_the_case_takes_what_follows_from_a_message(
    kind: MessageKind,
    severity: Severity,
    happens: Callable[[Shop], None],
    becomes: CaseEventKind | None,
) -> None:
    shop = Shop(severity)
    happens(shop)
    told = shop.planned(kind)
    before = len(shop.mailbox.sent)
    verdict, events = shop.tell(told)
    assert verdict is Verdict.DELIVERED
    assert len(shop.mailbox.sent) == before + 1
    kinds = {event.kind for event in events}
    assert CaseEventKind.COMMAND_REFUSED not in kinds
    assert kinds == set() if becomes is None else becomes in kinds
    if becomes is not None:  # said once, it is not needed again: not even replayed
        assert shop.tell(told) == (Verdict.STALE, [])


def test_what_a_person_said_first_is_not_said_again() -> None:
    shop = Shop()
    receipt = shop.planned(MessageKind.RECEIPT)
    reply(shop.world)
    assert shop.tell(receipt) == (Verdict.STALE, [])
    resolved(shop)
    resolution = shop.planned(MessageKind.RESOLUTION)
    shop.world.command(CommandKind.COMMUNICATE)
    assert shop.world.case.state is CaseState.COMMUNICATED
    assert shop.tell(resolution) == (Verdict.STALE, [])
    assert shop.mailbox.sent == []


def test_of_two_cases_that_were_merged_the_one_that_is_over_says_nothing() -> None:
    shop = Shop()
    receipt = shop.planned(MessageKind.RECEIPT)
    lost = shop.world.case.case_id
    shop.world.run(HOUR)
    shop.world.feed(thread="another", text="The invoice is wrong as well.", language="en")
    kept = shop.world.case.case_id
    assert kept != lost
    shop.world.command(CommandKind.MERGE, case_id=lost, into=kept)
    assert shop.world.cases[lost].state is CaseState.MERGED
    assert shop.tell(receipt) == (Verdict.STALE, [])


def test_what_the_case_became_is_what_is_told() -> None:
    shop = Shop()
    receipt = shop.planned(MessageKind.RECEIPT)
    shop.world.cases[shop.world.case.case_id] = msgspec.structs.replace(
        shop.world.case, may_auto_respond=False
    )
    assert shop.tell(receipt) == (Verdict.UNSUITABLE, [])
