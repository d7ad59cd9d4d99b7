"""Machine mail and loops: the rules in their order, and people who must not be taken for machines."""

from __future__ import annotations

import logging

import pytest

from services.ingest.channels.email.message import from_parts
from services.ingest.channels.email.parts import Checks, Envelope, Parts
from services.ingest.channels.provider import Settings
from services.ingest.prepare import is_customer
from shared import mail_tokens
from shared.events import Flag, Origin, Role
from tests.unit.ingest.email.mails import NOW, SETTINGS, item, item_with, multipart

BOUNCES = {Origin.BOUNCE_HARD, Origin.BOUNCE_SOFT}

# (subject, text, further headers): all by people, all to be answered like any other.
PEOPLE: list[tuple[str, str, dict[str, str]]] = [
    ("Delivery failed again", "Your driver could not deliver the parcel. It came back to you.", {}),
    ("Undelivered parcel", "The message on the door said it could not be delivered. Where is it?", {}),
    ("Mail could not be delivered", "Your newsletter could not be delivered to my new flat.", {}),
    ("Failure notice on the boiler display", "It shows error 5.1.1 and 550, then stops.", {}),
    ("Returned mail", "I returned the lamp by mail two weeks ago, no refund so far.", {}),
    ("Delivery report", "Please send me the delivery report for order 4711.", {}),
    ("Message not delivered?", "I wrote three times. Were my messages not delivered?", {}),
    ("Warning: message on the screen", "The oven says: temporary failure, please try again later.", {}),
    ("Status: 5.0.0", "Why does my order say Status: 5.0.0 and Action: failed?", {}),
    ("Mailbox full", "My letter box is full of your adverts. Stop it.", {}),
    ("Permanent delivery address", "Please use this as my permanent delivery address.", {}),
    ("Non-delivery of order 12", "Four weeks and nothing. I want my money back.", {}),
    ("Unzustellbar?", "Der Bote meinte, das Paket sei unzustellbar. Ich war zu Hause!", {}),
    ("Re: your message", "My mailer-daemon joke did not land, sorry. The lamp is still broken.", {}),
    ("RE: Delivery delayed", "Delayed again? This is the third time.", {"In-Reply-To": "<x@y.example>"}),
    ("Fwd: Undeliverable: invoice", "I got this when I answered you:\r\n\r\nUndeliverable: invoice", {}),
    ("FW: Mail delivery failed: returning message to sender", "Look what your address does.", {}),
    ("WG: Unzustellbar: Rechnung", "Ihre Adresse funktioniert nicht.", {}),
    ("Out of office hours nobody answers", "I rang at 18:05 and nobody answered.", {}),
    ("Out of the office when the courier came", "He left no note.", {}),
    ("Automatic reply is all I ever get", "Can a person please read this?", {}),
    ("No postmaster here", "The postmaster of my village says it never arrived.", {}),
    ("", "No subject, just: the app crashes when I pay.", {}),
    ("Réponse à votre message", "Je n'ai pas reçu le colis, message non remis par le gardien.", {}),
    ("No se pudo entregar", "El paquete no se pudo entregar porque la dirección era errónea.", {}),
    ("Não entregue", "A encomenda não foi entregue.", {}),
    ("配達できません", "荷物が届きません。", {}),
    ("Report Domain: none", "I see your report domain in my DMARC data, why?", {}),
    ("DMARC report", "Your mails fail DMARC. Status 5.7.1 at our gateway. Please fix it.", {}),
    ("Auto-Submitted no", "A person wrote this.", {"Auto-Submitted": "no"}),
    ("Auto-Submitted no with comment", "A person too.", {"Auto-Submitted": "No (really)"}),
    ("Suppressed none", "Exchange writes such things.", {"X-Auto-Response-Suppress": "None"}),
    ("Read receipt wanted", "Please confirm.", {"Disposition-Notification-To": "ana@customer.example"}),
    ("Autoreply off", "Person.", {"X-Autoreply": "no"}),
    ("Normal precedence", "Person.", {"Precedence": "normal"}),
    ("Return path", "Person.", {"Return-Path": "<ana@customer.example>"}),
    ("Priority", "Person.", {"X-Priority": "1", "Importance": "high"}),
    ("quota exceeded", "Your cloud says quota exceeded and the mailbox is full. I pay for 1 TB!", {}),
    ("Hello", "Reporting-MTA: what does it mean? Final-Recipient: and this?", {}),
    ("Was kostet", "Diagnostic-Code: smtp; 550 5.1.1 User unknown - das steht in Ihrem Brief.", {}),
    ("Bounce house", "The bounce house lost air with my child inside.", {}),
    ("Delivery Status Notification missing", "You promised a message when it ships.", {}),
]  # fmt: skip


