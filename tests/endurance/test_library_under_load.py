"""Eight processes change one library at once, and some are killed: nothing acknowledged is lost."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from helpers.full_or_short import chances, pause, record, scaled
from helpers.shared_memo import sha256
from helpers.waiting import wait_for
from ledger import Ledger

if TYPE_CHECKING:
    import random

    from helpers.memocast_user import Memocast

WORKER = Path(__file__).with_name("worker.py")
API_WORKERS, CLI_WORKERS = 6, 2
SECONDS = scaled(60, 2)
KINDS = {"add", "edit", "share", "list", "remove"}

pytestmark = pytest.mark.timeout(SECONDS + 120)


class Worker:
    """A process group that works on the library, and what it has said."""

    def __init__(self, user: Memocast, *arguments: str) -> None:
        self.said: list[dict[str, Any]] = []
        self.errors = ""
        self._process = subprocess.Popen(
            [sys.executable, str(WORKER), *arguments],
            env={**user.environment, "PYTHONPATH": str(WORKER.parent.parent)},
            cwd=user.home,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # the commands it starts are killed with it
        )
        self._readers = [threading.Thread(target=read) for read in (self._listen, self._complain)]
        for reader in self._readers:
            reader.start()

    def _listen(self) -> None:
        assert self._process.stdout
        self.said.extend(map(json.loads, self._process.stdout))

    def _complain(self) -> None:
        assert self._process.stderr
        self.errors = self._process.stderr.read()

    def ask_to_end(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()

    def kill(self) -> None:
        if self._process.returncode is None:
            os.killpg(self._process.pid, signal.SIGKILL)

    def wait(self) -> int:
        """Its exit code, once it and all that it started are gone."""
        for reader in self._readers:
            reader.join()
        assert self._process.stdin and self._process.stdout and self._process.stderr
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            stream.close()
        return self._process.wait()


class Workshop:
    """Eight places for workers; two of them share each memo of `common`, a field each."""

    def __init__(self, user: Memocast, opus: Path, luck: random.Random) -> None:
        self._user = user
        self._luck = luck
        self.ledger = Ledger()
        self._common = []
        for number in range((API_WORKERS + CLI_WORKERS) // 2):
            title, description = f"Common {number}", f"common #{number}"
            self._common.append(user.add(opus, title=title, description=description))
            self.ledger.expect(self._common[-1], title, description)
        self._started = 0
        self.places = [self._worker(place) for place in range(API_WORKERS + CLI_WORKERS)]

    def _worker(self, place: int) -> Worker:
        self._started += 1
        return Worker(
            self._user,
            "api" if place < API_WORKERS else "cli",
            f"w{self._started}",
            str(self._luck.getrandbits(32)),
            self._common[place // 2],
            ("title", "description")[place % 2],
        )

    def kinds(self) -> set[str]:
        """What the workers have done so far."""
        lines = [line for worker in self.places for line in list(worker.said)]
        return {line["done"]["op"] for line in lines if "done" in line}

    def kill_one(self) -> None:
        """Kill any of them in the middle of whatever it does, and put another in its place."""
        place = self._luck.randrange(len(self.places))
        victim = self.places[place]
        victim.kill()
        code = victim.wait()
        assert code == -signal.SIGKILL, victim.errors
        self.ledger.take(victim.said)
        self.places[place] = self._worker(place)

    def end(self, expect: int = 0) -> None:
        """Have all finish what they are at, unless that has been seen to."""
        for worker in self.places:
            worker.ask_to_end()
        codes = [worker.wait() for worker in self.places]
        assert set(codes) == {expect}, "".join(worker.errors for worker in self.places)
        for worker in self.places:
            self.ledger.take(worker.said)

    def close(self) -> None:
        """Leave no process behind, however the test went."""
        for worker in self.places:
            worker.kill()
            worker.wait()


def audio_digests(user: Memocast) -> dict[str, str]:
    """The SHA-256 of each file in `memos/`, by its name without the extension."""
    return {path.stem: sha256(path) for path in (user.library / "memos").iterdir()}


def assert_sound(user: Memocast) -> None:
    """The database is whole, each row knows its file, and nothing is left in `incoming/`."""
    with contextlib.closing(sqlite3.connect(user.library / "library.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
        rows = dict(database.execute("SELECT id, lower(hex(sha256)) FROM memo"))
    digests = audio_digests(user)
    assert {memo: digests.get(memo) for memo in rows} == rows
    assert [path.name for path in (user.library / "incoming").iterdir()] == [".gate"]


def test_every_acknowledged_change_is_there(anna: Memocast, opus: Path) -> None:
    luck = chances()
    with contextlib.closing(Workshop(anna, opus, luck)) as workshop:
        pause(SECONDS)
        wait_for("one of each kind", lambda: workshop.kinds() == KINDS)
        workshop.end()
    listed = anna.run("list", "--json").json
    digests = audio_digests(anna)
    assert_sound(anna)
    assert workshop.ledger.compare(listed, digests) == 0
    assert {memo["id"] for memo in listed} == set(digests), "files without a row"
    assert workshop.ledger.acknowledged.keys() == KINDS
    record(
        "library under load",
        seconds=SECONDS,
        api_workers=API_WORKERS,
        cli_workers=CLI_WORKERS,
        acknowledged=workshop.ledger.acknowledged,
        memos_left=len(listed),
        lost=0,
    )


def test_workers_killed_at_any_moment_lose_nothing_acknowledged(anna: Memocast, opus: Path) -> None:
    luck = chances()
    kills = 0
    with contextlib.closing(Workshop(anna, opus, luck)) as workshop:
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            pause(luck.uniform(0.05, 0.7))
            workshop.kill_one()
            kills += 1
        # The last to go leave what only the next command can clean up.
        for worker in workshop.places:
            worker.kill()
        workshop.end(-signal.SIGKILL)
    left = [path for path in (anna.library / "incoming").iterdir() if path.is_dir()]
    recovered = anna.run("list").err.count("recovered an unfinished recording")
    listed = anna.run("list", "--json").json
    digests = audio_digests(anna)
    assert_sound(anna)
    kept = workshop.ledger.compare(listed, digests)
    assert digests.keys() == {memo["id"] for memo in listed}, "half removed"
    record(
        "library under load and kills",
        seconds=SECONDS,
        kills=kills + len(workshop.places),
        acknowledged=workshop.ledger.acknowledged,
        in_flight=workshop.ledger.in_flight,
        adds_in_flight_kept=kept,
        left_in_incoming_at_the_end=len(left),
        recovered_at_the_end=recovered,
        memos_left=len(listed),
        lost=0,
    )
