"""A fetch is killed at any moment: no half memo, never two, and nothing is downloaded twice."""

from __future__ import annotations

import hashlib
import json
import signal
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import libtorrent as lt
import numpy as np
import pytest
import soundfile

from helpers.full_or_short import chances, pause, record, scaled
from helpers.processes import running
from helpers.shared_memo import info_hash, sha256
from helpers.waiting import wait_for

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from pathlib import Path

    from helpers.memocast_user import Memocast

KILLS = scaled(50, 3)
LIMIT = scaled(2_000_000, 4_000_000)
"""Bytes a second that the sender gives."""

FRAMES = (1_500_000, scaled(3_000_000, 1_700_000))
"""How many frames of two bytes a memo has: at least, and at most."""

MOMENTS = {
    "at once": 0.5,
    "entry made": 0.05,
    "metadata here": 0.05,
    "some of it here": 0.01,
    "all of it here": 0.02,
    "being kept": 0.01,
}
"""When a fetch is killed: at any time in this many seconds after that."""

pytestmark = pytest.mark.timeout(KILLS * 15 + 60)


@dataclass(frozen=True)
class Shared:
    """A memo of the sender's, its link, and what a receiver's disk must hold in the end."""

    memo: str
    link: str
    torrent: Any

    def missing(self, path: Path) -> int:
        """How many bytes of it are not, piece by piece, in the file."""
        content = path.read_bytes()
        length = self.torrent.piece_length()
        missing = 0
        for index in range(self.torrent.num_pieces()):
            piece = content[index * length : (index + 1) * length]
            if hashlib.sha1(piece).digest() != self.torrent.hash_for_piece(index):
                missing += self.torrent.piece_size(index)
        return missing


class Sender:
    """Anna: makes memos of noise, and knows what her seeder has sent of each."""

    def __init__(self, user: Memocast, luck: random.Random) -> None:
        self.user = user.with_(MEMOCAST_UPLOAD_LIMIT=str(LIMIT))
        self._luck = luck
        self.memos = 0

    def share(self) -> Shared:
        """A new memo, and its link."""
        self.memos += 1
        noise = np.random.default_rng(self._luck.getrandbits(32))
        samples = noise.integers(-9_000, 9_000, self._luck.randint(*FRAMES), dtype=np.int16)
        wav = self.user.home / "noise.wav"
        soundfile.write(wav, samples, 48_000)
        memo = self.user.add(wav, title=f"Noise {self.memos}")
        link = self.user.run("share", memo, "--direct").out.strip()
        wait_for("the seeder to offer it", lambda: self._report().get("seeding") == self.memos)
        with closing(sqlite3.connect(self.user.library / "library.db")) as database:
            query = "SELECT content FROM torrent WHERE memo = ?"
            (content,) = database.execute(query, (memo,)).fetchone()
        return Shared(memo, link, lt.load_torrent_buffer(content).ti)

    def sent(self, shared: Shared) -> int:
        """How many bytes of the memo have left, once no more do.

        A receiver that was killed stays a peer for a while: over uTP nobody tells of its end.
        """
        # The first report that follows may tell of a moment ago.
        self._await_report()
        before, after = -1, self._uploaded(shared)
        while before != after:
            self._await_report()
            before, after = after, self._uploaded(shared)
        return after

    def _uploaded(self, shared: Shared) -> int:
        # Of a memo that nobody has asked for, nothing is said.
        return int(self._report()["memos"].get(shared.memo, {"uploaded": 0})["uploaded"])

    def _await_report(self) -> None:
        last = self._published()
        wait_for("a report", lambda: self._published() != last)

    def _report(self) -> dict[str, Any]:
        # What 'status --json' prints as `seeder`, without a process for each look.
        return dict(json.loads((self.user.library / "seeder.json").read_text()))

    def _published(self) -> int:
        return (self.user.library / "seeder.json").stat().st_mtime_ns


