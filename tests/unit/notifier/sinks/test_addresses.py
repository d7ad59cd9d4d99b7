"""Nothing but public addresses is reached, however they are written."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifier.sinks.addresses import why_refused

REFUSED = """
    0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.100.100.200 127.0.0.1 127.255.255.254 168.63.129.16
    169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.192 192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1
    198.19.255.255 198.51.100.7 203.0.113.9 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
    :: ::1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 ::ffff:7f00:1 ::127.0.0.1 64:ff9b::7f00:1 64:ff9b::8.8.8.8
    64:ff9b:1::1 100::1 2001::1 2001:db8::1 2002:7f00:1:: 2002:808:808:: 3fff::1 fc00::1 fd00:ec2::254
    fe80::1 fe80::1%eth0 fec0::1 ff02::1 4000::1 5f00::1 0:0:0:0:0:0:0:1
"""
PUBLIC = "1.1.1.1 8.8.8.8 172.15.255.255 172.32.0.1 100.128.0.1 223.255.255.255 2606:4700::1111"
ODD = "2130706433 0x7f000001 0x7f.1 127.1 0177.0.0.1 127.0.0.01 1.1.1 ٨.8.8.8 localhost % [::1]"


@pytest.mark.parametrize("address", REFUSED.split())
def test_what_is_not_public_is_refused(address: str) -> None:
    assert why_refused(address)


@pytest.mark.parametrize("address", PUBLIC.split())
def test_what_is_public_is_not(address: str) -> None:
    assert why_refused(address) is None


@pytest.mark.parametrize("address", ["", *ODD.split()])
def test_what_a_socket_would_not_be_given_is_refused(address: str) -> None:
    assert why_refused(address) == "no address"


@given(st.ip_addresses())
def test_python_calls_nothing_special_that_is_reached(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    special = (
        address.is_private
        or address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or address.is_reserved
    )
    assert not special or why_refused(str(address)), address


@given(st.ip_addresses(v=4))
def test_no_form_of_ipv4_in_ipv6_is_reached(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    for disguise in (
        0xFFFF << 32 | number,
        number,
        0x64FF9B << 96 | number,
        0x2002 << 112 | number << 80,
        0x20010000 << 96 | number ^ 0xFFFFFFFF,
    ):
        assert why_refused(str(ipaddress.IPv6Address(disguise))), hex(disguise)
