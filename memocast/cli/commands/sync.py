"""The `sync` command."""

from __future__ import annotations

import contextlib
import json as json_
import math
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from memocast.cli import option_values, signals
from memocast.cli.context import AppContext, JsonOption, app_context
from memocast.cli.terminal import console
from memocast.cli.terminal.display import Display
from memocast.errors import Interrupted, NoSuchMemo

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memocast.channels.sync_events import Event, News
    from memocast.channels.turns import SyncLimits
    from memocast.formats.channel import Channel

_BACKGROUND_SECONDS = 300.0
"""For a source, and to begin others: the seeder's next sync, of one's own devices first, waits."""


def sync(
    context: typer.Context,
    channel: Annotated[
        list[str] | None, typer.Argument(metavar="CHANNEL…", help="Sync only these channels.")
    ] = None,
    timeout: Annotated[
        str,
        typer.Option(metavar="TIME", help="Give up a memo after this long without progress."),
    ] = "30s",
    deadline: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Leave a channel after this long; the next sync continues.",
            show_default="1h, and 5m when the seeder syncs",
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", hidden=True)] = False,
    quick: Annotated[bool, typer.Option("--quick", hidden=True)] = False,
    worker: Annotated[bool, typer.Option("--worker", hidden=True)] = False,
    json: JsonOption = False,
) -> None:
    """Fetch new memos from your paired devices and channels; print one id per line.

    Your devices come first, then several channels at once. The running seeder does this
    every few minutes.

    Example: memocast sync
    """
    from memocast.channels.turns import MOST_SECONDS, SyncLimits

    current = app_context(context, "free")
    usual = _BACKGROUND_SECONDS if quiet else MOST_SECONDS
    limits = SyncLimits(
        option_values.seconds(timeout),
        option_values.seconds(deadline) if deadline else usual,
        _BACKGROUND_SECONDS if quiet else math.inf,
        eager=not quiet,
    )
    signals.interrupt_on_sigterm()
    if worker:
        _work(current, limits)
    else:
        _sync(current, channel or [], limits, quick=quick, json=json)


def _work(current: AppContext, limits: SyncLimits) -> None:
    """Sync the sources named on standard input, and write what happens as lines of JSON."""
    from memocast.channels.source_sync import sync_source
    from memocast.channels.sync_events import Ended, to_json
    from memocast.processes.descriptor_limit import raise_descriptor_limit

    # Sessions of slow fetches are left (`bittorrent/left_sessions.py`).
    raise_descriptor_limit()

    def hear(event: Event) -> None:
        console.data(json_.dumps(to_json(event)))

    for line in sys.stdin:
        turn = json_.loads(line)
        number, own = turn["source"], replace(limits, source_seconds=turn["seconds"])
        source = current.library.channels.numbered(number)
        if source:
            sync_source(current.library, current.settings, source, own, hear)
        else:  # it was removed just now
            hear(Ended(number, None))


def _sync(
    current: AppContext, names: list[str], limits: SyncLimits, *, quick: bool, json: bool
) -> None:
    from memocast.channels import turns

    attempts = console.Attempts()
    channels = current.library.channels
    found = attempts.each(names, channels.get)
    if quick:
        in_turn = turns.quick(current.library, limits, current.settings.sync_interval)
    else:
        in_turn = turns.in_turn(current.library, limits)
    wanted = [one for one in in_turn if not names or one in found]
    pair = None if names else channels.pair()
    sources = [*([pair] if pair else []), *wanted]
    if not (sources or names or not limits.eager):
        console.note("there is nothing to sync; follow a channel: memocast follow SOURCE")
        return
    sync_run = _SyncRun(current, attempts, sources, limits, json=json)
    try:
        sync_run.run()
    except KeyboardInterrupt:
        if not limits.eager:  # its seeder stops, which is no error for the log
            raise
        raise Interrupted(
            "interrupted; what has arrived is kept", hint="resume with: memocast sync"
        ) from None
    attempts.finish()


class _SyncRun:
    """One run of the command: what it shows, prints and reports of its sources."""

    def __init__(
        self,
        current: AppContext,
        attempts: console.Attempts,
        sources: Sequence[Channel],
        limits: SyncLimits,
        *,
        json: bool,
    ) -> None:
        self._current = current
        self._attempts = attempts
        self._sources = {source.number: source for source in sources}
        self._limits = limits
        self._json = json
        self._held = 0

    def run(self) -> None:
        """Sync them all."""
        from memocast.channels.source_sync import held_back, name_of, sync_source
        from memocast.cli.terminal.sync_view import SyncView

        library, settings, limits = self._current.library, self._current.settings, self._limits
        with Display() as display:
            self._view = SyncView(
                display, {number: name_of(one) for number, one in self._sources.items()}
            )
            # Without a worker nothing ends it but the user: a library's call may not return.
            if len(self._sources) == 1 and limits.eager:
                (source,) = self._sources.values()
                sync_source(library, settings, source, limits, self._hear)
            else:
                self._sync_at_once()
        if self._held:
            self._attempts.failed(held_back(library, settings, self._held))

    def _sync_at_once(self) -> None:
        from memocast.channels.sync_workers import SyncWorkers

        limits = self._limits
        arguments = ["sync", "--worker", f"--timeout={limits.timeout}"]
        arguments += [] if limits.eager else ["--quiet"]
        with SyncWorkers(self._current.library, arguments, sys.stderr.fileno(), limits) as workers:
            for event in workers.sync(list(self._sources.values()), self._view.catch_up):
                self._hear(event)

    def _hear(self, event: Event) -> None:
        from memocast.channels.sync_events import Arrived, Ended, Moved

        source = self._sources[event.source]
        match event:
            case Moved(stage=stage):
                self._view.show(source.number, stage)
            case Arrived(memo=memo):
                self._view.clear()
                if self._json:
                    name = source.name if source.kind == "channel" else None
                    with contextlib.suppress(NoSuchMemo):  # it was removed just now
                        found = self._current.library.get(memo)
                        console.document({**found.to_json(), "channel": name})
                else:
                    console.data(memo)
            case Ended(news=news):
                self._view.end(source.number)
                if news:
                    self._tell(source, news)

    def _tell(self, source: Channel, news: News) -> None:
        for problem in news.problems:
            self._attempts.failed(problem)
        self._held += news.held
        said = [console.count(len(news.memos), "new memo")]
        said += [f"{news.changed} changed"] if news.changed else []
        said += [f"{news.removed} removed"] if news.removed else []
        from memocast.channels.source_sync import name_of

        if self._limits.eager or news.memos or len(said) > 1:
            console.note(f"{console.safe(name_of(source))}: {', '.join(said)}")
