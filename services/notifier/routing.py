"""The routes of one version of the file of sinks and of the policy."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from typing import Final

from services.notifier.domain.routes import PAGER, SYSTEMS, WEBHOOK
from services.notifier.ports import Directory
from services.notifier.settings import Sinks, SinkSettings
from shared.errors import Misconfigured
from shared.events import Channel, MessageKind

DEFAULT: Final = "default"
_ADDRESSES: Final = {"smtp": "email", "apprise": "apprise", PAGER: PAGER}
"""Kind of sink → kind of address in ``people``; a kind that is not here has one place for all."""

_KEPT: Final = 4_096


def automatic(replies: str) -> frozenset[MessageKind]:
    """Return what the setting ``notifier.replies`` names, separated by commas.

    Raises:
        Misconfigured: a word that is no kind of message.
    """
    words = {word.strip() for word in replies.split(",")} - {""}
    if unknown := sorted(words - set(MessageKind)):
        known = ", ".join(MessageKind)
        raise Misconfigured(f"notifier.replies: {unknown[0]!r} is none of {known}")
    return frozenset(map(MessageKind, words))


class FixedRoutes:
    """See :class:`services.notifier.domain.routes.Routes`; it never changes: a new version is a new one.

    A sink that is disabled, or not for the tenant, is as if it did not exist: whoever has no other
    is told by ``default``.

    Args:
        sinks: the file of sinks.
        directory: the people of one version of the policy.
        replies: what customers are sent without a person.
    """

    def __init__(
        self, sinks: Sinks, directory: Directory, replies: Collection[MessageKind]
    ) -> None:
        self._sinks = sinks
        self._directory = directory
        self._replies = frozenset(replies)
        self._channels = {name for name, one in sinks.writers.items() if not one.disabled}
        # Few people, kinds and tenants, and each is asked for with every event.
        self.via = lru_cache(_KEPT)(self._via)
        self.followers = lru_cache(_KEPT)(self._followers)
        self.takers = lru_cache(_KEPT)(self._takers)

    def reaches(self, sink: str, target: str) -> bool:
        """Tell whether ``sink`` has a place of its own for ``target``."""
        kind = _ADDRESSES.get(self._sinks.sinks[sink].kind, "")
        return bool(self._sinks.address(target, kind))

    def is_system(self, sink: str) -> bool:
        """Tell whether a program reads it."""
        return self._sinks.sinks[sink].kind in SYSTEMS

    def is_automatic(self, message: MessageKind) -> bool:
        """Tell whether customers get this kind of message without a person."""
        return message in self._replies

    def writes(self, channel: Channel) -> bool:
        """Tell whether there is a writer for customers of ``channel``; of ``other`` there is none."""
        return channel is not Channel.OTHER and channel in self._channels

    def _via(self, target: str, tenant: str) -> Sequence[str]:
        named = dict.fromkeys(self._directory.via(target)) if target else {}
        known = tuple(name for name in named if self._serves(name, tenant))
        return known or ((DEFAULT,) if self._serves(DEFAULT, tenant) else ())

    def _followers(self, kind: str, tenant: str) -> Sequence[str]:
        enabled = self._enabled()
        return tuple(name for name, one in enabled if one.follows(kind, tenant))

    def _takers(self, tenant: str) -> Sequence[tuple[str, str]]:
        """Return pagers, and webhooks that follow nothing, so that only targets name them.

        A ticket is one for the whole case: its system follows the events that it wants.
        """
        found: list[tuple[str, str]] = []
        for name, one in self._enabled():
            if not self._serves(name, tenant):
                continue
            if one.kind == PAGER:
                found += [(name, "")] * ("routing_key" in one.options)
                found += [(name, target) for target in self._paged_at(name)]
            elif one.kind == WEBHOOK and not one.events:
                found.append((name, ""))
        return tuple(found)

    def _paged_at(self, sink: str) -> Iterable[str]:
        """Return one name for each key of their own by which people are paged."""
        keys: dict[str, str] = {}
        for target, addresses in self._sinks.people.items():
            key = addresses.get(PAGER)
            if key and sink in self._directory.via(target):
                keys.setdefault(key, target)
        return keys.values()

    def _enabled(self) -> list[tuple[str, SinkSettings]]:
        return [(name, one) for name, one in self._sinks.sinks.items() if not one.disabled]

    def _serves(self, sink: str, tenant: str) -> bool:
        one = self._sinks.sinks.get(sink)
        return one is not None and not one.disabled and (not one.tenants or tenant in one.tenants)
