"""How the time of each command grows with the number of memos."""

from __future__ import annotations

import itertools
import os
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from bench import libraries, peers
from bench.contest import Contender, Outcome, Target, compete, seconds
from bench.seeder import seeding
from bench.world import MEMOCAST
from memocast.library.library import Library

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bench.world import World

TITLE = "Time of each command against the number of memos"
PEERS = peers.MEMOCAST

_SIZES = (100, 1_000, 10_000, 100_000)
_QUICK_SIZES = (100, 1_000)
_ROUNDS = 9
_GROWTH = 1.2
"""How many times as long a command may take with the most memos as with the fewest."""

_GROWING = ("list", "doctor", "share --all", "edit, a copy is due")
"""Those whose work is all memos."""

_SHARED = 10
_LONG_AGO = 7 * 24 * 3600.0
_DOCS = Path(__file__).parents[3] / "docs"
_PICTURE_BYTES = 200_000

_ALSA = """
pcm.null {{ type null }}
pcm.voice {{ type file slave.pcm "null" file "/dev/null" infile "{speech}" format "raw" }}
pcm.!default {{ type plug slave {{ pcm "voice" rate 48000 channels 1 format S16_LE }} }}
"""
"""A microphone without a clock: what is measured is memocast, not the second it records."""


@dataclass(frozen=True)
class _Offers:
    """Memos that somebody else seeds at `address`."""

    address: str
    info_hashes: Sequence[str]


@dataclass(frozen=True)
class _Subject:
    """A library of `size` memos, give or take those that a few runs add and remove.

    `ids` are of memos in it, unshared and each given out once; `some` is one that stays.
    """

    world: World
    root: Path
    size: int
    ids: Iterator[str]
    some: str
    arriving: Iterator[str]
    microphone: Path

    @property
    def name(self) -> str:
        return f"{self.size:,} memos"

    def run(self, *arguments: str | Path) -> float:
        """Milliseconds of the whole process."""
        return 1000 * seconds([MEMOCAST, *arguments], self.environment())

    def environment(self) -> dict[str, str]:
        return self.world.environment(
            self.root, ALSA_CONFIG_PATH=str(self.microphone), MEMOCAST_AUTOSTART="false"
        )

    def run_beside_seeder(self, *arguments: str) -> float:
        """The same, while the library's seeder runs."""
        with seeding(self.world, self.root):
            return self.run(*arguments)

    def unshare(self) -> float:
        """A memo that has been shared just before."""
        shared = next(self.ids)
        self.run("share", shared)
        return self.run("unshare", shared)

    def edit_with_copy(self) -> float:
        """With the last copy of the database so old that this change makes another."""
        copied = time.time() - _LONG_AGO
        newest = self.root / "backups" / "1.db"
        os.utime(newest, (copied, copied))
        return self.run("edit", self.some, "--title", "Ideas for Wednesday")

    def seed(self) -> float:
        """Until the seeder runs in the background, with the few memos that are shared."""
        try:
            return self.run("seed", "--background")
        finally:
            self.run("seed", "--stop")


_Commands = dict[str, "Callable[[_Subject], float]"]


def measure(world: World) -> list[Outcome]:
    """Each command in libraries of every size, which take turns; and a picture of them all."""
    sizes = _QUICK_SIZES if world.quick else _SIZES
    rounds = world.rounds(_ROUNDS)
    offering = world.folder / "offering"
    # One more than the rounds: there is a warm-up.
    info_hashes = _offered(world, offering, rounds + 1)
    outcomes = []
    with seeding(world, offering) as address:
        subjects = [_subject(world, size, info_hashes) for size in sizes]
        commands = _commands(world, _Offers(address, info_hashes))
        outcomes += [
            _outcome(name, command, subjects, rounds) for name, command in commands.items()
        ]
    outcomes.append(_share_all(subjects))
    folder = Path(tempfile.gettempdir()) if world.quick else _DOCS
    picture = _draw(outcomes, sizes, folder)
    outcomes[0].notes.append(f"![{TITLE}]({picture.name})")
    return outcomes


