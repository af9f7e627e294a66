"""Supervisor: keeps the seeder's session processes running, whatever becomes of libtorrent.

The supervisor holds the library's presence and publishes how the seeder
fares. The classic session serves BitTorrent clients; beside it run, as long as
the classic one says that there is something to do for them, the web session,
for browsers, and the LAN session, for what nobody outside the local network is
to be told of. Each that crashed is counted and started again, and none's end
touches the others.
"""

from __future__ import annotations

import contextlib
import os
import select
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from memocast.errors import LibraryError, MemocastError
from memocast.formats.memo import now, rfc3339
from memocast.seeding.sync_timer import SyncTimer
from memocast.seeding.upload_tally import together
from memocast.seeding.worker_process import WorkerProcess
from memocast.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from memocast.library.seeder_lock import SeederLock

_POLL_SECONDS = 0.1
_STOP_SECONDS = 10.0
_LONGEST_PAUSE_SECONDS = 60.0
_STEADY_SECONDS = 60.0
"""A session that ran this long before it crashed is started again at once."""

_WEB_PAUSE_SECONDS = 1.0
"""The web session is expected to crash now and then: one that had begun is back within 2 s."""

_SILENT_SECONDS = 900.0
"""A session reports every second, except while it hashes files that were changed."""

_IDLE: dict[str, Any] = {"session_pid": None, "seeding": 0, "memos": {}, "torrents": {}}
"""What a session that has ended does."""


@dataclass(slots=True)
class WorkerState:
    """One of the sessions, from one process of it to the next."""

    name: str
    arguments: Sequence[str]
    child: WorkerProcess | None = None
    report: dict[str, Any] = field(default_factory=dict)
    transfers: dict[str, dict[str, Any]] = field(default_factory=dict)
    crashes: int = 0
    last_crash: dict[str, str] | None = None
    failure: MemocastError | None = None
    has_reported: bool = False  # since it was last started
    begun: float = 0.0
    heard: float = 0.0
    pause: float = 0.0
    next_start: float = 0.0

    def document(self) -> dict[str, Any]:
        """What the seeder reports of it."""
        return {"crashes": self.crashes, "last_crash": self.last_crash, **self.report}


