"""Which conversation a message belongs to. Never by its subject: subjects are shared by strangers.

The order is the token of a thread (``shared.mail_tokens``), first of References, In-Reply-To, Outlook's
Thread-Index of a reply, the own Message-ID.

What we send must therefore carry References that begin with the customer's first Message-ID, or the
token in Reply-To, better both; and ``X-Tocsin-Loop``, by which it is known for ours if it comes back.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable

from services.ingest.channels.email.mail import Headers, addresses
from services.ingest.channels.item import DERIVED
from services.ingest.channels.text import clean_line
from shared.mail_tokens import read, thread_of

MAX_REFERENCES = 64
MAX_ID = 512
_THREAD_INDEX_ROOT = 22
_REFERENCE = re.compile(r"<\s*([^<>\s][^<>]{0,998})>")
_ADDRESSED = ("delivered-to", "x-original-to", "to", "cc")


def message_id(value: str) -> str:
    """Return the id in a Message-ID field, the domain in lower case; "" if there is none."""
    match = _REFERENCE.search(value[: 2 * MAX_ID])
    found = clean_line(match[1] if match else value).strip("<> ")
    if len(found) > MAX_ID:
        return thread_of(found)
    local, at, domain = found.rpartition("@")
    return f"{local}{at}{domain.lower()}"


def references(headers: Headers) -> list[str]:
    """Return the ids of the messages before this one, the oldest first, at most 64."""
    given = _REFERENCE.findall(headers.first("references")[: MAX_REFERENCES * MAX_ID])
    if given:
        return [message_id(f"<{reference}>") for reference in given[:MAX_REFERENCES]]
    answered = _answered(headers)
    return [answered] if answered else []


def parent_of(headers: Headers) -> str | None:
    """Return the id of the message that this one answers."""
    return _answered(headers) or next(reversed(references(headers)), None)


def thread_id(
    headers: Headers,
    own_id: str,
    recipients: Iterable[str],
    secrets: tuple[str, ...],
    *,
    about: str | None = None,
) -> str:
    """Return the conversation of a message with the id ``own_id``; one ``derived`` is that of both.

    ``about``: the id of the message that began the conversation which a delivery report is about.
    """
    if secrets:
        for address in _addressed(headers, recipients):
            if thread := read(secrets, address):
                return thread
    before = [about] if about else references(headers)
    if before:
        return thread_of(before[0])
    outlook = _outlook(headers.first("thread-index"))
    return outlook or (own_id if own_id.startswith(DERIVED) else thread_of(own_id))


def _answered(headers: Headers) -> str:
    value = headers.first("in-reply-to")
    # Old programs write prose: "Your message of Monday <id>".
    return message_id(value) if "<" in value or "@" in value else ""


def _addressed(headers: Headers, recipients: Iterable[str]) -> list[str]:
    found = list(recipients)
    for name in _ADDRESSED:
        for value in headers.all(name)[:4]:
            found.extend(addresses(value))
    return found


def _outlook(value: str) -> str | None:
    """Return the conversation in a Thread-Index if it is that of a reply.

    That of a first message is of no use: answers to it have References, which lead to its id.
    """
    if not value:
        return None
    try:
        index = base64.b64decode(value[:1024], validate=False)
    except (binascii.Error, ValueError):
        return None
    if len(index) <= _THREAD_INDEX_ROOT:
        return None
    return thread_of(index[:_THREAD_INDEX_ROOT].hex())
