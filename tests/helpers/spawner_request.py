"""What the spawner of commands is asked for: one command, in a message of its own."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

STREAMS = 3
_MOST_DESCRIPTORS = 16


@dataclass
class Request:
    """A command: `python -m memocast` with these arguments, or what reads untrusted data by `code`.

    `descriptors` are the command's three streams, its network, where the spawner writes its pid and
    its exit code, a line each, and what the command keeps open besides, under these `numbers`.
    """

    arguments: Sequence[str]
    environment: dict[str, str]
    folder: str
    strace: Sequence[str] = ()
    descriptors: list[int] = field(default_factory=list)
    numbers: Sequence[int] = ()
    is_session_leader: bool = False
    code: str = ""


def connection() -> tuple[socket.socket, socket.socket]:
    """Two ends for requests. Any number of processes can send by the same end."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def send(to: socket.socket, request: Request) -> None:
    """Send it. The sender keeps its descriptors, and closes them."""
    document = {**asdict(request), "descriptors": []}
    content = os.memfd_create("request")  # a message has a limit, and arguments have nearly none
    try:
        os.write(content, json.dumps(document).encode("utf-8", "surrogatepass"))
        socket.send_fds(to, [b"request"], [content, *request.descriptors])
    finally:
        os.close(content)


def receive(source: socket.socket) -> Request | None:
    """The next request; None once nobody can send one."""
    said, descriptors, _, _ = socket.recv_fds(source, 64, _MOST_DESCRIPTORS)
    if not said:
        return None
    with open(descriptors.pop(0), "rb") as file:  # noqa: PTH123
        file.seek(0)
        document = json.loads(file.read().decode("utf-8", "surrogatepass"))
    return Request(**{**document, "descriptors": descriptors})