class Supervisor:
    """The seeder of a library, as others see it. The caller holds its `SeederLock`."""

    def __init__(
        self,
        root: Path,
        presence: SeederLock,
        notify: Callable[[str, dict[str, Any]], None],
        only: Sequence[str] = (),
        sync_interval: int = 0,
    ) -> None:
        self._root = root
        self._presence = presence
        self._notify = notify
        self._started = datetime.now(UTC)
        self._classic = WorkerState("the session", [*only])
        self._web = WorkerState("the session for browsers", ["--web", *only])
        self._lan = WorkerState("the session for the local network", ["--lan", *only])
        self._rounds = SyncTimer(root, 0 if only else sync_interval)

    def run(self, stopping: Callable[[], bool]) -> None:
        """Seed until `stopping()`. Raises MemocastError when the first session cannot begin."""
        try:
            while not stopping():
                for session in self._sessions():
                    self._keep_running(session)
                self._listen()
                self._rounds.tick(self._classic.report.get("to_sync", ""))
        finally:
            self._presence.leave()
            self._rounds.stop()
            self._stop()

    def _sessions(self) -> list[WorkerState]:
        return [self._classic, *self._others()]

    def _others(self) -> list[WorkerState]:
        """Those beside the classic session that run, or should."""
        wanted = {"for_browsers": self._web, "for_lan": self._lan}
        return [
            session
            for name, session in wanted.items()
            if session.child or self._classic.report.get(name)
        ]

    # -- processes -----------------------------------------------------------------

    def _keep_running(self, session: WorkerState) -> None:
        moment = time.monotonic()
        if session.child:
            # Before its first report, the classic one may be hashing for hours.
            is_due = session.report or session is not self._classic
            if is_due and moment - session.heard > _SILENT_SECONDS:
                session.child.kill()
                self._after_end(session, f"no sign of life for {_SILENT_SECONDS:.0f} s")
        elif moment >= session.next_start:
            session.begun = session.heard = moment
            session.failure = None
            session.has_reported = False
            try:
                session.child = WorkerProcess(
                    self._root, session.arguments, self._presence.descriptor
                )
            except LibraryError as error:  # no room for a log, no process to be had
                session.failure = error
                self._after_end(session, error.message)

    def _listen(self) -> None:
        """Wait a moment for what the sessions have to say."""
        talking = {session.child: session for session in self._sessions() if session.child}
        if not talking:
            time.sleep(_POLL_SECONDS)
            return
        began = time.monotonic()
        ready, _, _ = select.select(list(talking), [], [], _POLL_SECONDS)
        for child in ready:
            session = talking[child]
            for event in child.read():
                self._hear(session, event)
            session.heard = time.monotonic()
            if child.has_ended:
                self._after_end(session, child.how_it_ended())
        held_up = time.monotonic() - began - _POLL_SECONDS
        if held_up > 1.0:  # by a stopped terminal: nobody else could be heard meanwhile
            for session in talking.values():
                session.heard += held_up

    def _after_end(self, session: WorkerState, ended: str) -> None:
        """Count a crash; a failure that the session could name may pass by itself."""
        moment = time.monotonic()
        if session.child:
            session.child.await_end(moment)
            session.child = None
        if session is self._classic and not session.report:
            raise session.failure or MemocastError(
                f"the seeder ended as it began: {ended}",
                hint=f"read {self._root / 'log' / 'seeder.log'}",
            )
        if session.failure:
            problem = session.failure.message
        else:
            problem = f"{session.name} crashed: {ended}"
            session.crashes += 1
            session.last_crash = {"when": rfc3339(now()), "how": ended}
        self._notify("trouble", {"problem": problem})
        session.report = {**session.report, **_IDLE, "problem": problem}
        session.transfers.clear()
        self._publish()
        if moment - session.begun > _STEADY_SECONDS:
            session.pause = 0.0
        elif session is not self._classic and session.has_reported:
            session.pause = min(session.pause, _WEB_PAUSE_SECONDS)
        session.next_start = moment + session.pause
        session.pause = min(max(1.0, session.pause * 2), _LONGEST_PAUSE_SECONDS)

    def _stop(self) -> None:
        everyone = (self._classic, self._web, self._lan)
        running = [session.child for session in everyone if session.child]
        for child in running:
            child.ask_to_end()
        deadline = time.monotonic() + _STOP_SECONDS
        for child in running:
            child.await_end(deadline)

    # -- what is told ----------------------------------------------------------------

    def _hear(self, session: WorkerState, event: dict[str, Any]) -> None:
        name = event.pop("event")
        if name == "report":
            session.report = {**event, "problem": None}
            session.has_reported = True
            self._publish()
        elif name == "failed":
            session.failure = MemocastError(event["message"], hint=event["hint"])
            session.failure.exit_code = event["exit_code"]
        elif name == "transfer":
            session.transfers[event["info_hash"]] = event
            parts = [part.transfers.get(event["info_hash"]) for part in self._sessions()]
            self._notify(name, together(*parts))
        elif not self._is_twice_told(session, name, event):
            self._notify(name, event)

    def _is_twice_told(self, session: WorkerState, name: str, event: dict[str, Any]) -> bool:
        """Whether the other session says it too, or has said so."""
        if name == "damaged":
            others = [other for other in self._sessions() if other is not session]
            return any(event["id"] in other.report.get("damaged", []) for other in others)
        return session is self._web and name in ("seeding", "removed")

    def _document(self) -> dict[str, Any]:
        document = {
            "pid": os.getpid(),
            "version": __version__,
            "started": rfc3339(self._started),
            "heard": int(time.time()),
            **self._classic.document(),
            "web": None,
            "lan": None,
        }
        for session in self._others():
            part = {**_IDLE, "problem": None, **session.document()}
            trackers = part.pop("trackers", {})
            if session is self._web:
                reach = document["reach"]
                document["reach"] = {**reach, "trackers": {**reach["trackers"], **trackers}}
            document["damaged"] = sorted({*document["damaged"], *part.pop("damaged", [])})
            for name in ("memos", "torrents"):
                said, more = document.get(name, {}), part.pop(name)
                document[name] = {
                    key: together(said.get(key), more.get(key)) for key in [*said, *more]
                }
            document["web" if session is self._web else "lan"] = part
        return document

    def _publish(self) -> None:
        if "reach" not in self._classic.report:
            return  # nobody can connect yet
        document = self._document()
        with contextlib.suppress(OSError):  # a full disk; it is said again in a second
            self._presence.publish(document)
        self._notify("report", document)
