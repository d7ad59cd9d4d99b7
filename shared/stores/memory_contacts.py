"""Contacts and nonces in the memory of one process: for tests and installations without Redis."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence


class _Expiring:
    """A dictionary whose entries end after ``ttl_s`` seconds, and the oldest beyond ``capacity``."""

    def __init__(self, ttl_s: float, monotonic: Callable[[], float], capacity: int) -> None:
        self._ttl_s = ttl_s
        self._monotonic = monotonic
        self._capacity = capacity
        self._entries: OrderedDict[str, tuple[float, bytes]] = OrderedDict()

    def get(self, key: str) -> bytes | None:
        expiry, value = self._entries.get(key, (0.0, b""))
        return value if expiry > self._monotonic() else None

    def set(self, key: str, value: bytes) -> None:
        self._entries[key] = (self._monotonic() + self._ttl_s, value)
        self._entries.move_to_end(key)
        while len(self._entries) > self._capacity:
            self._entries.popitem(last=False)


class MemoryContacts:
    """See ``shared.ports.Contacts``."""

    def __init__(
        self, ttl_s: float, monotonic: Callable[[], float], capacity: int = 100_000
    ) -> None:
        self._said = _Expiring(ttl_s, monotonic, capacity)

    async def recent(self, customers: Sequence[str]) -> Sequence[bytes | None]:
        """Return what is remembered of each of ``customers``."""
        return [self._said.get(customer) for customer in customers]

    async def remember(self, contacts: Mapping[str, bytes]) -> None:
        """Replace what is remembered."""
        for customer, said in contacts.items():
            self._said.set(customer, said)


class MemoryNonces:
    """See ``shared.ports.Nonces``."""

    def __init__(
        self, ttl_s: float, monotonic: Callable[[], float], capacity: int = 100_000
    ) -> None:
        self._used = _Expiring(ttl_s, monotonic, capacity)

    async def claim(self, nonce: str, digest: str) -> bool:
        """Return whether ``nonce`` is new or was claimed with the same ``digest`` before."""
        before = self._used.get(nonce)
        if before is None:
            self._used.set(nonce, digest.encode())
        return before is None or before == digest.encode()
