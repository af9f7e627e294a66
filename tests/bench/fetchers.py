"""Fetching one memo that memocast seeds: by memocast, by its peers, and by libtorrent alone.

All on one island. Each attempt begins with nothing of the file and checks that all of it came.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.contest import Failed, Unavailable, seconds
from bench.processes import wait_for
from bench.seeder import seeding
from bench.world import MEMOCAST, PYTHON
from helpers.trackers import HttpTracker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from bench.world import World
    from helpers.network_namespaces import Host

NOTES = [
    "all fetch from the same 'memocast seed', in a network namespace where everything is loopback;"
    " each begins with nothing of the file, and its size is checked at the end",
    "aria2c, transmission-cli and webtorrent-cli find the seeder by an HTTP tracker: none of them"
    " takes a peer's address. '.torrent' says that they were given the file rather than the"
    " magnet, which spares them asking for it",
    "transmission-cli never ends by itself: its time is until it calls its script for finished"
    " torrents",
    "magic-wormhole gets the file from 'wormhole send', which waits for it, with mailbox and"
    " transit relay on the same machine; the time is that of 'wormhole receive'",
]
_LEAVE = 5.0
_BARE = Path(__file__).with_name("bare_fetch.py")


@dataclass(frozen=True)
class Offer:
    """A memo that is seeded, and what leads to it. `limit` in seconds, for one attempt."""

    world: World
    host: Host
    audio: Path
    link: str
    info_hash: str
    torrent: Path
    address: str
    empty: Path
    limit: float

    def by_peer(self) -> float:
        """Memocast, told where the seeder is."""
        return self._by_memocast("--peer", self.address)

    def by_lsd(self) -> float:
        """Memocast, which finds the seeder on the local network."""
        return self._by_memocast(MEMOCAST_LSD="true")

    def _by_memocast(self, *options: str, **changes: str) -> float:
        with self.world.scratch() as folder:
            library = folder / "library"
            shutil.copytree(self.empty, library)
            environment = self.world.environment(
                library, MEMOCAST_LISTEN=f"{self.host.address}:0", **changes
            )
            command = [MEMOCAST, "fetch", self.info_hash, *options]
            return self._timed(command, library / "memos", environment)

    def bare(self) -> float:
        """Libtorrent with nothing around it."""
        magnet = f"magnet:?xt=urn:btih:{self.info_hash}&x.pe={self.address}"
        with self.world.scratch() as folder:
            return self._timed([PYTHON, _BARE, magnet, folder], folder)

    def by_aria2(self, source: str | Path) -> float:
        """aria2c, with a magnet or a .torrent."""
        options = ["--no-conf", "--quiet", "--enable-dht=false", "--file-allocation=none"]
        with self.world.scratch() as folder:
            target = ["--seed-time=0", f"--dir={folder}", source]
            return self._timed(["aria2c", *options, *target], folder)

    def by_webtorrent(self) -> float:
        """webtorrent-cli, with the magnet."""
        with self.world.scratch() as folder:
            command = ["webtorrent", "download", self.link, "--quiet", "--out", folder]
            return self._timed(command, folder)

    def by_transmission(self) -> float:
        """transmission-cli, with the .torrent, until it says that it has finished."""
        with self.world.scratch() as folder, self.world.scratch() as control:
            told = control / "told"
            os.mkfifo(told)
            script = control / "tell"
            script.write_text(f"#!/bin/sh\necho finished > '{told}'\n")
            script.chmod(0o755)
            disabled = ("dht-enabled", "lpd-enabled", "port-forwarding-enabled", "utp-enabled")
            settings = {"bind-address-ipv4": self.host.address, **dict.fromkeys(disabled, False)}
            (control / "settings.json").write_text(json.dumps(settings))
            command = ["transmission-cli", "-g", control, "-w", folder, "-f", script, self.torrent]
            with _listened_to(told) as ear:
                begun = time.perf_counter()
                with running(command, self.world.environment(), cwd=control):
                    if not select.select([ear], [], [], self.limit)[0]:
                        raise Failed(f"was not done after {self.limit:g} s")
                    taken = time.perf_counter() - begun
            self._check(folder)
            return taken

    def _timed(
        self,
        command: Sequence[str | Path],
        folder: Path,
        environment: Mapping[str, str] | None = None,
    ) -> float:
        environment = environment or self.world.environment()
        cwd = folder if folder.exists() else None
        taken = seconds(command, environment, cwd=cwd, timeout=self.limit)
        self._check(folder)
        return taken

    def _check(self, folder: Path) -> None:
        size = self.audio.stat().st_size
        if not any(path.stat().st_size == size for path in folder.rglob(f"*{self.audio.suffix}")):
            raise Failed(f"did not bring the file of {size:,} bytes")


@contextlib.contextmanager
def offered(world: World, host: Host, audio: Path, limit: float) -> Iterator[Offer]:
    """The audio as a memo that is seeded on that machine, which the caller has entered."""
    library = world.folder / "offering"
    empty = world.folder / "empty"
    world.output(library, "add", str(audio))
    world.output(empty, "list", "--json")
    torrent = world.folder / "offered.torrent"
    with HttpTracker(host.address) as tracker:
        settings = {
            "MEMOCAST_TRACKERS": tracker.url,
            "MEMOCAST_LSD": "true",
            "MEMOCAST_LISTEN": f"{host.address}:0",
            "MEMOCAST_AUTOSTART": "false",
        }
        link = world.output(library, "share", "latest", "--torrent", str(torrent), **settings)
        info_hash = link.partition("urn:btih:")[2].partition("&")[0]
        with seeding(world, library, **settings) as address:
            wait_for("the seeder's announce", lambda: tracker.announced(info_hash))
            yield Offer(world, host, audio, link, info_hash, torrent, address, empty, limit)


@contextlib.contextmanager
def wormhole(offer: Offer) -> Iterator[Callable[[], float]]:
    """Yields an attempt by magic-wormhole, with servers of its own on that machine."""
    command = shutil.which("twist")
    with contextlib.ExitStack() as stack:
        if command is None:
            yield lambda: _unavailable("magic-wormhole's servers are not installed")
            return
        state = stack.enter_context(offer.world.scratch())
        addresses = []
        for service in ("wormhole-mailbox", "transitrelay"):
            port = _free_port(offer.host.address)
            listen = f"--port=tcp:{port}:interface={offer.host.address}"
            stack.enter_context(
                running([command, service, listen], offer.world.environment(), cwd=state)
            )
            addresses.append((offer.host.address, port))
        try:
            for address in addresses:
                wait_for("magic-wormhole's servers", lambda address=address: _accepts(address))
        except Failed as reason:
            said = str(reason)
            yield lambda: _unavailable(said)
            return
        mailbox, relay = (f"{host}:{port}" for host, port in addresses)
        options = [f"--relay-url=ws://{mailbox}/v1", f"--transit-helper=tcp:{relay}"]
        numbers = itertools.count(1)
        yield lambda: _by_wormhole(offer, options, f"{next(numbers)}-voice-memo")


def _by_wormhole(offer: Offer, options: list[str], code: str) -> float:
    send = ["wormhole", *options, "send", "--hide-progress", "--code", code, offer.audio]
    receive = ["wormhole", *options, "receive", "--hide-progress", "--accept-file", code]
    with (
        offer.world.scratch() as folder,
        running(send, offer.world.environment(), stderr=subprocess.PIPE) as sender,
    ):
        _await_line(sender, b"wormhole receive")
        return offer._timed(receive, folder)


def _await_line(process: subprocess.Popen[bytes], text: bytes, deadline: float = 30.0) -> None:
    assert process.stderr
    said = b""
    end = time.monotonic() + deadline
    while text not in said:
        if not select.select([process.stderr], [], [], max(0.0, end - time.monotonic()))[0]:
            raise Failed(f"the sender was not ready after {deadline:g} s")
        block = os.read(process.stderr.fileno(), 4096)
        if not block:
            raise Failed("the sender ended before anybody had received")
        said += block


@contextlib.contextmanager
def running(
    command: Sequence[str | Path],
    environment: Mapping[str, str],
    *,
    cwd: Path | None = None,
    stderr: int = subprocess.DEVNULL,
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that ends with the block, and all that it started too. Raises Unavailable."""
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": stderr}
    try:
        process = subprocess.Popen(
            command, env=environment, cwd=cwd, start_new_session=True, **quiet
        )
    except FileNotFoundError as error:
        raise Unavailable(f"{command[0]} is not installed") from error
    try:
        yield process
    finally:
        # Some take leave of the tracker, which would else send others to them.
        for ending in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
                os.killpg(process.pid, ending)
                process.wait(_LEAVE)
        if process.stderr:
            process.stderr.close()


@contextlib.contextmanager
def _listened_to(fifo: Path) -> Iterator[int]:
    ear = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        yield ear
    finally:
        os.close(ear)


def _accepts(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, timeout=1).close()
    except OSError:
        return False
    return True


def _free_port(host: str) -> int:
    with socket.create_server((host, 0)) as server:
        return int(server.getsockname()[1])


def _unavailable(reason: str) -> float:
    raise Unavailable(reason)
