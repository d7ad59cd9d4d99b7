"""Rows as e-mail: whole messages, and the forms in which mail services pass them on."""

from __future__ import annotations

import email.policy
import json
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import format_datetime
from typing import NamedTuple
from urllib.parse import urlencode

from tests.data.doors.rows import Row
from tests.data.doors.sealing import FORM, JSON
from tests.data.doors.writing import Written

DOMAIN = "mail.example.net"
MAILBOX = "support@in.example.com"
_SUBJECT = "Subject: "


class Letterhead(NamedTuple):
    """A row taken apart as a mail."""

    message_id: str
    sender: str
    subject: str
    body: str
    date: str


def letterhead(row: Row) -> Letterhead:
    """Return the parts of the mail; a text that begins with its subject has that taken out."""
    first, _, rest = row.text.partition("\n")
    stated = first.startswith(_SUBJECT) and bool(rest.strip())
    subject = first.removeprefix(_SUBJECT) if stated else f"Ticket {row.number('ticket', 10**6)}"
    return Letterhead(
        message_id=f"{row.token}@{DOMAIN}",
        sender=f"{row.customer}@{DOMAIN}",
        subject=subject.strip(),
        body=(rest if stated else row.text).strip("\n") + "\n",
        date=format_datetime(row.at),
    )


def mime(row: Row) -> bytes:
    """Return the whole message; every third one has HTML beside the text."""
    head = letterhead(row)
    message = EmailMessage(policy=email.policy.SMTP)
    message["From"] = f"{row.customer.title()} <{head.sender}>"
    message["To"] = MAILBOX
    message["Subject"] = head.subject
    message["Date"] = head.date
    message["Message-ID"] = f"<{head.message_id}>"
    message.set_content(head.body)
    if row.number("html", 3) == 0:
        escaped = head.body.replace("&", "&amp;").replace("<", "&lt;").replace("\n", "<br>\n")
        message.add_alternative(f"<html><body><p>{escaped}</p></body></html>", subtype="html")
    return message.as_bytes()


def postmark(rows: Sequence[Row]) -> Written:
    """Return a mail as Postmark posts it."""
    (row,) = rows
    head = letterhead(row)
    payload = {
        "MessageID": row.hex("postmark"),
        "From": head.sender,
        "FromFull": {"Email": head.sender, "Name": row.customer.title(), "MailboxHash": ""},
        "ToFull": [{"Email": MAILBOX, "Name": "", "MailboxHash": ""}],
        "OriginalRecipient": MAILBOX,
        "Subject": head.subject,
        "Date": head.date,
        "TextBody": head.body,
        "Headers": [{"Name": "Message-ID", "Value": f"<{head.message_id}>"}],
        "Attachments": [],
    }
    return Written(json.dumps(payload).encode(), JSON, {head.message_id: len(row.text)})


def mailgun(rows: Sequence[Row]) -> Written:
    """Return a mail as Mailgun posts it, parsed; the proof is put in when it is sent."""
    (row,) = rows
    head = letterhead(row)
    headers = [["Message-Id", f"<{head.message_id}>"], ["Date", head.date], ["From", head.sender]]
    fields = {
        "recipient": MAILBOX,
        "sender": head.sender,
        "from": f"{row.customer.title()} <{head.sender}>",
        "subject": head.subject,
        "body-plain": head.body,
        "message-headers": json.dumps(headers),
        "attachment-count": "0",
    }
    return Written(urlencode(fields).encode(), FORM, {head.message_id: len(row.text)})


def mailgun_mime(raw: bytes) -> bytes:
    """Return a whole message in the form of a route to an address that ends in ``mime``.

    The form is text: bytes that are no UTF-8 go over it as they are, percent-encoded.
    """
    return urlencode({"recipient": MAILBOX, "body-mime": raw}).encode()
