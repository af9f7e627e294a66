"""The `sync` command."""

from __future__ import annotations

import contextlib
import math
import os
from typing import TYPE_CHECKING, Annotated

import typer

from memocast.cli import option_values, signals
from memocast.cli.context import AppContext, JsonOption, app_context
from memocast.cli.terminal import console
from memocast.cli.terminal.display import Counter, Display
from memocast.errors import Interrupted
from memocast.files import lock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from memocast.channels.follow import News
    from memocast.fetching.progress import Stage
    from memocast.formats.channel import Channel


def sync(
    context: typer.Context,
    channel: Annotated[
        list[str] | None, typer.Argument(metavar="CHANNEL…", help="Sync only these channels.")
    ] = None,
    timeout: Annotated[
        str,
        typer.Option(metavar="TIME", help="Give up a memo after this long without progress."),
    ] = "30s",
    quiet: Annotated[bool, typer.Option("--quiet", hidden=True)] = False,
    json: JsonOption = False,
) -> None:
    """Fetch new memos from your channels and paired devices; print one id per line.

    The running seeder does this every few minutes.

    Example: memocast sync
    """
    current = app_context(context, "free")
    seconds = option_values.seconds(timeout)
    signals.interrupt_on_sigterm()
    with _alone(current, quiet=quiet) as is_alone:
        if is_alone:
            _sync(current, channel or [], seconds, quiet=quiet, json=json)


@contextlib.contextmanager
def _alone(current: AppContext, *, quiet: bool) -> Iterator[bool]:
    """Lock the library for syncing; yield False when the seeder would have to wait for that."""
    path = current.library.root / "sync.lock"
    with current.library.translated():
        held = lock(path)
    if held is None and not quiet:
        console.note("another process is syncing this library; waiting for it")
        held = lock(path, wait=math.inf)
    try:
        yield held is not None
    finally:
        if held is not None:
            os.close(held)


def _sync(
    current: AppContext, names: list[str], timeout: float, *, quiet: bool, json: bool
) -> None:
    from memocast.channels.follow import Follower, News
    from memocast.channels.pair import Pairing
    from memocast.channels.republish import Republisher

    attempts = console.Attempts()
    library, settings = current.library, current.settings
    wanted = attempts.each(names, library.channels.get) if names else library.channels.all()
    pair = None if names else library.channels.pair()
    if not (wanted or pair or names):
        console.note("there is nothing to sync; follow a channel: memocast follow SOURCE")
        return
    republisher = Republisher(library, settings)
    follower = Follower(library, settings, republisher, timeout, eager=not quiet)

    def tell(name: str, news: News) -> None:
        for problem in news.problems:
            attempts.failed(problem)
        said = [console.count(len(news.memos), "new memo")]
        said += [f"{news.changed} changed"] if news.changed else []
        said += [f"{news.removed} removed"] if news.removed else []
        if not quiet or news.memos or len(said) > 1:
            console.note(f"{name}: {', '.join(said)}")

    def sync_channel(found: Channel) -> None:
        with _watched(current, found.name, json=json) as (show, arrived):
            news = follower.sync(found, show, arrived)
        tell(f"'{console.safe(found.name)}'", news)

    def sync_pair(found: Channel) -> None:
        news = News()
        counter = Counter("sealing")
        with _watched(current, None, json=json) as (show, arrived):
            pairing = Pairing(library, settings, republisher, timeout)
            pairing.sync(found, news, show, arrived, lambda size: counter.tell(console.size(size)))
        counter.done()
        tell("your devices", news)

    attempts.each(wanted, sync_channel)
    attempts.each([pair] if pair else [], sync_pair)
    attempts.finish()


@contextlib.contextmanager
def _watched(
    current: AppContext, channel: str | None, *, json: bool
) -> Iterator[tuple[Callable[[Stage], None], Callable[[str], None]]]:
    """Yield functions that draw the stages of a fetch and print a memo that has arrived."""
    from memocast.cli.terminal.fetch_view import FetchView

    def arrived(memo: str) -> None:
        if json:
            console.document({**current.library.get(memo).to_json(), "channel": channel})
        else:
            console.data(memo)

    with Display() as display:
        try:
            yield FetchView(display, None).show, arrived
        except KeyboardInterrupt:
            raise Interrupted(
                "interrupted; what has arrived is kept", hint="resume with: memocast sync"
            ) from None