@pytest.mark.parametrize(("subject", "text", "headers"), PEOPLE)
def test_people_are_people(subject: str, text: str, headers: dict[str, str]) -> None:
    found = item_with({"Subject": subject, **headers}, text)
    assert (found.origin, found.role) == (Origin.HUMAN, Role.CUSTOMER)


def test_there_are_forty_of_them() -> None:
    assert len(PEOPLE) >= 40


@pytest.mark.parametrize(
    ("headers", "origin"),
    [
        ({"Auto-Submitted": "auto-replied; owner-email=x"}, Origin.AUTO_REPLY),
        ({"Auto-Submitted": "AUTO-GENERATED (nightly)"}, Origin.AUTO_GENERATED),
        ({"Auto-Submitted": "auto-notified"}, Origin.AUTO_GENERATED),
        ({"X-Autoreply": "yes"}, Origin.AUTO_REPLY),
        ({"X-Autorespond": "vacation"}, Origin.AUTO_REPLY),
        ({"X-Auto-Reply-From": "ana@customer.example"}, Origin.AUTO_REPLY),
        ({"Precedence": "auto_reply"}, Origin.AUTO_REPLY),
        (
            {"X-Auto-Response-Suppress": "All", "X-MS-Exchange-Inbox-Rules-Loop": "a@b.example"},
            Origin.AUTO_REPLY,
        ),
        ({"Precedence": "list"}, Origin.BULK),
        ({"Precedence": "Bulk"}, Origin.BULK),
        ({"List-Id": "Neighbours <n.lists.example>"}, Origin.BULK),
        ({"List-Unsubscribe": "<mailto:x@lists.example>"}, Origin.BULK),
        ({"Return-Path": "<>"}, Origin.AUTO_GENERATED),
    ],
)
def test_machines_by_their_headers(headers: dict[str, str], origin: Origin) -> None:
    found = item_with(headers)
    assert found.origin is origin
    assert not found.may_auto_respond


@pytest.mark.parametrize(
    "headers",
    [
        {"From": "no-reply@customer.example"},
        {"From": "Do Not Reply <donotreply@customer.example>"},
        {"From": "owner-choir@lists.example"},
        {"From": "choir-request@lists.example"},
        {"X-Auto-Response-Suppress": "OOF, AutoReply"},
        {"Subject": "Automatische Antwort: Lampe"},
        {"From": "nobody"},
    ],
)
def test_weak_signs_only_forbid_the_automatic_answer(headers: dict[str, str]) -> None:
    found = item_with(headers)
    assert found.origin is Origin.HUMAN
    assert not found.may_auto_respond


def _dsn(status: str, action: str, **headers: str) -> tuple[str, str]:
    fields = f"Reporting-MTA: dns; mx.example\r\n\r\nAction: {action}\r\nStatus: {status}\r\n"
    original = (
        "Message-ID: <out7@mail.shop.example>\r\nReferences: <m1@customer.example>\r\n"
        "Subject: Re: Lamp\r\n"
    )
    kind, body = multipart(
        ("text/plain", "Your mail did not arrive."),
        ("message/delivery-status", fields),
        ("text/rfc822-headers", original),
        kind="report; report-type=delivery-status",
    )
    return kind, body


