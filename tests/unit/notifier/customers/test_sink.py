"""A message to a customer from the notification to the mailbox, and back into intake."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from services.ingest.channels.email.message import parse_message
from services.ingest.channels.email.parts import Envelope
from services.ingest.channels.provider import Settings
from services.ingest.prepare import is_customer
from services.notifier.customers.budgets import Budgets, Keys, Limits, MemoryBudgets
from services.notifier.customers.present import Present
from services.notifier.customers.sink import CustomerSink, depersonalised
from services.notifier.customers.writers.smtp import SmtpWriter
from services.notifier.customers.writing import Outgoing
from services.notifier.ports import Addresses, Result, Verdict
from services.notifier.sinks.mail import Relay, Sender, mailbox
from shared import mail_tokens
from shared.clock import ManualClock
from shared.errors import Transient
from shared.events import (
    Case,
    Channel,
    CommandKind,
    FollowUp,
    MessageKind,
    NoReply,
    Notification,
    Origin,
    Role,
)
from shared.metrics import Metrics
from shared.routes import Route
from tests.unit.notifier.customers import cases
from tests.unit.notifier.customers.desk import MAIL, SMS, route
from tests.unit.notifier.mail.post_office import PostOffice, post_office

SECRET = "golden-new"
SENDER = Sender(mailbox("Shop <support@shop.example>"), "mail.shop.example", SECRET)
INTAKE = Settings(name="inbox", options={"thread_secret": SECRET})


class Known:
    """Addresses that are known; ``away``: the store does not answer."""

    def __init__(self, found: Route | None, *, away: bool = False) -> None:
        self._found = found
        self._away = away
        self.asked: list[tuple[str, str, str | None]] = []

    async def find(self, record_key: str, source: str, thread_id: str | None) -> Route | None:
        self.asked.append((record_key, source, thread_id))
        if self._away:
            raise Transient("redis: away")
        return self._found


class NoBudgets:
    """Budgets whose store does not answer."""

    async def claim(self, _claim: object, _limits: Limits) -> str:
        raise Transient("redis: away")


class Desk:
    """A sink, with the mail server that it writes to."""

    def __init__(
        self, office: PostOffice, addresses: Addresses, budgets: Budgets, present: Present
    ) -> None:
        self.office = office
        self.registry = CollectorRegistry()
        self.clock = ManualClock(cases.NOW)
        relay = Relay("localhost", office.port, 5.0, starttls=None)
        self.sink = CustomerSink(
            "customer.email",
            addresses,
            present,
            budgets,
            Keys(b"secret"),
            cases.COMPOSER,
            cases.HOUSE,
            SmtpWriter(relay, SENDER),
            Metrics(self.registry),
            self.clock.now_ms,
        )

    async def tell(self, kind: MessageKind, about: Case | None = None, **fields: Any) -> Result:
        notification = cases.notification(kind, about or cases.complaint("en"))
        return await self.sink.deliver(msgspec.structs.replace(notification, **fields))

    def sent(self, kind: MessageKind) -> float:
        labels = {"channel": "email", "message": kind.value}
        return self.registry.get_sample_value("tocsin_customer_messages_total", labels) or 0.0


Scenario = Callable[[Desk], Awaitable[None]]


def with_desk(
    scenario: Scenario,
    addresses: Addresses | None = None,
    budgets: Budgets | None = None,
    present: Present | None = None,
) -> None:
    async def main() -> None:
        async with post_office() as office:
            known = Known(MAIL) if addresses is None else addresses
            desk = Desk(office, known, budgets or MemoryBudgets(), present or cases.Stands(None))
            await scenario(desk)

    asyncio.run(main())


def test_a_receipt_arrives_and_the_case_learns_of_it() -> None:
    async def scenario(desk: Desk) -> None:
        about = cases.complaint("en")
        result = await desk.tell(MessageKind.RECEIPT, about)
        assert result.verdict is Verdict.DELIVERED
        [letter] = desk.office.letters
        assert letter.recipients == ("ana@customer.example",)
        assert b"Subject: Re: Lamp arrived broken\r\n" in letter.content
        assert b"Auto-Submitted: auto-replied\r\n" in letter.content
        assert result.reference.encode() in letter.content
        [command] = result.commands
        assert (command.kind, command.actor) == (CommandKind.RECEIPT, "notifier")
        assert (command.case_id, command.tenant) == (about.case_id, about.tenant)
        assert (command.message_id, command.channel) == (result.reference, Channel.EMAIL)
        assert desk.sent(MessageKind.RECEIPT) == 1

    known = Known(MAIL)
    with_desk(scenario, known)
    about = cases.complaint("en")
    assert known.asked == [(about.record_key, about.source, about.thread_id)]


def test_our_own_mail_that_comes_back_opens_no_case() -> None:
    async def scenario(desk: Desk) -> None:
        for kind in (MessageKind.RECEIPT, MessageKind.SURVEY):
            await desk.tell(kind, notification_id=kind)
        assert len(desk.office.letters) == 2
        for letter in desk.office.letters:
            item = parse_message(letter.content, Envelope(sender=""), INTAKE, cases.NOW)
            assert (item.origin, item.role) == (Origin.OWN_ECHO, Role.BOT)
            assert not item.may_auto_respond
            assert not is_customer(item)
            assert item.thread_id == mail_tokens.thread_of("m1@customer.example")
            forged = letter.content.replace(b"m1@customer", b"m2@customer")
            found = parse_message(forged, Envelope(sender=""), INTAKE, cases.NOW)
            assert found.origin is not Origin.OWN_ECHO

    with_desk(scenario)


def test_an_answer_of_the_customer_is_in_the_same_thread() -> None:
    async def scenario(desk: Desk) -> None:
        result = await desk.tell(MessageKind.RECEIPT)
        answer = (
            "From: ana@customer.example\r\nTo: support@shop.example\r\nMessage-ID: <m9@c.example>\r\n"
            f"References: <m1@customer.example> <{result.reference}>\r\n\r\nThank you.\r\n"
        )
        item = parse_message(answer.encode(), Envelope(), INTAKE, cases.NOW)
        assert item.thread_id == mail_tokens.thread_of("m1@customer.example")
        assert item.origin is Origin.HUMAN

    with_desk(scenario)


@pytest.mark.parametrize(
    ("kind", "follows", "automatic"),
    [
        (MessageKind.RECEIPT, CommandKind.RECEIPT, b"auto-replied"),
        (MessageKind.RESOLUTION, CommandKind.COMMUNICATE, b"auto-generated"),
        (MessageKind.FOLLOW_UP, CommandKind.FOLLOW_UP_DONE, b"auto-generated"),
        (MessageKind.SURVEY, CommandKind.FOLLOW_UP_DONE, b"auto-generated"),
        (MessageKind.NUDGE, None, b"auto-generated"),
        (MessageKind.PROGRESS, None, b"auto-generated"),
    ],
)
def test_what_follows_from_each_message(
    kind: MessageKind, follows: CommandKind | None, automatic: bytes
) -> None:
    async def scenario(desk: Desk) -> None:
        plain = cases.notification(kind, cases.complaint("en"))
        cause = msgspec.structs.replace(
            plain.cause, follow_up=FollowUp(number=3, kind="confirm", due_at=1)
        )
        again = [await desk.tell(kind, cause=cause) for _ in range(2)]
        assert [one.verdict for one in again] == [Verdict.DELIVERED] * 2, again
        found = [command for one in again for command in one.commands]
        assert {command.kind for command in found} == ({follows} if follows else set())
        assert len({command.command_id for command in found}) == (1 if follows else 0)
        number = 3 if follows is CommandKind.FOLLOW_UP_DONE else None
        assert all(command.follow_up == number for command in found)
        first, second = desk.office.letters
        assert first == second  # a mail that is sent again is the same one
        assert b"Auto-Submitted: " + automatic in first.content

    with_desk(scenario)


def without(**fields: Any) -> Notification:
    return msgspec.structs.replace(
        cases.notification(MessageKind.RECEIPT, cases.complaint("en")), **fields
    )


@pytest.mark.parametrize(
    ("addresses", "about", "why"),
    [
        (Known(None), {}, NoReply.NO_ADDRESS),
        (Known(route(MAIL, address="nobody")), {}, NoReply.NO_ADDRESS),
        (Known(SMS), {}, NoReply.NO_WRITER),
        (Known(MAIL), {"may_auto_respond": False}, NoReply.MACHINE),
    ],
)
def test_what_cannot_be_sent_is_left_to_a_person(
    addresses: Known, about: dict[str, Any], why: NoReply
) -> None:
    async def scenario(desk: Desk) -> None:
        case = msgspec.structs.replace(cases.complaint("en"), **about)
        result = await desk.tell(MessageKind.RECEIPT, case)
        assert (result.verdict, result.why, result.commands) == (Verdict.UNSUITABLE, why, ())
        assert result.detail
        assert desk.office.letters == []
        assert desk.sent(MessageKind.RECEIPT) == 0

    with_desk(scenario, addresses)


def test_a_second_receipt_and_what_is_too_much_are_not_sent() -> None:
    async def scenario(desk: Desk) -> None:
        assert (await desk.tell(MessageKind.RECEIPT)).verdict is Verdict.DELIVERED
        again = await desk.tell(MessageKind.RECEIPT, notification_id="n2")
        assert (again.verdict, again.why) == (Verdict.UNSUITABLE, NoReply.BUDGET)
        assert again.draft
        desk.clock.advance(3_700)
        again = await desk.tell(MessageKind.RECEIPT, notification_id="n2")
        assert "in this case before" in again.detail
        assert len(desk.office.letters) == 1

    with_desk(scenario)


def test_a_text_that_the_lint_blocks_is_a_draft() -> None:
    async def scenario(desk: Desk) -> None:
        bare = msgspec.structs.replace(cases.complaint("en"), outcome=None)
        result = await desk.tell(MessageKind.RESOLUTION, bare)
        assert (result.verdict, result.why) == (Verdict.UNSUITABLE, NoReply.LINT), result
        assert result.draft
        assert result.detail
        assert desk.office.letters == []

    with_desk(scenario)


@pytest.mark.parametrize(
    ("answer", "verdict", "why"),
    [
        ("451 later", Verdict.RETRYABLE, None),
        ("550 no such user", Verdict.UNSUITABLE, NoReply.REFUSED),
    ],
)
def test_what_the_relay_says_of_the_customer(
    answer: str, verdict: Verdict, why: NoReply | None
) -> None:
    async def scenario(desk: Desk) -> None:
        desk.office.at_rcpt = answer
        result = await desk.tell(MessageKind.RECEIPT)
        assert (result.verdict, result.why, result.commands) == (verdict, why, ())
        assert bool(result.draft) == (verdict is Verdict.UNSUITABLE)
        desk.office.at_rcpt = ""
        assert (await desk.tell(MessageKind.RECEIPT)).verdict is Verdict.DELIVERED

    with_desk(scenario)


def test_without_redis_nothing_is_sent_and_nothing_is_lost() -> None:
    async def scenario(desk: Desk) -> None:
        result = await desk.tell(MessageKind.RECEIPT)
        assert (result.verdict, result.fault) == (Verdict.RETRYABLE, False)
        assert "redis" in result.detail
        assert desk.office.letters == []

    with_desk(scenario, Known(MAIL, away=True))
    with_desk(scenario, None, NoBudgets())


def test_what_is_no_message_is_parked() -> None:
    async def scenario(desk: Desk) -> None:
        result = await desk.sink.deliver(without(message=None))
        assert result.verdict is Verdict.PERMANENT

    with_desk(scenario)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("550 <Ana@customer.example>: no such user", "550 <…>: no such user"),
        ("to Ana Prowse: mailbox full", "to …: mailbox full"),
        ("550 5.1.1 <Ana.P@alias.example>: unknown", "550 5.1.1 <…>: unknown"),
        ("HTTP 400", "HTTP 400"),
    ],
)
def test_what_a_platform_says_of_the_customer_is_not_kept(said: str, kept: str) -> None:
    class Refusing:
        def is_public(self, _: Route) -> bool:
            return False

        async def write(self, _: Route, message: Outgoing) -> Result:
            return Result(Verdict.UNSUITABLE, said)

    async def scenario(desk: Desk) -> None:
        desk.sink._writer = Refusing()
        result = await desk.tell(MessageKind.RECEIPT)
        assert (result.verdict, result.detail) == (Verdict.UNSUITABLE, kept)

    with_desk(scenario)


def test_a_number_is_not_kept_however_it_is_written() -> None:
    assert depersonalised("The number 4915112345678 (+4915112345678) is none", SMS) == (
        "The number … (…) is none"
    )
