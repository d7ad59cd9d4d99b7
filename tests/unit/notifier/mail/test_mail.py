"""Mails and the relay: what stands in them, and what each answer of the relay means."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from deploy.embedded.ports import free_port
from services.notifier.ports import Result, Verdict
from services.notifier.sinks.mail import Content, Mail, Relay, Sender, mailbox, written
from shared import mail_tokens
from tests.unit.notifier.mail.post_office import (
    PASSWORD,
    PostOffice,
    certificate,
    post_office,
    server_tls,
    strict_post_office,
)

T0 = 1_780_000_000_000
SECRET = "newest"
SENDER = Sender(mailbox("Shop <support@shop.example>"), "mail.shop.example", SECRET)
TO = mailbox("ana@customer.example", "Ana Prowse")
CONTENT = Content(
    name="0123456789abcdef",
    to=TO,
    subject="Re: Lamp",
    text="Wir kümmern uns.\n\n" + "A long line. " * 40,
    automatic="auto-replied",
    at=T0,
    references=("m1@customer.example", "m2@shop.example"),
    language="de",
)
Use = Callable[[PostOffice], Awaitable[None]]


def parsed(mail: Mail) -> EmailMessage:
    found = message_from_bytes(mail.content, policy=policy.default)
    assert isinstance(found, EmailMessage)
    return found


def test_a_mail_says_what_it_is() -> None:
    mail = written(CONTENT, SENDER)
    found = parsed(mail)
    assert (mail.sender, mail.recipient) == ("", "ana@customer.example")
    assert mail.message_id == "0123456789abcdef@mail.shop.example"
    assert found["message-id"] == f"<{mail.message_id}>"
    assert found["in-reply-to"] == "<m2@shop.example>"
    assert found["references"] == "<m1@customer.example> <m2@shop.example>"
    assert found["auto-submitted"] == "auto-replied"
    assert found["x-auto-response-suppress"] == "All"
    assert found["content-language"] == "de"
    assert found["from"] == "Shop <support@shop.example>"
    assert found["to"] == "Ana Prowse <ana@customer.example>"
    assert found["date"] == "Thu, 28 May 2026 20:26:40 +0000"
    assert found.get_content().replace("\r\n", "\n").rstrip() == CONTENT.text.rstrip()
    assert max(map(len, mail.content.split(b"\r\n"))) <= 78
    assert mail.content.isascii()


def test_the_same_notification_is_the_same_mail() -> None:
    assert written(CONTENT, SENDER) == written(CONTENT, SENDER)
    other = written(CONTENT._replace(name="ff"), SENDER)
    assert other.message_id != written(CONTENT, SENDER).message_id


def test_the_thread_is_in_every_address_that_something_comes_back_to() -> None:
    sender = SENDER._replace(reply_to="support@shop.example", bounces="b@shop.example")
    mail = written(CONTENT, sender)
    thread = mail_tokens.thread_of("m1@customer.example")
    assert mail_tokens.read([SECRET], mail.sender) == thread
    assert mail_tokens.read([SECRET], str(parsed(mail)["reply-to"])) == thread
    assert mail_tokens.is_loop([SECRET], parsed(mail)["x-tocsin-loop"], mail.message_id, thread)


def test_long_ids_stay_whole() -> None:
    ids = tuple(f"{'x' * 300}{number}@customer.example" for number in range(16))
    found = parsed(written(CONTENT._replace(references=ids), SENDER))
    assert found["references"].split() == [f"<{one}>" for one in ids]
    assert found["in-reply-to"] == f"<{ids[-1]}>"


@pytest.mark.parametrize(
    "bad", ["a\r\nBcc: b@x.example", "a\nBcc: b", "\x00", "a\u2028b", "\ud800"]
)
def test_nobody_adds_a_header_by_what_he_writes(bad: str) -> None:
    content = CONTENT._replace(
        subject=bad,
        to=mailbox("ana@x.example", bad),
        references=(bad, "ok@x.example"),
        headers=(("List-Id", bad),),
    )
    found = parsed(written(content, SENDER))
    assert found["bcc"] is None
    assert set(map(str.lower, found.keys())) >= {"from", "to", "subject", "references"}
    assert found["references"].endswith("<ok@x.example>")


@pytest.mark.parametrize(
    "bad", ["", "ana", "@", "a@", "@x.example", "a@b@c", "a b@x.example", "a@x..example", "a@\n"]
)
def test_what_is_no_address_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="no e-mail address"):
        mailbox(bad)


def test_a_domain_of_another_script_is_written_in_ascii() -> None:
    assert mailbox("ana@bücher.example").addr_spec == "ana@xn--bcher-kva.example"


def relay(office: PostOffice, timeout_s: float = 5.0) -> Relay:
    return Relay("localhost", office.port, timeout_s, starttls=None)


def with_office(use: Use) -> None:
    async def main() -> None:
        async with post_office() as office:
            await use(office)

    asyncio.run(main())


def test_a_mail_is_delivered() -> None:
    async def use(office: PostOffice) -> None:
        mail = written(CONTENT, SENDER)
        result = await relay(office).send(mail)
        assert result == Result(Verdict.DELIVERED, reference=mail.message_id)
        [letter] = office.letters
        assert (letter.sender, letter.recipients) == ("", ("ana@customer.example",))
        assert letter.content == mail.content
        bounced = SENDER._replace(bounces="b@shop.example")
        assert (await relay(office).send(written(CONTENT, bounced))).verdict is Verdict.DELIVERED
        assert office.letters[1].sender.startswith("b+")

    with_office(use)


@pytest.mark.parametrize("where", ["at_mail", "at_rcpt", "at_data"])
@pytest.mark.parametrize(
    ("answer", "verdict", "fault"),
    [
        ("451 4.3.0 try again", Verdict.RETRYABLE, False),
        ("450 4.2.1 greylisted", Verdict.RETRYABLE, False),
        ("421 4.3.2 closing", Verdict.RETRYABLE, True),
        ("530 5.7.0 authentication required", Verdict.RETRYABLE, True),
        ("535 5.7.8 credentials invalid", Verdict.RETRYABLE, True),
        ("550 5.1.1 no such user", Verdict.PERMANENT, False),
        ("552 5.3.4 too big", Verdict.PERMANENT, False),
    ],
)
def test_what_the_relay_says_of_a_mail(
    where: str, answer: str, verdict: Verdict, fault: bool
) -> None:
    async def use(office: PostOffice) -> None:
        setattr(office, where, answer)
        result = await relay(office).send(written(CONTENT, SENDER))
        assert (result.verdict, result.fault) == (verdict, fault), result
        assert result.detail == answer
        assert office.letters == []

    with_office(use)


def test_a_relay_that_is_away_slow_or_strange_is_at_fault() -> None:
    async def use(office: PostOffice) -> None:
        mail = written(CONTENT, SENDER)
        office.stuck = asyncio.Event()
        began = time.monotonic()
        late = await relay(office, 0.3).send(mail)
        assert time.monotonic() - began < 3
        away = await Relay("localhost", free_port(), 2.0).send(mail)
        nowhere = await Relay("nothing.invalid", 25, 2.0).send(mail)
        no_tls = await Relay("localhost", office.port, 2.0, starttls=True).send(mail)
        for result in (late, away, nowhere, no_tls):
            assert (result.verdict, result.fault) == (Verdict.RETRYABLE, True), result
            assert result.detail
        assert "0.3 s" in late.detail

    with_office(use)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("tls"))


def trusting(folder: Path) -> Relay:
    import ssl

    context = ssl.create_default_context(cafile=str(folder / "cert.pem"))
    return Relay("localhost", 0, 5.0, user="tocsin", password=PASSWORD, tls=context)


def test_tls_and_password(folder: Path) -> None:
    async def main() -> None:
        mail = written(CONTENT, SENDER)
        async with strict_post_office(server_tls(folder)) as office:
            good = trusting(folder)._replace(port=office.port)
            assert (await good.send(mail)).verdict is Verdict.DELIVERED
            [letter] = office.letters
            assert (letter.encrypted, letter.user) == (True, "tocsin")
            wrong = await good._replace(password="guess").send(mail)
            assert (wrong.verdict, wrong.fault) == (Verdict.RETRYABLE, True)
            assert "535" in wrong.detail
            strange = await good._replace(tls=None).send(mail)
            assert (strange.verdict, strange.fault) == (Verdict.RETRYABLE, True)
            plain = await good._replace(starttls=False, user="", password="").send(mail)
            assert plain.verdict is not Verdict.DELIVERED
            assert len(office.letters) == 1

    asyncio.run(main())


def test_tls_from_the_first_byte(folder: Path) -> None:
    async def main() -> None:
        async with post_office(server_tls(folder), implicit=True) as office:
            good = trusting(folder)._replace(port=office.port, implicit=True, user="", password="")
            assert (await good.send(written(CONTENT, SENDER))).verdict is Verdict.DELIVERED
            assert office.letters

    asyncio.run(main())


def test_what_the_event_loop_makes_of_a_broken_connection_is_a_fault_of_the_relay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> Result:
        async def broken(*_: object, **__: object) -> None:
            raise RuntimeError("unable to perform operation on <TCPTransport closed=True>")

        monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", broken)
        return await Relay("127.0.0.1", 1, 1.0, starttls=False).send(written(CONTENT, SENDER))

    result = asyncio.run(main())
    assert (result.verdict, result.fault) == (Verdict.RETRYABLE, True)
