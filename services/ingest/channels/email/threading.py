"""Which conversation a message belongs to. Never by its subject: subjects are shared by strangers.

A thread id is 16 characters made of the Message-ID that began the conversation (32 if that was made
up, for there was none), so that it fits into a reply address: ``support+<token>@…``, where the token is
the thread id and a MAC over it. The order is token, first of References, In-Reply-To, Outlook's
Thread-Index of a reply, the own Message-ID.

What we send must therefore carry References that begin with the customer's first Message-ID, or the
token in Reply-To, better both; and ``X-Tocsin-Loop`` with ``mint_loop``, by which it is known for ours
if it comes back.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable

from services.ingest.channels.email.mail import Headers, addresses
from services.ingest.channels.item import DERIVED
from services.ingest.channels.text import clean_line

MAX_REFERENCES = 64
MAX_ID = 512
_SIZE = 10  # bytes of an id and of a MAC: 16 characters each
_THREAD_INDEX_ROOT = 22
_REFERENCE = re.compile(r"<\s*([^<>\s][^<>]{0,998})>")
_THREAD_ID = re.compile(r"[a-z0-9]{16,32}")
_TOKEN = re.compile(r"\+(?P<thread>[a-z0-9]{16,32})(?P<mac>[a-z2-7]{16})@")
_ADDRESSED = ("delivered-to", "x-original-to", "to", "cc")


def mint(secret: str, thread_id: str) -> str:
    """Return the token of a thread for the address of our replies, in lower case.

    Raises:
        ValueError: it is no thread id of this module.
    """
    if not _THREAD_ID.fullmatch(thread_id):
        raise ValueError("a thread id has 16 to 32 characters of a-z and 0-9")
    return thread_id + _mac(secret, thread_id)


def read(secrets: Iterable[str], address: str) -> str | None:
    """Return the thread whose token is in ``address``, None if there is none or it is forged.

    Mail systems fold the case of addresses, so case does not matter.
    """
    match = _TOKEN.search(address.lower())
    if match is None:
        return None
    return match["thread"] if _is_mac(secrets, match["thread"], match["mac"]) else None


def mint_loop(secret: str, message_id: str, thread: str) -> str:
    """Return what our ``X-Tocsin-Loop`` says: that we sent the message of this id in this thread.

    ``thread`` is the one that the headers of the message itself lead to, as ``thread_id`` finds it.
    Bound to both, what somebody got from us is of no use for another message.
    """
    return _mac(secret, _loop(message_id, thread))


def is_loop(secrets: Iterable[str], token: str, message_id: str, thread: str) -> bool:
    """Tell whether ``token`` is that of ``mint_loop``, under one of the ``secrets``."""
    return _is_mac(secrets, _loop(message_id, thread), token.strip().lower())


def thread_of(message_id: str) -> str:
    """Return the id of the thread that a message began."""
    return _text(hashlib.blake2b(message_id.encode("utf-8", "replace"), digest_size=_SIZE).digest())


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


def _loop(value: str, thread: str) -> str:
    return f"loop\0{message_id(value)}\0{thread}"  # no thread id has a NUL in it


def _is_mac(secrets: Iterable[str], text: str, given: str) -> bool:
    raw = given.encode("utf-8", "replace")
    matches = [hmac.compare_digest(_mac(secret, text).encode(), raw) for secret in secrets]
    return any(matches)


def _mac(secret: str, text: str) -> str:
    return _text(
        hmac.new(secret.encode(), text.encode("utf-8", "replace"), "sha256").digest()[:_SIZE]
    )


def _text(digest: bytes) -> str:
    return base64.b32encode(digest).decode().lower()
