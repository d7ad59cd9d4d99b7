"""E-mail to people: who gets it, how a case becomes one thread, and what is wrong with settings."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest

from services.ingest.channels.email.message import parse_message
from services.ingest.channels.email.parts import Envelope
from services.ingest.channels.provider import Settings
from services.notifier.ports import Verdict
from services.notifier.settings import SinkSettings
from services.notifier.sinks.build import Making, build, secrets_of
from services.notifier.sinks.mail_settings import relay_of
from services.notifier.sinks.outbound import Outbound
from services.notifier.sinks.smtp import SmtpSink
from shared.config import Config
from shared.errors import Misconfigured
from shared.events import CaseEvent, NotificationKind, Origin, ReplyDue
from tests.unit.notifier.mail.post_office import Letter, PostOffice, post_office
from tests.unit.notifier.sinks.world import event, insight, notification, reply_due

PEOPLE = {
    "anna": {"email": "Anna <anna@shop.example>"},
    "ben": {"email": "ben@shop.example"},
    "alias": {"email": "ben@shop.example"},
    "eva": {"slack": "U1"},
}
OPTIONS = {"from": "Tocsin <tocsin@shop.example>", "thread_secret": "golden"}
Use = Callable[[PostOffice, SmtpSink], Awaitable[None]]


def making(url: str = "smtp://localhost:25", **fields: Any) -> Making:
    given = {"kind": "smtp", "url": url, "options": OPTIONS} | fields
    settings = SinkSettings(**given)
    secret = secrets_of({"PASSWORD": "hidden"})
    return Making("mail", settings, Outbound(), PEOPLE, Config(), secret)


def with_sink(use: Use, **options: str) -> None:
    async def main() -> None:
        async with post_office() as office:
            made = making(f"smtp://localhost:{office.port}", options=OPTIONS | options)
            await use(office, SmtpSink.made(made))

    asyncio.run(main())


def mail_of(letter: Letter) -> EmailMessage:
    found = message_from_bytes(letter.content, policy=policy.default)
    assert isinstance(found, EmailMessage)
    return found


def test_the_mails_of_a_case_are_one_thread() -> None:
    async def use(office: PostOffice, sink: SmtpSink) -> None:
        causes: list[CaseEvent | ReplyDue] = [event(), event(step=2), reply_due()]
        for number, cause in enumerate(causes):
            told = notification(cause, target="anna", notification_id=f"n{number}")
            result = await sink.deliver(told)
            assert result.verdict is Verdict.DELIVERED
            assert await sink.deliver(told) == result
        mails = [mail_of(letter) for letter in office.letters]
        assert len(mails) == 6
        assert len({mail["message-id"] for mail in mails}) == 3
        [root] = {mail["references"] for mail in mails}
        assert root == mails[0]["in-reply-to"]
        assert root not in {mail["message-id"] for mail in mails}
        await sink.deliver(notification(insight(), NotificationKind.INFORM, target="anna"))
        assert mail_of(office.letters[-1])["references"] != root

    with_sink(use)


def test_programs_do_not_answer_it_and_intake_knows_it() -> None:
    async def use(office: PostOffice, sink: SmtpSink) -> None:
        await sink.deliver(notification(target="anna"))
        [letter] = office.letters
        assert (letter.sender, letter.recipients) == ("", ("anna@shop.example",))
        mail = mail_of(letter)
        assert mail["auto-submitted"] == "auto-generated"
        assert mail["x-auto-response-suppress"] == "All"
        assert mail["list-id"] == "Tocsin <tocsin.shop.example>"
        assert mail["to"] == "Anna <anna@shop.example>"
        assert mail["subject"].startswith("High: Somebody has to take this case (")
        assert mail.get_content_type() == "text/plain"
        assert "> where is my refund" in mail.get_content()
        settings = Settings(name="inbox", options={"thread_secret": "golden"})
        item = parse_message(letter.content, Envelope(), settings, 1)
        assert item.origin is Origin.OWN_ECHO
        assert not item.may_auto_respond

    with_sink(use)


@pytest.mark.parametrize(
    ("target", "to", "recipients"),
    [
        ("anna", "", ["anna@shop.example"]),
        ("anna ben alias", "", ["anna@shop.example", "ben@shop.example"]),
        ("eva", "desk@shop.example", ["desk@shop.example"]),
        ("", "desk@shop.example", ["desk@shop.example"]),
        ("eva", "", []),
    ],
)
def test_who_gets_it(target: str, to: str, recipients: list[str]) -> None:
    from services.notifier.domain.people import SEPARATOR

    async def use(office: PostOffice, sink: SmtpSink) -> None:
        told = notification(target=target.replace(" ", SEPARATOR))
        result = await sink.deliver(told)
        assert [one for letter in office.letters for one in letter.recipients] == recipients
        assert result.verdict is (Verdict.DELIVERED if recipients else Verdict.PERMANENT)

    with_sink(use, **({"to": to} if to else {}))


def test_one_who_can_be_tried_again_keeps_the_others_from_being_done() -> None:
    from services.notifier.domain.people import SEPARATOR

    async def use(office: PostOffice, sink: SmtpSink) -> None:
        office.at_rcpt = "450 later"
        told = notification(target=f"anna{SEPARATOR}ben")
        assert (await sink.deliver(told)).verdict is Verdict.RETRYABLE
        office.at_rcpt = "550 never"
        assert (await sink.deliver(told)).verdict is Verdict.PERMANENT

    with_sink(use)


def test_who_has_a_mail_does_not_get_it_again_while_another_waits() -> None:
    from services.notifier.domain.people import SEPARATOR

    async def use(office: PostOffice, sink: SmtpSink) -> None:
        await sink.deliver(notification(target="ben", notification_id="n0"))
        both = notification(target=f"anna{SEPARATOR}ben", notification_id="n1")
        for _ in range(3):  # ben has had his one mail of the hour
            assert (await sink.deliver(both)).verdict is Verdict.RETRYABLE
        found = [one for letter in office.letters for one in letter.recipients]
        assert found == ["ben@shop.example", "anna@shop.example"]

    with_sink(use, per_hour="1")


def test_an_address_gets_no_more_than_its_budget() -> None:
    async def use(office: PostOffice, sink: SmtpSink) -> None:
        results = [
            await sink.deliver(notification(target="anna", notification_id=f"n{number}"))
            for number in range(5)
        ]
        assert len(office.letters) == 2
        assert [one.verdict for one in results[2:]] == [Verdict.RETRYABLE] * 3
        assert results[2].retry_after_s
        assert not results[2].fault
        assert (await sink.deliver(notification(target="ben"))).verdict is Verdict.DELIVERED
        again = await sink.deliver(notification(target="anna", notification_id="n0"))
        assert again.verdict is Verdict.DELIVERED

    with_sink(use, per_hour="2")


def test_it_writes_to_no_customer() -> None:
    async def use(office: PostOffice, sink: SmtpSink) -> None:
        told = notification(kind=NotificationKind.CUSTOMER, target="anna")
        assert (await sink.deliver(told)).verdict is Verdict.PERMANENT
        assert office.letters == []

    with_sink(use)


@pytest.mark.parametrize(
    ("url", "fields", "what"),
    [
        ("http://x.example", {}, "url: must be smtp"),
        ("smtp://", {}, "url: must be smtp"),
        ("smtp://x.example:y", {}, "url: not a URL"),
        ("smtp://u:p@x.example", {"secrets": ("p",)}, "no password in a URL"),
        ("smtp://u@x.example", {}, "go together"),
        ("smtp://x.example", {"secrets": ("p",)}, "go together"),
        ("smtp://u@x.example", {"secrets": ("env:NONE",)}, "has no NONE"),
        ("smtp://x.example", {"options": {}}, "options.from is missing"),
        ("smtp://x.example", {"options": OPTIONS | {"from": "me"}}, "options.from: no e-mail"),
        ("smtp://x.example", {"options": OPTIONS | {"to": "me"}}, "options.to: no e-mail"),
        ("smtp://x.example", {"options": OPTIONS | {"form": "x"}}, "options.form is unknown"),
        ("smtp://x.example", {"options": OPTIONS | {"per_day": "0"}}, "per_day: a number above 0"),
        ("smtp://x.example", {"options": OPTIONS | {"starttls": "yes"}}, "options.starttls"),
        ("smtp://x.example", {"options": OPTIONS | {"ca_file": "/none"}}, "options.ca_file"),
        (
            "smtp://u@x.example",
            {"secrets": ("p",), "options": OPTIONS | {"starttls": "no"}},
            "would go to x.example without TLS",
        ),
    ],
)
def test_what_is_wrong_is_said(url: str, fields: dict[str, Any], what: str) -> None:
    made = making(url, **fields)
    with pytest.raises(Misconfigured, match=what):
        build(made.name, made.settings, made.outbound, PEOPLE, made.config, made.secret)


def test_where_the_relay_is() -> None:
    far = relay_of(making("smtp://u%40x@relay.example", secrets=("env:PASSWORD",)))
    assert (far.host, far.port, far.starttls, far.implicit) == ("relay.example", 587, True, False)
    assert (far.user, far.password) == ("u@x", "hidden")
    assert relay_of(making("smtps://relay.example")).implicit
    assert relay_of(making("smtps://relay.example")).port == 465
    assert relay_of(making("smtp://127.0.0.1:25")).starttls is None
    assert relay_of(making(options=OPTIONS | {"starttls": "no"})).starttls is False