@pytest.mark.parametrize(
    ("status", "action", "origin", "kept"),
    [
        ("5.1.1", "failed", Origin.BOUNCE_HARD, "5.1.1"),
        ("4.4.7", "delayed", Origin.BOUNCE_SOFT, "4.4.7"),
        ("2.0.0", "delivered", Origin.RECEIPT, None),
        ("2.0.0", "relayed", Origin.RECEIPT, None),
    ],
)
def test_delivery_status(status: str, action: str, origin: Origin, kept: str | None) -> None:
    kind, body = _dsn(status, action)
    found = item(body, From="MAILER-DAEMON@mx.example", Content_Type=kind)
    assert found.origin is origin
    assert found.role is Role.BOT
    assert found.parent_id == "out7@mail.shop.example"
    assert found.attributes.get("bounce_status") == kept


def test_a_bounce_belongs_to_the_conversation_of_the_mail_that_bounced() -> None:
    kind, body = _dsn("5.1.1", "failed")
    found = item(
        body, From="MAILER-DAEMON@mx.example", Message_ID="<b@mx.example>", Content_Type=kind
    )
    assert found.thread_id == item().thread_id


@pytest.mark.parametrize(
    ("report", "origin"),
    [
        ("disposition-notification", Origin.RECEIPT),
        ("feedback-report", Origin.ABUSE_REPORT),
        ("tlsrpt", Origin.AUTO_GENERATED),
    ],
)
def test_other_reports(report: str, origin: Origin) -> None:
    kind, body = multipart(
        ("text/plain", "A report."),
        (f"message/{report}", "Version: 1"),
        kind=f"report; report-type={report}",
    )
    assert item(body, Content_Type=kind).origin is origin


def test_an_aggregate_report_in_a_zip_is_no_bounce() -> None:
    kind, body = multipart(("text/plain", "Aggregate report"), ("application/zip", "PK"))
    found = item(
        body,
        From="noreply-dmarc@big.example",
        Subject="Report Domain: shop.example Submitter: big.example",
        Content_Type=kind,
    )
    assert found.origin is Origin.HUMAN
    assert not found.may_auto_respond


@pytest.mark.parametrize(
    ("subject", "text", "origin"),
    [
        (
            "Mail delivery failed: returning message to sender",
            "This message was created automatically by mail delivery software.\r\n\r\n550 no such user",
            Origin.BOUNCE_HARD,
        ),
        (
            "Warning: message delayed 24 hours",
            "could not be delivered to one of its recipients yet; it will be retried.",
            Origin.BOUNCE_SOFT,
        ),
        ("Undeliverable: Lamp", "4.2.2 mailbox full", Origin.BOUNCE_SOFT),
    ],
)
def test_bounces_without_structure(subject: str, text: str, origin: Origin) -> None:
    found = item(text, From="Mail Delivery System <mailer-daemon@mx.example>", Subject=subject)
    assert found.origin is origin


def test_failed_recipients_are_enough() -> None:
    assert item("x", X_Failed_Recipients="ana@customer.example").origin in BOUNCES


def test_the_envelope_beats_the_header() -> None:
    human = Envelope(sender="ana@customer.example")
    assert item(envelope=human, Return_Path="<>").origin is Origin.HUMAN
    assert item(envelope=Envelope(sender="")).origin is Origin.AUTO_GENERATED


OURS = {
    "From": "Shop <support@shop.example>",
    "To": "ana@customer.example",
    "Message-ID": "<77.x@Mail.shop.example>",
    "References": "<m1@customer.example>",
}
THREAD = mail_tokens.thread_of("m1@customer.example")


@pytest.mark.parametrize("secret", ["golden-new", "golden-old"])
def test_what_bears_our_token_is_ours(secret: str) -> None:
    token = mail_tokens.mint_loop(secret, "77.x@mail.shop.example", THREAD)
    for headers, role in (
        (OURS, Role.AGENT),
        (OURS | {"From": "forms@web.example", "Reply-To": "ben@customer.example"}, Role.AGENT),
        (OURS | {"Auto-Submitted": "auto-replied"}, Role.BOT),  # no answer of a person
    ):
        found = item_with({**headers, "X-Tocsin-Loop": token.upper()})
        assert (found.origin, found.role) == (Origin.OWN_ECHO, role)
        assert not found.may_auto_respond
        assert found.thread_id == THREAD


