"""Fetching one memo with memocast and with its peers, on a machine of a row's own."""

from __future__ import annotations

import contextlib
import json
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.contest import Failed, seconds
from bench.processes import running, wait_for
from bench.world import MEMOCAST

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bench.world import World
    from helpers.network_namespaces import Host

DEADLINE = 120.0
"""Seconds after which an attempt has failed."""

WHEN = (
    "memocast, aria2c, webtorrent-cli: a whole process; transmission-cli, which does not end by"
    " itself: until the file has its name"
)
"""What is measured, for a note."""


@dataclass(frozen=True)
class Fetching:
    """What is fetched, and where: every attempt into an empty folder.

    `address` is one of the host's. `name` is the torrent's. `nodes` are of the DHT, as
    HOST:PORT; without any it is off.
    """

    world: World
    host: Host
    address: str
    link: str
    name: str
    size: int
    nodes: Sequence[str] = ()

    def by_memocast(self) -> float:
        """Until the memo is in a library that was not there before."""
        with self.world.scratch() as folder:
            environment = self.world.environment(
                folder / "library",
                MEMOCAST_LISTEN=f"{self.address}:0",
                MEMOCAST_DHT="true" if self.nodes else "false",
                MEMOCAST_DHT_BOOTSTRAP=" ".join(self.nodes),
            )
            command = [MEMOCAST, "fetch", self.link, "--timeout", f"{DEADLINE:.0f}"]
            with self.host.entered():
                taken = seconds(command, environment, timeout=DEADLINE)
            self._check(next((folder / "library" / "memos").iterdir()))
            return taken

    def by_aria2(self) -> float:
        """Until aria2c has ended."""
        with self.world.scratch() as folder:
            command = [
                *("aria2c", "--no-conf", "--seed-time=0", "--file-allocation=none"),
                *("--disable-ipv6", "--enable-dht6=false", "--bt-enable-lpd=false"),
                *(f"--interface={self.address}", f"--dir={folder / 'audio'}"),
                f"--enable-dht={'true' if self.nodes else 'false'}",
                f"--dht-file-path={folder / 'dht.dat'}",
                *(f"--dht-entry-point={node}" for node in self.nodes[:1]),  # it takes one
                *("--show-console-readout=false", self.link),
            ]
            with self.host.entered():
                taken = seconds(command, self.world.environment(), cwd=folder, timeout=DEADLINE)
            self._check(folder / "audio" / self.name)
            return taken

    def by_webtorrent(self) -> float:
        """Until webtorrent-cli has ended."""
        with self.world.scratch() as folder:
            command = ["webtorrent", "download", self.link, "--out", str(folder), "--quiet"]
            with self.host.entered():
                taken = seconds(command, self.world.environment(), cwd=folder, timeout=DEADLINE)
            self._check(folder / self.name)
            return taken

    def by_transmission(self) -> float:
        """Until transmission-cli has given the file its name."""
        with self.world.scratch() as folder:
            config = folder / "config"
            config.mkdir()
            settings = {
                "bind-address-ipv4": self.address,
                "dht-enabled": bool(self.nodes),
                **dict.fromkeys(("lpd-enabled", "port-forwarding-enabled", "rpc-enabled"), False),
                # A connection of version 3.00 over uTP can stand still for most of a minute.
                "utp-enabled": False,
            }
            (config / "settings.json").write_text(json.dumps(settings))
            nodes = "".join(f"{node.replace(':', ' ')}\n" for node in self.nodes)
            (config / "dht.bootstrap").write_text(nodes)
            command = ["transmission-cli", "-g", str(config), "-w", str(folder), self.link]
            begun = time.perf_counter()
            with running(command, self.world.environment(), self.host, cwd=folder):
                wait_for("the file", (folder / self.name).exists, DEADLINE, every=0.005)
                taken = time.perf_counter() - begun
            self._check(folder / self.name)
            return taken

    def _check(self, path: Path) -> None:
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_size == self.size:
                return
        raise Failed(f"did not bring the {self.size} bytes of {os.fspath(path.name)}")


def by_curl(world: World, host: Host, url: str) -> float:
    """The same file from a web server: what is possible at best."""
    with world.scratch() as folder, host.entered():
        command = ["curl", "--silent", "--fail", "--output", str(folder / "audio"), url]
        return seconds(command, world.environment(), timeout=DEADLINE)
