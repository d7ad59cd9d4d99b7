"""Credentials files of Google: what is asked for a token with them, and what comes back. Pure.

Documentation: "Using OAuth 2.0 for Server to Server Applications" (RFC 7523) and "Using OAuth 2.0 for
Web Server Applications", Google Identity.
"""

from __future__ import annotations

import jwt
import msgspec

TOKEN_URL = "https://oauth2.googleapis.com/token"  # noqa: S105 (an address)
TOKEN_LIFE_S = 3_600

_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_EARLY_S = 120.0


class Key(msgspec.Struct, frozen=True):
    """A credentials file, of a service account or of a user who consented."""

    type: str = ""
    token_uri: str = TOKEN_URL
    client_email: str = ""
    private_key: str = ""
    private_key_id: str = ""
    client_id: str = ""
    client_secret: str = ""
    refresh_token: str = ""

    def form(self, scope: str, now_s: int) -> dict[str, str]:
        """Return the form that is posted to ``token_uri``.

        Raises:
            ValueError: the private key is no RSA key.
        """
        if self.refresh_token:
            return {
                "grant_type": "refresh_token",
                "refresh_token": self.refresh_token,
                "client_id": self.client_id,
                "client_secret": self.client_secret,
            }
        claims = {
            "iss": self.client_email,
            "scope": scope,
            "aud": self.token_uri,
            "iat": now_s,
            "exp": now_s + TOKEN_LIFE_S,
        }
        headers = {"kid": self.private_key_id} if self.private_key_id else None
        try:
            signed = jwt.encode(claims, self.private_key, algorithm="RS256", headers=headers)
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise ValueError("the private key in the credentials is no RSA key") from error
        return {"grant_type": _GRANT, "assertion": signed}


class Token(msgspec.Struct, frozen=True):
    """An access token."""

    access_token: str
    expires_in: float = 0.0

    @property
    def life_s(self) -> float:
        """Return how long it is to be used."""
        return min(max(0.0, self.expires_in - _EARLY_S), float(TOKEN_LIFE_S))


def read_key(secret: bytes) -> Key:
    """Return what is in a credentials file.

    Raises:
        ValueError: it is none, with the reason.
    """
    try:
        key = msgspec.json.decode(secret, type=Key)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError("no credentials file (JSON)") from error
    if not (key.refresh_token or (key.client_email and key.private_key)):
        raise ValueError("the credentials are of no service account or user")
    return key
