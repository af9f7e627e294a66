"""Networks of a row's own: machines that are network namespaces, and what lies between them."""

from __future__ import annotations

import contextlib
import http.server
import os
import shutil
import socket
import statistics
import subprocess
import threading
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bench import cable
from bench.contest import Unavailable
from helpers.network_namespaces import Host

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TESTS = Path(__file__).parents[1]
"""Where our own programs find this package."""


@contextlib.contextmanager
def machine(address: str) -> Iterator[Host]:
    """One that is connected with nothing. Raises Unavailable."""
    if os.geteuid():
        raise Unavailable("network namespaces need root")
    if not shutil.which("ip"):
        raise Unavailable("network namespaces need iproute2")
    try:
        host = Host(address)
    except OSError as error:
        raise Unavailable(f"network namespaces cannot be made: {error.strerror}") from error
    try:
        configure(host, "ip", "link", "set", "lo", "up")
        yield host
    finally:
        host.close()


@contextlib.contextmanager
def star(count: int) -> Iterator[list[Host]]:
    """So many machines at one switch."""
    with contextlib.ExitStack() as stack:
        switch = stack.enter_context(machine("0.0.0.0"))
        configure(switch, "ip", "link", "add", "switch", "type", "bridge")
        configure(switch, "ip", "link", "set", "switch", "up")
        hosts = []
        for number in range(1, count + 1):
            host = stack.enter_context(machine(f"10.73.0.{number}"))
            port = f"port{number}"
            peer = ("peer", "name", "veth", "address", _hardware(number), "netns", host.path)
            configure(switch, "ip", "link", "add", port, "type", "veth", *peer)
            configure(switch, "ip", "link", "set", port, "master", "switch", "up")
            host.plug_in()
            hosts.append(host)
        _introduce(hosts)
        yield hosts


def _introduce(hosts: Sequence[Host]) -> None:
    """Tell each of the others' hardware addresses.

    Linux has one table of those for all namespaces. It holds 1,024, and whoever
    asks for one more cannot send; those that it was told do not count.
    """
    for host in hosts:
        commands = [
            f"neigh add {other.address} lladdr {_hardware(number)} dev veth nud permanent"
            for number, other in enumerate(hosts, 1)
            if other is not host
        ]
        configure(host, "ip", "-batch", "-", typed="\n".join(commands))


def _hardware(number: int) -> str:
    return f"02:00:00:00:00:{number:02x}"


def limit(host: Host, rate: str) -> None:
    """Let no more than `rate`, as tc has it, leave the machine. Raises Unavailable."""
    # Room for half a second: a queue at a home router, and no loss while a window opens.
    shape = ("tbf", "rate", rate, "burst", "16kb", "latency", "500ms")
    configure(host, "tc", "qdisc", "add", "dev", "veth", "root", *shape)


@contextlib.contextmanager
def far_apart(round_trip: float) -> Iterator[tuple[Host, Host, str]]:
    """Two machines so many seconds from each other, and what makes it so. Raises Unavailable."""
    with contextlib.ExitStack() as stack:
        here = stack.enter_context(machine("10.73.0.1"))
        there = stack.enter_context(machine("10.73.0.2"))
        try:
            how = _delayed_by_the_kernel(here, there, round_trip / 2)
        except Unavailable:
            stack.enter_context(cable.between(here, there, round_trip / 2))
            how = "a cable in user space between two TAP devices (this kernel has no netem)"
        measured = measure_round_trip(here, there)
        if abs(measured - round_trip) > round_trip / 10:
            raise Unavailable(f"the way there and back takes {1000 * measured:.1f} ms")
        yield here, there, f"{1000 * measured:.1f} ms there and back, by {how}"


def _delayed_by_the_kernel(here: Host, there: Host, delay: float) -> None:
    peer = ("peer", "name", "veth", "netns", there.path)
    configure(here, "ip", "link", "add", "veth", "type", "veth", *peer)
    try:
        for host in (here, there):
            host.plug_in()
            shape = ("netem", "delay", f"{1000 * delay:g}ms", "limit", "100000")
            configure(host, "tc", "qdisc", "add", "dev", "veth", "root", *shape)
    except Unavailable:
        configure(here, "ip", "link", "delete", "veth")
        raise


def measure_round_trip(here: Host, there: Host) -> float:
    """How long it takes to open a connection between them, in seconds."""
    with here.entered():
        listener = socket.create_server((here.address, 0), backlog=16)
    taken = []
    with listener:
        for _ in range(6):
            with there.entered():
                caller = socket.socket()
            with caller:
                caller.settimeout(10)
                begun = time.perf_counter()
                caller.connect(listener.getsockname())
                taken.append(time.perf_counter() - begun)
    return statistics.median(taken[1:])  # for the first, both asked for hardware addresses


def configure(host: Host, *command: str, typed: str = "") -> None:
    """Run `ip` or `tc` on the machine. Raises Unavailable with what it said."""
    try:
        with host.entered():
            subprocess.run(command, check=True, capture_output=True, text=True, input=typed)
    except FileNotFoundError as error:
        raise Unavailable(f"{command[0]} is not installed") from error
    except subprocess.CalledProcessError as error:
        said = (error.stderr.strip().splitlines() or ["nothing said"])[-1]
        raise Unavailable(f"{' '.join(command)}: {said}") from error


class _Handler(http.server.SimpleHTTPRequestHandler):
    def copyfile(self, source: object, outputfile: object) -> None:
        self.connection.sendfile(source)  # type: ignore[arg-type]

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@contextlib.contextmanager
def static_server(folder: Path, host: Host) -> Iterator[str]:
    """Serve the folder over HTTP on that machine; yield its URL."""
    with host.entered():
        server = http.server.ThreadingHTTPServer(
            (host.address, 0), partial(_Handler, directory=str(folder))
        )
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://{host.address}:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
