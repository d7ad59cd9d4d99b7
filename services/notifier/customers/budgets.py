"""How much one address is sent: the last guard against loops, over all cases and restarts.

What was allowed once is allowed again under the same notification id, so a retry costs nothing.
Addresses and texts are kept as keyed hashes only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple, Protocol

from redis.asyncio import Redis

from shared.stores.redis_rounds import Calls

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
ONCE_MS: Final = 45 * DAY_MS
"""How long it is remembered that something is said only once."""

_CLAIM = """
local now, id, hour, day = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - 86400000)
if redis.call('ZSCORE', KEYS[1], id) then return '' end
for i = 2, #KEYS do
  local owner = redis.call('GET', KEYS[i])
  if owner and owner ~= id then return i == 2 and 'body' or 'once' end
end
if redis.call('ZCOUNT', KEYS[1], '(' .. (now - 3600000), '+inf') >= hour then return 'hour' end
if redis.call('ZCARD', KEYS[1]) >= day then return 'day' end
redis.call('ZADD', KEYS[1], now, id)
redis.call('PEXPIRE', KEYS[1], 86400000)
redis.call('SET', KEYS[2], id, 'PX', 3600000)
if KEYS[3] then redis.call('SET', KEYS[3], id, 'PX', ARGV[5]) end
return ''
"""


class Limits(NamedTuple):
    """How many messages an address may get."""

    per_hour: int = 3
    per_day: int = 10

    def why(self, reached: str) -> str:
        """Return in words which limit was reached."""
        return {
            "": "",
            "body": "the same text went to this address within the hour",
            "once": "this was said in this case before",
            "hour": f"the address has had {self.per_hour} messages within the hour",
            "day": f"the address has had {self.per_day} messages within a day",
        }[reached]


class Claim(NamedTuple):
    """A message that is about to be sent, as :class:`Keys` hides it.

    ``address`` and ``body`` are hashes, of the body together with the address. ``once``: what is said
    a single time, "" for what may be repeated. ``at`` is now, ms.
    """

    notification_id: str
    at: int
    address: str
    body: str
    once: str = ""


class Budgets(Protocol):
    """Counts what addresses were sent."""

    async def claim(self, claim: Claim, limits: Limits) -> str:
        """Count the message and return "", or return in words why it must not be sent.

        Raises:
            Transient: the store does not answer; nothing is to be sent then.
        """
        ...


class Keys:
    """Makes claims; what is hashed cannot be found by trying without ``secret``."""

    def __init__(self, secret: bytes) -> None:
        self._key = hashlib.blake2b(secret, digest_size=32, person=b"tocsin-budget").digest()

    def claim(
        self, notification_id: str, at: int, address: str, body: str, once: str = ""
    ) -> Claim:
        """Return the claim of a message to ``address``."""
        folded = address.strip().casefold()
        return Claim(
            notification_id,
            at,
            self._hash(folded),
            self._hash(f"{folded}\0{body}"),
            self._hash(once) if once else "",
        )

    def _hash(self, text: str) -> str:
        raw = text.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(raw, digest_size=16, key=self._key).hexdigest()


class MemoryBudgets:
    """See :class:`Budgets`: in the memory of one process."""

    def __init__(self) -> None:
        self._sent: dict[str, dict[str, int]] = {}
        self._owners: dict[str, tuple[str, int]] = {}
        self._swept_at = 0

    async def claim(self, claim: Claim, limits: Limits) -> str:
        """See ``Budgets.claim``."""
        self._sweep(claim.at)
        sent = {
            one: at
            for one, at in self._sent.get(claim.address, {}).items()
            if at > claim.at - DAY_MS
        }
        if claim.notification_id in sent:
            return ""
        reached = self._reached(claim, limits, sent)
        if not reached:
            self._sent[claim.address] = sent | {claim.notification_id: claim.at}
            self._owners[claim.body] = (claim.notification_id, claim.at + HOUR_MS)
            if claim.once:
                self._owners[claim.once] = (claim.notification_id, claim.at + ONCE_MS)
        return limits.why(reached)

    def _sweep(self, now: int) -> None:
        """Forget, once an hour, what counts no longer."""
        if now - self._swept_at < HOUR_MS:
            return
        self._swept_at = now
        self._owners = {key: one for key, one in self._owners.items() if one[1] > now}
        recent = (
            (address, {one: at for one, at in sent.items() if at > now - DAY_MS})
            for address, sent in self._sent.items()
        )
        self._sent = {address: sent for address, sent in recent if sent}

    def _reached(self, claim: Claim, limits: Limits, sent: dict[str, int]) -> str:
        for key, reached in ((claim.body, "body"), (claim.once, "once")):
            owner, until = self._owners.get(key, ("", 0))
            if key and until > claim.at and owner != claim.notification_id:
                return reached
        if sum(at > claim.at - HOUR_MS for at in sent.values()) >= limits.per_hour:
            return "hour"
        return "day" if len(sent) >= limits.per_day else ""


class RedisBudgets:
    """See :class:`Budgets`; ``client`` is made by ``redis_dedupe.connect``."""

    def __init__(self, client: Redis, prefix: str) -> None:
        self._prefix = prefix
        self._claim: Callable[..., Awaitable[Any]] = client.register_script(_CLAIM)
        self._calls = Calls()

    async def claim(self, claim: Claim, limits: Limits) -> str:
        """See ``Budgets.claim``."""
        names = [f"to:{claim.address}", f"text:{claim.body}"]
        if claim.once:
            names.append(f"once:{claim.once}")
        keys = [self._prefix + name for name in names]
        args = [claim.at, claim.notification_id, limits.per_hour, limits.per_day, ONCE_MS]
        reached: bytes = await self._calls(lambda: self._claim(keys=keys, args=args))
        return limits.why(reached.decode())
