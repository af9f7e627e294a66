"""A network of a row's own that leads nowhere: one machine, which multicast reaches too."""

from __future__ import annotations

import contextlib
import subprocess
from typing import TYPE_CHECKING

from bench.contest import Unavailable
from helpers.network_namespaces import Host

if TYPE_CHECKING:
    from collections.abc import Iterator

# Some clients refuse peers in 127.0.0.0/8.
_ADDRESS = "10.73.0.1"


@contextlib.contextmanager
def island() -> Iterator[Host]:
    """The machine; all its addresses are its own loopback's. Raises Unavailable."""
    try:
        host = Host(_ADDRESS)
    except OSError as error:
        raise Unavailable(f"a network of its own cannot be made: {error}") from error
    try:
        with host.entered():
            _ip("link", "set", "lo", "up", "multicast", "on")
            _ip("address", "add", f"{_ADDRESS}/24", "dev", "lo")
            _ip("route", "add", "224.0.0.0/4", "dev", "lo")
        yield host
    finally:
        host.close()


def _ip(*arguments: str) -> None:
    try:
        subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise Unavailable("ip, of iproute2, is not installed") from error
    except subprocess.CalledProcessError as error:
        raise Unavailable(f"ip {' '.join(arguments)}: {error.stderr.strip()}") from error
