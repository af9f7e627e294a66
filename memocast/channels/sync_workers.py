"""Several sources synced at once, each in the turn of a worker process.

A source that is slow, or that makes a library hang or crash, costs its own turn and nobody else's.
"""

from __future__ import annotations

import select
import time
from collections import deque
from typing import IO, TYPE_CHECKING, Self

from memocast.channels.source_sync import name_of, note_failure, out_of_time
from memocast.channels.sync_events import Ended, Event, News, event_of
from memocast.channels.time_limit import OutOfTime
from memocast.channels.turns import seconds_for
from memocast.errors import LibraryError, MemocastError
from memocast.processes.line_process import LineProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from memocast.channels.turns import SyncLimits
    from memocast.formats.channel import Channel
    from memocast.library.library import Library

AT_ONCE = 4
"""Sources. Most of a turn is waiting for others, and a worker takes about 50 MB."""

_GRACE_SECONDS = 20.0
"""How long a worker may take to end a turn whose time is over. Then it is killed."""

_STOP_SECONDS = 3.0
"""How long workers may take to stop: less than the seeder gives the `sync` that they belong to."""

_LOOK_SECONDS = 0.5


class _Worker(LineProcess):
    """A `memocast sync --worker` that syncs one source after another."""

    source: Channel | None = None
    seconds: float = 0.0
    until: float = 0.0

    def begin(self, source: Channel, seconds: float) -> None:
        """Give it a source to sync in that time."""
        self.source, self.seconds = source, seconds
        self.until = time.monotonic() + seconds + _GRACE_SECONDS
        self.send({"source": source.number, "seconds": seconds})


class SyncWorkers:
    """Worker processes on the library, ended with the block.

    `arguments` are those of the command that the workers are; they write errors to `errors`.
    """

    def __init__(
        self,
        library: Library,
        arguments: Sequence[str],
        errors: int | IO[bytes],
        limits: SyncLimits,
    ) -> None:
        self._library = library
        self._arguments = arguments
        self._errors = errors
        self._limits = limits
        self._workers: list[_Worker] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        deadline = time.monotonic() + _STOP_SECONDS
        for worker in self._workers:
            worker.ask_to_end()
            if kind is not None:
                worker.terminate()
        for worker in self._workers:
            worker.await_end(deadline)

    def sync(
        self, sources: Sequence[Channel], rest: Callable[[], None] = lambda: None
    ) -> Iterator[Event]:
        """Sync the sources, in this order, `AT_ONCE` at a time; yield what happens.

        Calls `rest` when nothing has happened for half a second.
        """
        waiting = deque(sources)
        begin_until = time.monotonic() + self._limits.begin_seconds
        while True:
            if time.monotonic() > begin_until:
                waiting.clear()  # the next sync begins with them
            self._assign(waiting)
            busy = [worker for worker in self._workers if worker.source]
            if not busy:
                return
            ready, _, _ = select.select(busy, [], [], _LOOK_SECONDS)
            if not ready:
                rest()
            for worker in ready:
                yield from self._events(worker)
            for worker in busy:
                if worker.source and time.monotonic() > worker.until:
                    worker.kill()
                    problems = out_of_time(
                        self._library, worker.source, worker.seconds, OutOfTime()
                    )
                    yield self._ended(worker, problems)

    def _assign(self, waiting: deque[Channel]) -> None:
        idle = [worker for worker in self._workers if not worker.source]
        while waiting and (idle or len(self._workers) < AT_ONCE):
            if not idle:
                try:
                    worker = _Worker(self._library.root, *self._arguments, errors=self._errors)
                except OSError as error:
                    if self._workers:  # those that run do it, one after the other
                        return
                    raise MemocastError(
                        f"no process can be started: {error.strerror}", hint="try again later"
                    ) from error
                self._workers.append(worker)
                idle.append(worker)
            source = waiting.popleft()
            idle.pop().begin(source, seconds_for(self._library, source, self._limits))

    def _events(self, worker: _Worker) -> Iterator[Event]:
        for document in worker.documents():
            event = event_of(document)
            if isinstance(event, Ended):
                worker.source = None
            yield event
        if worker.has_ended and worker.source:
            how = worker.how_it_ended()
            problems = [
                MemocastError(
                    f"syncing {name_of(worker.source)} crashed: {how}",
                    hint="the next sync tries again; what has arrived is kept",
                )
            ]
            try:
                note_failure(self._library, worker.source, f"syncing it crashed: {how}")
            except LibraryError as error:
                problems.append(error)
            yield self._ended(worker, problems)

    def _ended(self, worker: _Worker, problems: list[MemocastError]) -> Ended:
        """Dismiss the worker; return the end of its turn."""
        assert worker.source is not None, "it was given one"
        number = worker.source.number
        self._workers.remove(worker)
        worker.ask_to_end()
        worker.await_end(time.monotonic())
        return Ended(number, News(problems=problems))
