"""Supervisor: keeps the seeder's session process running, whatever becomes of libtorrent.

The supervisor holds the library's presence and publishes how the seeder
fares. The session, a `Seeder`, is a child that tells it by lines of JSON:
`{"event": NAME, ...}`. A session that crashed is counted and started again;
one whose supervisor is gone notices that its standard input has ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import time
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any

from memocast import __version__
from memocast.database import translated
from memocast.errors import LibraryError, MemocastError
from memocast.memo import now, rfc3339
from memocast.program import command

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from memocast.presence import Presence

_POLL_SECONDS = 0.1
_STOP_SECONDS = 10.0
_LONGEST_PAUSE_SECONDS = 60.0
_STEADY_SECONDS = 60.0
"""A session that ran this long before it crashed is started again at once."""

_SILENT_SECONDS = 900.0
"""A session reports every second, except while it hashes files that were changed."""

_READ_BYTES = 1 << 16


class Supervisor:
    """The seeder of a library, as others see it. The caller holds its `Presence`."""

    def __init__(
        self,
        root: Path,
        presence: Presence,
        notify: Callable[[str, dict[str, Any]], None],
        only: Sequence[str] = (),
    ) -> None:
        self._root = root
        self._presence = presence
        self._notify = notify
        self._only = only
        self._started = datetime.now(UTC)
        self._report: dict[str, Any] = {}
        self._crashes = 0
        self._last_crash: dict[str, str] | None = None
        self._failure: MemocastError | None = None

    def run(self, stopping: Callable[[], bool]) -> None:
        """Seed until `stopping()`. Raises MemocastError when the first session cannot begin."""
        pause = 0.0
        while not stopping():
            begun = time.monotonic()
            try:
                ended = self._run_session(stopping)
            except LibraryError as error:  # no room for a log, no process to be had
                self._failure = error
                ended = error.message
            if ended is None:
                return
            if not self._report:
                raise self._failure or MemocastError(
                    f"the seeder ended as it began: {ended}",
                    hint=f"read {self._root / 'log' / 'seeder.log'}",
                )
            self._tell_trouble(ended)
            steady = time.monotonic() - begun > _STEADY_SECONDS
            pause = 0.0 if steady else pause
            _wait(pause, stopping)
            pause = min(max(1.0, pause * 2), _LONGEST_PAUSE_SECONDS)

    def _run_session(self, stopping: Callable[[], bool]) -> str | None:
        """One session from its start to its end: why it ended, or None when it was to stop."""
        self._failure = None
        session = self._start()
        ended = None
        try:
            ended = self._follow(session, stopping)
        finally:
            if ended is None:  # after a crash, this is still the library's seeder
                self._presence.leave()
            self._stop(session)
        return ended

    def _start(self) -> subprocess.Popen[bytes]:
        log = self._root / "log" / "seeder.log"
        with translated(log), log.open("ab") as errors:
            return subprocess.Popen(
                command(self._root, "seed", "--session", *self._only),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=self._root,
                # Ctrl-C in the terminal is for us; the session ends when we say so.
                start_new_session=True,
                pass_fds=[self._presence.descriptor],
            )

    def _follow(self, session: subprocess.Popen[bytes], stopping: Callable[[], bool]) -> str | None:
        assert session.stdout is not None
        lines = _Lines(session.stdout)
        heard = time.monotonic()
        while not stopping():
            for line in lines.read(_POLL_SECONDS):
                self._hear(json.loads(line))
                heard = time.monotonic()  # after it: a stopped terminal may have held us up
            if lines.ended:
                return _how_it_ended(session.wait())
            if self._report and time.monotonic() - heard > _SILENT_SECONDS:
                session.kill()
                return f"no sign of life for {_SILENT_SECONDS:.0f} s"
        return None

    def _hear(self, event: dict[str, Any]) -> None:
        name = event.pop("event")
        if name == "report":
            self._report = {**event, "problem": None}
            self._publish()
            self._notify("report", self._document())
        elif name == "failed":
            self._failure = MemocastError(event["message"], hint=event["hint"])
            self._failure.exit_code = event["exit_code"]
        else:
            self._notify(name, event)

    def _tell_trouble(self, ended: str) -> None:
        """A crash is counted; a failure that the session could name may pass by itself."""
        if self._failure:
            problem = self._failure.message
        else:
            problem = f"the session crashed: {ended}"
            self._crashes += 1
            self._last_crash = {"when": rfc3339(now()), "how": ended}
        self._notify("trouble", {"problem": problem})
        # Nobody is being served now.
        idle: dict[str, Any] = {"session_pid": None, "seeding": 0, "memos": {}, "problem": problem}
        self._report = {**self._report, **idle}
        self._publish()
        self._notify("report", self._document())

    def _document(self) -> dict[str, Any]:
        return {
            "pid": os.getpid(),
            "version": __version__,
            "started": rfc3339(self._started),
            "heard": int(time.time()),
            "crashes": self._crashes,
            "last_crash": self._last_crash,
            **self._report,
        }

    def _publish(self) -> None:
        with contextlib.suppress(OSError):  # a full disk; it is said again in a second
            self._presence.publish(self._document())

    def _stop(self, session: subprocess.Popen[bytes]) -> None:
        """End the session, and take what it still has to say: it may be writing."""
        assert session.stdin is not None
        assert session.stdout is not None
        session.stdin.close()
        deadline = time.monotonic() + _STOP_SECONDS
        lines = _Lines(session.stdout)
        while not lines.ended and time.monotonic() < deadline:
            lines.read(_POLL_SECONDS)
        with contextlib.suppress(subprocess.TimeoutExpired):
            session.wait(max(0.0, deadline - time.monotonic()))
        if session.poll() is None:
            session.kill()
            session.wait()
        session.stdout.close()


class _Lines:
    """Whole lines from a pipe, as they come."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self._rest = b""
        self.ended = False

    def read(self, seconds: float) -> list[bytes]:
        """Wait up to `seconds` for something to read; return the lines that are whole."""
        ready, _, _ = select.select([self._pipe], [], [], seconds)
        if not ready:
            return []
        chunk = os.read(self._pipe.fileno(), _READ_BYTES)
        self.ended = not chunk
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        return lines


def _how_it_ended(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def _wait(seconds: float, stopping: Callable[[], bool]) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not stopping():
        time.sleep(_POLL_SECONDS)
