"""Standard Webhooks, specification 1.0.0 (https://www.standardwebhooks.com): sign and verify.

HMAC-SHA256 over ``id.timestamp.body``, base64 behind ``v1,``; several signatures are separated by a
space, so that a secret can be changed without a gap: for a while both the new one and the old one sign.
The body is the bytes that are sent. A secret is ``whsec_`` and base64 of 24 to 64 random bytes.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable, Sequence
from typing import NamedTuple

from shared.signatures import check_age, check_hmac, require, seconds

PREFIX = "whsec_"
ID = "webhook-id"
TIMESTAMP = "webhook-timestamp"
SIGNATURE = "webhook-signature"
MIN_KEY_BYTES, MAX_KEY_BYTES = 24, 64
MAX_SIGNATURES = 20
"""A header with more is refused before anything is computed."""


class Vector(NamedTuple):
    """A web hook whose signature is known: any implementation has to find the same."""

    secret: str
    id: str
    timestamp: int
    body: str
    signature: str


PUBLISHED = Vector(
    secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",  # noqa: S106  published, and used nowhere else
    id="msg_p5jXN8AQM9LWM0D4loKWxJek",
    timestamp=1_614_265_330,
    body='{"test": 2432232314}',
    signature="v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
)
"""The example that the reference libraries are tested with."""


def secret(key: bytes) -> str:
    """Return ``key`` as people hand it around."""
    return PREFIX + base64.b64encode(key).decode("ascii")


def signing_key(written: str) -> bytes:
    """Return the key that a ``whsec_`` secret of ours encodes.

    Raises:
        ValueError: no such secret, or its key is too short or too long; the message never repeats it.
    """
    if not written.startswith(PREFIX):
        raise ValueError(f"a secret begins with {PREFIX}")
    try:
        encoded = written.removeprefix(PREFIX).encode()
        key = base64.b64decode(encoded + b"=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"what follows {PREFIX} is no base64") from error
    if not MIN_KEY_BYTES <= len(key) <= MAX_KEY_BYTES:
        raise ValueError(
            f"the key has {len(key)} bytes instead of {MIN_KEY_BYTES} to {MAX_KEY_BYTES}"
        )
    return key


def verifying_key(written: bytes) -> bytes:
    """Return the key of a secret as others issue it: any length, without the prefix as it is.

    An unusable secret gives an empty key, which :func:`verify` passes over.
    """
    prefix = PREFIX.encode()
    if not written.startswith(prefix):
        return written
    try:
        return base64.b64decode(written.removeprefix(prefix) + b"==")  # padding is often left away
    except binascii.Error:
        return b""


def sign(keys: Sequence[bytes], webhook_id: str, timestamp: int, body: bytes) -> str:
    """Return the header ``webhook-signature``: one signature per key, in their order.

    Args:
        keys: of :func:`signing_key`.
        webhook_id: the same over all attempts; must not contain a full stop.
        timestamp: of the attempt, s since the epoch.
        body: the bytes that are sent.
    """
    signed = b"%b.%d.%b" % (webhook_id.encode(), timestamp, body)
    return " ".join(
        "v1," + binascii.b2a_base64(hmac.digest(key, signed, "sha256"), newline=False).decode()
        for key in keys
    )


def verify(keys: Sequence[bytes], header: Callable[[str], str], body: bytes, now: int) -> None:
    """Check that one of the signatures is of one of the keys, and recent.

    Args:
        keys: of :func:`verifying_key`; all active ones.
        header: returns a header by its lower-case name, "" if it is missing.
        body: the bytes that came.
        now: ms since the epoch; the time of the attempt may be five minutes off.

    Raises:
        shared.signatures.Unauthentic: a header is missing, the time is off, or nothing matches.
    """
    webhook_id, timestamp = header(ID), header(TIMESTAMP)
    require(bool(webhook_id), "the id is missing")
    check_age(seconds(timestamp), now)
    given = header(SIGNATURE).split()
    require(len(given) <= MAX_SIGNATURES, "too many signatures")
    check_hmac(
        [key for key in keys if key],
        f"{webhook_id}.{timestamp}.".encode("utf-8", "surrogateescape") + body,
        [signature[3:] for signature in given if signature.startswith("v1,")],
        encoding=base64.b64encode,
    )
