"""Where customers can be answered, as kept in Redis: sealed until somebody is written to.

One hash a partition of ``reply.routes`` holds the routes, how far the topic is in it (``MARK``) and
whether that was its end once (``WHOLE``): they are lost together or not at all. Whoever writes names
the mark that it expects, so of two that follow the topic none undoes what the other has done.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple, Protocol, cast

import redis
import structlog
from redis.asyncio import Redis

from shared import codec, routes, topics
from shared.errors import Poison, Transient
from shared.events import ReplyRoute
from shared.ids import partition_of
from shared.sealing import Sealer, Unsealable
from shared.stores.redis_rounds import Calls

MARK: Final = "@"
WHOLE: Final = "!"
"""Fields of the hash beside the routes, whose ids all hold a colon and a slash."""

_WRITE = """
local mark = redis.call('HGET', KEYS[1], ARGV[1]) or ''
if mark ~= ARGV[3] then return 0 end
if ARGV[5] == '1' then redis.call('UNLINK', KEYS[1]) end
for i = 7, #ARGV, 3 do
  if ARGV[i + 1] == '' then
    redis.call('HDEL', KEYS[1], ARGV[i])
  else
    local known = redis.call('HGET', KEYS[1], ARGV[i])
    if not known or tonumber(string.match(known, '^-?%d+')) <= tonumber(ARGV[i + 1]) then
      redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1] .. ' ' .. ARGV[i + 2])
    end
  end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[4])
