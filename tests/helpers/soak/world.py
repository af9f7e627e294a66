"""A seeder on a machine of its own, with a disk of its own, and everybody else on another machine.

The others have all of 198.18.0.0/15 (RFC 2544), so that each peer can have an address that was
never seen before and is not of the local network.
"""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from helpers.dht_network import dht_nodes
from helpers.memocast_user import Memocast
from helpers.mounted_folder import mounted
from helpers.network_namespaces import Host, ip, two_hosts
from helpers.soak import bad_moods
from helpers.soak.memos import Memos
from helpers.soak.seeder import Seeder
from helpers.trackers import HttpTracker, UdpTracker
from helpers.web_tracker import WEB, WebTracker

if TYPE_CHECKING:
    import random
    import socket
    import subprocess
    from collections.abc import Iterator, Mapping
    from pathlib import Path

DISK = "32m"
"""Size of the seeder's disk."""

_OTHERS = "198.18.0.0/15"
_DHT_NODES = 8
_NO_STUN_SERVER = "198.18.0.13:3478"
"""Where nobody listens: the seeder asks again and again whether it has come back."""


@dataclass
class World:
    """All that an event acts on. The thread that made it is on the machine of the others."""

    here: Host
    there: Host
    folder: Path
    anna: Memocast
    ben: Memocast
    seeder: Seeder
    memos: Memos
    http: HttpTracker
    udp: UdpTracker
    web: HttpTracker
    """One that is never right: a WebSocket tracker that is broken."""
    web_tracker: WebTracker | None
    lingering: list[socket.socket] = field(default_factory=list)
    """Connections that are held open for a while."""
    clients: list[Any] = field(default_factory=list)
    """Sessions of clients that are about to end."""
    browsers: list[tuple[float, bool, subprocess.Popen[Any]]] = field(default_factory=list)
    """When each began, whether it is to be killed, and its process."""

    @property
    def address(self) -> tuple[str, int]:
        """Where the seeder's classic worker listens now."""
        return self.here.address, self.seeder.port

    def somewhere(self, chances: random.Random) -> str:
        """An address from which nobody has come yet, most likely."""
        second, third, fourth = (chances.randrange(1, 255) for _ in range(3))
        return f"198.{18 + second % 2}.{third}.{fourth}"

    def plug_in(self) -> None:
        """Connect the seeder's machine again."""
        self.here.plug_in()
        self.here.route_by(self.there)


@contextlib.contextmanager
def open_world(folder: Path, leak: Mapping[str, str]) -> Iterator[World]:
    """A world for as long as the block lasts; the seeder has the variables of `leak` besides."""
    place = folder / "world"
    shutil.rmtree(place, ignore_errors=True)  # of a run that was killed: its mounts went with it
    place.mkdir()
    with contextlib.ExitStack() as closing:
        here, there = closing.enter_context(two_hosts())
        here.route_by(there)
        closing.enter_context(there.entered())
        ip("route", "add", "local", _OTHERS, "dev", "lo")
        http = closing.enter_context(HttpTracker("198.18.0.10"))
        udp = closing.enter_context(UdpTracker("198.18.0.11"))
        web = closing.enter_context(HttpTracker("198.18.0.12"))
        web.mood = bad_moods.HTTP["nonsense"]
        web_tracker = None
        if (WEB / "node_modules").exists() and shutil.which("node"):
            web_tracker = WebTracker(there)
            closing.callback(web_tracker.close)
        nodes, bootstrap = dht_nodes(_DHT_NODES, "198.18.1{}.1")
        closing.callback(nodes.clear)
        trackers = [http.url, udp.url, web.url.replace("http:", "ws:")]
        if web_tracker:
            trackers.append(web_tracker.url)
        anna = Memocast(
            place / "anna",
            MEMOCAST_TRACKERS=" ".join(trackers),
            MEMOCAST_DHT="true",
            MEMOCAST_DHT_BOOTSTRAP=" ".join(bootstrap[:3]),
            MEMOCAST_LSD="true",
            MEMOCAST_PORT_MAPPING="true",
            MEMOCAST_STUN_SERVER=_NO_STUN_SERVER,
            MEMOCAST_LISTEN="0.0.0.0:0",
            MEMOCAST_SYNC_INTERVAL="30",
            MEMOCAST_AUTOSTART="false",
        )
        ben = Memocast(
            place / "ben",
            MEMOCAST_LISTEN="198.18.0.20:0",
            MEMOCAST_AUTOSTART="false",
            MEMOCAST_SEED_FETCHED="false",
        )
        anna.host, ben.host = here, there
        closing.enter_context(mounted(anna.library, DISK))
        seeder = Seeder(anna, folder / "seeder.err", leak)
        closing.callback(seeder.stop)
        memos = Memos(anna, place)
        memos.begin()
        seeder.start()
        world = World(here, there, place, anna, ben, seeder, memos, http, udp, web, web_tracker)
        closing.callback(_let_go, world)
        yield world
    shutil.rmtree(place, ignore_errors=True)


def _let_go(world: World) -> None:
    for connection in world.lingering:
        connection.close()
    for _, _, process in world.browsers:
        process.kill()
        process.wait()
