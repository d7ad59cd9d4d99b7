"""Access to Google's APIs with a credentials file: of a service account, or of a user who consented."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import msgspec

from services.ingest.channels.reading import read_json
from services.ingest.channels.rejection import Rejected
from services.ingest.collectors import options
from services.ingest.collectors.calls import Answer, call, checked
from services.ingest.collectors.page import Busy, Outside, Refused
from services.ingest.registry import Configured
from shared.errors import Misconfigured, Transient
from shared.google_credentials import Key, Token, read_key

BUSY_S = 900.0
"""The pause after a quota error that does not say for how long."""

_REFUSALS = frozenset({400, 401, 403})
_QUOTA = frozenset(
    {"rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded", "dailyLimitExceeded"}
)


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
            self._expiry = asyncio.get_running_loop().time() + token.life_s
            return
        raise refused

    async def _exchange(self, key: Key) -> Token:
        try:
            form = key.form(self._scope, self._around.clock.now_ms() // 1000)
        except ValueError as error:
            raise Refused(str(error)) from error
        answer = await call(self._around, "POST", key.token_uri, form=form)
        try:
            return read_json(checked(answer, _REFUSALS), Token)
        except Rejected as rejected:
            raise Transient(f"no such answer as documented: {rejected}") from rejected
        except Refused as refused:
            raise Refused(f"Google gives no token for these credentials ({refused})") from refused


def _key(name: str, secret: bytes) -> Key:
    try:
        key = read_key(secret)
    except ValueError as error:
        raise Misconfigured(f"sources.{name}: secrets: {error}") from error
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
