"""Encryption of what could not be redacted: originals, and items that were refused."""

from __future__ import annotations

import hashlib
import zlib

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

MAX_BYTES = 600_000
"""So much of an original is kept: base64 makes it a third longer, and records have a limit."""


class Unsealable(Exception):
    """The bytes were sealed with another key, or are damaged."""


class Sealer:
    """AES-SIV (RFC 5297) under a key derived from ``secret``.

    SIV is deterministic: equal originals give equal bytes, as ids and replays want it, and unlike with
    GCM nothing breaks for the lack of a random nonce.
    """

    def __init__(self, secret: bytes) -> None:
        self._cipher = AESSIV(
            hashlib.blake2b(secret, digest_size=64, person=b"tocsin-seal").digest()
        )

    def seal(self, original: bytes) -> bytes:
        """Return ``original`` compressed and encrypted."""
        return self._cipher.encrypt(zlib.compress(original, 6), None)

    def open(self, sealed: bytes) -> bytes:
        """Return what was sealed.

        Raises:
            Unsealable: another key, or damaged.
        """
        try:
            return zlib.decompress(self._cipher.decrypt(sealed, None))
        except (InvalidTag, zlib.error, ValueError) as error:
            raise Unsealable("sealed with another key, or damaged") from error
