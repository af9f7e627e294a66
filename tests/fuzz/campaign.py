"""Runs harnesses, each for some time in all, in processes of their own that may end at any time."""

from __future__ import annotations

import fcntl
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from fuzz import figures

if TYPE_CHECKING:
    from collections.abc import Sequence

_HERE = Path(__file__).resolve().parent
_MOST_ENDS = 50
"""Processes of a harness that its inputs may end in one run, before it is given up."""

_ENDS = {70: "took too long", 71: "took too much memory", 77: "crashed", 76: "crashed"}
"""libFuzzer's exit codes."""

_INTERRUPTED = 72
"""The same, for a process that a signal ended: no input did."""


class InUse(Exception):
    """Another process runs harnesses in that folder."""


class Campaign:
    """Harnesses in a folder: each has a folder with its corpus, its figures and its findings."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = (folder / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InUse(folder) from error
        self._commit = commit()
        self._running: list[subprocess.Popen[bytes]] = []
        self._changing = threading.Lock()
        self._is_over = False

    def run(self, names: Sequence[str], seconds: float, jobs: int) -> bool:
        """Run each harness until it has had `seconds` in all; return whether all of them have."""
        with ThreadPoolExecutor(jobs) as pool:
            waiting = [pool.submit(self._run, name, seconds) for name in names]
            try:
                done = [each.result() for each in waiting]
                return all(done)
            except KeyboardInterrupt:
                self._end()
                raise

    def _end(self) -> None:
        with self._changing:
            self._is_over = True
            for process in self._running:
                process.terminate()

    def _run(self, name: str, seconds: float) -> bool:
        folder = self._folder / name
        folder.mkdir(exist_ok=True)
        ends = 0
        while not self._is_over and (left := seconds - figures.read(folder).seconds) > 0:
            code = self._work(name, folder, left)
            if code in (0, _INTERRUPTED) or self._is_over:
                continue
            found = figures.read(folder)
            found.ends[f"ENDED: {_ENDS.get(code, f'exit code {code}')}"] += 1
            figures.write(folder, found)
            ends += 1
            if ends == _MOST_ENDS:
                last = (folder / "log").read_text(errors="replace").splitlines()[-3:]
                print(f"{name}: given up:", *last, sep="\n  ", file=sys.stderr)
                return False
        return not self._is_over

    def _work(self, name: str, folder: Path, seconds: float) -> int:
        command = [sys.executable, str(_HERE / "worker.py"), name, str(folder.resolve())]
        with (folder / "log").open("wb") as log, self._changing:
            if self._is_over:
                return 0
            process = subprocess.Popen(
                [*command, str(seconds), self._commit],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C comes to us alone
            )
            self._running.append(process)
        code = process.wait()
        with self._changing:
            self._running.remove(process)
        return -code if code == -signal.SIGKILL else code


def commit() -> str:
    """Return the commit that is checked out, with a + if files differ from it."""

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=_HERE, capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    return (git("rev-parse", "--short", "HEAD") or "?") + (
        "+" if git("status", "--porcelain", "--untracked-files=no") else ""
    )
