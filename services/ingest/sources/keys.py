"""Bearer keys: who may write which source."""

from __future__ import annotations

import ipaddress
from hmac import compare_digest

from services.ingest.channels.generic import source_name
from services.ingest.channels.rejection import Rejected
from services.ingest.prepare import ANY_SOURCE
from shared.errors import Misconfigured

_SCHEME = "bearer "


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
        if authorization is None or authorization[: len(_SCHEME)].lower() != _SCHEME:
            return None
        given = authorization[len(_SCHEME) :].strip().encode("utf-8", "surrogateescape")
        matching = [source for source, key in self._keys if compare_digest(key, given)]
        return matching[0] if matching else None


def _entry(entry: str, number: int) -> tuple[str, bytes]:
    source, _, key = entry.partition(":")
    if not source or not key:
        raise Misconfigured(f"ingest.keys: entry {number} is not 'source:key' or '*:key'")
    try:
        return (source if source == ANY_SOURCE else source_name(source)), key.encode()
    except Rejected as rejected:
        raise Misconfigured(f"ingest.keys: entry {number}: {rejected.detail}") from rejected


def check_exposure(host: str, keys: Keys, pseudonym_key: str) -> None:
    """Refuse to serve the network without keys.

    Raises:
        Misconfigured: what is missing for a host other than the loopback.
    """
    if _is_loopback(host):
        return
    if not keys:
        raise Misconfigured(
            f"ingest.keys is empty, so everyone could write: set it, or bind ingest.host to "
            f"127.0.0.1 instead of {host}"
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
