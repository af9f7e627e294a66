"""A long cable: Ethernet frames between two TAP devices, each handed on a while after it came.

For kernels without netem. It runs in a process of its own, which is given the
two devices as file descriptors; they go with it. Frames are up to 64 KiB, as
between two ends of a veth pair: the kernel cuts them only for real hardware.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import struct
import subprocess
import sys
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

from bench.contest import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from helpers.network_namespaces import Host

_TUNSETIFF = 0x400454CA
_TUNSETOFFLOAD = 0x400454D0
_TAP = 0x0002
_NO_PACKET_INFORMATION = 0x1000
_OFFLOAD_HEADER = 0x4000
_OFFLOADS = 0x01 | 0x02 | 0x04 | 0x08  # checksums; long segments over IPv4, IPv6, with ECN
_LONGEST_FRAME = 1 << 17
_FRAMES_A_TURN = 64


@contextlib.contextmanager
def between(here: Host, there: Host, delay: float) -> Iterator[None]:
    """Lay one of `delay` seconds each way; each machine has its end, called veth.

    Raises Unavailable.
    """
    if not Path("/dev/net/tun").exists():
        raise Unavailable("a delaying cable needs /dev/net/tun, or a kernel with netem")
    with contextlib.ExitStack() as stack:
        ends = [stack.enter_context(_end(host)) for host in (here, there)]
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.cable", *map(str, ends), str(delay)],
            pass_fds=ends,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        )
        stack.callback(process.wait)
        stack.callback(process.kill)
        for host in (here, there):
            with host.entered():
                # Room for all that comes while the relay waits for its turn on a core.
                longer = ["ip", "link", "set", "veth", "txqueuelen", "50000"]
                subprocess.run(longer, check=True)
            host.plug_in()
        yield


@contextlib.contextmanager
def _end(host: Host) -> Iterator[int]:
    """A TAP device on that machine. Raises Unavailable."""
    with host.entered():
        try:
            device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise Unavailable(f"/dev/net/tun cannot be opened: {error.strerror}") from error
        try:
            flags = _TAP | _NO_PACKET_INFORMATION | _OFFLOAD_HEADER
            fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", b"veth", flags))
            fcntl.ioctl(device, _TUNSETOFFLOAD, _OFFLOADS)
        except BaseException:
            os.close(device)
            raise
    try:
        yield device
    finally:
        os.close(device)


def relay(ends: tuple[int, int], delay: float) -> None:
    """Hand frames on until whoever laid the cable is gone."""
    owner = os.getppid()
    # Of one direction all wait equally long: the first that came is the first to go.
    under_way: dict[int, deque[tuple[float, bytes]]] = {end: deque() for end in ends}
    other = {ends[0]: ends[1], ends[1]: ends[0]}
    while os.getppid() == owner:
        due = [queue[0][0] for queue in under_way.values() if queue]
        patience = max(0.0, min(due) - time.monotonic()) if due else 1.0
        readable, _, _ = select.select(ends, [], [], patience)
        for end in readable:
            with contextlib.suppress(BlockingIOError):
                for _ in range(_FRAMES_A_TURN):
                    frame = os.read(end, _LONGEST_FRAME)
                    under_way[other[end]].append((time.monotonic() + delay, frame))
        moment = time.monotonic()
        for end, queue in under_way.items():
            while queue and queue[0][0] <= moment:
                os.write(end, queue.popleft()[1])


if __name__ == "__main__":
    with contextlib.suppress(PermissionError):
        os.nice(-10)  # a real cable does not wait for a core
    relay((int(sys.argv[1]), int(sys.argv[2])), float(sys.argv[3]))
