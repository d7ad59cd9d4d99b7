"""Which identifiers belong to one customer. In memory, fed from the compacted topic of links.

Two identifiers are linked when a platform vouches for both in one item, never for less: merging two
people shows one the other's case. Two customers that are known already are never merged by a machine:
that is a conflict, for a person to look at.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


class Resolution(msgspec.Struct, frozen=True):
    """The customer of an item; ``aliases`` are to be linked to it; ``conflict`` names the others."""

    customer_key: str
    aliases: tuple[str, ...] = ()
    conflict: tuple[str, ...] = ()


class Links:
    """All known links: pseudonym of an identifier → customer key."""

    def __init__(self) -> None:
        self._customers: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._customers)

    def add(self, alias: str, customer_key: str) -> None:
        """Take note of a link; the first one of an alias stays, whoever wrote it."""
        self._customers.setdefault(alias, customer_key)

    def remove(self, alias: str) -> None:
        """Forget a link: its customer was erased."""
        self._customers.pop(alias, None)

    def aliases_of(self, customer_key: str) -> tuple[str, ...]:
        """Return the pseudonyms that are linked to a customer: it may have been known by them before."""
        return tuple(alias for alias, key in self._customers.items() if key == customer_key)

    def resolve(self, primary: str, verified: Sequence[str]) -> Resolution:
        """Return the customer of an item by the pseudonyms of its identifiers.

        ``primary`` is the one that it would be filed under alone; ``verified`` are those that the
        platform vouches for. Deterministic: the links so far and the order of ``verified`` decide.
        """
        own = self._customers.get(primary, primary)
        if len(verified) < 2 or primary not in verified:
            return Resolution(own)
        known = {key: self._customers[key] for key in verified if key in self._customers}
        customers = list(dict.fromkeys(known.values()))
        if len(customers) > 1:
            return Resolution(own, conflict=tuple(key for key in customers if key != own))
        customer = customers[0] if customers else own
        fresh = tuple(key for key in verified if key not in known and key != customer)
        return Resolution(customer, fresh)
