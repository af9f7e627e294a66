"""How long until everybody has a memo that one machine with a slow uplink shares."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench import network, peers
from bench.clients import by_curl
from bench.contest import Contender, Outcome, Target, compete
from bench.processes import finished, running, seeding, wait_for
from bench.world import MEMOCAST
from helpers.trackers import HttpTracker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.world import World
    from helpers.network_namespaces import Host

TITLE = "One sender, many receivers"
PEERS = peers.MEMOCAST | peers.CURL

RECEIVERS = (1, 2, 4, 8, 16, 32)
SERIAL = (1, 2, 4)
"""Copies that are sent one after the other for real."""

UPLINK = 1.5e6
"""Bits a second: so slow that 32 receivers on two cores wait for it, and not for a core."""

SIZE = 3_000_000
BITRATE = 256_000
"""Of the Opus file."""

DEADLINE = 600.0
LONG = 300.0
"""Seconds for all counts after which they are not measured a second time."""


def measure(world: World) -> list[Outcome]:
    """Receivers that pass on to each other what they have, beside one copy after the other."""
    counts = (1, 4, 32) if world.quick else RECEIVERS
    serial = (1, 2) if world.quick else SERIAL
    size = SIZE // 3 if world.quick else SIZE
    with network.star(max(counts) + 2) as (sender, meeting_place, *receivers):
        network.limit(sender, f"{UPLINK:.0f}bit")
        with meeting_place.entered():
            tracker = HttpTracker(meeting_place.address)
        with tracker:
            outcome = _outcome(
                world, _audio(world, size), sender, tracker, receivers, counts, serial
            )
    _draw(world, outcome, counts, serial)
    return [outcome]


def _outcome(
    world: World,
    audio: Path,
    sender: Host,
    tracker: HttpTracker,
    receivers: Sequence[Host],
    counts: Sequence[int],
    serial: Sequence[int],
) -> Outcome:
    library = world.folder / "swarm"
    memo = world.output(library, "add", str(audio), "--title", "To everybody")
    settings = {"MEMOCAST_TRACKERS": tracker.url, "MEMOCAST_LISTEN": f"{sender.address}:0"}
    served = world.folder / "swarm-served"
    served.mkdir()
    shutil.copy(audio, served / "memo.opus")
    with (
        seeding(world, library, sender, **settings),
        network.static_server(served, sender) as url,
    ):
        link = world.output(library, "share", memo, **settings)
        info_hash = link.partition("urn:btih:")[2].partition("&")[0]
        wait_for("the seeder's announce", lambda: tracker.announced(info_hash))
        together = [
            Contender(_ours(count), lambda count=count: _together(world, link, receivers[:count]))
            for count in counts
        ]
        busy = os.times()
        begun = time.monotonic()
        samples, absent = compete(together, 1, warm_up=0)
        taken = time.monotonic() - begun
        share = _cores_used(busy, taken)
        if not world.quick and taken < LONG:
            again, failed = compete(together, 2, warm_up=0)
            samples = {name: samples[name] + found for name, found in again.items()}
            absent |= failed
        one_by_one = [
            Contender(
                _theirs(count),
                lambda count=count: sum(
                    by_curl(world, host, f"{url}/memo.opus") for host in receivers[:count]
                ),
            )
            for count in serial
        ]
        # The uplink's rate says how long it takes: more rounds would find the same.
        others, missing = compete(one_by_one, 1, warm_up=0)
    most = counts[-1]
    return Outcome(
        f"{audio.stat().st_size / 1e6:.0f} MB of Opus through an uplink of {UPLINK / 1e6:g} Mbit/s,"
        " until the last receiver has it",
        "s",
        samples | others,
        [Target(_ours(most), _ours(1), 2)],
        absent | missing,
        [
            "every receiver is a `memocast fetch` in a network namespace of its own; they hear of"
            " each other from an HTTP tracker and from peers",
            "a direct sender takes as many times the time of one copy as there are receivers:"
            f" beyond {serial[-1]} that is not measured, and in the figure extrapolated",
            f"all receivers shared this machine's {os.cpu_count()} cores and used {share:.0%} of"
            " one on average: the uplink is so slow that cores are not what they wait for",
        ],
    )


def _ours(count: int) -> str:
    return f"memocast, {count} receiver{'s' if count > 1 else ''}"


def _theirs(count: int) -> str:
    return f"one copy after the other, {count} receiver{'s' if count > 1 else ''}"


def _cores_used(before: os.times_result, seconds: float) -> float:
    after = os.times()
    spent = after.children_user + after.children_system
    return (spent - before.children_user - before.children_system) / seconds


def _audio(world: World, size: int) -> Path:
    path = world.folder / "swarm.opus"
    loop = ["-stream_loop", "-1", "-i", world.speech, "-t", f"{size * 8 / BITRATE}"]
    coded = ["-c:a", "libopus", "-b:a", f"{BITRATE}", "-vbr", "off"]
    subprocess.run(["ffmpeg", "-v", "error", *loop, *coded, path], check=True)
    return path


def _together(world: World, link: str, receivers: Sequence[Host]) -> float:
    """All begin at once; how long until the last is done."""
    with world.scratch() as folder, contextlib.ExitStack() as stack:
        begun = time.perf_counter()
        fetches = [
            stack.enter_context(
                running(
                    [MEMOCAST, "fetch", link],
                    world.environment(folder / host.address, MEMOCAST_LISTEN=f"{host.address}:0"),
                    host,
                    stderr=subprocess.PIPE,
                )
            )
            for host in receivers
        ]
        for fetch in fetches:
            finished(fetch, begun + DEADLINE - time.perf_counter())
        return time.perf_counter() - begun


def _draw(world: World, outcome: Outcome, counts: Sequence[int], serial: Sequence[int]) -> None:
    """docs/swarm.svg; of a quick run, in the folder for temporary files."""
    if any(name not in outcome.samples for name in (*map(_ours, counts), *map(_theirs, serial))):
        return
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "memocast"
    from matplotlib import pyplot as plt

    one = outcome.median(_theirs(1))
    figure, axes = plt.subplots(figsize=(7, 4))
    axes.plot(counts, [one * count for count in counts], "--", color="tab:gray", linewidth=1)
    axes.plot(
        serial,
        [outcome.median(_theirs(count)) for count in serial],
        "s-",
        color="tab:gray",
        label="one copy after the other (dashed: extrapolated)",
    )
    ours = [outcome.median(_ours(count)) for count in counts]
    axes.plot(counts, ours, "o-", color="tab:blue", label="memocast")
    axes.set(
        title=outcome.title,
        xlabel="receivers",
        ylabel="seconds",
        xscale="log",
        yscale="log",
    )
    axes.title.set_fontsize(9)
    axes.set_xticks(counts, [str(count) for count in counts])
    low, high = axes.get_ylim()
    ticks = [n * 10**power for power in range(4) for n in (1, 2, 5) if low <= n * 10**power <= high]
    axes.set_yticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    figure.tight_layout()
    docs = Path(__file__).parents[3] / "docs"
    folder = Path(tempfile.gettempdir()) if world.quick else docs
    target = folder / ("memocast-swarm.svg" if world.quick else "swarm.svg")
    figure.savefig(target, metadata={"Date": None})
    plt.close(figure)
