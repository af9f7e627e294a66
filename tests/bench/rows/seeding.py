"""How soon a seeder offers what is shared, and what it takes while nobody asks."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import libtorrent as lt

from bench import libraries, load, network, peers
from bench.contest import Contender, Failed, Outcome, Target, compete
from bench.processes import running, wait_for
from bench.world import MEMOCAST, PYTHON
from helpers.raw_peer import INTERESTED, PIECE, UNCHOKE, Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bench.world import World
    from helpers.network_namespaces import Host

TITLE = "Seeding many memos"
PEERS = peers.MEMOCAST | {"transmission-daemon": ["transmission-daemon", "--version"]}

SIZES = (1_000, 10_000, 100_000)
PROBES = 16
PORT = 16_881
PATIENCE = 30.0
DEADLINE = 180.0
SLOW = 20.0
"""Who takes longer for 10,000 would take minutes for 100,000."""

OURS, BARE, DAEMON = "memocast seed", "bare libtorrent", "transmission-daemon"


def measure(world: World) -> list[Outcome]:
    """Seeders with 1,000, 10,000 and 100,000 memos, each until all can be fetched, then idle."""
    outcomes = []
    too_slow: dict[str, str] = {}
    with network.machine("10.73.0.1") as host:
        network.configure(host, "ip", "address", "add", f"{host.address}/24", "dev", "lo")
        alone = _contest(world, host, 1, {}, rounds=1)
        for size in SIZES[:1] if world.quick else SIZES:
            rounds = 1 if world.quick or size > 10_000 else 2
            contest = _contest(world, host, size, too_slow, rounds)
            outcomes += contest.outcomes(alone)
            for name, found in contest.whole.items():
                if statistics.median(found) > SLOW:
                    taken = f"{statistics.median(found):.0f} s with {size:,} memos"
                    too_slow[name] = f"it took {taken}: more would take minutes"
    return outcomes


@dataclass
class _Contest:
    """What came of the seeders with so many memos."""

    size: int
    first: dict[str, list[float]] = field(default_factory=dict)
    whole: dict[str, list[float]] = field(default_factory=dict)
    memory: dict[str, list[float]] = field(default_factory=dict)
    idle: dict[str, list[float]] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)

    def outcomes(self, alone: _Contest) -> list[Outcome]:
        """Four tables; `alone` is the same with one memo."""
        memos = f"{self.size:,} shared memos"
        each = {
            name: [
                (value - statistics.median(alone.memory[name])) / self.size / 1000
                for value in found
            ]
            for name, found in self.memory.items()
            if name in alone.memory
        }
        several = f"probed: {PROBES} memos, from the oldest to the newest at equal distances"
        return [
            Outcome(
                f"{memos}: from the start of the seeder until one can be fetched",
                "s",
                self.first,
                self._targets(self.first),
                self.absent,
                [several, *_verdict(self.first, 2, "s", self.size)],
            ),
            Outcome(
                f"{memos}: until all can be fetched",
                "s",
                self.whole,
                self._targets(self.whole),
                notes=[
                    several,
                    "memocast: and until it reports that it seeds all of them",
                    "transmission lets somebody begin to fetch every 10 s",
                ],
            ),
            Outcome(
                f"{memos}: memory of all its processes, for each memo",
                "kB",
                each,
                self._targets(each),
                notes=[
                    "resident, without what the same seeder has with one memo: "
                    + ", ".join(
                        f"{name} {statistics.median(found) / 1e6:.0f} MB"
                        for name, found in alone.memory.items()
                    ),
                    *_verdict(each, 12, "kB", self.size),
                ],
            ),
            Outcome(
                f"{memos}: idle, all its processes",
                "% of a core",
                self.idle,
                self._targets(self.idle),
                notes=["over 20 s", *_verdict(self.idle, 2, "%", self.size)],
            ),
        ]

    def _targets(self, samples: dict[str, list[float]]) -> list[Target]:
        """Not worse than the peers, where that can be said as a ratio."""
        return [
            Target(OURS, other, 1)
            for other in samples
            if other != OURS and OURS in samples and statistics.median(samples[other]) > 0
        ]


def _verdict(samples: dict[str, list[float]], limit: float, unit: str, size: int) -> list[str]:
    """What is wanted of the seeder of 10,000 memos, and of a smaller one too."""
    if OURS not in samples or size > 10_000:
        return []
    reached = "reached" if statistics.median(samples[OURS]) <= limit else "**not reached**"
    return [f"{OURS}: wanted at most {limit:g} {unit}: {reached}"]


def _contest(
    world: World, host: Host, size: int, too_slow: dict[str, str], rounds: int
) -> _Contest:
    offer = _Offer.prepared(world, host, size)
    contest = _Contest(size)
    commands: dict[str, tuple[list[str], dict[str, str]]] = {
        OURS: (
            [MEMOCAST, "seed"],
            world.environment(offer.library, MEMOCAST_LISTEN=f"{host.address}:{PORT}"),
        ),
        BARE: (
            [
                PYTHON,
                "-m",
                "bench.bare_seed",
                f"{host.address}:{PORT}",
                str(offer.audio),
                str(offer.torrents),
            ],
            world.environment(PYTHONPATH=str(network.TESTS)),
        ),
        DAEMON: (
            [
                "transmission-daemon",
                "--foreground",
                "--config-dir",
                str(offer.config),
                "--download-dir",
                str(offer.audio),
            ],
            world.environment(),
        ),
    }
    contenders = [
        Contender(
            name, _attempt(contest, offer, host, name, *command, idle=20.0 if size > 1 else 0)
        )
        for name, command in commands.items()
        if name not in too_slow
    ]
    contest.first, failed = compete(contenders, rounds, warm_up=0)
    contest.absent = failed | too_slow
    for found in (contest.whole, contest.memory, contest.idle):
        for name in contest.absent:
            found.pop(name, None)
    return contest


def _attempt(
    contest: _Contest,
    offer: _Offer,
    host: Host,
    name: str,
    command: list[str],
    environment: dict[str, str],
    *,
    idle: float,
) -> Callable[[], float]:
    """Start it and wait for what it offers; how long until the first memo could be fetched."""

    def attempt() -> float:
        begun = time.perf_counter()
        with running(command, environment, host) as process:
            moments = _fetched(host, offer.probes, process.poll)
            if name == OURS:
                _wait_until_all_are_seeded(offer.library, contest.size)
                moments.append(time.perf_counter())
            contest.whole.setdefault(name, []).append(max(moments) - begun)
            if name not in contest.memory:
                _settle(process.pid)
                contest.memory[name] = [float(load.resident(process.pid))]
                if idle:
                    contest.idle[name] = [100 * load.use(process.pid, idle)]
            # Its next start is to find what a good end leaves behind.
            process.terminate()
            with contextlib.suppress(Exception):
                process.wait(30)
            return min(moments) - begun

    return attempt


def _settle(pid: int) -> None:
    """Give it a minute to come to rest."""
    deadline = time.monotonic() + 60
    while load.use(pid, 3.0) > 0.1 and time.monotonic() < deadline:
        pass


def _wait_until_all_are_seeded(library: Path, size: int) -> None:
    def are_seeded() -> bool:
        with contextlib.suppress(OSError, ValueError, KeyError):
            return bool(json.loads((library / "seeder.json").read_text())["seeding"] == size)
        return False

    wait_for(f"the report of {size} memos", are_seeded, DEADLINE)


def _fetched(
    host: Host, probes: Sequence[tuple[bytes, int]], ended: Callable[[], int | None]
) -> list[float]:
    """When each of these could be fetched, which is tried again and again from now on."""
    deadline = time.monotonic() + DEADLINE

    def one(probe: tuple[bytes, int]) -> float:
        with host.entered():
            while time.monotonic() < deadline and ended() is None:
                with contextlib.suppress(OSError):
                    if _is_given(host, *probe):
                        return time.perf_counter()
                time.sleep(0.02)  # nothing tells that it would be answered now
        raise Failed(f"a memo could not be fetched within {DEADLINE:g} s")

    with ThreadPoolExecutor(len(probes)) as pool:
        return list(pool.map(one, probes))


def _is_given(host: Host, info_hash: bytes, size: int) -> bool:
    """Fetch it, which is one block, as any client does."""
    with Wire.to((host.address, PORT), host.address, PATIENCE) as wire:
        if not wire.greet(info_hash):
            return False
        wire.send(INTERESTED)
        for kind, body in wire.messages():
            if kind == UNCHOKE:
                wire.request(0, 0, size)
            elif kind == PIECE:
                return len(body) == 8 + size
    return False


@dataclass(frozen=True)
class _Offer:
    """The same memos for all seeders; `probes` are info-hashes and sizes of some."""

    library: Path
    audio: Path
    torrents: Path
    config: Path
    probes: list[tuple[bytes, int]]

    @classmethod
    def prepared(cls, world: World, host: Host, size: int) -> _Offer:
        """A library, its memos under their torrents' names, and transmission's own records."""
        library = libraries.filled(world, size, shared=size)
        folder = world.folder / f"seeding-{size}"
        audio, torrents, config = (folder / name for name in ("audio", "torrents", "config"))
        for path in (audio, torrents, config / "torrents", config / "resume"):
            path.mkdir(parents=True)
        off = (
            "dht-enabled",
            "lpd-enabled",
            "port-forwarding-enabled",
            "rpc-enabled",
            "utp-enabled",
        )
        settings = {
            "bind-address-ipv4": host.address,
            "peer-port": PORT,
            "peer-port-random-on-start": False,
            **dict.fromkeys(off, False),
        }
        (config / "settings.json").write_text(json.dumps(settings))
        probes = []
        probed = {round(place * (size - 1) / (PROBES - 1)) for place in range(PROBES)}
        with contextlib.closing(sqlite3.connect(library / "library.db")) as database:
            rows = database.execute(
                "SELECT torrent.content, torrent.info_hash, memo.id || '.' || memo.format"
                " FROM torrent JOIN memo ON memo.id = torrent.memo ORDER BY memo.number"
            )
            for number, (content, info_hash, file) in enumerate(rows):
                info = lt.bdecode(content)[b"info"]
                name = info[b"name"].decode()
                # Memos of the same title have the same audio.
                with contextlib.suppress(FileExistsError):
                    os.link(library / "memos" / file, audio / name)
                (torrents / f"{info_hash}.torrent").write_bytes(content)
                _remember(config, content, info_hash, audio)
                if number in probed:
                    probes.append((bytes.fromhex(info_hash), info[b"length"]))
        return cls(library, audio, torrents, config, probes)


def _remember(config: Path, content: bytes, info_hash: str, audio: Path) -> None:
    """What transmission keeps of a torrent that it has checked."""
    progress = {b"blocks": b"all", b"time-checked": [int(time.time()) + 60]}
    resume = lt.bencode({b"destination": str(audio).encode(), b"paused": 0, b"progress": progress})
    (config / "resume" / f"{info_hash}.resume").write_bytes(resume)
    (config / "torrents" / f"{info_hash}.torrent").write_bytes(content)
