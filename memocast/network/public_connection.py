"""Connections whose addresses are checked: public ones only, and those of a host of one's own.

A name is looked up once, and the addresses that were checked are the ones dialled, so it does not
matter what a name server says later (DNS rebinding).
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

from memocast.errors import Refused
from memocast.network.public_addresses import is_inside_literal, is_public, plain_host

if TYPE_CHECKING:
    from collections.abc import Collection
    from ipaddress import IPv4Address, IPv6Address

MOST_ADDRESSES = 8
"""Of one name that are dialled, one after another."""

_MAX_SHOWN = 80
_HINT = "nothing was requested there; if you trust it, follow a feed at that host yourself"


class Guard:
    """Dials public addresses, and any address of the host `own`; only of that `family` if given.

    Unless `is_inside` says it, the first connection to `own` decides whether that host is inside.
    A host that has public addresses is asked at those only then, and if it was public, its name may
    not lead inside later.
    """

    def __init__(
        self, own: str = "", family: int = socket.AF_UNSPEC, *, is_inside: bool | None = None
    ) -> None:
        self._own = plain_host(own)
        self._family = family
        self.is_inside = is_inside
        """Whether the host `own` is inside; None while that is open."""

    @property
    def has_own(self) -> bool:
        """Whether there is a host that may be inside."""
        return bool(self._own) and self.is_inside is not False

    def owns(self, host: str) -> bool:
        """Return whether it is the host that may be inside."""
        return self.has_own and plain_host(host) == self._own

    def check_literal(self, host: str) -> None:
        """Check a host without looking it up. Raises Refused if it is plainly inside."""
        if not self.owns(host) and is_inside_literal(host):
            raise refused(host)

    def leave_to_proxy(self, host: str) -> None:
        """Check a host that a proxy looks up and dials. Raises Refused if it is plainly inside."""
        self.check_literal(host)
        self._decide(host, is_inside=is_inside_literal(host))

    def _decide(self, host: str, *, is_inside: bool) -> None:
        if self.is_inside is None and self.owns(host):
            self.is_inside = is_inside

    def dial(
        self,
        address: tuple[str, int],
        timeout: float | None = None,
        source: tuple[str, int] | None = None,
    ) -> socket.socket:
        """Connect to the first of the host's addresses that answers in `timeout` seconds.

        From the address `source` if given. Called like `socket.create_connection`. Raises Refused
        if all addresses are inside, and OSError.
        """
        host, port = address
        self.check_literal(host)
        try:
            found = socket.getaddrinfo(host, port, self._family, socket.SOCK_STREAM)
        except ValueError as error:  # a label that is empty or too long, or NUL
            raise OSError(f"'{host[:_MAX_SHOWN]}' is not a host's name") from error
        public = [entry for entry in found if is_public_entry(entry)]
        # A stranger's name could lead inside by one address while its public one refuses.
        is_undecided = self.is_inside is None and bool(public)
        chosen = found if self.owns(host) and not is_undecided else public
        if not chosen:
            raise refused(host)
        deadline = None if timeout is None else time.monotonic() + timeout
        problem: OSError = TimeoutError("timed out")
        for entry in chosen[:MOST_ADDRESSES]:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                break
            try:
                connection = _connected(entry, left, source)
            except OSError as error:
                problem = error
                continue
            connection.settimeout(timeout)
            self._decide(host, is_inside=not is_public_entry(entry))
            return connection
        raise problem


def is_public_entry(entry: tuple[Any, ...]) -> bool:
    """Return whether an entry of `socket.getaddrinfo` has a public address."""
    return is_public(ipaddress.ip_address(entry[4][0]))


def look_up(hosts: Collection[str], seconds: float) -> dict[str, list[IPv4Address | IPv6Address]]:
    """Look hosts up, all at once; return the addresses of those that are found in `seconds`."""
    found: dict[str, list[IPv4Address | IPv6Address]] = {}

    def find(host: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            entries = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            found[host] = [ipaddress.ip_address(entry[4][0]) for entry in entries]

    # The resolver has no time-out of ours.
    threads = [threading.Thread(target=find, args=(host,), daemon=True) for host in hosts]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(deadline - time.monotonic(), 0.0))
    return found.copy()


def _connected(
    entry: tuple[Any, ...], timeout: float | None, source: tuple[str, int] | None
) -> socket.socket:
    family, kind, protocol, _, where = entry
    connection = socket.socket(family, kind, protocol)
    try:
        connection.settimeout(timeout)
        if source:
            connection.bind(source)
        connection.connect(where)
    except BaseException:
        connection.close()
        raise
    return connection


def refused(host: str) -> Refused:
    """Return the error for a host that is inside; it tells no more than the host."""
    shown = host if len(host) <= _MAX_SHOWN else f"{host[: _MAX_SHOWN - 1]}…"
    return Refused(
        f"{shown} is an address of your own machine or network, where a stranger may not lead"
        " memocast",
        hint=_HINT,
    )
