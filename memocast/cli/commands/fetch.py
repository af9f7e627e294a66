"""The `fetch` command."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from memocast.cli import option_values, secret_argument, signals
from memocast.cli.commands.play_while_fetching import PlayWhileFetching
from memocast.cli.context import AppContext, JsonOption, app_context
from memocast.cli.terminal import console
from memocast.cli.terminal.display import Display
from memocast.cli.terminal.fetch_view import FetchView
from memocast.errors import Interrupted, MemocastError, NotALink, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memocast.fetching.fetch import FetchRequest
    from memocast.formats.link import Link
    from memocast.formats.memo import Memo


def fetch(
    context: typer.Context,
    links: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="LINK…",
            help="Magnet, share URL, info-hash or .torrent file; '-' reads one per line from"
            " standard input. Without one you are asked, and what you paste is not shown: give a"
            " private link that way, since others can see arguments.",
        ),
    ] = None,
    peer: Annotated[
        list[str] | None,
        typer.Option(metavar="HOST:PORT", help="Also ask this peer. Can be repeated."),
    ] = None,
    timeout: Annotated[
        str, typer.Option(metavar="TIME", help="Give up after this long without progress.")
    ] = "2m",
    identity: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Decrypt with this key: age identities, or an SSH key."),
    ] = None,
    play: Annotated[bool, typer.Option("--play", help="Play it while it downloads.")] = False,
    max_size: Annotated[
        str, typer.Option(metavar="SIZE", help="Refuse audio larger than this.")
    ] = "2GiB",
    json: JsonOption = False,
) -> None:
    """Fetch memos into the library; print one id per line.

    An interrupted download resumes when you fetch the same link again.

    Example: memocast fetch "magnet:?xt=urn:btih:…" --timeout 5m
    """
    from memocast.audio import decoder

    # First, because it is ready when the memo has arrived, while we import the rest.
    decoder.load(decodes=play)
    from memocast.fetching.fetch import FetchRequest
    from memocast.library.identity import identities

    current = app_context(context)
    opened_with = identities(current.root, identity)
    seconds, most = option_values.seconds(timeout), option_values.byte_count(max_size)
    peers = tuple(option_values.peer(text) for text in peer or [])
    signals.interrupt_on_end()
    attempts = console.Attempts()

    def fetch_one(link: Link) -> None:
        whole = replace(link, peers=(*link.peers, *peers))
        request = FetchRequest(whole, seconds, most, opened_with)
        if not play:
            _fetch(current, request, None, json=json)
            return
        with PlayWhileFetching() as listening:
            memo = _fetch(current, replace(request, listen=listening.begin), listening, json=json)
        listening.finish(current, memo)

    attempts.each(_parse(_texts(links or []), attempts), fetch_one)
    attempts.finish()


def _texts(links: list[str]) -> Iterator[tuple[str, bool]]:
    """Yield the texts given as links, each with whether others could already see it."""
    from memocast.formats.link import MAX_TEXT

    if not links and not console.stdin_is_terminal():
        raise UsageError("name a link to fetch", hint="'-' reads links from standard input")
    for link in links or ["-"]:
        if link != "-":
            secret_argument.warn_of_key(link, "fetch")
            yield link, True
        elif console.stdin_is_terminal():
            # A link can contain a key, so keep it off the screen and out of the shell's history.
            while text := console.ask_secret("paste a link (it is not shown; empty ends): "):
                yield text, False
        else:
            yield from ((line, False) for line in console.lines(MAX_TEXT) if line.strip())


def _parse(texts: Iterator[tuple[str, bool]], attempts: console.Attempts) -> Iterator[Link]:
    """Yield links one by one, so that the first is fetched before the last is typed."""
    from memocast.formats.link import parse_partly

    for text, is_shown in texts:
        try:
            links, problems = parse_partly(text)
        except MemocastError as error:
            if not is_shown:  # it may contain the key of a link
                error = NotALink("that line is not a link", hint=error.hint)
            attempts.failed(error)
            continue
        for problem in problems:
            attempts.failed(problem)
        yield from links


def _fetch(
    current: AppContext,
    request: FetchRequest,
    listening: PlayWhileFetching | None,
    *,
    json: bool,
) -> Memo:
    from memocast.fetching import fetch as fetching

    with Display() as display:
        view = FetchView(display, listening.picture if listening else None)
        try:
            fetched = fetching.fetch(current.library, current.settings, request, view.show)
        except KeyboardInterrupt:
            if not view.bytes_arrived:
                raise Interrupted(
                    "interrupted before anything arrived",
                    hint="fetch it again when the sender is online",
                ) from None
            raise Interrupted(
                "interrupted; what has arrived is kept",
                hint="fetch the same link again to resume",
            ) from None
    memo = fetched.memo
    if json:
        console.document({**memo.to_json(), "downloaded": fetched.downloaded})
    else:
        console.data(memo.id)
    title = console.safe(memo.title)
    if not fetched.downloaded:
        console.note(f"'{title}' was already in the library")
        return memo
    console.note(f"fetched '{title}' ({console.clock(memo.duration / 1000)})")
    _tell_who_seeds(current)
    return memo


def _tell_who_seeds(current: AppContext) -> None:
    from memocast.library.seeder_lock import SeederLock

    if not current.settings.seed_fetched:
        console.note("it is not seeded from here: 'seed_fetched' is off")
    elif SeederLock(current.root).is_running():
        console.note("your running seeder keeps it available to others")
    else:
        console.note("hint: keep it available to others: memocast seed --background")
