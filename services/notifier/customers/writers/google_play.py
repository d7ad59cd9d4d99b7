"""Answers to reviews in Google Play: ``POST …/applications/{package}/reviews/{id}:reply``.

API: Google Play Developer API v3, ``reviews.reply``; 350 characters at most. A review has one answer: a
later one takes its place. The first of ``secrets`` is the credentials file of a service account with the
right to reply to reviews (as JSON; two while they are rotated).
"""

from __future__ import annotations

import asyncio
import re
from typing import Final
from urllib.parse import urlencode

import msgspec

from services.notifier.customers.writers.http import headers, judged, later
from services.notifier.customers.writing import Outgoing, refused
from services.notifier.ports import Result, Verdict
from services.notifier.sinks.build import Making
from services.notifier.sinks.outbound import Answer, Outbound, Target, read, target
from shared.events import Channel
from shared.google_credentials import Key, Token, read_key
from shared.routes import Route

URL: Final = "https://androidpublisher.googleapis.com"
SCOPE: Final = "https://www.googleapis.com/auth/androidpublisher"
MAX_CHARACTERS: Final = 350
OPTIONS: Final = frozenset({"package"})

_PACKAGE: Final = re.compile(r"[A-Za-z][\w.]{2,200}", re.ASCII)
_REVIEW: Final = re.compile(r"[\w:.~-]{1,200}", re.ASCII)
_QUOTA: Final = frozenset({
    "rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded", "dailyLimitExceeded",
})  # fmt: skip
_QUOTA_S: Final = 900.0


class _Reason(msgspec.Struct, frozen=True):
    reason: str = ""


class _Fault(msgspec.Struct, frozen=True):
    status: str = ""
    message: str = ""
    errors: list[_Reason] = []


class _Answer(msgspec.Struct, frozen=True):
    error: _Fault = _Fault()


class Tokens:
    """Gets access tokens, and keeps one until shortly before it expires."""

    def __init__(
        self, outbound: Outbound, keys: list[tuple[Key, Target]], timeout_s: float
    ) -> None:
        self._outbound = outbound
        self._keys = keys
        self._timeout_s = timeout_s
        self._token = ""
        self._expiry = 0.0
        self._getting = asyncio.Lock()

    async def get(self, now_s: int) -> str | Result:
        """Return a token, or why there is none now."""
        async with self._getting:
            if self._token and asyncio.get_running_loop().time() < self._expiry:
                return self._token
            result = later("there are no credentials", fault=True)
            for key, to in self._keys:
                found = await self._exchange(key, to, now_s)
                if isinstance(found, Token):
                    self._token = found.access_token
                    self._expiry = asyncio.get_running_loop().time() + found.life_s
                    return self._token
                result = found
            return result

    def forget(self, token: str) -> None:
        """Use a token no more."""
        if token == self._token:
            self._token = ""

    async def _exchange(self, key: Key, to: Target, now_s: int) -> Token | Result:
        try:
            form = urlencode(key.form(SCOPE, now_s))
        except ValueError as error:
            return later(str(error), fault=True)
        sent = headers(Content_Type="application/x-www-form-urlencoded")
        answer = await self._outbound.post(to, form.encode(), sent, self._timeout_s)
        if answer.result.verdict is not Verdict.DELIVERED:
            return later(f"Google gives no token: {answer.result.detail}", fault=True)
        return read(answer, Token) or later("Google's token has an unknown form", fault=True)


class GooglePlayWriter:
    """Writes answers to reviews.

    Args:
        package: of the app whose reviews do not tell theirs.
    """

    def __init__(
        self, outbound: Outbound, to: Target, tokens: Tokens, package: str, timeout_s: float
    ) -> None:
        self._outbound = outbound
        self._to = to
        self._tokens = tokens
        self._package = package
        self._timeout_s = timeout_s

    @classmethod
    def made(cls, making: Making) -> GooglePlayWriter:
        """Return the writer of its settings.

        Raises:
            Misconfigured: one of them is missing, wrong or unknown.
        """
        making.only(OPTIONS)
        if not making.settings.secrets:
            raise making.wrong("secrets: the credentials file, as JSON")
        to, keys = making.to(URL), []
        for number, secret in enumerate(making.settings.secrets):
            try:
                key = read_key(making.hidden(f"secrets[{number}]", secret).encode())
            except ValueError as error:
                raise making.wrong(f"secrets[{number}]: {error}") from error
            what = f"{making.where}: token_uri in secrets[{number}]"
            keys.append((key, target(key.token_uri, allow_private=to.allow_private, what=what)))
        package = making.option("package", "")
        tokens = Tokens(making.outbound, keys, making.timeout_s)
        return cls(making.outbound, to, tokens, package, making.timeout_s)

    def is_public(self, route: Route) -> bool | None:
        """Everybody reads the answers to reviews."""
        mine = route.channel is Channel.REVIEWS and route.provider == "google_play"
        return True if mine else None

    async def write(self, route: Route, message: Outgoing) -> Result:
        """Answer one review."""
        package = route.account or self._package
        if not (_PACKAGE.fullmatch(package) and _REVIEW.fullmatch(route.address)):
            return refused("neither the app nor the review can stand in an address")
        if len(message.text) > MAX_CHARACTERS:
            return refused(f"{len(message.text)} characters, Google Play takes {MAX_CHARACTERS}")
        answer = await self._answer(package, route.address, message)
        if isinstance(answer, Result):
            return answer
        return _result(answer, f"{route.address}/{message.at}")

    async def _answer(self, package: str, review: str, message: Outgoing) -> Answer | Result:
        """Post the answer; a token that is refused is got anew, once."""
        path = f"/androidpublisher/v3/applications/{package}/reviews/{review}:reply"
        to = self._to._replace(url=self._to.url.with_path(self._to.url.path.rstrip("/") + path))
        body = msgspec.json.encode({"replyText": message.text})
        for last in (False, True):
            token = await self._tokens.get(message.at // 1000)
            if isinstance(token, Result):
                return token
            sent = headers(Authorization=f"Bearer {token}", Content_Type="application/json")
            answer = await self._outbound.post(to, body, sent, self._timeout_s)
            if answer.status != 401 or last:
                break
            self._tokens.forget(token)
        return answer


def _result(answer: Answer, reference: str) -> Result:
    if answer.result.verdict is Verdict.DELIVERED:
        return answer.result._replace(reference=reference)
    fault = (read(answer, _Answer) or _Answer()).error
    quota = any(each.reason in _QUOTA for each in fault.errors)
    if answer.status == 403 and (quota or fault.status == "RESOURCE_EXHAUSTED"):
        return later("the quota is used up", after_s=answer.result.retry_after_s or _QUOTA_S)
    return judged(answer, fault.message)
