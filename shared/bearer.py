"""Bearer tokens as HTTP carries them."""

from __future__ import annotations

_SCHEME = "bearer "


def bearer(authorization: str | None) -> bytes | None:
    """Return the token in an ``Authorization`` header (RFC 6750), None without one."""
    if authorization is None or authorization[: len(_SCHEME)].lower() != _SCHEME:
        return None
    return authorization[len(_SCHEME) :].strip().encode("utf-8", "surrogateescape")
