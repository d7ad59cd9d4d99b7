"""Signatures of web requests. Everything is compared in constant time, over the bytes that came.

Each function returns nothing and raises ``Unauthentic``: a check whose answer is forgotten cannot
let anybody in. All active secrets are tried.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Iterable, Sequence

TOLERANCE_MS = 300_000
"""How far the time of a signature may lie from ours, in either direction."""

Encoding = Callable[[bytes], bytes]


class Unauthentic(Exception):
    """A request is not proven to come from whom it says; ``detail`` never repeats a secret."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


def hexadecimal(digest: bytes) -> bytes:
    """Return ``digest`` in lower-case hexadecimal."""
    return digest.hex().encode()


def check_hmac(
    secrets: Sequence[bytes],
    signed: bytes,
    given: str | Iterable[str],
    *,
    algorithm: str = "sha256",
    encoding: Encoding = hexadecimal,
    what: str = "signature",
) -> None:
    """Check that one of ``given`` is the HMAC of ``signed`` under one of the secrets.

    Raises:
        Unauthentic: it is missing, wrong, or there is no secret to check it with.
    """
    candidates = [given] if isinstance(given, str) else list(given)
    require(any(candidates), f"the {what} is missing")
    require(bool(secrets), "there is no secret to check with")
    expected = [encoding(hmac.new(secret, signed, algorithm).digest()) for secret in secrets]
    matches = [
        hmac.compare_digest(right, candidate.strip().encode("utf-8", "surrogateescape"))
        for candidate in candidates
        for right in expected
    ]
    require(any(matches), f"the {what} does not match")


def check_slack(
    secrets: Sequence[bytes], body: bytes, timestamp: str, signature: str, now: int
) -> None:
    """Check a request of Slack ("Verifying requests"): HMAC-SHA256 of ``v0:timestamp:body``.

    Args:
        timestamp: the header ``X-Slack-Request-Timestamp``, s since the epoch.
        signature: the header ``X-Slack-Signature``: ``v0=<hex>``.
        now: ms since the epoch.

    Raises:
        Unauthentic: it is missing, wrong or too old.
    """
    check_age(seconds(timestamp), now)
    signed = b"v0:" + timestamp.strip().encode() + b":" + body
    check_hmac(secrets, signed, signature, encoding=lambda digest: b"v0=" + hexadecimal(digest))


def check_token(secrets: Sequence[bytes], given: str, *, what: str = "token") -> None:
    """Check that ``given`` is one of the secrets.

    Raises:
        Unauthentic: it is missing, wrong, or there is no secret to compare it with.
    """
    require(bool(given), f"the {what} is missing")
    require(bool(secrets), "there is no secret to check with")
    raw = given.encode("utf-8", "surrogateescape")
    # Digests have one length: compare_digest would tell the secret's by returning early.
    digest = hashlib.sha256(raw).digest()
    matches = [hmac.compare_digest(hashlib.sha256(secret).digest(), digest) for secret in secrets]
    require(any(matches), f"the {what} does not match")


def check_basic(secrets: Sequence[bytes], authorization: str) -> None:
    """Check HTTP basic authentication (RFC 7617): a secret is ``user:password``.

    Raises:
        Unauthentic: it is missing, malformed or wrong.
    """
    scheme, _, encoded = authorization.partition(" ")
    require(scheme.lower() == "basic", "basic authentication is missing")
    check_token(
        secrets,
        unbase64(encoded.strip()).decode("utf-8", "surrogateescape"),
        what="user or password",
    )


def check_age(at_ms: int | None, now: int, tolerance_ms: int = TOLERANCE_MS) -> None:
    """Check that a signed time is recent: an old request is a replay.

    Raises:
        Unauthentic: there is none, or it lies too far away.
    """
    require(at_ms is not None, "the signed time is missing or malformed")
    if at_ms is not None and abs(now - at_ms) > tolerance_ms:
        side = "old" if at_ms < now else "far in the future"
        raise Unauthentic(f"the signed time is too {side}")


def seconds(text: str) -> int | None:
    """Return epoch seconds written in decimal as ms, None if it is anything else."""
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        return None
    return int(text) * 1000


def unbase64(text: str) -> bytes:
    """Return what ``text`` encodes.

    Raises:
        Unauthentic: it is no base64.
    """
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Unauthentic("malformed base64") from error


def require(condition: bool, detail: str) -> None:
    """Raise ``Unauthentic`` with ``detail`` unless ``condition``."""
    if not condition:
        raise Unauthentic(detail)
