"""Which addresses nothing may be sent to: everything that is not a host of the public internet.

Sources: the IANA registries of special-purpose IPv4 and IPv6 addresses (RFC 6890), and the metadata
services of cloud providers. The blocks are written out: what ``ipaddress`` calls private differs
from one Python to the next.
"""

from __future__ import annotations

from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network

_IPV4 = tuple(
    (IPv4Network(block), what)
    for block, what in (
        ("0.0.0.0/8", "unspecified"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "private: carrier-grade NAT"),
        ("127.0.0.0/8", "loopback"),
        ("168.63.129.16/32", "the metadata service of Azure"),
        ("169.254.0.0/16", "link-local, metadata services"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved, metadata services"),
        ("192.0.2.0/24", "for documentation"),
        ("192.88.99.0/24", "reserved: 6to4 relays"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "for benchmarks"),
        ("198.51.100.0/24", "for documentation"),
        ("203.0.113.0/24", "for documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
    )
)
_PUBLIC_IPV6 = IPv6Network("2000::/3")
_IPV6 = tuple(
    (IPv6Network(block), what)
    for block, what in (
        ("::1/128", "loopback"),
        ("::/128", "unspecified"),
        ("::ffff:0:0/96", "an IPv4 address in disguise (mapped)"),
        ("::/96", "an IPv4 address in disguise (compatible)"),
        ("64:ff9b::/96", "an IPv4 address in disguise (NAT64)"),
        ("64:ff9b:1::/48", "an IPv4 address in disguise (NAT64)"),
        ("2001::/32", "an IPv4 address in disguise (Teredo)"),
        ("2001::/23", "reserved"),
        ("2001:db8::/32", "for documentation"),
        ("2002::/16", "an IPv4 address in disguise (6to4)"),
        ("3fff::/20", "for documentation"),
        ("fc00::/7", "private (unique local)"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "private (site-local)"),
        ("ff00::/8", "multicast"),
    )
)


def why_refused(address: str) -> str | None:
    """Return why nothing is sent to ``address``, None if it is public.

    Args:
        address: as the socket gets it: IPv4 in four decimal parts or IPv6, with or without a scope.
            Anything else is refused.
    """
    try:
        if ":" in address:
            return _of_ipv6(IPv6Address(address))
        v4 = IPv4Address(address)
    except AddressValueError:
        return "no address"
    return next((what for block, what in _IPV4 if v4 in block), None)


def _of_ipv6(address: IPv6Address) -> str | None:
    bare = IPv6Address(int(address))  # a scope would take it out of every block
    found = next((what for block, what in _IPV6 if bare in block), None)
    if found is None and bare not in _PUBLIC_IPV6:
        return "reserved"
    return found
