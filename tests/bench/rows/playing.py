"""How long until a memo is heard that is fetched over a slow line."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from bench import network, peers, sound
from bench.contest import Contender, Failed, Outcome, Target, compete
from bench.processes import running, seeding, wait_for
from bench.world import MEMOCAST
from helpers.trackers import HttpTracker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.world import World
    from helpers.network_namespaces import Host
    from helpers.sound_card import SoundCard

TITLE = "Listening while it arrives"
PEERS = peers.MEMOCAST | peers.WEBTORRENT

LINE = "1mbit"
SIZE = 10_000_000
NAME = "Heard at once"
WANTED = 1.0
DEADLINE = 120.0
ONE_SECOND = 48_000 * 2


def measure(world: World) -> list[Outcome]:
    """`fetch --play`, from its start and from the metadata on, beside webtorrent-cli."""
    size = SIZE // 5 if world.quick else SIZE
    with network.star(2) as (here, there), sound.sound_card() as card:
        network.limit(here, LINE)
        with here.entered():
            tracker = HttpTracker(here.address)
        settings = {"MEMOCAST_TRACKERS": tracker.url, "MEMOCAST_LISTEN": f"{here.address}:0"}
        library = world.folder / "playing"
        memo = world.output(library, "add", str(world.opus(size)), "--title", NAME)
        with tracker, seeding(world, library, here, **settings):
            link = world.output(library, "share", memo, "--direct", **settings)
            info_hash = link.partition("urn:btih:")[2].partition("&")[0]
            wait_for("the seeder's announce", lambda: tracker.announced(info_hash))
            # Without the name in the link: once it is shown, the metadata has arrived.
            listener = _Listener(world, there, re.sub("&dn=[^&]*", "", link), card)
            return _outcomes(world, listener, size)


def _outcomes(world: World, listener: _Listener, size: int) -> list[Outcome]:
    ours, heard, decoded = (
        "memocast fetch --play",
        "webtorrent-cli into ffmpeg into paplay",
        "webtorrent-cli into ffmpeg",
    )
    contenders = [
        Contender(ours, listener.by_memocast),
        Contender(heard, listener.by_webtorrent_and_paplay),
        Contender(decoded, listener.by_webtorrent),
    ]
    samples, absent = compete(contenders, world.rounds(5), warm_up=0)
    memo = f"a memo of {size / 1e6:.0f} MB, {size * 8 / 46_000 / 60:.0f} minutes, over 1 Mbit/s"
    whole = Outcome(
        f"From the start of the command to the first sound: {memo}",
        "s",
        samples,
        [Target(ours, heard, 1), Target(ours, decoded, 1)],
        absent,
        [
            f"all of it takes {size * 8 / 1e6:.0f} s or more to arrive",
            "memocast, in a terminal, and paplay: until the virtual speaker's monitor hears"
            " something, which is up to 50 ms later than it was played",
            "ffmpeg alone: until it has decoded the first second, and nothing was heard yet",
        ],
    )
    if ours not in samples:
        return [whole]
    after = Outcome(
        f"From the arrival of the metadata to the first sound: {memo}",
        "s",
        {ours: listener.after_metadata},
        notes=["the metadata has arrived when the terminal shows the memo's title"],
    )
    reached = "reached" if after.median(ours) <= WANTED else "**not reached**"
    after.notes.append(f"wanted at most {WANTED:g} s: {reached}")
    return [whole, after]


@dataclass
class _Listener:
    """Somebody who wants to hear the memo."""

    world: World
    host: Host
    link: str
    card: SoundCard
    after_metadata: list[float] = field(default_factory=list)

    def by_memocast(self) -> float:
        """Until the speaker is heard; then it is stopped."""
        with (
            self.world.scratch() as folder,
            sound.listening(self.card) as ear,
            _Terminal() as terminal,
        ):
            environment = self.world.environment(
                folder / "library",
                MEMOCAST_LISTEN=f"{self.host.address}:0",
                TERM="xterm-256color",
                **self.card.environment,
            )
            begun = time.perf_counter()
            command = [MEMOCAST, "fetch", "--play", self.link]
            with running(command, environment, self.host, **terminal.streams) as process:
                wait_for(
                    "the first sound",
                    lambda: ear.heard or process.poll() is not None,
                    DEADLINE,
                    every=0.01,
                )
            if not ear.heard:
                raise Failed(f"ended with {process.returncode}: {terminal.said()}")
            if not terminal.title_shown:
                raise Failed("did not show the memo's title")
            self.after_metadata.append(ear.heard - terminal.title_shown)
            return ear.heard - begun

    def by_webtorrent(self) -> float:
        """Until a second of it is decoded; then it is stopped."""
        with self._decoding("s16le") as (begun, fetching, decoding):
            # Whoever waits for what never comes is woken by the end of both.
            alarm = _alarm(DEADLINE, fetching, decoding)
            try:
                assert decoding.stdout
                if len(decoding.stdout.read(ONE_SECOND)) < ONE_SECOND:
                    raise Failed(f"no second of sound within {DEADLINE:g} s")
                return time.perf_counter() - begun
            finally:
                alarm.cancel()

    def by_webtorrent_and_paplay(self) -> float:
        """Until the speaker is heard; then it is stopped."""
        environment = self.world.environment(**self.card.environment)
        with (
            sound.listening(self.card) as ear,
            self._decoding("wav") as (begun, _, decoding),
            running(["paplay", "--device=vspk"], environment, stdin=decoding.stdout),
        ):
            wait_for("the first sound", lambda: ear.heard, DEADLINE, every=0.01)
            return ear.heard - begun

    @contextlib.contextmanager
    def _decoding(
        self, kind: str
    ) -> Iterator[tuple[float, subprocess.Popen[bytes], subprocess.Popen[bytes]]]:
        """When it began, and webtorrent-cli and ffmpeg, which has the memo on its output."""
        fetch = ["webtorrent", "download", self.link, "--stdout", "--out"]
        decode = ["ffmpeg", "-v", "error", "-i", "pipe:0", "-f", kind, "-ac", "1"]
        environment = self.world.environment()
        with self.world.scratch() as folder:
            begun = time.perf_counter()
            with (
                running(
                    [*fetch, str(folder)],
                    environment,
                    self.host,
                    stdout=subprocess.PIPE,
                    cwd=folder,
                ) as fetching,
                running(
                    [*decode, "-ar", "48000", "pipe:1"],
                    environment,
                    stdin=fetching.stdout,
                    stdout=subprocess.PIPE,
                ) as decoding,
            ):
                yield begun, fetching, decoding


def _alarm(seconds: float, *processes: subprocess.Popen[bytes]) -> threading.Timer:
    timer = threading.Timer(seconds, lambda: [process.kill() for process in processes])
    timer.start()
    return timer


class _Terminal:
    """What a command is started in; it notes when the memo's title is first shown."""

    def __init__(self) -> None:
        self.title_shown = 0.0
        self._text = b""
        self._screen, self._inside = pty.openpty()
        fcntl.ioctl(self._inside, termios.TIOCSWINSZ, struct.pack("4H", 24, 100, 0, 0))
        self.streams = dict.fromkeys(("stdin", "stdout", "stderr"), self._inside)
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # the last process in it has ended
            while block := os.read(self._screen, 65_536):
                self._text += block
                if not self.title_shown and NAME.encode() in self._text:
                    self.title_shown = time.perf_counter()

    def said(self) -> str:
        """The last line of it."""
        lines = self._text.decode(errors="replace").strip().splitlines()
        return lines[-1][:200] if lines else "nothing said"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._inside)
        self._thread.join()
        os.close(self._screen)