def _commands(world: World, offers: _Offers) -> _Commands:
    """By the name that the tables give them; what changes a library comes last."""
    small = world.opus(4_096)
    # The same sound under the same title in the same second makes the same torrent.
    titles = (f"Ideas, part {number}" for number in itertools.count(1))
    exported = world.folder / "exported.opus"
    page = world.folder / "page"
    return {
        "list --limit 20": lambda one: one.run("list", "--limit", "20"),
        "list --limit 20 WORD, rare": lambda one: one.run("list", "--limit", "20", libraries.RARE),
        "list --limit 20 WORD, common": lambda one: one.run(
            "list", "--limit", "20", libraries.COMMON
        ),
        "list": lambda one: one.run("list"),
        "show ID": lambda one: one.run("show", one.some),
        "show BEGINNING": lambda one: one.run("show", one.some[:-1]),
        "show latest": lambda one: one.run("show", "latest"),
        "export": lambda one: one.run("export", one.some, "--force", "-o", exported),
        "status": lambda one: one.run_beside_seeder("status"),
        "doctor": lambda one: one.run_beside_seeder("doctor"),
        "devices": lambda one: one.run("devices"),
        "identity": lambda one: one.run("identity"),
        "page": lambda one: one.run("page", page, "--force"),
        "edit": lambda one: one.run("edit", one.some, "--title", "Ideas for Tuesday"),
        "add": lambda one: one.run("add", small, "--title", next(titles)),
        "record --duration 1": lambda one: one.run("record", "--duration", "1", next(titles)),
        "share": lambda one: one.run("share", next(one.ids)),
        "share --private": lambda one: one.run("share", next(one.ids), "--private"),
        "unshare": _Subject.unshare,
        "remove": lambda one: one.run("remove", "--yes", next(one.ids)),
        "fetch": lambda one: one.run("fetch", next(one.arriving), "--peer", offers.address),
        "seed --background": _Subject.seed,
        "edit, a copy is due": _Subject.edit_with_copy,
    }


def _offered(world: World, library: Path, count: int) -> list[str]:
    """Give that library so many small shared memos; return their info-hashes."""
    small = world.opus(4_096)
    for number in range(count):
        world.output(library, "add", str(small), "--title", f"Offered {number}")
    links = world.output(library, "share", "--all", "--no-seed").splitlines()
    return [link.partition("urn:btih:")[2].partition("&")[0] for link in links]


def _subject(world: World, size: int, info_hashes: Sequence[str]) -> _Subject:
    root = libraries.filled(world, size, shared=_SHARED)
    some, *rest = _unshared_ids(root)
    microphone = world.folder / "asound.conf"
    microphone.write_text(_ALSA.format(speech=world.speech))
    return _Subject(world, root, size, iter(rest), some, iter(info_hashes), microphone)


def _unshared_ids(root: Path) -> list[str]:
    with closing(Library(root)) as library:
        return [memo.id for memo in library.rows() if not memo.shared]


def _outcome(
    name: str, command: Callable[[_Subject], float], subjects: list[_Subject], rounds: int
) -> Outcome:
    contenders = [
        Contender(subject.name, lambda subject=subject: command(subject)) for subject in subjects
    ]
    samples, absent = compete(contenders, rounds)
    fewest, most = subjects[0].name, subjects[-1].name
    targets = [] if name in _GROWING else [Target(most, fewest, _GROWTH)]
    return Outcome(f"memocast {name}", "ms", samples, targets, absent)


def _share_all(subjects: list[_Subject]) -> Outcome:
    """Once: after it all are shared."""
    contenders = [
        Contender(one.name, lambda one=one: one.run("share", "--all", "--no-seed"))
        for one in subjects
    ]
    samples, absent = compete(contenders, 1, warm_up=0)
    return Outcome("memocast share --all", "ms", samples, absent=absent)


def _slowest_first(outcomes: list[Outcome]) -> list[Outcome]:
    """As the lines end from top to bottom, so that the legend has them in that order too."""
    measured = [outcome for outcome in outcomes if outcome.samples]
    return sorted(measured, key=lambda one: -median(list(one.samples.values())[-1]))


def _draw(outcomes: list[Outcome], sizes: Sequence[int], folder: Path) -> Path:
    """Medians against sizes, both logarithmic; the same samples give the same file."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "memocast"
    mpl.rcParams["svg.fonttype"] = "none"
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(10, 7), layout="constrained")
    looks = itertools.product((("-", "o"), ("--", "s"), (":", "^")), plt.get_cmap("tab10").colors)
    for outcome, ((line, marker), colour) in zip(_slowest_first(outcomes), looks, strict=False):
        label = outcome.title.removeprefix("memocast ")
        samples = {size: outcome.samples.get(f"{size:,} memos") for size in sizes}
        points = [(size, median(found)) for size, found in samples.items() if found]
        axes.loglog(*zip(*points, strict=True), line, color=colour, marker=marker, label=label)
    axes.set_xlabel("memos in the library")
    axes.set_ylabel("whole process, ms")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:,.0f}")
        axis.set_minor_formatter("")
    axes.grid(visible=True, which="both", alpha=0.2)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize="small", frameon=False)
    picture = folder / "complexity.svg"
    figure.savefig(picture, metadata={"Date": None})
    if picture.stat().st_size > _PICTURE_BYTES:
        picture.unlink()
        picture = picture.with_suffix(".png")
        figure.savefig(picture, metadata={"Software": None})
    plt.close(figure)
    return picture
