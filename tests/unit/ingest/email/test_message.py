"""Messages and parts → items."""

from __future__ import annotations

import base64
import hashlib
import time

import pytest

from services.ingest.channels.email.message import from_parts, parse_message
from services.ingest.channels.email.mime import guessed
from services.ingest.channels.email.parts import Checks, Envelope, Parts
from services.ingest.channels.rejection import Refusal, Rejected
from shared.events import Attachment, Channel, Flag, Medium, Origin, TimeQuality
from tests.unit.ingest.email.mails import NOW, SETTINGS, item, multipart, raw


def test_an_ordinary_mail() -> None:
    found = item(
        envelope=Envelope(sender="ana@customer.example", recipients=("Support@shop.example",))
    )
    assert found.native_id == "m1@customer.example"
    assert (found.channel, found.medium) == (Channel.EMAIL, Medium.EMAIL)
    assert found.text == "Lamp arrived broken\n\nThe lamp is broken."
    assert found.title == "Lamp arrived broken"
    assert (found.author, found.display_name) == ("ana@customer.example", "Ana Prowse")
    assert found.occurred_at == 1_772_438_400_000
    assert found.time_quality is TimeQuality.EXACT
    assert found.origin is Origin.HUMAN
    assert found.may_auto_respond
    assert found.original is None
    assert found.attributes == {"mailbox": "support"}
    assert found.parent_id is None


def test_a_reply_has_neither_title_nor_quotes_in_its_text_and_the_original_is_kept() -> None:
    body = (
        "Still broken.\r\n\r\nOn Mon, 2 Mar 2026 Shop <support@shop.example> wrote:\r\n> Sorry!\r\n"
    )
    found = item(body, Subject="Re: Lamp arrived broken", In_Reply_To="<m0@x.example>")
    assert found.text == "Still broken."
    assert found.title == "Re: Lamp arrived broken"
    assert found.parent_id == "m0@x.example"
    assert found.original == raw(
        body, Subject="Re: Lamp arrived broken", In_Reply_To="<m0@x.example>"
    )


def test_a_reply_without_a_body_says_it_in_the_subject() -> None:
    assert item("", Subject="Re: Lamp: keep it").text == "Re: Lamp: keep it"


def test_a_forwarded_mail_is_kept_whole() -> None:
    body = (
        "See below.\r\n\r\n---------- Forwarded message ---------\r\nFrom: a@b.example\r\n> old\r\n"
    )
    assert "> old" in item(body, Subject="Fwd: Lamp").text


def test_html_is_converted_and_the_original_kept() -> None:
    found = item("<p>The <b>lamp</b> is<br>broken</p>", Content_Type="text/html; charset=utf-8")
    assert found.text == "Lamp arrived broken\n\nThe lamp is\nbroken"
    assert found.original is not None


def test_the_plain_alternative_is_preferred_unless_it_only_points_to_the_html() -> None:
    kind, body = multipart(
        ("text/plain", "Plain words."), ("text/html", "<p>Plain words.</p>"), kind="alternative"
    )
    assert item(body, Content_Type=kind).text.endswith("Plain words.")
    story = "<p>" + "The lamp went up in smoke. " * 10 + "</p>"
    kind, body = multipart(
        ("text/plain", "Please view in HTML."), ("text/html", story), kind="alternative"
    )
    assert "smoke" in item(body, Content_Type=kind).text


def test_attachments_are_described_and_never_inline() -> None:
    content = b"\x89PNG fake"
    kind, body = multipart(
        ("text/plain", "See the photo."),
        (
            "image/png; name*=utf-8''l%C3%A4mpchen.png\r\nContent-Transfer-Encoding: base64",
            base64.b64encode(content).decode(),
        ),
        ('application/ms-tnef; name="winmail.dat"', "x"),
    )
    found = item(body, Content_Type=kind)
    assert found.attachments[0] == Attachment(
        name="lämpchen.png",
        media_type="image/png",
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )
    assert found.attachments[1].name == "winmail.dat"


def test_broken_base64_of_an_attachment_or_a_body_costs_nothing_else() -> None:
    kind, body = multipart(
        ("text/plain", "Text."), ("image/png\r\nContent-Transfer-Encoding: base64", "*!*")
    )
    found = item(body, Content_Type=kind)
    assert found.text.endswith("Text.")
    assert found.attachments[0].sha256 is None
    assert "Hel" in item("SGVsbG8*gd29ybGQ\r\n", Content_Transfer_Encoding="base64").text


