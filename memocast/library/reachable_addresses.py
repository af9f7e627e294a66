"""The addresses of this machine that can go into a link."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from memocast.errors import MemocastError

if TYPE_CHECKING:
    from memocast.settings import Settings


def reachable_addresses(settings: Settings, port: int) -> list[tuple[str, int]]:
    """Return the IP addresses and ports at which this machine listens, according to the settings.

    `port` is the library's own. Raises MemocastError when it has no address.
    """
    addresses = []
    for host, number in settings.addresses(port):
        if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
            own = _outgoing_address(socket.AF_INET6 if ":" in host else socket.AF_INET)
            if own:
                addresses.append((own, number))
        else:
            addresses.append((host, number))
    if not addresses:
        raise MemocastError(
            "this machine has no address to put in the link",
            hint="connect to a network, or leave out --direct",
        )
    return addresses


def _outgoing_address(family: socket.AddressFamily) -> str | None:
    """Return this machine's address on its default route. Connecting UDP sends nothing."""
    documentation = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}  # RFC 5737, 3849
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((documentation[family], 9))
            return str(probe.getsockname()[0])
    except OSError:
        return None
