"""Which sources a mailbox belongs to: what a mail server may deliver here, and nothing else."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from contextlib import suppress

from services.ingest.registry import Configured, Registry, Sources

PROVIDER = "smtp"


class Mailboxes:
    """The recipients of all sources, always as the registry has them."""

    def __init__(self, registry: Registry) -> None:
        self._sources: dict[str, tuple[Configured, ...]] = {}
        self._take_over(registry.sources)
        registry.listen(self._take_over)

    def of(self, recipient: str) -> tuple[Configured, ...]:
        """Return the sources that mail to ``recipient`` is for: none, one, or several that share it.

        The whole address counts first, then that without its tag (``user+tag@``), then its domain.
        """
        local, _, domain = _canonical(recipient).rpartition("@")
        if not local:
            return ()
        plain = local.partition("+")[0]
        for address in (f"{local}@{domain}", f"{plain}@{domain}", f"@{domain}"):
            if found := self._sources.get(address):
                return found
        return ()

    def _take_over(self, sources: Sources) -> None:
        found: dict[str, tuple[Configured, ...]] = {}
        for source in _listening(sources.values()):
            for entry in dict.fromkeys(map(_canonical, source.settings.listed("recipients"))):
                found[entry] = (*found.get(entry, ()), source)
        self._sources = found


def _listening(sources: Iterable[Configured]) -> Iterable[Configured]:
    return (source for source in sources if source.provider.name == PROVIDER)


def _canonical(address: str) -> str:
    """Return what is compared: no server tells ``Support@`` from ``support@``."""
    local, _, domain = unicodedata.normalize("NFC", address).lower().rpartition("@")
    if not domain.isascii():
        with suppress(UnicodeError):  # no domain name: it will match nothing
            domain = domain.encode("idna").decode()
    return f"{local}@{domain}"
