"""What the mail sessions of a process share: who may come in, how much may be in memory, the end."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from dataclasses import dataclass, field
from typing import Protocol

from services.ingest.sources.smtp_delivery import Postroom
from shared import config
from shared.errors import Misconfigured

COMMAND_TIMEOUT_S = 300.0  # RFC 5321, 4.5.3.2.7
DATA_TIMEOUT_S = 120.0

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_BUSY = "421 4.3.2 Too many connections, try again later"
_STRANGER = "554 5.7.1 Mail is taken from our own mail servers only"
_LOOPBACK = "127.0.0.1, ::1"


class Guest(Protocol):
    """A session."""

    def leave(self) -> None:
        """End as soon as what is under way is answered."""
        ...

    def stop_receiving(self) -> None:
        """End now, unless a mail that has come in is being handed to Kafka."""
        ...

    def cut(self) -> None:
        """End now; what was not answered will be sent again."""
        ...


class Allowance:
    """Bytes of mail that may be in memory at the same time, over all sessions."""

    def __init__(self, max_bytes: int) -> None:
        self._left = max_bytes

    def take(self, size: int) -> bool:
        """Account for ``size`` bytes; return False if they are too many now."""
        if size > self._left:
            return False
        self._left -= size
        return True

    def give(self, size: int) -> None:
        """Account for ``size`` bytes no more."""
        self._left += size


@dataclass
class House:
    """Shared by the sessions of all mail doors; ``empty`` is set while there are none."""

    postroom: Postroom
    allowance: Allowance
    peers: tuple[Network, ...]
    max_bytes: int
    max_connections: int
    tls: ssl.SSLContext | None = None
    command_timeout_s: float = COMMAND_TIMEOUT_S
    data_timeout_s: float = DATA_TIMEOUT_S
    guests: set[Guest] = field(default_factory=set)
    empty: asyncio.Event = field(default_factory=asyncio.Event)

    def enter(self, guest: Guest, host: str) -> str | None:
        """Let a session in from the address ``host``, or return the reply that turns it away."""
        address = ipaddress.ip_address(host.partition("%")[0])
        mapped = getattr(address, "ipv4_mapped", None)
        if not any((mapped or address) in network for network in self.peers):
            return _STRANGER
        if len(self.guests) >= self.max_connections:
            return _BUSY
        self.guests.add(guest)
        self.empty.clear()
        return None

    def left(self, guest: Guest) -> None:
        """Forget a session."""
        self.guests.discard(guest)
        if not self.guests:
            self.empty.set()


def peers_of(settings: config.Ingest, pseudonym_key: str) -> tuple[Network, ...]:
    """Return the networks that may deliver mail: ``ingest.smtp_peers``, or the loopback.

    Raises:
        Misconfigured: the doors would be open to a network without saying to whom.
    """
    try:
        networks = tuple(
            ipaddress.ip_network(entry.strip())
            for entry in (settings.smtp_peers or _LOOPBACK).split(",")
        )
    except ValueError as error:
        raise Misconfigured(f"ingest.smtp_peers: {error}") from error
    if config.is_loopback(settings.smtp_host):
        return networks
    if not settings.smtp_peers:
        raise Misconfigured(
            "ingest.smtp_peers is empty: name the mail servers that may deliver to "
            f"{settings.smtp_host}, or bind ingest.smtp_host to 127.0.0.1"
        )
    if pseudonym_key == "change-me":
        raise Misconfigured(
            "privacy.pseudonym_key still has its default: set a secret one to take mail on "
            f"{settings.smtp_host}"
        )
    return networks


def tls_of(settings: config.Ingest) -> ssl.SSLContext | None:
    """Return the certificate to serve with, None if there is none.

    Raises:
        Misconfigured: the files cannot be used.
    """
    if not settings.smtp_tls_cert:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.smtp_tls_cert, settings.smtp_tls_key or None)
    except (OSError, ssl.SSLError) as error:
        raise Misconfigured(f"ingest.smtp_tls_cert, ingest.smtp_tls_key: {error}") from error
    return context
