"""A seeder that is asked to stop writes down what it sent, and takes leave of its trackers."""

from __future__ import annotations

import os
import signal
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from helpers.processes import processes_of, running
from helpers.seeder_report import pid
from helpers.shared_memo import info_hash
from helpers.trackers import HttpTracker
from helpers.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from helpers.memocast_user import Memocast

ASKED = {
    "by seed --stop": lambda user: user.run("seed", "--stop"),
    "by the system": lambda user: os.kill(pid(user), signal.SIGTERM),
}


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
def test_a_seeder_that_stops_says_so_to_trackers_and_writes_down_what_it_sent(
    anna: Memocast, ben: Memocast, tmp_path: Path, ask: Callable[[Memocast], object]
) -> None:
    noise = np.random.default_rng(7).normal(0, 3000, 1_000_000).astype(np.int16)
    soundfile.write(tmp_path / "long.wav", noise, 48_000)
    with HttpTracker() as tracker:
        slow = anna.with_(MEMOCAST_TRACKERS=tracker.url, MEMOCAST_UPLOAD_LIMIT="300000")
        memo = slow.add(tmp_path / "long.wav")
        link = slow.run("share", memo, "--direct").out.strip()

        def sent() -> int:
            report = anna.seeder()
            return int(report["memos"].get(memo, {"uploaded": 0})["uploaded"]) if report else 0

        wait_for("the announce", lambda: tracker.announced(info_hash(link)))
        with running(ben.start("fetch", link)) as fetching:
            wait_for("what is not written down", lambda: sent() > written(anna) + 150_000)
            before = sent()
            ask(anna)
            wait_for("its end", lambda: not processes_of(anna.library))
            assert written(anna) >= before
            fetching.terminate()
            fetching.communicate(timeout=30)
        assert not tracker.announced(info_hash(link)), "no fetch is sent to it any more"


def written(user: Memocast) -> int:
    with closing(sqlite3.connect(f"file:{user.library}/library.db?mode=ro", uri=True)) as database:
        return int(database.execute("SELECT sum(uploaded) FROM torrent").fetchone()[0])
