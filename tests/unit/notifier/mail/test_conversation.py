"""From intake to the mail that answers, and back: one conversation."""

from __future__ import annotations

from email import message_from_bytes

import pytest

from services.ingest.channels.email.parts import Envelope
from services.ingest.channels.provider import Settings
from services.ingest.channels.replying import route_of
from services.ingest.prepare import Door, Preparer
from services.notifier.sinks.mail import Content, Sender, mailbox, written
from shared.clock import ManualClock
from shared.mail_tokens import mint, read, thread_of
from shared.topics import Names
from tests.unit.ingest.email.mails import item_with


@pytest.mark.parametrize(
    ("headers", "recipient"),
    [
        ({"Thread-Index": "AdhLqZbTS2h5bWJhbGwgb3V0bG9vaw=="}, "support@shop.example"),
        ({}, f"support+{mint('golden', '0123456789abcdef')}@shop.example"),
        ({"Message-ID": None}, "support@shop.example"),
    ],
)
def test_an_answer_belongs_to_the_conversation_however_intake_knew_it(
    headers: dict[str, str | None], recipient: str
) -> None:
    settings = Settings(name="inbox", options={"thread_secret": "golden"})
    envelope = Envelope(recipients=(recipient,))
    asked = item_with(headers, envelope=envelope, settings=settings)
    preparer = Preparer("acme", b"secret", Names(), ManualClock(1))
    event = preparer.prepare(asked, Door(source="inbox")).event
    assert event is not None
    to = route_of(asked, event, "email:ana@customer.example")
    assert to is not None
    assert to.thread == event.thread_id
    sender = Sender(
        mailbox("us@shop.example"), "mail.shop.example", "golden", "support@shop.example"
    )
    content = Content(
        "n", mailbox(to.address), "s", "t", "auto-replied", 1, to.references, thread=to.thread
    )
    reply_to = message_from_bytes(written(content, sender).content)["Reply-To"]
    answer = {"Message-ID": "<m9@customer.example>", "To": reply_to}
    answered = item_with(answer, envelope=Envelope(recipients=(reply_to,)), settings=settings)
    assert answered.thread_id == event.thread_id


@pytest.mark.parametrize(("local", "thread"), [("support", "a" * 32), ("s" * 16, "")])
def test_a_token_that_would_make_an_address_too_long_is_left_out(local: str, thread: str) -> None:
    sender = Sender(mailbox("us@shop.example"), "shop.example", "golden", f"{local}@shop.example")
    content = Content(
        "n", mailbox("a@b.example"), "s", "t", "auto-replied", 1, ("m1@b.example",), "", "a" * 32
    )
    reply_to = message_from_bytes(written(content, sender).content)["Reply-To"]
    assert len(reply_to.partition("@")[0]) <= 64
    assert read(["golden"], reply_to) == (thread or thread_of("m1@b.example"))