@pytest.mark.parametrize(
    "headers",
    [
        {"Message-ID": "<78.x@mail.shop.example>"},
        {"References": "<of-another@customer.example>"},
        {"Message-ID": None},
        {"X-Tocsin-Loop": "1"},
        {"X-Tocsin-Loop": ""},
        {"X-Tocsin-Loop": mail_tokens.mint_loop("other", "77.x@mail.shop.example", THREAD)},
    ],
)
def test_a_token_is_good_for_one_message_in_one_thread(headers: dict[str, str | None]) -> None:
    token = mail_tokens.mint_loop("golden-new", "77.x@mail.shop.example", THREAD)
    found = item_with({**OURS, "X-Tocsin-Loop": token, **headers})
    assert (found.origin, found.role) == (Origin.HUMAN, Role.UNKNOWN)


def test_without_a_secret_no_token_is_good() -> None:
    token = mail_tokens.mint_loop("", "77.x@mail.shop.example", THREAD)
    open_house = Settings(name="mail")
    found = item_with({**OURS, "X-Tocsin-Loop": token}, settings=open_house)
    assert found.origin is Origin.HUMAN


PROVEN = Envelope(checks=Checks(dmarc="pass"))


def test_our_own_address_counts_if_it_is_verified() -> None:
    for checks in (PROVEN.checks, Checks(dkim="pass", dkim_domain="shop.example")):
        found = item(envelope=Envelope(checks=checks), From="Info <INFO@shop.example>")
        assert (found.origin, found.role) == (Origin.OWN_ECHO, Role.AGENT)


@pytest.mark.parametrize(
    ("headers", "envelope"),
    [
        ({"X-Tocsin-Loop": "1"}, Envelope()),
        ({"X-Tocsin-Loop": "1"}, PROVEN),
        ({"Message-ID": "<77.x@mail.shop.example>"}, Envelope()),
        ({"From": "Info <INFO@shop.example>"}, Envelope()),
        ({"From": "Info <INFO@shop.example>"}, Envelope(trusted=True)),
        ({"From": "Info <INFO@shop.example>"}, Envelope(checks=Checks(dmarc="fail", spf="pass"))),
        ({"From": "info@shop.example, eve@evil.example"}, PROVEN),
        ({}, Envelope(sender="support@shop.example", checks=Checks(dmarc="pass"))),
        ({"From": "forms@web.example", "Reply-To": "b@c.example", "X-Tocsin-Loop": "1"}, PROVEN),
    ],
)
def test_who_only_claims_to_be_us_is_heard_and_not_answered(
    headers: dict[str, str], envelope: Envelope
) -> None:
    into = {"References": "<victims-first-mail@customer.example>"}
    found = item_with(into | headers, envelope=envelope)
    assert (found.origin, found.role) == (Origin.HUMAN, Role.UNKNOWN)
    assert Flag.UNVERIFIED_SENDER in found.flags
    assert not found.may_auto_respond
    assert is_customer(found)


def test_a_bounce_by_our_own_mail_server_is_a_bounce() -> None:
    kind, body = _dsn("5.1.1", "failed")
    found = item(
        body,
        From="MAILER-DAEMON@mail.shop.example",
        Message_ID="<b1@mail.shop.example>",
        Content_Type=kind,
    )
    assert (found.origin, found.flags) == (Origin.BOUNCE_HARD, ())


def test_our_own_address_as_a_relay() -> None:
    found = item(envelope=PROVEN, From="support@shop.example", Reply_To="ben@customer.example")
    assert (found.origin, found.author) == (Origin.HUMAN, "ben@customer.example")
    assert found.role is Role.CUSTOMER
    assert item(envelope=PROVEN, From="support@shop.example").origin is Origin.OWN_ECHO


def test_bounces_of_a_provider_that_parsed_them() -> None:
    parts = Parts(
        sender="Mail Delivery Subsystem <mailer-daemon@mx.example>",
        subject="Delivery Status Notification (Failure)",
        text="Delivery to the following recipient failed permanently:\n\n  ana@customer.example\n",
        headers=(("Content-Type", "text/plain"),),
    )
    assert from_parts(parts, Envelope(), SETTINGS, NOW).origin is Origin.BOUNCE_HARD


def test_the_library_writes_no_traceback_for_every_hostile_mail() -> None:
    assert not logging.getLogger("flufl.bounce").isEnabledFor(logging.CRITICAL)
