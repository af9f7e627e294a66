"""The seeder that is soaked: its processes, and the crashes that it may have had."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from helpers.processes import is_running
from helpers.soak.resources import resources
from helpers.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from helpers.memocast_user import Memocast

WORKERS = ("classic", "web", "lan")


class Seeder:
    """`memocast seed` of a user, which ends with this process, however that ends."""

    def __init__(self, user: Memocast, errors: Path, leak: Mapping[str, str]) -> None:
        self._user = user
        self._errors = errors
        self._leak = leak
        self._process: subprocess.Popen[bytes] | None = None
        self._killed = dict.fromkeys(WORKERS, 0)
        self._read = 0
        self.port = 0

    def start(self) -> None:
        """Start it, and wait until all its workers seed."""
        assert self._user.host
        self._killed = dict.fromkeys(WORKERS, 0)
        with self._user.host.entered(), self._errors.open("ab") as errors:
            self._process = subprocess.Popen(
                # The kernel ends it with us; its workers end with it.
                [
                    *("setpriv", "--pdeathsig", "KILL"),
                    *(sys.executable, "-P", "-m", "memocast", "seed"),
                ],
                env={**self._user.environment, **self._leak},
                cwd=self._user.home,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )
        wait_for("all workers", lambda: len(self.pids()) == 1 + len(WORKERS))
        where = f"{self._user.host.address}:"
        listening = wait_for(
            "its port",
            lambda: [one for one in self.report()["reach"]["listening"] if one.startswith(where)],
        )
        self.port = int(listening[0].rpartition(":")[2])

    def stop(self) -> None:
        """End it as Ctrl-C does."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise

    def report(self) -> Any:
        """What it says of itself; empty when it does not run."""
        return self._user.seeder() or {}

    def _of_worker(self, worker: str) -> Any:
        report = self.report()
        return report if worker == "classic" else report.get(worker) or {}

    def pid(self, worker: str) -> int:
        """The process of a worker, or 0."""
        return int(self._of_worker(worker).get("session_pid") or 0)

    def pids(self) -> dict[str, int]:
        """All its processes that run, by what they are."""
        found = {worker: self.pid(worker) for worker in WORKERS}
        found["supervisor"] = self._process.pid if self._process else 0
        return {name: pid for name, pid in found.items() if pid and is_running(pid)}

    def holdings(self) -> dict[str, dict[str, int]]:
        """What each of its processes holds, with its `pid`."""
        found = {name: (pid, resources(pid)) for name, pid in self.pids().items()}
        return {name: {"pid": pid, **held} for name, (pid, held) in found.items() if held}

    def kill(self, worker: str, how: signal.Signals) -> None:
        """Kill a worker, and wait until the next has begun."""
        before = self.pid(worker)
        os.kill(before, how)
        self._killed[worker] += 1
        wait_for(f"the next {worker} worker", lambda: self.pid(worker) not in (0, before))

    def kill_all(self) -> None:
        """Kill the supervisor, and wait until nothing is left of it."""
        assert self._process
        pids = self.pids()
        self._process.kill()
        self._process.wait()
        wait_for("the end of its workers", lambda: not any(map(is_running, pids.values())))

    def signal(self, how: signal.Signals, workers: list[str]) -> None:
        """Send it to these."""
        for name, pid in self.pids().items():
            if name in workers:
                os.kill(pid, how)

    def check(self) -> None:
        """See that nothing of it has crashed but what was killed, and that no error was logged."""
        assert self._process
        assert self._process.poll() is None, f"it ended with {self._process.returncode}"
        for worker in WORKERS:
            of_worker = self._of_worker(worker)
            crashes, last = of_worker.get("crashes", 0), of_worker.get("last_crash")
            if crashes > self._killed[worker]:
                self._killed[worker] = crashes  # once is enough to be told of
                raise AssertionError(f"the {worker} worker crashed: {last}")
        log = self._user.library / "log" / "seeder.log"
        content = log.read_bytes() if log.exists() else b""
        new, self._read = content[self._read :], len(content)
        assert b"Traceback" not in new, new[-2_000:].decode(errors="replace")