if ARGV[6] == '1' then redis.call('HSET', KEYS[1], ARGV[2], '1') end
return 1
"""

_log = structlog.get_logger(__name__)


class Change(NamedTuple):
    """A record of the topic: ``value`` as it is there, None: the route is gone. ``at`` in ms."""

    route_id: str
    at: int
    value: bytes | None


class Step(NamedTuple):
    """Changes of one partition, from the mark ``expected`` ("": none) to ``mark``.

    ``afresh``: what there was before goes first. ``whole``: the end of the topic was reached.
    """

    expected: str
    mark: str
    changes: Sequence[Change] = ()
    afresh: bool = False
    whole: bool = False


class RouteBook(Protocol):
    """What follows the topic writes here, from a thread of its own.

    Both methods raise ``Transient`` when the store does not answer.
    """

    def mark(self, partition: int) -> str:
        """Return how far the topic is in here, "" if nothing is."""
        ...

    def write(self, partition: int, step: Step) -> bool:
        """Take all of ``step`` or, when another mark is found than it expects, nothing (False).

        An older route does not take the place of a newer one.
        """
        ...


class Kept(Protocol):
    """What is looked up of the book, from an event loop."""

    async def get(self, partition: int, route_ids: Sequence[str]) -> Sequence[bytes | None]:
        """Return the records of the routes, None where there is none.

        Raises:
            Transient: the store does not answer, or has not all routes of the partition.
        """
        ...


class MemoryRoutes:
    """A ``RouteBook`` and ``Kept`` in the memory of one process."""

    def __init__(self) -> None:
        self._kept: dict[int, dict[str, tuple[int, bytes]]] = {}
        self._marks: dict[int, str] = {}
        self._whole: set[int] = set()

    def mark(self, partition: int) -> str:
        """See ``RouteBook.mark``."""
        return self._marks.get(partition, "")

    def write(self, partition: int, step: Step) -> bool:
        """See ``RouteBook.write``."""
        if self.mark(partition) != step.expected:
            return False
        if step.afresh:
            self._kept.pop(partition, None)
            self._whole.discard(partition)
        kept = self._kept.setdefault(partition, {})
        for route_id, at, value in step.changes:
            if value is None:
                kept.pop(route_id, None)
            elif route_id not in kept or kept[route_id][0] <= at:
                kept[route_id] = (at, value)
        self._marks[partition] = step.mark
        if step.whole:
            self._whole.add(partition)
        return True

    async def get(self, partition: int, route_ids: Sequence[str]) -> Sequence[bytes | None]:
        """See ``Kept.get``."""
        if partition not in self._whole:
            raise Transient("the routes to customers are not read yet")
        kept = self._kept.get(partition, {})
        return [kept[one][1] if one in kept else None for one in route_ids]


class RedisBook:
    """A ``RouteBook`` in Redis; ``client`` blocks."""

    def __init__(self, client: redis.Redis, prefix: str) -> None:
        self._client = client
        self._prefix = prefix
        self._write: Callable[..., Any] = client.register_script(_WRITE)

    def mark(self, partition: int) -> str:
        """See ``RouteBook.mark``."""
        found = self._call(lambda: self._client.hget(self._key(partition), MARK))
        return found.decode() if isinstance(found, bytes) else ""

    def write(self, partition: int, step: Step) -> bool:
        """See ``RouteBook.write``."""
        args: list[str | bytes] = [
            MARK, WHOLE, step.expected, step.mark, _flag(step.afresh), _flag(step.whole),
        ]  # fmt: skip
        for route_id, at, value in step.changes:
            args += [route_id, "" if value is None else str(at), value or b""]
        return bool(self._call(lambda: self._write(keys=[self._key(partition)], args=args)))

    def _key(self, partition: int) -> str:
        return f"{self._prefix}{partition}"

    def _call(self, call: Callable[[], object]) -> object:
        try:
            return call()
        except (redis.RedisError, OSError) as error:
            raise Transient(f"redis: {type(error).__name__}") from error


class RedisKept:
    """A ``Kept`` in Redis; ``client`` is made by ``redis_dedupe.connect``."""

    def __init__(self, client: Redis, prefix: str) -> None:
        self._client = client
        self._prefix = prefix
        self._calls = Calls()

    async def get(self, partition: int, route_ids: Sequence[str]) -> Sequence[bytes | None]:
        """See ``Kept.get``."""
        key, fields = f"{self._prefix}{partition}", [WHOLE, *route_ids]
        whole, *found = await self._calls(
            lambda: cast("Awaitable[list[bytes | None]]", self._client.hmget(key, fields))
        )
        if whole is None:
            raise Transient("the routes to customers are not read yet")
        return [None if one is None else one.partition(b" ")[2] for one in found]


class SealedAddresses:
    """``ports.Addresses``: opens a route when it is asked for, and keeps nothing.

    Args:
        sealer: opens what intake has sealed; None: there is no key, and so no route.
        partitions: how many ``reply.routes`` has.
        ready: tells whether this process has followed the topic to its end.
    """

    def __init__(
        self, kept: Kept, sealer: Sealer | None, partitions: int, ready: Callable[[], bool]
    ) -> None:
        self._kept = kept
        self._sealer = sealer
        self._partitions = partitions
        self._ready = ready
        self._decoder = codec.Decoder[ReplyRoute](topics.REPLY_ROUTES.carries)

    async def find(
        self, record_key: str, source: str, thread_id: str | None
    ) -> routes.Route | None:
        """Return the route of the thread, else the latest of the customer at that source, else None.

        Raises:
            Transient: the store does not answer, or the topic is not read to its end.
        """
        if self._sealer is None:
            return None
        if not self._ready():
            raise Transient("the routes to customers are not read yet")
        threads = dict.fromkeys((thread_id, None))
        wanted = [routes.route_id(record_key, source, thread) for thread in threads]
        found = await self._kept.get(partition_of(record_key, self._partitions), wanted)
        return self._first(found, self._sealer)

    def _first(self, found: Iterable[bytes | None], sealer: Sealer) -> routes.Route | None:
        for raw in found:
            if raw is None:
                continue
            try:
                return routes.open_sealed(self._decoder.decode(raw), sealer)
            except (Unsealable, Poison) as error:
                _log.warning("a route to a customer cannot be opened", problem=str(error))
        return None


def _flag(value: bool) -> str:
    return "1" if value else ""
