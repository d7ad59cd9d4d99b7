"""Follows a timeline of a Mastodon instance, and reads up what came while it could not.

API: Mastodon, "Streaming" (server-sent events) and "Timelines" / "Notifications" (``min_id``: what
comes right after an id). The stream is opened first, then the gap before it is read, then the stream:
what comes twice is recognised. Edits and deletions of the gap cannot be read up, Mastodon lists none.
Reading up begins some minutes early, and goes on where it was when it is interrupted: a timeline may
have more in these minutes than its quota allows to read at once.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import NamedTuple

import aiohttp
import msgspec
import structlog

from services.ingest.channels.item import Item
from services.ingest.channels.provider import Delivery, Ignored, Unfit
from services.ingest.channels.providers import mastodon
from services.ingest.channels.reading import read_json
from services.ingest.channels.rejection import Refusal, Rejected
from services.ingest.channels.times import stated
from services.ingest.collectors import options
from services.ingest.collectors.calls import call, check, checked, faults, retry_after
from services.ingest.collectors.pace import Pace
from services.ingest.collectors.page import Page, Refused, Surroundings
from services.ingest.collectors.sse import Decoder, Event
from services.ingest.collectors.taken import Taken
from services.ingest.registry import Configured
from shared.errors import Misconfigured, Transient

SILENCE_S = 60.0
"""A heartbeat comes every 15 seconds: so long without one, and the connection is dead."""

GAP_S = 5.0
CONNECT_S = 15.0
LIMIT = "40"
OVERLAP_MS = 600_000
"""Ids are made from the time of writing; a post of another instance comes later, under an older id."""

PAUSE_S = 1.0
"""Between pages, if the instance does not say how many it allows; Mastodon: 300 in 5 minutes."""

LEAST_PAUSE_S = 0.2
MOST_PAUSE_S = 300.0

_MANY = 20  # so many newer ones, and none as old: that is not just one that was deleted
_MAX_DIGITS = 9
_TIME_BITS = 16
_FIRST_TIMED = 1 << 56  # ids from a time of 2004 on; smaller ones are counted
Positions = dict[str, str]
"""The newest id by the kind of event; the cursor is this as JSON."""

_log = structlog.get_logger(__name__)


class Timeline(NamedTuple):
    """A list of what the stream would have sent as ``event``."""

    event: str
    path: str
    params: Mapping[str, str] = {}


class Stream(NamedTuple):
    """A stream and the lists to catch up from."""

    path: str
    timelines: tuple[Timeline, ...]
    params: Mapping[str, str] = {}


class _Urls(msgspec.Struct):
    streaming: str = ""


class _Configuration(msgspec.Struct):
    urls: _Urls = msgspec.field(default_factory=_Urls)


class _Instance(msgspec.Struct):
    configuration: _Configuration = msgspec.field(default_factory=_Configuration)


class _Numbered(msgspec.Struct):
    id: str | int = ""


def stream(name: str, tag: str) -> Stream | None:
    """Return the stream that option ``stream`` names, None if there is no such."""
    notifications = Timeline("notification", "/api/v1/notifications")
    public = "/api/v1/timelines/public"
    tagged = f"/api/v1/timelines/tag/{tag}"
    local = {"local": "true"}
    streams = {
        "user": Stream("user", (Timeline("update", "/api/v1/timelines/home"), notifications)),
        "user:notification": Stream("user/notification", (notifications,)),
        "public": Stream("public", (Timeline("update", public),)),
        "public:local": Stream("public/local", (Timeline("update", public, local),)),
        "hashtag": Stream("hashtag", (Timeline("update", tagged),), {"tag": tag}),
        "hashtag:local": Stream(
            "hashtag/local", (Timeline("update", tagged, local),), {"tag": tag}
        ),
    }
    return streams.get(name)


def collector(source: Configured, surroundings: Surroundings) -> Follower:
    """Return what follows the stream of ``source``.

    Raises:
        Misconfigured: an option will not do.
    """
    name = source.settings.option("stream", "user")
    tag = options.required(source, "tag", r"\w{1,100}") if name.startswith("hashtag") else ""
    found = stream(name, tag)
    if found is None:
        raise Misconfigured(f"sources.{source.name}: there is no stream {name!r}")
    base = options.address(source, "instance", "")
    own = bool(source.settings.option("streaming"))
    streaming = options.address(source, "streaming", "") if own else ""
    return Follower(source, surroundings, base, found, streaming)


class Follower:
    """Follows one stream."""

    def __init__(
        self,
        source: Configured,
        surroundings: Surroundings,
        base: str,
        followed: Stream,
        streaming: str = "",
    ) -> None:
        self._name = source.name
        self._settings = source.settings
        self._tokens = [secret.decode("ascii", "replace") for secret in source.credentials.secrets]
        self._token = ""
        self._around = surroundings
        self._base = base
        self._stream = followed
        self._streaming = streaming
        self._reached: Positions = {}  # how far reading up was when it was interrupted
        self._pause_s = PAUSE_S
        self._pace = Pace(GAP_S, surroundings.sleep)
        self._taken = Taken(source.name, surroundings.ids)

    async def pages(self, cursor: str | None) -> AsyncGenerator[Page, None]:
        """Yield what came since ``cursor`` (None: from now on), then what comes."""
        positions = _positions(cursor)
        await self._pace.wait()
        with faults():
            response = await self._open(await self._server())
            try:
                for timeline in self._stream.timelines:
                    async with aclosing(self._catch_up(timeline, positions)) as missed:
                        async for page in missed:
                            yield page
                decoder = Decoder()
                async for chunk in response.content.iter_any():
                    yield await self._page(decoder.feed(chunk), positions)
            finally:
                response.close()
        raise Transient("the stream has ended")

    async def _server(self) -> str:
        """Return the address that streams: large instances have a server of its own for that.

        What the instance names has to be its own host or one below it, else our token stays here.
        """
        if self._streaming:
            return self._streaming
        answer = await call(self._around, "GET", f"{self._base}/api/v2/instance")
        if answer.status >= 500 or answer.status == 429:
            checked(answer)
        try:
            url = read_json(answer.body, _Instance).configuration.urls.streaming
        except Rejected:
            url = ""
        if url.startswith(("ws://", "wss://")):
            url = f"http{url.removeprefix('ws')}"
        if options.within(url, self._base):
            return url.rstrip("/")
        if url:
            todo = "if it may have the token, set option 'streaming'"
            _log.warning("streaming server not used", source=self._name, server=url, todo=todo)
        return self._base

    async def _open(self, server: str) -> aiohttp.ClientResponse:
        """Return the open stream, with the first token that is good: two are, in rotation."""
        refused = Refused("there is no access token")
        for token in self._tokens:
            response = await self._around.http.get(
                f"{server}/api/v1/streaming/{self._stream.path}",
                params=self._stream.params,
                headers={"Authorization": f"Bearer {token}", "Accept": "text/event-stream"},
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=CONNECT_S, sock_read=SILENCE_S
                ),
            )
            now = self._around.clock.now_ms()
            wait = retry_after(response.headers.get("Retry-After", ""), now)
            try:
                check(response.status, wait)
                if response.status != 200 or response.content_type != "text/event-stream":
                    raise Transient(f"no stream: {response.status} {response.content_type}")
            except Refused as error:
                response.close()
                refused = error
            except Transient:
                response.close()
                raise
            else:
                self._token = token
                return response
        raise refused

    async def _catch_up(
        self, timeline: Timeline, positions: Positions
    ) -> AsyncGenerator[Page, None]:
        """Yield what ``timeline`` has after the position; without one, note where it stands."""
        known = positions.get(timeline.event)
        if known is None:
            newest = [_id(raw) for raw in await self._listed(timeline, {"limit": "1"})]
            positions[timeline.event] = (newest[0] if newest else "") or "0"
            yield Page(cursor=_cursor(positions))
            return
        interrupted = self._reached.get(timeline.event)
        after = interrupted or _earlier(known)
        seen = interrupted is not None or after == known  # it was, or it will not be listed
        while found := await self._listed(timeline, {"min_id": after, "limit": LIMIT}):
            ids = sorted((_id(raw) for raw in found), key=_order)
            if not seen and len(ids) >= _MANY and _order(ids[0]) > _order(known):
                # Home timelines are short, and some instances do not keep what is of others.
                name = self._name
                _log.error("items may have been missed", source=name, since=known, why="too many")
            seen = True
            events = [Event(timeline.event, raw) for raw in reversed(found)]
            yield await self._page(events, positions)
            if _order(ids[-1]) <= _order(after):
                break
            after = self._reached[timeline.event] = ids[-1]
            await self._around.sleep(self._pause_s)
        self._reached.pop(timeline.event, None)

    async def _listed(self, timeline: Timeline, params: Mapping[str, str]) -> list[bytes]:
        """Return a page of ``timeline``, newest first."""
        answer = await call(
            self._around,
            "GET",
            self._base + timeline.path,
            params={**timeline.params, **params},
            headers={"Authorization": f"Bearer {self._token}"},
        )
        self._pause_s = _pause_s(answer.headers, self._around.clock.now_ms())
        try:
            return [bytes(raw) for raw in read_json(checked(answer), list[msgspec.Raw])]
        except Rejected as rejected:
            raise Transient(f"no such answer as documented: {rejected}") from rejected

    async def _page(self, events: list[Event], positions: Positions) -> Page:
        items: list[Item] = []
        deletions: list[Item] = []
        unfit: list[Unfit] = []
        ignored: list[Ignored] = []
        for event in events:
            try:
                if event.cut:
                    raise Rejected(
                        Refusal.TOO_LARGE, f"an event of more than {len(event.data)} bytes"
                    )
                found = mastodon.read_event(event.name, event.data, self._settings)
            except Rejected as rejected:
                unfit.append(Unfit.of(rejected, event.data))
                continue
            (deletions if event.name == "delete" else items).extend(found.items)
            unfit.extend(found.unfit)
            ignored.extend(found.ignored)
            if event.name in positions and _order(_id(event.data)) > _order(positions[event.name]):
                positions[event.name] = _id(event.data)
        certain = Delivery(items=tuple(items), unfit=tuple(unfit), ignored=tuple(ignored))
        return await self._taken.page(certain, deletions, _cursor(positions))


def _pause_s(headers: Mapping[str, str], now_ms: int) -> float:
    """Return the seconds before the next request that use up the quota evenly until its reset."""
    remaining = headers.get("X-RateLimit-Remaining", "")
    reset = stated(headers.get("X-RateLimit-Reset")).at
    if reset is None or not remaining.isdecimal() or len(remaining) > _MAX_DIGITS:
        return PAUSE_S
    even_s = (reset - now_ms) / 1000.0 / max(1, int(remaining))
    return min(MOST_PAUSE_S, max(LEAST_PAUSE_S, even_s))


def _positions(cursor: str | None) -> Positions:
    try:
        return read_json(cursor, Positions) if cursor else {}
    except Rejected:
        return {}


def _cursor(positions: Positions) -> str:
    return msgspec.json.encode(positions).decode()


def _id(raw: bytes) -> str:
    """Return the id of a status or notification, empty if it has none that can be used."""
    try:
        found = str(read_json(raw, _Numbered).id)
    except Rejected:
        return ""
    return found if found.isascii() and found.isalnum() and len(found) <= 64 else ""


def _order(native: str) -> tuple[int, str]:
    """Return what ids are ordered by: as numbers, though they need not be any."""
    return len(native), native


def _earlier(native: str) -> str:
    """Return the id that an item had some minutes before; counted ids are in order anyway."""
    if not native.isdecimal() or int(native) < _FIRST_TIMED:
        return native
    return str(int(native) - (OVERLAP_MS << _TIME_BITS))
