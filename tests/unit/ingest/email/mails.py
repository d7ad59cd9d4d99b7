"""Mails written for the tests: everything in them is invented."""

from __future__ import annotations

from services.ingest.channels.email.message import parse_message
from services.ingest.channels.email.parts import Envelope
from services.ingest.channels.item import Item
from services.ingest.channels.provider import Settings

NOW = 1_780_000_000_000
SETTINGS = Settings(
    name="mail",
    languages=("de", "fr"),
    options={
        "own_addresses": "support@shop.example, info@shop.example",
        "own_domain": "mail.shop.example",
        "relays": "forms@web.example support@shop.example",
        "authserv_id": "mx.shop.example",
        "thread_secret": "golden-new golden-old",
    },
)
DEFAULTS = {
    "From": "Ana Prowse <ana@customer.example>",
    "To": "support@shop.example",
    "Subject": "Lamp arrived broken",
    "Date": "Mon, 02 Mar 2026 09:00:00 +0100",
    "Message-ID": "<m1@Customer.Example>",
}


def raw(body: str | bytes = "The lamp is broken.\r\n", **fields: str | None) -> bytes:
    """Return a message; underscores of names stand for hyphens, None leaves a default out."""
    given = {name.replace("_", "-"): value for name, value in fields.items()}
    merged = {name: value for name, value in (DEFAULTS | given).items() if value is not None}
    head = "".join(f"{name}: {value}\r\n" for name, value in merged.items())
    content = body if isinstance(body, bytes) else body.encode()
    return head.encode() + b"\r\n" + content


def item(
    body: str | bytes = "The lamp is broken.\r\n",
    envelope: Envelope | None = None,
    settings: Settings = SETTINGS,
    **fields: str | None,
) -> Item:
    """Return what becomes of the message."""
    return parse_message(raw(body, **fields), envelope or Envelope(), settings, NOW)


def item_with(
    headers: dict[str, str | None] | dict[str, str],
    body: str = "The lamp is broken.\r\n",
    envelope: Envelope | None = None,
    settings: Settings = SETTINGS,
) -> Item:
    """Return what becomes of a message with these headers beside the usual ones."""
    return parse_message(raw(body, **headers), envelope or Envelope(), settings, NOW)


def multipart(*parts: tuple[str, str], kind: str = "mixed") -> tuple[str, str]:
    """Return Content-Type and body of a multipart of (content type, content)."""
    body = "".join(f"--b0\r\nContent-Type: {media}\r\n\r\n{text}\r\n" for media, text in parts)
    return f'multipart/{kind}; boundary="b0"', f"{body}--b0--\r\n"