class Receiver:
    """Ben: fetches, and is killed at it."""

    def __init__(self, user: Memocast, luck: random.Random) -> None:
        self.user = user
        self.kept: list[str] = []
        self._luck = luck

    def listed(self) -> list[str]:
        return [line.split("\t")[0] for line in self.user.run("list").lines]

    def assert_whole_memos(self, sender: Sender, shared: Shared) -> None:
        """Nothing that is listed is a part of anything."""
        for memo in self.listed():
            if memo not in self.kept:  # the kill came after its row
                self.assert_same_audio(memo, sender, shared)

    def assert_same_audio(self, memo: str, sender: Sender, shared: Shared) -> None:
        received = self.user.library / "memos" / f"{memo}.wav"
        sent = sender.user.library / "memos" / f"{shared.memo}.wav"
        assert sha256(received) == sha256(sent)

    def missing(self, shared: Shared) -> int:
        """How many bytes the next fetch needs; a killed one has its file in one of two places."""
        memos = (self.user.library / "memos").glob("*.wav")
        files = [*self._entry(shared).glob("audio*")]
        files += [path for path in memos if path.stem not in self.kept]
        assert len(files) <= 1, files
        return shared.missing(files[0]) if files else int(shared.torrent.total_size())

    def _entry(self, shared: Shared) -> Path:
        return self.user.library / "incoming" / f"download-{info_hash(shared.link)}"

    def kill_fetch(self, shared: Shared, when: str) -> bool:
        """Begin to fetch and kill that; False when it was done before."""
        entry = self._entry(shared)
        staged = entry / "audio"
        size = shared.torrent.total_size()
        here = held(staged)
        goal = here + (size - here) * self._luck.random()
        moments: dict[str, Callable[[], object]] = {
            "at once": lambda: True,
            "entry made": entry.exists,
            "metadata here": (entry / "resume").exists,
            "some of it here": lambda: held(staged) >= goal,
            "all of it here": lambda: held(staged) >= size,
            "being kept": (entry / "entry.json").exists,
        }
        with running(self.user.start("fetch", shared.link)) as process:
            while process.poll() is None and not moments[when]():
                pause(0.0005)
            pause(self._luck.uniform(0, MOMENTS[when]))
            process.kill()
            out, err = process.communicate()
        assert process.returncode in (0, -signal.SIGKILL), err
        # Killed once it had told the memo's id, it was done.
        return process.returncode == -signal.SIGKILL and out == ""


def held(path: Path) -> int:
    """The bytes that a file takes on the disk: one that arrives has its whole size at once."""
    try:
        return path.stat().st_blocks * 512
    except FileNotFoundError:
        return 0


@pytest.mark.long
def test_a_killed_fetch_goes_on_with_what_is_on_the_disk(anna: Memocast, ben: Memocast) -> None:
    luck = chances()
    rounds = [luck.sample(list(MOMENTS), len(MOMENTS)) for _ in range(KILLS // len(MOMENTS) + 1)]
    moments = [when for one in rounds for when in one]
    sender, receiver = Sender(anna, luck), Receiver(ben, luck)
    killed: Counter[str] = Counter()
    rests = []
    while killed.total() < KILLS:
        shared = sender.share()
        for _ in range(min(scaled(luck.randint(1, 4), 3), KILLS - killed.total())):
            when = moments[killed.total()]
            if not receiver.kill_fetch(shared, when):
                break
            killed[when] += 1
            receiver.assert_whole_memos(sender, shared)
        rests.append(rest(sender, receiver, shared))
    record(
        "fetch and kills",
        kills=killed,
        memos=sender.memos,
        bytes=sum(rest.size for rest in rests),
        missing_after_the_kills=sum(rest.missing for rest in rests),
        downloaded_by_the_next_run=sum(rest.downloaded for rest in rests),
        most_beyond_what_was_missing=max(rest.downloaded - rest.missing for rest in rests),
        sent_in_all=sum(rest.sent for rest in rests),
    )


@dataclass(frozen=True)
class Rest:
    """What the run after the kills had to do, and did; all in bytes."""

    size: int
    missing: int
    downloaded: int
    sent: int


def rest(sender: Sender, receiver: Receiver, shared: Shared) -> Rest:
    """Let a fetch come to its end; it must take what is missing and at most a piece more."""
    before = sender.sent(shared)
    missing = receiver.missing(shared)
    # Four seconds without a byte are too many: the sender is there, whatever it thinks of the
    # connection to the run that was killed.
    fetched = receiver.user.run("fetch", shared.link, "--timeout", "4").out.strip()
    after = sender.sent(shared)
    assert after - before <= missing + shared.torrent.piece_length(), (before, missing, after)
    receiver.assert_same_audio(fetched, sender, shared)
    receiver.kept.append(fetched)
    assert receiver.listed() == receiver.kept[::-1], "a memo is not there once"
    assert [path.name for path in (receiver.user.library / "incoming").iterdir()] == [".gate"]
    return Rest(shared.torrent.total_size(), missing, after - before, after)
