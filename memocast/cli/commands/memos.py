"""The commands `add`, `list`, `show`, `edit` and `remove`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from memocast.cli.context import AppContext, JsonOption, MemoArgument, MemosArgument, app_context
from memocast.cli.terminal import console
from memocast.errors import NoSuchMemo, UsageError
from memocast.formats.memo import Memo, checked_description, checked_title, rfc3339

if TYPE_CHECKING:
    from memocast.formats.share import Share
    from memocast.library.library import Library


def add(
    context: typer.Context,
    files: Annotated[
        list[str], typer.Argument(metavar="FILE…", help="Audio files; '-' reads standard input.")
    ],
    title: Annotated[
        str | None, typer.Option(help="The memo's title; default: the file's name.")
    ] = None,
    description: Annotated[
        str, typer.Option("--description", "-d", help="A description to send along with it.")
    ] = "",
    json: JsonOption = False,
) -> None:
    """Add existing audio to the library, byte for byte; print one id per line.

    Example: memocast add --title "Grandma's story" story.m4a
    """
    from memocast.audio import decoder

    decoder.load(Path(files[0]).suffix[1:].lower())  # it imports much, while we do the same
    current = app_context(context)
    if title is not None:
        title = checked_title(title)
        if len(files) > 1:
            raise UsageError("--title is for one file", hint="add them one by one, or omit it")
    checked_description(description)

    def add_one(name: str) -> Memo:
        memo = _add(current, name, title, description)
        if not json:
            console.data(memo.id)
        return memo

    attempts = console.Attempts()
    added = attempts.each(files, add_one)
    if json:
        console.document([memo.to_json() for memo in added])
    attempts.finish()


def _add(current: AppContext, name: str, title: str | None, description: str) -> Memo:
    from memocast.cli.terminal.display import Counter
    from memocast.library.importing import add_file, add_stream

    path = Path(name)
    progress = Counter(f"reading {'standard input' if name == '-' else path.name}")
    try:
        if name == "-":
            return add_stream(
                current.library,
                sys.stdin.buffer,
                title or "standard input",
                description,
                progress,
            )
        return add_file(current.library, path, title, description, progress)
    finally:
        progress.done()


def list_(
    context: typer.Context,
    query: Annotated[
        str, typer.Argument(help="Only memos with this text in title or description.")
    ] = "",
    limit: Annotated[int | None, typer.Option(min=0, help="List at most this many.")] = None,
    channel: Annotated[
        str | None, typer.Option(metavar="CHANNEL", help="Only memos on this channel.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """List memos, newest first: id, created, seconds, bytes, title.

    Example: memocast list monday --limit 5
    """
    library = app_context(context, "read").library
    on = library.channels.get(channel) if channel is not None else None
    memos = library.memos(query, limit, on)
    if json:
        console.document([memo.to_json() for memo in memos])
    elif console.stdout_is_terminal():
        _table(memos, query)
    else:
        for memo in memos:
            console.data(
                f"{memo.id}\t{rfc3339(memo.created)}\t{memo.duration / 1000:.3f}"
                f"\t{memo.size}\t{console.safe(memo.title)}"
            )


def _table(memos: list[Memo], query: str) -> None:
    if not memos:
        console.note("no memo matches" if query else "no memos yet; make one: memocast record")
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("id", no_wrap=True)
    table.add_column("created", no_wrap=True)
    table.add_column("length", justify="right", no_wrap=True)
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True, width=1)
    table.add_column("title")  # the only column that shrinks
    for memo in memos:
        mark = Text("↑", "green") if memo.shared else Text("↓" * (memo.origin == "fetched"), "cyan")
        if not memo.heard:
            mark = Text("●", "yellow")
        table.add_row(
            Text(memo.id, "bold"),
            Text(f"{memo.created.astimezone():%Y-%m-%d %H:%M}"),
            Text(console.clock(memo.duration / 1000)),
            Text(console.size(memo.size)),
            mark,
            Text(console.safe(memo.title), no_wrap=True, overflow="ellipsis"),
        )
    console.screen().print(table)


def show(context: typer.Context, memo: MemoArgument, json: JsonOption = False) -> None:
    """Show everything about a memo, with its waveform.

    Example: memocast show latest --json
    """
    current = app_context(context, "read")
    found = current.library.get(memo)
    if json:
        shares = [share.to_json() for share in current.library.shares.of(found)]
        console.document({**found.to_json(peaks=True), "shares": shares})
        return
    if console.stdout_is_terminal():
        _card(found, current.library.shares.of(found))
        return
    from memocast.cli.terminal import waveform

    for key, value in found.to_json().items():
        text = "" if value is None else str(value).lower() if isinstance(value, bool) else value
        console.data(f"{key}: {console.safe(str(text))}".rstrip())
    console.data(f"waveform: {waveform.draw(found.peaks, 60)}")


def _card(memo: Memo, shares: list[Share]) -> None:
    from rich.panel import Panel
    from rich.text import Text

    from memocast.cli.terminal import waveform

    screen = console.screen()
    inner = min(screen.width, 80) - 4
    text = Text()
    text.append(waveform.draw(memo.peaks, inner) + "\n", "green")
    text.append(
        f"{console.clock(memo.duration / 1000)}  {console.size(memo.size)}  {memo.format}"
        f"  {memo.created.astimezone():%Y-%m-%d %H:%M:%S %z}  {memo.origin}\n",
        "dim",
    )
    if memo.channel is not None:
        unheard = "" if memo.heard else ", not heard yet"
        text.append(f"from the channel '{console.safe(memo.channel)}'{unheard}\n", "cyan")
    if memo.lost:
        text.append(f"{memo.lost / 1000:.1f} s of sound was lost\n", "yellow")
    if memo.description:
        text.append("\n" + console.safe(memo.description, lines=True) + "\n")
    for share in shares:
        known = "shared" if share.shared else "not shared by you"
        scope = ", on the local network only" if share.lan else ""
        text.append(f"\ninfo-hash {share.info_hash}\n{known}, {share.mode}{scope}", "dim")
    if not shares:
        text.append(f"\nnot shared; get a link: memocast share {memo.id}", "dim")
    heading = Text.assemble((memo.id, "bold"), "  ", console.safe(memo.title))
    heading.truncate(inner - 2, overflow="ellipsis")  # a longer heading widens the panel
    screen.print(Panel(text, title=heading, title_align="left", width=inner + 4))


def edit(
    context: typer.Context,
    memo: MemoArgument,
    title: Annotated[str | None, typer.Option(help="The new title.")] = None,
    description: Annotated[
        str | None, typer.Option("--description", "-d", help="The new description.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Change a memo's title or description. Links already given out do not change.

    Example: memocast edit latest --title "Ideas for Tuesday"
    """
    current = app_context(context)
    found = current.library.get(memo)
    if title is None and description is None:
        if not console.stdin_is_terminal():
            raise UsageError("nothing to change", hint="use --title, -d or both")
        title = console.ask_text("title", found.title)
        description = console.ask_text("description", found.description)
    changed = current.library.edit(
        found,
        None if title is None else checked_title(title),
        None if description is None else checked_description(description),
    )
    if json:
        console.document(changed.to_json())
    if found.info_hash:
        console.note("changed here; links already given out keep the old text")


def _removable(library: Library, reference: str) -> Memo:
    """Return a memo, even one whose audio is gone: `doctor` lists those by id."""
    try:
        return library.get(reference)
    except NoSuchMemo:
        for memo in library.rows():
            if memo.id == reference.lower():
                return memo
        raise


def remove(
    context: typer.Context,
    memo: MemosArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    json: JsonOption = False,
) -> None:
    """Delete memos and stop seeding them. Copies that others fetched remain.

    Example: memocast remove 3k9 --yes
    """
    current = app_context(context, "free")
    if not yes and not console.stdin_is_terminal():
        raise UsageError("confirmation needed", hint="add --yes")
    attempts = console.Attempts()
    wanted = [
        found
        for found in current.memos(memo, attempts, find=_removable)
        if yes or console.ask(f"remove '{console.safe(found.title)}' ({found.id})?")
    ]
    attempts.each(wanted, current.library.remove)
    if json:
        console.document([found.to_json() for found in wanted])
    attempts.finish()
