"""A machine with the Internet on its loopback: public addresses, inside ones, and a name server.

Processes have the name server from a `resolv.conf` that only they see: a mount namespace.
"""

from __future__ import annotations

import contextlib
import shlex
import socket
import socketserver
from typing import TYPE_CHECKING

from helpers.network_namespaces import Host, ip
from helpers.served_in_thread import ServedInThread

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from helpers.memocast_user import Memocast, Result

PUBLIC = "8.8.8.8"
METADATA = "169.254.169.254"
ROUTER = "192.168.1.1"
_TYPES = {1: socket.AF_INET, 28: socket.AF_INET6}


class NameServer(ServedInThread):
    """Answers names with `names`: of several answers, each is given once and the last for good.

    An answer is one or more addresses, separated by spaces. `asked` has every question for IPv4.
    """

    def __init__(self) -> None:
        self.names: dict[str, list[str]] = {}
        self.asked: list[str] = []
        outer = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                request, answering = self.request
                answering.sendto(outer._answer(request), self.client_address)

        super().__init__(socketserver.UDPServer(("127.0.0.53", 53), Handler))

    def _answer(self, request: bytes) -> bytes:
        labels, place = [], 12
        while length := request[place]:
            labels.append(request[place + 1 : place + 1 + length].decode())
            place += 1 + length
        question = request[12 : place + 5]
        kind = int.from_bytes(request[place + 1 : place + 3])
        answers = [
            b"\xc0\x0c" + question[-4:] + bytes(4) + len(packed).to_bytes(2) + packed
            for packed in self._addresses(".".join(labels).lower(), kind)
        ]
        head = request[:2] + b"\x81\x80\x00\x01" + len(answers).to_bytes(2) + bytes(4)
        return head + question + b"".join(answers)

    def _addresses(self, name: str, kind: int) -> list[bytes]:
        said = self.names.get(name, [""])
        if kind == 1:
            self.asked.append(name)
        found = said.pop(0) if kind == 1 and len(said) > 1 else said[0]
        wanted = [each for each in found.split() if (":" in each) == (kind == 28)]
        return [socket.inet_pton(_TYPES[kind], each) for each in wanted] if kind in _TYPES else []


class Internet:
    """The machine; `names` is its name server."""

    def __init__(self, host: Host, names: NameServer, folder: Path) -> None:
        self.host = host
        self.names = names
        self._resolver = folder / "resolv.conf"
        self._resolver.write_text("nameserver 127.0.0.53\noptions timeout:2 attempts:1\n")

    def run(self, user: Memocast, *arguments: str, expect: int = 0) -> Result:
        """Run a command there; it looks names up there too."""
        user.host = self.host
        mount = f"mount --bind {shlex.quote(str(self._resolver))} /etc/resolv.conf"
        command = f"{mount} && exec memocast {shlex.join(arguments)}"
        return user.shell(f"exec unshare --mount sh -c {shlex.quote(command)}", expect)


@contextlib.contextmanager
def internet(folder: Path) -> Iterator[Internet]:
    """A machine with PUBLIC, METADATA and ROUTER among its addresses, and a name server."""
    host = Host("127.0.0.1")
    with contextlib.ExitStack() as closing:
        closing.callback(host.close)
        with host.entered():
            ip("link", "set", "lo", "up")
            for address in (PUBLIC, METADATA, ROUTER):
                ip("address", "add", f"{address}/32", "dev", "lo")
            names = NameServer()
        closing.enter_context(names)
        yield Internet(host, names, folder)
