"""Access to Google's APIs with a credentials file: of a service account, or of a user who consented.

Documentation: "Using OAuth 2.0 for Server to Server Applications" (RFC 7523) and "Using OAuth 2.0 for
Web Server Applications", Google Identity.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import jwt
import msgspec

from services.ingest.channels.reading import read_json
from services.ingest.channels.rejection import Rejected
from services.ingest.collectors import options
from services.ingest.collectors.calls import Answer, call, checked
from services.ingest.collectors.page import Busy, Outside, Refused
from services.ingest.registry import Configured
from shared.errors import Misconfigured, Transient

TOKEN_URL = "https://oauth2.googleapis.com/token"  # noqa: S105 (an address)
BUSY_S = 900.0
"""The pause after a quota error that does not say for how long."""

_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LIFE_S = 3_600
_EARLY_S = 120.0
_REFUSALS = frozenset({400, 401, 403})
_QUOTA = frozenset(
    {"rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded", "dailyLimitExceeded"}
)


class _Key(msgspec.Struct, frozen=True):
    """A credentials file, of either type."""

    type: str = ""
    token_uri: str = TOKEN_URL
    client_email: str = ""
    private_key: str = ""
    private_key_id: str = ""
    client_id: str = ""
    client_secret: str = ""
    refresh_token: str = ""


class _Token(msgspec.Struct, frozen=True):
    access_token: str
    expires_in: float = 0.0


class _Reason(msgspec.Struct, frozen=True):
    reason: str = ""


class _Fault(msgspec.Struct, frozen=True):
    status: str = ""
    errors: list[_Reason] = []


class _Problem(msgspec.Struct, frozen=True):
    error: _Fault = _Fault()


class GoogleApi:
    """Makes requests in the name of a source. Its token is kept until shortly before it expires."""

    def __init__(self, source: Configured, outside: Outside, scope: str) -> None:
        """Read the credentials.

        Raises:
            Misconfigured: they are no such file.
        """
        self._around = outside
        self._scope = scope
        self._keys = [_key(source.name, secret) for secret in source.credentials.secrets]
        self._token = ""
        self._expiry = 0.0
        self._getting = asyncio.Lock()

    async def get(self, url: str, params: Mapping[str, str] | None = None) -> bytes:
        """Return what is at ``url``, whose host the caller answers for.

        Raises:
            Refused: the credentials are not, or no longer, good for it.
            Busy: the quota is used up.
            Transient: it cannot be had now.
        """
        token = await self._bearer()
        answer = await self._ask(url, params, token)
        if answer.status == 401:  # revoked before its time, or our clock is wrong: a new one tells
            self._forget(token)
            answer = await self._ask(url, params, await self._bearer())
        if answer.status == 403 and _is_quota(answer.body):
            wait = answer.retry_after_s
            raise Busy("the quota is used up", BUSY_S if wait is None else wait)
        return checked(answer)

    async def _ask(self, url: str, params: Mapping[str, str] | None, token: str) -> Answer:
        headers = {"Authorization": f"Bearer {token}"}
        return await call(self._around, "GET", url, params=params, headers=headers)

    async def _bearer(self) -> str:
        async with self._getting:
            if not self._token or asyncio.get_running_loop().time() >= self._expiry:
                await self._renew()
            return self._token

    def _forget(self, token: str) -> None:
        if token == self._token:
            self._token = ""

    async def _renew(self) -> None:
        """Get a token with the first key that is good: two are, while they are rotated."""
        refused = Refused("there are no credentials")
        for key in self._keys:
            try:
                token = await self._exchange(key)
            except Refused as error:
                refused = error
                continue
            self._token = token.access_token
            life = min(max(0.0, token.expires_in - _EARLY_S), float(_LIFE_S))
            self._expiry = asyncio.get_running_loop().time() + life
            return
        raise refused

    async def _exchange(self, key: _Key) -> _Token:
        form = self._refreshing(key) if key.refresh_token else self._asserting(key)
        answer = await call(self._around, "POST", key.token_uri, form=form)
        try:
            return read_json(checked(answer, _REFUSALS), _Token)
        except Rejected as rejected:
            raise Transient(f"no such answer as documented: {rejected}") from rejected
        except Refused as refused:
            raise Refused(f"Google gives no token for these credentials ({refused})") from refused

    def _refreshing(self, key: _Key) -> dict[str, str]:
        return {
            "grant_type": "refresh_token",
            "refresh_token": key.refresh_token,
            "client_id": key.client_id,
            "client_secret": key.client_secret,
        }

    def _asserting(self, key: _Key) -> dict[str, str]:
        now = self._around.clock.now_ms() // 1000
        claims = {
            "iss": key.client_email,
            "scope": self._scope,
            "aud": key.token_uri,
            "iat": now,
            "exp": now + _LIFE_S,
        }
        headers = {"kid": key.private_key_id} if key.private_key_id else None
        try:
            signed = jwt.encode(claims, key.private_key, algorithm="RS256", headers=headers)
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise Refused("the private key in the credentials is no RSA key") from error
        return {"grant_type": _GRANT, "assertion": signed}


def _key(name: str, secret: bytes) -> _Key:
    try:
        key = read_json(secret, _Key)
    except Rejected as rejected:
        raise Misconfigured(
            f"sources.{name}: the secret is no credentials file (JSON)"
        ) from rejected
    if not (key.refresh_token or (key.client_email and key.private_key)):
        raise Misconfigured(f"sources.{name}: the credentials are of no service account or user")
    if not options.safe(key.token_uri):
        raise Misconfigured(f"sources.{name}: token_uri in the credentials is no https address")
    return key


def _is_quota(body: bytes) -> bool:
    """Tell whether a 403 is about a quota: Google has two meanings for that status."""
    try:
        fault = read_json(body, _Problem).error
    except Rejected:
        return False
    return fault.status == "RESOURCE_EXHAUSTED" or any(
        each.reason in _QUOTA for each in fault.errors
    )
