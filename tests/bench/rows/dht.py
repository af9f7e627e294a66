"""How long a first fetch takes when nothing but the DHT knows the sender."""

from __future__ import annotations

import contextlib
import itertools
import json
import select
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import unquote

from bench import clients, network, peers
from bench.contest import Contender, Failed, Outcome, Target, compete
from bench.processes import running, seeding, wait_for
from bench.world import PYTHON

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.world import World
    from helpers.network_namespaces import Host

TITLE = "Finding the sender by the DHT alone"
PEERS = peers.MEMOCAST | peers.ARIA2 | peers.TRANSMISSION

NODES = 20
ATTEMPTS = 50
WANTED = 1.5
SIZE = 1_000_000


def measure(world: World) -> list[Outcome]:
    """First fetches by strangers, each from an address that the DHT has not seen before."""
    with network.machine("10.73.0.1") as host, contextlib.ExitStack() as stack:
        # Every address of the network is this machine's.
        network.configure(host, "ip", "route", "add", "local", "10.73.0.0/16", "dev", "lo")
        nodes = stack.enter_context(local_dht(world, host))
        audio = world.opus(SIZE)
        library = world.folder / "dht"
        settings = {
            "MEMOCAST_DHT": "true",
            "MEMOCAST_DHT_BOOTSTRAP": " ".join(nodes[:3]),
            "MEMOCAST_LISTEN": f"{host.address}:0",
        }
        memo = world.output(library, "add", str(audio), "--title", "Known to the DHT")
        stack.enter_context(seeding(world, library, host, **settings))
        link = world.output(library, "share", memo, **settings)
        name = unquote(link.partition("&dn=")[2].partition("&")[0])
        whole = audio.stat().st_size
        fetching = clients.Fetching(world, host, "", link, name, whole, nodes[:3])
        addresses = (
            f"10.73.{number // 200 + 100}.{number % 200 + 1}" for number in itertools.count()
        )
        return _outcomes(world, fetching, addresses)


@contextlib.contextmanager
def local_dht(world: World, host: Host) -> Iterator[list[str]]:
    """The nodes' addresses and ports, each in a network of its own as far as the DHT can see."""
    command = [PYTHON, "-m", "bench.dht_nodes", *(f"10.73.{n}.1" for n in range(1, NODES + 1))]
    environment = world.environment(PYTHONPATH=str(network.TESTS))
    with running(command, environment, host, stdout=subprocess.PIPE) as process:
        assert process.stdout
        readable, _, _ = select.select([process.stdout], [], [], 60)
        line = process.stdout.readline() if readable else b""
        if not line:
            raise Failed("the nodes of the DHT do not get acquainted")
        yield json.loads(line)


def _outcomes(world: World, fetching: clients.Fetching, addresses: Iterator[str]) -> list[Outcome]:
    def stranger(fetch: Callable[[clients.Fetching], float]) -> Callable[[], float]:
        return lambda: fetch(replace(fetching, address=next(addresses)))

    ours, *others = contenders = [
        Contender("memocast fetch", stranger(clients.Fetching.by_memocast)),
        Contender("aria2c", stranger(clients.Fetching.by_aria2)),
        Contender("transmission-cli", stranger(clients.Fetching.by_transmission)),
    ]
    wait_for("the seeder's announce", lambda: _succeeds(ours), 120)
    samples, absent = compete(contenders, world.rounds(4), warm_up=0)
    title = f"A fetch of 1 MB, with a new library, by a DHT of {NODES} nodes"
    targets = [Target(ours.name, other.name, 1) for other in others]
    notes = [
        "all have the same three nodes to begin with, aria2c the first of them, and a magnet"
        " without trackers and addresses",
        clients.WHEN,
    ]
    return [
        Outcome(title, "s", samples, targets, absent, notes),
        _reliability(ours, 6 if world.quick else ATTEMPTS),
    ]


def _reliability(ours: Contender, attempts: int) -> Outcome:
    """As many fetches as say how often one fails."""
    found: list[float] = []
    failures: list[str] = []
    for _ in range(attempts):
        try:
            found.append(ours.attempt())
        except Failed as reason:
            failures.append(str(reason))
    outcome = Outcome(
        f"{attempts} first fetches in a row", "s", {ours.name: found} if found else {}
    )
    if found:
        verdict = "reached" if outcome.median(ours.name) <= WANTED else "**not reached**"
        outcome.notes.append(f"median wanted at most {WANTED:g} s: {verdict}")
        outcome.notes.append(f"the slowest took {max(found):.2f} s")
    verdict = "**not reached**" if failures else "reached"
    outcome.notes.append(f"{len(failures)} of {attempts} failed, wanted none: {verdict}")
    outcome.notes += [f"a failure: {reason}" for reason in failures[:3]]
    return outcome


def _succeeds(contender: Contender) -> bool:
    with contextlib.suppress(Failed):
        return bool(contender.attempt())
    return False
