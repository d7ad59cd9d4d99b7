"""Postmark inbound: received mail as JSON.

Vendor pages "Inbound webhook" and "Parse an email". There is no signature: user and password stand in
the address of the hook. ``MessageID`` is Postmark's own id; the mail's is among ``Headers``. With
"include raw email" the untouched message is in ``RawEmail``; its test button sends attachments with
``Data`` in place of ``Content``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re

import msgspec

from services.ingest.channels.email.message import from_parts, parse_message
from services.ingest.channels.email.parts import OPTIONS, Checks, Envelope, Parts
from services.ingest.channels.hook import Hook
from services.ingest.channels.item import Item
from services.ingest.channels.mailhook import one_message
from services.ingest.channels.provider import (
    DAY_S,
    Capability,
    Credentials,
    Delivery,
    Ignored,
    Proof,
    Provider,
    SecretFrom,
    Settings,
)
from services.ingest.channels.reading import read_json
from services.ingest.channels.rejection import Refusal, Rejected
from shared import signatures
from shared.events import Attachment, Channel

_SPECIAL = re.compile(r'[<>"\\@]')  # what would end the name, or make another address of it
_NO_ID = "00000000-0000-0000-0000-000000000000"  # of the test button


class _Address(msgspec.Struct, frozen=True, rename="pascal"):
    email: str | None = None
    name: str | None = None


class _Header(msgspec.Struct, frozen=True, rename="pascal"):
    name: str = ""
    value: str | None = None


class _File(msgspec.Struct, frozen=True, rename="pascal"):
    name: str | None = None
    content_type: str | None = None
    content: str | None = None
    data: str | None = None
    content_length: int | None = None


class _Mail(msgspec.Struct, frozen=True, rename="pascal"):
    record_type: str | None = None
    message_id: str | None = msgspec.field(name="MessageID", default=None)
    sender: str | None = msgspec.field(name="From", default=None)
    from_full: _Address | None = None
    original_recipient: str | None = None
    to_full: tuple[_Address, ...] | None = None
    subject: str | None = None
    date: str | None = None
    text_body: str | None = None
    html_body: str | None = None
    stripped_text_reply: str | None = None
    headers: tuple[_Header, ...] | None = None
    attachments: tuple[_File, ...] | None = None
    raw_email: str | None = None


def verify(hook: Hook, credentials: Credentials, _settings: Settings) -> Proof:
    """Check basic authentication."""
    signatures.check_basic(credentials.secrets, hook.header("authorization"))
    return Proof("postmark basic")


def parse(hook: Hook, settings: Settings) -> Delivery:
    """Return the one message; reports on mail that we sent (``RecordType``) are ignored."""
    mail = read_json(hook.body, _Mail)
    if mail.record_type:
        return Delivery(ignored=(Ignored.STATUS,))
    if not (mail.sender or mail.from_full or mail.raw_email):
        raise Rejected(Refusal.MISSING_FIELD, "From or RawEmail")
    return one_message(lambda: _item(mail, settings, hook.now), hook.body)


def _item(mail: _Mail, settings: Settings, now: int) -> Item:
    headers = tuple((header.name, header.value or "") for header in mail.headers or ())
    spam = any(
        name.lower() == "x-spam-status" and value.strip().lower().startswith("yes")
        for name, value in headers
    )
    envelope = Envelope(recipients=_recipients(mail), checks=Checks(method="postmark", spam=spam))
    # JSON cannot hold 8-bit mail in another charset than UTF-8; the parsed fields can.
    if mail.raw_email and "\ufffd" not in mail.raw_email:
        return parse_message(mail.raw_email.encode(), envelope, settings, now)
    parts = Parts(
        headers=(*_own_id(mail, headers), *headers),
        sender=_sender(mail),
        subject=mail.subject or "",
        date=mail.date or "",
        text=mail.text_body or "",
        html=mail.html_body or "",
        stripped=mail.stripped_text_reply or None,
        attachments=tuple(map(_attachment, mail.attachments or ())),
    )
    return from_parts(parts, envelope, settings, now)


def _recipients(mail: _Mail) -> tuple[str, ...]:
    named = [mail.original_recipient, *(address.email for address in mail.to_full or ())]
    return tuple(dict.fromkeys(filter(None, named)))


def _own_id(mail: _Mail, headers: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Return Postmark's id as a Message-ID for mail that has none: it is the same when sent again."""
    if mail.message_id in {None, "", _NO_ID}:
        return ()
    if any(name.lower() == "message-id" and value.strip() for name, value in headers):
        return ()
    return (("Message-ID", f"<{mail.message_id}@inbound.postmarkapp.com>"),)


def _sender(mail: _Mail) -> str:
    address = mail.from_full
    if address is None or not address.email:
        return mail.sender or ""
    name = _SPECIAL.sub("", address.name or "").strip()
    return f'"{name}" <{address.email}>' if name else address.email


def _attachment(file: _File) -> Attachment:
    content = _content(file)
    return Attachment(
        name=file.name,
        media_type=file.content_type,
        size=file.content_length if content is None else len(content),
        sha256=None if content is None else hashlib.sha256(content).hexdigest(),
    )


def _content(file: _File) -> bytes | None:
    encoded = file.content or file.data
    try:
        return (
            None if encoded is None else base64.b64decode("".join(encoded.split()), validate=True)
        )
    except (binascii.Error, ValueError):  # what is claimed about it is still worth keeping
        return None


PROVIDER = Provider(
    name="postmark",
    title="Postmark inbound",
    channel=Channel.EMAIL,
    capability=Capability(redelivery_s=DAY_S),
    secret="USER:PASSWORD, the same as in the address of the hook",
    secret_from=SecretFrom.BASIC,
    max_body=40_000_000,
    verify=verify,
    parse=parse,
    options=OPTIONS,
)
