"""Two machines with a cable between them: network namespaces and a veth pair.

They have no name and no other link. The kernel removes them with the last
process and file descriptor that uses them, so nothing is left behind however
a test run ends, and any number of runs can have their own at once.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_CLONE_NEWNET = 0x40000000
_THIS = Path("/proc/thread-self/ns/net")
_libc = ctypes.CDLL(None, use_errno=True)


class Host:
    """A machine of the test's own, with one address."""

    def __init__(self, address: str) -> None:
        self.address = address
        with _this_network() as before:
            _call("unshare", _CLONE_NEWNET)
            self._network = os.open(_THIS, os.O_RDONLY | os.O_CLOEXEC)
            _call("setns", before, _CLONE_NEWNET)

    @property
    def path(self) -> str:
        """A name of it that `ip` takes wherever it takes `netns`."""
        return f"/proc/{os.getpid()}/fd/{self._network}"

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Processes started and sockets made in the block, by this thread, are the host's."""
        with _this_network() as before:
            _call("setns", self._network, _CLONE_NEWNET)
            try:
                yield
            finally:
                _call("setns", before, _CLONE_NEWNET)

    @staticmethod
    def enter(network: int) -> None:
        """Move this thread there for good. `network` is `here`, of another thread or process."""
        if os.fstat(network).st_ino != _THIS.stat().st_ino:  # else everybody may, and not only root
            _call("setns", network, _CLONE_NEWNET)

    @staticmethod
    def here() -> int:
        """A descriptor of the machine that this thread is on now. The caller closes it."""
        return os.open(_THIS, os.O_RDONLY | os.O_CLOEXEC)

    def plug_in(self) -> None:
        """Give it its address and its end of the cable."""
        with self.entered():
            ip("address", "replace", f"{self.address}/24", "dev", "veth")
            ip("link", "set", "veth", "up")

    def unplug(self, *, keep_address: bool = False) -> None:
        """Pull its end of the cable; most systems take the address away with it."""
        with self.entered():
            ip("link", "set", "veth", "down")
            if not keep_address:
                ip("address", "del", f"{self.address}/24", "dev", "veth")

    def route_by(self, other: Host) -> None:
        """Send whatever goes elsewhere to the other machine, which drops it.

        Chromium tells web pages only of the interface that leads to the Internet.
        """
        with self.entered():
            ip("route", "add", "default", "via", other.address)

    def close(self) -> None:
        """Let go of it."""
        os.close(self._network)


@contextlib.contextmanager
def two_hosts() -> Iterator[tuple[Host, Host]]:
    """Two machines that reach each other and nothing else."""
    with contextlib.ExitStack() as closing:
        hosts = Host("10.73.0.1"), Host("10.73.0.2")
        for host in hosts:
            closing.callback(host.close)
        with hosts[0].entered():
            ip(
                "link",
                "add",
                "veth",
                "type",
                "veth",
                "peer",
                "name",
                "veth",
                "netns",
                hosts[1].path,
            )
        for host in hosts:
            with host.entered():
                ip("link", "set", "lo", "up")
            host.plug_in()
        yield hosts


@contextlib.contextmanager
def _this_network() -> Iterator[int]:
    with _THIS.open("rb") as file:
        yield file.fileno()


def _call(function: str, *arguments: int) -> None:
    if getattr(_libc, function)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{function}: {os.strerror(number)}; network tests run as root")


def ip(*arguments: str) -> None:
    """Run `ip` (iproute2)."""
    subprocess.run(["ip", *arguments], check=True)
