"""Bearer keys: who may write which source."""

from __future__ import annotations

import ipaddress
from hmac import compare_digest

from services.ingest.channels.generic import source_name
from services.ingest.channels.rejection import Rejected
from services.ingest.prepare import ANY_SOURCE, GENERIC
from services.ingest.registry import Configured, Registry, Sources
from shared.bearer import bearer
from shared.errors import Misconfigured


class Keys:
    """The keys of ``ingest.keys``: ``source:key`` separated by commas; a source may have several."""

    def __init__(self, setting: str) -> None:
        entries = [entry.strip() for entry in setting.split(",") if entry.strip()]
        self._keys = [_entry(entry, number) for number, entry in enumerate(entries, 1)]

    def __bool__(self) -> bool:
        return bool(self._keys)

    def source_of(self, authorization: str | None) -> str | None:
        """Return the source that this ``Authorization`` header may write, None if none.

        All keys are compared, each in constant time. Without keys everyone may write everything.
        """
        if not self._keys:
            return ANY_SOURCE
        given = bearer(authorization)
        if given is None:
            return None
        matching = [source for source, key in self._keys if compare_digest(key, given)]
        return matching[0] if matching else None


class Callers:
    """Who may use the door of the product's own form: keys of the settings, and configured sources.

    The latter (provider ``generic``) can be rotated, paused and limited while intake runs.
    """

    def __init__(self, keys: Keys, registry: Registry) -> None:
        self._keys = keys
        self._registry = registry

    def who(self, authorization: str | None) -> Configured | str | None:
        """Return the configured source, else the name of the source of a key, None for a stranger.

        All secrets are compared, each in constant time. Without any everyone may write everything.
        """
        sources = [
            source for source in self._registry.sources.values() if source.provider.name == GENERIC
        ]
        given = bearer(authorization)
        matching = [
            source
            for source in sources
            for secret in source.credentials.secrets
            if given is not None and compare_digest(secret, given)
        ]
        if matching:
            return matching[0]
        if sources and not self._keys:
            return None
        return self._keys.source_of(authorization)


def _entry(entry: str, number: int) -> tuple[str, bytes]:
    source, _, key = entry.partition(":")
    if not source or not key:
        raise Misconfigured(f"ingest.keys: entry {number} is not 'source:key' or '*:key'")
    try:
        return (source if source == ANY_SOURCE else source_name(source)), key.encode()
    except Rejected as rejected:
        raise Misconfigured(f"ingest.keys: entry {number}: {rejected.detail}") from rejected


def check_exposure(host: str, keys: Keys, pseudonym_key: str, sources: Sources) -> None:
    """Refuse to serve the network without keys.

    Raises:
        Misconfigured: what is missing for a host other than the loopback.
    """
    if _is_loopback(host):
        return
    if not keys and not any(source.provider.name == GENERIC for source in sources.values()):
        raise Misconfigured(
            f"ingest.keys is empty, so everyone could write: set it, add a source of the provider "
            f"{GENERIC!r}, or bind ingest.host to 127.0.0.1 instead of {host}"
        )
    if pseudonym_key == "change-me":
        raise Misconfigured(
            f"privacy.pseudonym_key still has its default: set a secret one to serve on {host}"
        )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
