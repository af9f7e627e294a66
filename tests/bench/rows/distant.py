"""How long a fetch takes from somebody who is far away."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING
from urllib.parse import unquote

from bench import clients, network, peers
from bench.contest import Contender, Outcome, Target, compete
from bench.processes import seeding, wait_for
from helpers.trackers import HttpTracker

if TYPE_CHECKING:
    from bench.world import World
    from helpers.network_namespaces import Host

TITLE = "Fetching from far away"
PEERS = peers.MEMOCAST | peers.ARIA2 | peers.TRANSMISSION | peers.WEBTORRENT | peers.CURL

ROUND_TRIP = 0.05
SIZES = (1_000_000, 20_000_000)


def measure(world: World) -> list[Outcome]:
    """Memos of two sizes at 50 ms, beside the peers and a download from a web server."""
    with network.far_apart(ROUND_TRIP) as (here, there, way):
        return [_outcome(world, here, there, size, way) for size in SIZES]


def _outcome(world: World, here: Host, there: Host, size: int, way: str) -> Outcome:
    library = world.folder / f"distant-{size}"
    audio = world.opus(size)
    memo = world.output(library, "add", str(audio), "--title", "From far away")
    served = world.folder / "served"
    served.mkdir(exist_ok=True)
    shutil.copy(audio, served / audio.name)
    with here.entered():
        tracker = HttpTracker(here.address)
    settings = {"MEMOCAST_TRACKERS": tracker.url, "MEMOCAST_LISTEN": f"{here.address}:0"}
    with (
        tracker,
        seeding(world, library, here, **settings),
        network.static_server(served, here) as url,
    ):
        link = world.output(library, "share", memo, "--direct", **settings)
        info_hash = link.partition("urn:btih:")[2].partition("&")[0]
        wait_for("the seeder's announce", lambda: tracker.announced(info_hash))
        name = unquote(link.partition("&dn=")[2].partition("&")[0])
        whole = audio.stat().st_size
        fetching = clients.Fetching(world, there, there.address, link, name, whole)
        contenders = [
            Contender("memocast fetch", fetching.by_memocast),
            Contender("curl", lambda: clients.by_curl(world, there, f"{url}/{audio.name}")),
            Contender("aria2c", fetching.by_aria2),
            Contender("transmission-cli", fetching.by_transmission),
            Contender("webtorrent-cli", fetching.by_webtorrent),
        ]
        samples, absent = compete(contenders, world.rounds(4), warm_up=0)
    ours, base, *others = (contender.name for contender in contenders)
    targets = [Target(ours, base, 2), *(Target(ours, other, 1) for other in others)]
    notes = [
        way,
        "all have the same link, with the seeder's address and an HTTP tracker beside the seeder",
        clients.WHEN,
        "curl: from a web server that uses sendfile",
    ]
    title = f"{size / 1e6:.0f} MB of Opus, 50 ms there and back"
    return Outcome(title, "s", samples, targets, absent, notes)
