"""The door of providers: ``/v1/hooks/<source>``. What a request means is the provider's module's.

Whoever is not proven gets one and the same answer (401), whether the source exists or not, unless the
request is refused unread: too large (413), encoded (415), too slow (408).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec
import structlog
from aiohttp import web

from services.ingest.channels.hook import Hook
from services.ingest.channels.provider import (
    Credentials,
    Delivery,
    KeyNeeded,
    Proof,
    Unfit,
)
from services.ingest.channels.rejection import Rejected
from services.ingest.intake import Intake
from services.ingest.metering import Metering
from services.ingest.outcome import Result, Status
from services.ingest.prepare import Entry
from services.ingest.registry import Configured, Registry, door
from services.ingest.sources import answers
from services.ingest.sources.admission import PAUSED_RETRY_S, admit
from services.ingest.sources.answers import Refused
from services.ingest.sources.body import Bodies
from services.ingest.sources.fetching import Fetcher
from services.ingest.sources.gate import Gate
from services.ingest.sources.http import traceparent
from services.ingest.sources.public_keys import PublicKeys
from shared import config
from shared.clock import Clock
from shared.errors import Transient
from shared.limits import Limits
from shared.ports import Nonces
from shared.signatures import Unauthentic

LOG_EVERY_S = 10.0
LARGE = 256 * 1024
"""Bytes of a body above which checking and parsing may take longer than others should wait."""

T = TypeVar("T")
_log = structlog.get_logger(__name__)


class HookDoor:
    """Proves, reads and hands over requests of providers."""

    def __init__(
        self,
        intake: Intake,
        registry: Registry,
        bodies: Bodies,
        keys: PublicKeys,
        nonces: Nonces,
        limits: Limits,
        metering: Metering,
        clock: Clock,
        settings: config.Ingest,
        fetcher: Fetcher,
    ) -> None:
        self._intake = intake
        self._registry = registry
        self._bodies = bodies
        self._keys = keys
        self._nonces = nonces
        self._limits = limits
        self._metering = metering
        self._clock = clock
        self._settings = settings
        self._fetcher = fetcher
        self._silent_until: dict[str, float] = {}

    def add_routes(self, app: web.Application, gate: Gate) -> None:
        """Mount the route on ``app``, behind ``gate``."""
        handler = gate.guarded("hooks", self._hook)
        app.router.add_route("*", "/v1/hooks/{source}", handler)

    async def _hook(self, request: web.Request) -> web.StreamResponse:
        source = self._source(request)
        limit = min(self._settings.max_hook_bytes, source.provider.max_body)
        body = await self._bodies.read(request, limit, source.name)
        try:
            return await self._answer(source, self._as_hook(request, body), traceparent(request))
        finally:
            self._bodies.release(body, source.name)

    async def _answer(self, source: Configured, hook: Hook, trace: bytes) -> web.StreamResponse:
        try:
            if reply := self._challenged(source, hook):
                return reply
            await self._prove(source, hook)
        except Unauthentic as unproven:
            self._report(source, unproven)
            raise _unauthorized() from unproven
        admit(source, self._limits)
        delivery = await self._fetched(source, await _apart(hook, self._read, source, hook))
        for reason in delivery.ignored:
            self._metering.ignored(source.provider.channel, reason)
        entries: list[Entry] = [*delivery.items, *delivery.unfit]
        results = await self._intake.take(entries, door(source, trace)) if entries else []
        taken = sum(result.status is not Status.UNAVAILABLE for result in results)
        self._limits.charge(source.name, source.source, max(1, taken))
        self._metering.source_heard(source.name, self._clock.now_ms())
        return self._reply(source, results, len(delivery.ignored))

    def _report(self, source: Configured, unproven: Unauthentic) -> None:
        """Why goes to the operator's log, now and then, never to the caller: it would help a forger."""
        self._metering.unauthentic(source.provider.name)
        now = asyncio.get_running_loop().time()
        if now >= self._silent_until.get(source.name, 0.0):
            self._silent_until[source.name] = now + LOG_EVERY_S
            _log.warning("not authentic", source=source.name, why=unproven.detail)

    def _source(self, request: web.Request) -> Configured:
        source = self._registry.sources.get(request.match_info["source"])
        if source is None or source.provider.parse is None:
            raise _unauthorized()
        return source

    def _as_hook(self, request: web.Request, body: bytes) -> Hook:
        headers: dict[str, str] = {}
        for name, value in request.headers.items():
            lower = name.lower()
            headers[lower] = f"{headers[lower]}, {value}" if lower in headers else value
        base = self._settings.public_url.rstrip("/") or f"{request.scheme}://{request.host}"
        return Hook(
            method=request.method,
            url=base + request.raw_path,
            headers=headers,
            body=body,
            now=self._clock.now_ms(),
        )

    def _challenged(self, source: Configured, hook: Hook) -> web.Response | None:
        if source.provider.challenge is None:
            return None
        reply = source.provider.challenge(hook, self._credentials(source), source.settings)
        if reply is None:
            return None
        return web.Response(status=reply.status, body=reply.body, content_type=reply.content_type)

    async def _prove(self, source: Configured, hook: Hook) -> None:
        proof = await self._verified(source, hook)
        if proof.nonce is None:
            return
        digest = proof.digest or hashlib.sha256(hook.body).hexdigest()
        try:
            fresh = await self._nonces.claim(f"{source.name}:{proof.nonce}", digest)
        except Transient:
            return  # the signature holds and is recent; what is doubled is dropped further down
        if not fresh:
            raise Unauthentic("the token of another request was used again")

    async def _verified(self, source: Configured, hook: Hook) -> Proof:
        verify = source.provider.verify
        if verify is None:
            raise Unauthentic("the provider has no way to prove itself")
        credentials = self._credentials(source)
        try:
            return await _apart(hook, verify, hook, credentials, source.settings)
        except KeyNeeded as needed:
            try:
                fresh = await self._keys.get(needed.url)
            except Transient as error:
                raise Refused(503, "key_unavailable", str(error)) from error
        if not fresh and self._credentials(source) == credentials:
            raise Unauthentic("signed with a key that the provider does not publish")
        try:
            return await _apart(hook, verify, hook, self._credentials(source), source.settings)
        except KeyNeeded as needed:
            raise Unauthentic("signed with a key that the provider does not publish") from needed

    def _credentials(self, source: Configured) -> Credentials:
        keys = self._keys.known()
        if not keys:
            return source.credentials
        return msgspec.structs.replace(source.credentials, keys=keys)

    def _read(self, source: Configured, hook: Hook) -> Delivery:
        """Return what is in the request; one that cannot be read at all is a dead letter."""
        parse = source.provider.parse
        assert parse is not None  # noqa: S101 (_source)
        try:
            return parse(hook, source.settings)
        except Rejected as rejected:
            return Delivery(unfit=(Unfit.of(rejected, hook.body),))

    async def _fetched(self, source: Configured, delivery: Delivery) -> Delivery:
        """Return ``delivery`` with what it only names; what is gone or unreadable is a dead letter."""
        read = source.provider.read
        if not delivery.fetch or read is None:
            return delivery
        items, unfit = list(delivery.items), list(delivery.unfit)
        for fetch in delivery.fetch:
            payload = fetch.url.encode()
            try:
                payload = await self._fetcher.get(source, fetch)
                items.append(read(payload, source.settings))
            except Rejected as rejected:
                unfit.append(Unfit.of(rejected, payload))
            except Transient as error:  # the provider is to announce all of it again
                raise Refused(503, "not_fetched", str(error), PAUSED_RETRY_S) from error
        return msgspec.structs.replace(delivery, items=tuple(items), unfit=tuple(unfit), fetch=())

    def _reply(
        self, source: Configured, results: Sequence[Result], ignored: int
    ) -> web.StreamResponse:
        """Once everything is durable the provider is told so, dead letters included.

        A 4xx would make it switch the webhook off, or send the same for days, for what is kept here.
        """
        if any(result.status is Status.UNAVAILABLE for result in results):
            return answers.batch(results)
        reply = source.provider.reply
        if reply is not None:
            return web.Response(
                status=reply.status, body=reply.body, content_type=reply.content_type
            )
        return answers.hook(results, ignored, itemised=source.provider.itemised)


async def _apart(hook: Hook, work: Callable[..., T], *arguments: object) -> T:
    """Return what ``work`` gives; what is large is worked on in a thread, so that others go on."""
    if len(hook.body) <= LARGE:
        return work(*arguments)
    return await asyncio.to_thread(work, *arguments)


def _unauthorized() -> Refused:
    return Refused(401, "unauthorized", "no such source, or its proof is missing or wrong")