@pytest.mark.parametrize(
    ("content_type", "body", "text"),
    [
        ("text/plain; charset=iso-8859-1", "Gr\xfc\xdfe".encode("latin-1"), "Grüße"),
        ("text/plain; charset=utf-8", "Gr\xfc\xdfe".encode("latin-1"), "Grüße"),
        ("text/plain; charset=x-unknown", "Grüße".encode(), "Grüße"),
        ("text/plain; charset=us-ascii", "Grüße".encode(), "Grüße"),
        (None, "Grüße".encode(), "Grüße"),
        ("text/plain; charset=iso-2022-jp", "壊れた".encode("iso-2022-jp"), "壊れた"),
        ("text/plain; charset=gb2312", "坏了".encode("gb2312"), "坏了"),
        ("text/plain; charset=windows-1251", "сломано".encode("cp1251"), "сломано"),
    ],
)
def test_charsets(content_type: str | None, body: bytes, text: str) -> None:
    assert item(body, Content_Type=content_type).text.endswith(text)


def test_headers_in_eight_bits_and_encoded_words() -> None:
    latin = raw().replace(b"Lamp arrived broken", "Läuft nicht".encode("latin-1"))
    assert parse_message(latin, Envelope(), SETTINGS, NOW).title == "Läuft nicht"
    found = item(Subject="=?utf-8?B?S2FwdXR0?=", From="=?iso-8859-1?q?J=F6rg?= <j@x.example>")
    assert (found.title, found.display_name) == ("Kaputt", "Jörg")


def test_a_missing_message_id_is_made_from_the_content() -> None:
    first = item(Message_ID=None)
    assert first.native_id.startswith("derived:")
    assert first.native_id == item(Message_ID=None).native_id
    assert first.native_id != item("Another text.", Message_ID=None).native_id


def test_the_same_mail_in_two_mailboxes_is_the_same_revision() -> None:
    one = item(envelope=Envelope(recipients=("support@shop.example",)))
    two = item(envelope=Envelope(recipients=("info@shop.example",)))
    assert (one.native_id, one.revision) == (two.native_id, two.revision)
    assert item("Reused id, other words.").revision != one.revision


def test_without_a_usable_date_the_first_server_tells_the_time() -> None:
    received = "from a by b; Mon, 2 Mar 2026 08:00:00 +0000"
    assert item(Date=None).occurred_at is None
    assert item(Date="yesterday", Received=received).occurred_at == 1_772_438_400_000
    assert item(Date="Mon, 2 Mar 2099 08:00:00 +0000", Received=received).occurred_at == (
        1_772_438_400_000
    )


def test_a_relay_writes_for_the_person_in_reply_to() -> None:
    found = item(
        From="Contact form <forms@web.example>",
        Reply_To="Ben <ben@customer.example>",
        Auto_Submitted="auto-generated",
    )
    assert (found.author, found.display_name) == ("ben@customer.example", "Ben")
    assert found.origin is Origin.HUMAN
    assert found.may_auto_respond
    assert not found.author_verified


def test_a_name_that_is_an_address_is_not_shown() -> None:
    assert item(From='"ana@customer.example" <ana@customer.example>').display_name is None


@pytest.mark.parametrize(
    ("header", "author"),
    [
        ('"boss@example.com <boss@example.com>" <eve@evil.example>', "eve@evil.example"),
        (r'"a \" <boss@example.com> \"" <eve@evil.example>', "eve@evil.example"),
        ('"<boss@example.com>" eve@evil.example', "eve@evil.example"),
        ("(<boss@example.com>) eve@evil.example", "eve@evil.example"),
        ("eve@evil.example (boss@example.com)", "eve@evil.example"),
        ('"Ana <ana@customer.example>"', "ana@customer.example"),
        ('"Ana" <ana@customer.example>', "ana@customer.example"),
        ('Ana "the <cook" <ana@customer.example>', "ana@customer.example"),
    ],
)
def test_an_address_in_a_quoted_name_is_not_the_author(header: str, author: str) -> None:
    assert item(From=header).author == author


