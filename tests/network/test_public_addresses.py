"""Which addresses are public: examples of every kind, and properties of all."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memocast.network.public_addresses import is_inside_literal, is_public, plain_host

INSIDE = """
    0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.255 127.0.0.1 127.255.255.254
    169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.9 192.0.0.192 192.0.2.1 192.88.99.1
    192.168.0.1 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255
    240.0.0.1 255.255.255.255 168.63.129.16
    :: ::1 ::127.0.0.1 ::8.8.8.8 ::ffff:10.0.0.1 ::ffff:0:8.8.8.8 64:ff9b::10.0.0.1
    64:ff9b:1::8.8.8.8 100::1 2001::1 2001:2::1 2001:10::1 2001:20::1 2001:db8::1 2002:808:808::1
    2002:a00:1::1 3fff::1 5f00::1 fc00::1 fdff::1 fd00:ec2::254 fe80::1 fe80::1%eth0 fec0::1
    ff02::1 ff0e::1 2606:4700::1111%eth0
"""
PUBLIC = """
    1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0
    169.253.255.255 172.15.255.255 172.32.0.0 192.0.1.0 192.167.255.255 223.255.255.255
    ::ffff:8.8.8.8 64:ff9b::8.8.8.8 2001:200::1 2001:4860:4860::8888 2003::1 2606:4700::1111
    2a00:1450::1 3fff:1000::1
"""

V4 = st.ip_addresses(v=4)
V6 = st.ip_addresses(v=6)


@pytest.mark.parametrize("address", INSIDE.split())
def test_inside(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", PUBLIC.split())
def test_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@given(V4 | V6)
def test_what_is_public_is_global_by_python_too(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    carried = getattr(address, "ipv4_mapped", None) or address
    if is_public(address) and address not in ipaddress.ip_network("64:ff9b::/96"):
        assert carried.is_global
        assert not (carried.is_multicast or carried.is_private or carried.is_reserved)


@given(V4)
def test_what_carries_an_address_is_no_more_public_than_that(
    address: ipaddress.IPv4Address,
) -> None:
    number = int(address)
    for carrier in ("::ffff:0:0", "64:ff9b::"):
        carried = ipaddress.IPv6Address(int(ipaddress.IPv6Address(carrier)) + number)
        assert is_public(carried) == is_public(address)
    for top, shift in ((0x2002, 80), (0x20010000, 0), (0x0064FF9B0001, 0), (0, 0)):
        start = top << (128 - 16 * -(-top.bit_length() // 16)) if top else 0
        assert not is_public(ipaddress.IPv6Address(start | number << shift))


@given(V4, st.sampled_from(["{}", "{:#x}", "{:#o}"]))
def test_every_number_that_the_system_takes_for_an_address_is_judged_as_that(
    address: ipaddress.IPv4Address, form: str
) -> None:
    text = form.format(int(address)).replace("0o", "0")
    assert is_inside_literal(text) == (not is_public(address))
    assert is_inside_literal(f"{address}.") == (not is_public(address))


@given(V6)
def test_an_address_in_brackets_is_judged_too(address: ipaddress.IPv6Address) -> None:
    assert is_inside_literal(f"[{address}]") == (not is_public(address))


@given(st.text(max_size=300))
def test_any_text_is_judged_without_an_error(text: str) -> None:
    is_inside_literal(text)
    assert plain_host(plain_host(text)) is not None
