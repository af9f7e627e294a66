"""What publishing and following cost, however many memos a channel has."""

from __future__ import annotations

import contextlib
import itertools
import json
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench import libraries, network, peers
from bench.contest import Contender, Outcome, Target, compete, seconds
from bench.processes import seeding, wait_for
from bench.rows.dht import local_dht
from bench.world import MEMOCAST
from helpers.trackers import HttpTracker
from memocast.channels.publish import Publisher
from memocast.formats import mutable_item
from memocast.formats.channel import SALT, ChannelLink
from memocast.formats.feed import FeedItem
from memocast.formats.memo import now
from memocast.library.library import Library
from memocast.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bench.world import World

TITLE = "Channels"
PEERS = peers.MEMOCAST

SIZES = (100, 1_000, 10_000)
_GROWTH = 1.2
_NEWEST = "5"


@dataclass(frozen=True)
class _Author:
    """A library with a channel of so many items, which is seeded."""

    size: int
    library: Path
    link: str
    environment: Mapping[str, str]

    @property
    def name(self) -> str:
        return f"{self.size:,} memos"


def measure(world: World) -> list[Outcome]:
    """Publishing one more, following, looking in vain; and how soon a memo arrives."""
    with network.machine("10.73.0.1") as host, contextlib.ExitStack() as stack:
        network.configure(host, "ip", "route", "add", "local", "10.73.0.0/16", "dev", "lo")
        nodes = stack.enter_context(local_dht(world, host))
        stack.enter_context(host.entered())
        tracker = stack.enter_context(HttpTracker(host.address))
        settings = {
            "MEMOCAST_DHT": "true",
            "MEMOCAST_DHT_BOOTSTRAP": " ".join(nodes[:3]),
            "MEMOCAST_TRACKERS": tracker.url,
            "MEMOCAST_LISTEN": f"{host.address}:0",
            "MEMOCAST_SYNC_INTERVAL": "0",
        }
        authors = []
        for size in SIZES[:2] if world.quick else SIZES:
            author = _author(world, size, settings, tracker.url)
            stack.enter_context(seeding(world, author.library, host, **settings))
            authors.append(author)
        return _outcomes(world, authors, settings)


def _author(world: World, size: int, settings: Mapping[str, str], tracker: str) -> _Author:
    root = world.folder / f"author-{size}"
    sound = world.opus(20_000)
    world.output(root, "add", str(sound), "--title", "The newest")
    secret = mutable_item.new_secret()
    link = ChannelLink(mutable_item.public_key(secret), SALT, f"Of {size}", (tracker,))
    with contextlib.closing(Library(root)) as library:
        channel = library.channels.add(link, secret)
        (memo,) = library.memos()
        publisher = Publisher(library, Settings(trackers=(tracker,)), channel)
        with libraries.one_transaction(library):
            for number in range(size - 1):
                hash_ = f"{number:040x}"
                library.feed_items.add_own(
                    channel,
                    FeedItem(
                        id=f"urn:btih:{hash_}",
                        title=f"Memo number {number}, of a title that is neither long nor short",
                        text="What it is about, in a sentence or two. " * 3,
                        published=now(),
                        link=f"magnet:?xt=urn:btih:{hash_}&tr={tracker}",
                        size=1_000_000,
                        duration=60_000,
                    ),
                    memo.id,
                )
        publisher.publish([(memo, publisher.offer(memo))])
        # Whose memos nobody has are not what is measured: a follower takes the newest only.
    environment = world.environment(root, **settings)
    seconds([MEMOCAST, "sync"], environment)
    return _Author(size, root, str(link), environment)


def _outcomes(world: World, authors: list[_Author], settings: Mapping[str, str]) -> list[Outcome]:
    rounds = world.rounds(7)
    numbers = itertools.count()
    sound = world.opus(20_000)

    def follower(author: _Author) -> tuple[dict[str, str], Path]:
        root = world.folder / f"follower-{next(numbers)}"
        environment = world.environment(root, **settings)
        seconds([MEMOCAST, "follow", author.link, "--newest", "1"], environment)
        return environment, root

    def publish(author: _Author) -> float:
        title = f"One more, {next(numbers)}"
        memo = world.output(author.library, "add", str(sound), "--title", title, **settings)
        command = [MEMOCAST, "channel", "publish", memo]
        taken = 1000 * seconds(command, author.environment)
        wait_for("the page to be seeded", lambda: _is_seeded(author), 10)
        return taken

    def begin_to_follow(author: _Author) -> float:
        environment, root = follower(author)
        taken = 1000 * seconds([MEMOCAST, "sync"], environment)
        shutil.rmtree(root)
        return taken

    known = {author.name: follower(author)[0] for author in authors}

    def look_in_vain(author: _Author) -> float:
        return 1000 * seconds([MEMOCAST, "sync"], known[author.name])

    for author in authors:
        seconds([MEMOCAST, "sync"], known[author.name])
    outcomes = []
    for title, attempt in (
        ("Publishing one more memo", publish),
        ("Following: the first sync, with the newest memo", begin_to_follow),
        ("A sync when nothing is new", look_in_vain),
    ):
        contenders = [
            Contender(author.name, lambda author=author, attempt=attempt: attempt(author))
            for author in authors
        ]
        if attempt is look_in_vain:
            for author in authors:
                seconds([MEMOCAST, "sync"], known[author.name])
        samples, absent = compete(contenders, rounds)
        targets = [Target(authors[-1].name, authors[0].name, _GROWTH)]
        outcomes.append(Outcome(title, "ms", samples, targets, absent, ["a whole process"]))
    outcomes.append(_bytes(authors))
    outcomes.append(_arrival(world, authors[0], settings, rounds))
    return outcomes


def _is_seeded(author: _Author) -> bool:
    report = json.loads((author.library / "seeder.json").read_text())
    return bool(report.get("seeding"))


def _bytes(authors: list[_Author]) -> Outcome:
    """The newest page, which is all that a publication makes and all that a follower reads."""
    samples = {}
    for author in authors:
        with contextlib.closing(Library(author.library)) as library:
            (channel,) = library.channels.all()
            size = library.feed_pages.file(channel.head).stat().st_size
        samples[author.name] = [size / 1000]
    note = "between 50 and 99 items; every fiftieth publication makes a second page of 50"
    return Outcome("The newest page", "kB", samples, notes=[note])


def _arrival(world: World, author: _Author, settings: Mapping[str, str], rounds: int) -> Outcome:
    """From the start of `channel publish` until the memo is in a following seeder's library."""
    root = world.folder / "listener"
    changes = {**settings, "MEMOCAST_SYNC_INTERVAL": "1"}
    world.output(root, "follow", author.link, "--newest", "1", **changes)
    found = []
    with seeding(world, root, **changes), contextlib.closing(Library(root)) as library:
        wait_for("the first memo", library.memos, 60)
        for number in range(rounds):
            title = f"News {number}"
            sound = str(world.opus(20_000))
            memo = world.output(author.library, "add", sound, "--title", title, **settings)
            begun = time.perf_counter()
            world.output(author.library, "channel", "publish", memo, **settings)
            wait_for("the news", lambda title=title: library.memos(title, 1), 60)
            found.append(time.perf_counter() - begun)
    notes = [
        "the seeder looks every second, a quarter more or less, where it would look every five"
        " minutes: that interval comes on top, half of it on average",
    ]
    title = "From publishing to the memo at a following seeder"
    return Outcome(title, "s", {"memocast": found}, notes=notes)