@pytest.mark.parametrize(
    "charset", ["punycode", "idna", "rot13", "zlib", "unicode_escape", "x" * 99]
)
def test_only_charsets_of_mail_are_believed(charset: str) -> None:
    started = time.monotonic()
    assert guessed(b"a-" * 200_000, charset) == "a-" * 200_000
    assert guessed("für".encode("cp1252"), charset) == "für"
    assert time.monotonic() - started < 2.0


def test_a_text_that_is_not_in_its_stated_charset_is_read_as_what_it_is() -> None:
    assert guessed("für".encode(), "us-ascii") == "für"
    assert guessed("für".encode("cp1252"), "utf-8") == "für"
    assert guessed("日本".encode("shift_jis"), "Shift_JIS") == "日本"


def test_spam_verdicts_count_only_from_somebody_trusted() -> None:
    checked = Envelope(checks=Checks(spam=True, dmarc="fail"))
    assert item(envelope=checked).flags == (Flag.SPAM, Flag.UNVERIFIED_SENDER)
    assert item(X_Spam_Flag="YES").flags == ()
    assert item(X_Spam_Flag="YES", envelope=Envelope(trusted=True)).flags == (Flag.SPAM,)


def test_whom_a_forged_or_unwanted_mail_names_gets_no_automatic_answer() -> None:
    for checks in (Checks(dmarc="fail"), Checks(dmarc="pass", spam=True)):
        assert not item(envelope=Envelope(checks=checks)).may_auto_respond
    for envelope in (Envelope(checks=Checks(dmarc="pass")), Envelope()):
        assert item(envelope=envelope).may_auto_respond


def test_header_blocks_beyond_reason_are_cut_and_the_original_is_kept() -> None:
    flood = raw(X_Flood="=?utf-8?q?a?= " * 40_000)
    found = parse_message(flood, Envelope(), SETTINGS, NOW)
    assert found.native_id == "m1@customer.example"
    assert found.text.endswith("The lamp is broken.")


def test_a_multipart_without_its_parts_keeps_its_text() -> None:
    found = item("The lamp burns.\r\n", Content_Type='multipart/mixed; boundary="nowhere"')
    assert found.text.endswith("The lamp burns.")


def test_old_macs_and_mailbox_files() -> None:
    assert parse_message(raw().replace(b"\r\n", b"\r"), Envelope(), SETTINGS, NOW).title
    assert parse_message(b"From ana Mon Mar 2\n" + raw(), Envelope(), SETTINGS, NOW).title


@pytest.mark.parametrize("nothing", [b"", b"\r\n \r\n", b"Content-Type: text/plain\r\n\r\n"])
def test_nothing_is_rejected(nothing: bytes) -> None:
    with pytest.raises(Rejected) as caught:
        parse_message(nothing, Envelope(), SETTINGS, NOW)
    assert caught.value.reason in {Refusal.EMPTY, Refusal.EMPTY_TEXT}


def test_parts_of_a_provider_become_the_same_item_as_the_raw_message() -> None:
    parts = Parts(
        headers=(
            ("Message-Id", "<m1@Customer.Example>"),
            ("from", "Ana Prowse <ana@customer.example>"),
            ("Date", "Mon, 02 Mar 2026 09:00:00 +0100"),
        ),
        subject="Lamp arrived broken",
        text="The lamp is broken.\r\n",
    )
    found, whole = from_parts(parts, Envelope(), SETTINGS, NOW), item()
    assert (found.native_id, found.text, found.author) == (
        whole.native_id,
        whole.text,
        whole.author,
    )
    assert (found.revision, found.thread_id) == (whole.revision, whole.thread_id)


def test_the_providers_own_reply_is_taken_but_not_for_forwarded_mail() -> None:
    parts = Parts(subject="Re: Lamp", sender="a@b.example", text="No.\n> old\n", stripped="No!")
    assert from_parts(parts, Envelope(), SETTINGS, NOW).text == "No!"
    forward = Parts(subject="Fwd: Lamp", sender="a@b.example", text="> old\n", stripped="x")
    assert "> old" in from_parts(forward, Envelope(), SETTINGS, NOW).text


def test_parts_without_a_raw_message_keep_the_text_as_original() -> None:
    parts = Parts(subject="Re: Lamp", sender="a@b.example", text="No.\n> old\n")
    assert from_parts(parts, Envelope(), SETTINGS, NOW).original == b"No.\n> old\n"
