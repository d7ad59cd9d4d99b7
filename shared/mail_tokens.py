"""What says in a mail which thread it belongs to, or that it is ours: made to send, read at intake.

A thread id is 16 characters made of the Message-ID that began the conversation (32 if that was made
up), so that it fits into a reply address: ``support+<token>@…``, where the token is the thread id and a
MAC over it. ``X-Tocsin-Loop`` bears ``mint_loop``, by which a mail of ours is known if it comes back.

Message-IDs are given without their brackets, the domain in lower case.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable

LOOP_HEADER = "X-Tocsin-Loop"
"""Every mail that we send bears it, with a token that only we can make."""

_SIZE = 10  # bytes of an id and of a MAC: 16 characters each
_THREAD_ID = re.compile(r"[a-z0-9]{16,32}")
_TOKEN = re.compile(r"\+(?P<thread>[a-z0-9]{16,32})(?P<mac>[a-z2-7]{16})@")


def is_thread_id(text: str) -> bool:
    """Tell whether a token can be made of ``text``."""
    return _THREAD_ID.fullmatch(text) is not None


def mint(secret: str, thread_id: str) -> str:
    """Return the token of a thread for the address of our replies, in lower case.

    Raises:
        ValueError: it is no thread id of this module.
    """
    if not is_thread_id(thread_id):
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

    ``thread`` is the one that the headers of the message itself lead to, as intake finds it. Bound to
    both, what somebody got from us is of no use for another message.
    """
    return _mac(secret, _loop(message_id, thread))


def is_loop(secrets: Iterable[str], token: str, message_id: str, thread: str) -> bool:
    """Tell whether ``token`` is that of ``mint_loop``, under one of the ``secrets``."""
    return _is_mac(secrets, _loop(message_id, thread), token.strip().lower())


def thread_of(message_id: str) -> str:
    """Return the id of the thread that a message began."""
    return _text(hashlib.blake2b(message_id.encode("utf-8", "replace"), digest_size=_SIZE).digest())


def _loop(message_id: str, thread: str) -> str:
    return f"loop\0{message_id}\0{thread}"  # no thread id has a NUL in it


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
