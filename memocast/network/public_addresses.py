"""Which IP addresses are public, and which belong to the inside of a machine or a network."""

from __future__ import annotations

import socket
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

LOOPBACK = ("127.0.0.1", "::1")

_INSIDE = (
    # IANA's special-purpose registry for IPv4 (RFC 6890), each range with all of its exceptions.
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    # Azure answers machines in its cloud there, with their secrets.
    "168.63.129.16/32",
    # The same for IPv6; Teredo is in the first, and 6to4 (RFC 7526) can mean any IPv4 address.
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "3fff::/20",
)
_UNICAST = "2000::/3"
"""All that is public in IPv6 (RFC 4291). The rest is local, mapped, multicast or not assigned."""

_CARRIES_IPV4 = ("::ffff:0:0/96", "64:ff9b::/96")
"""IPv4 in IPv6 for a system's own use, and for a network without IPv4 (NAT64, RFC 6052)."""

_LOCAL_NAMES = ("localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback")


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Return whether an address is one of the Internet, whatever leads there.

    What translates or tunnels to an IPv4 address is public if that address is; local translation
    (64:ff9b:1::/48) and tunnels that are out of use (6to4, Teredo) never are.
    """
    import ipaddress

    inside, unicast, carrying = _networks()
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            return False
        if any(address in network for network in carrying):
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
        if address not in unicast:
            return False
    return not any(address in network for network in inside)


@cache
def _networks() -> tuple[
    tuple[IPv4Network | IPv6Network, ...], IPv6Network, tuple[IPv6Network, ...]
]:
    import ipaddress

    return (
        tuple(map(ipaddress.ip_network, _INSIDE)),
        ipaddress.IPv6Network(_UNICAST),
        tuple(map(ipaddress.IPv6Network, _CARRIES_IPV4)),
    )


def is_inside_literal(host: str) -> bool:
    """Return whether a host is, without any look-up, an address of the inside or `localhost`.

    Reads IPv4 addresses in all the forms that the system does: `127.1`, `0x7f000001`, `017700`.
    """
    name = plain_host(host)
    if name in _LOCAL_NAMES or name.endswith(".localhost"):
        return True
    return not all(map(is_public, literal_addresses(host)))


def literal_addresses(host: str) -> list[IPv4Address | IPv6Address]:
    """Return the address that a host is, and nothing for a name."""
    import ipaddress

    try:
        found = socket.getaddrinfo(
            plain_host(host), None, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
        )
    except (OSError, ValueError):
        return []
    return [ipaddress.ip_address(entry[4][0]) for entry in found]


def plain_host(host: str) -> str:
    """Return a URL's host in one spelling, to compare it: lower case, without its last dot."""
    name = unquote(host).strip("[]").rstrip(".").lower()
    try:
        return name.encode("idna").decode("ascii") if not name.isascii() else name
    except UnicodeError:
        return name
