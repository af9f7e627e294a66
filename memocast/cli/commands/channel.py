"""The command `channel` and its subcommands: the user's own channels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from memocast.cli.channel_facts import ChannelArgument, facts_of
from memocast.cli.commands.channel_rss import rss
from memocast.cli.context import AppContext, JsonOption, MemosArgument, app_context
from memocast.cli.output_file import write
from memocast.cli.publish_to_channel import announce, publish_memos
from memocast.cli.terminal import console
from memocast.errors import MemocastError, UsageError

if TYPE_CHECKING:
    from typing import Any

    from memocast.formats.channel import Channel
    from memocast.formats.memo import Memo
    from memocast.library.tables.feed_items import ListedItem

_KEY_FILE_BYTES = 1 << 16


def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name that followers see.")],
    private: Annotated[
        bool, typer.Option("--private", help="Seal it: only people with its link can listen.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Create a channel and print the link that others follow.

    Example: memocast channel create "Anna's notes"
    """
    from memocast.channels.publish import create_channel

    current = app_context(context)
    made = create_channel(current.library, name, current.settings.trackers, private=private)
    if json:
        console.document(facts_of(current, made))
    else:
        console.data(str(made.link))
    console.note(f"publish to it: memocast channel publish --to {_quoted(made.name)} latest")


def publish(
    context: typer.Context,
    memo: MemosArgument,
    to: Annotated[
        str | None,
        typer.Option(metavar="CHANNEL", help="Where to publish; optional with only one channel."),
    ] = None,
    no_seed: Annotated[bool, typer.Option("--no-seed", help="Do not start a seeder.")] = False,
    json: JsonOption = False,
) -> None:
    """Publish memos to a channel's followers; print one link per line.

    Example: memocast channel publish latest
    """
    current = app_context(context)
    attempts = console.Attempts()
    found = current.memos(memo, attempts)
    published = publish_memos(
        current, current.library.channels.own(to), found, attempts, seed=not no_seed
    )
    if json:
        console.document(published)
    else:
        for item in published:
            console.data(item["link"])
    attempts.finish()


def list_(context: typer.Context, json: JsonOption = False) -> None:
    """List your channels and those you follow: key, own or followed, memos, unheard, name.

    Example: memocast channel list
    """
    current = app_context(context, "read")
    found = [facts_of(current, channel) for channel in current.library.channels.all()]
    if json:
        console.document(found)
        return
    if not found and console.stdout_is_terminal():
        console.note("no channels yet; make one: memocast channel create NAME")
    for facts in found:
        kind = "own" if facts["own"] else "followed"
        console.data(
            f"{facts['key'][:8] or '-'}\t{kind}\t{facts['items']}\t{facts['unheard']}"
            f"\t{console.safe(facts['name'])}"
        )


def show(
    context: typer.Context,
    channel: ChannelArgument,
    limit: Annotated[int, typer.Option(min=0, help="Show at most this many memos.")] = 20,
    json: JsonOption = False,
) -> None:
    """Show a channel, its links and its memos, newest first.

    Browsers cannot follow the channel's link, since they have no DHT. 'feed_link'
    leads to the feed as it is now, and 'page' opens that on the listening page at
    'page_url'. Memos published later need a new link.

    Example: memocast channel show "Anna's notes"
    """
    current = app_context(context, "read")
    found = current.library.channels.get(channel)
    facts = {**facts_of(current, found), **_links_to_feed(current, found)}
    items = [_item_facts(listed) for listed in current.library.feed_items.items(found, limit)]
    if json:
        console.document({**facts, "published": items})
        return
    for key, value in facts.items():
        text = str(value).lower() if isinstance(value, bool) else "" if value is None else value
        console.data(f"{key}: {console.safe(str(text))}".rstrip())
    for item in items:
        console.data(
            f"{item['memo'] or '-':8}\t{item['published']}\t{item['duration']:.3f}"
            f"\t{item['bytes']}\t{console.safe(item['title'])}"
        )


def retract(
    context: typer.Context,
    memo: MemosArgument,
    to: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="CHANNEL", help="Where from; optional with only one channel."
        ),
    ] = None,
) -> None:
    """Remove memos from a channel. Copies that followers have remain.

    Example: memocast channel retract latest
    """
    from memocast.channels.publish import Publisher

    current = app_context(context)
    attempts = console.Attempts()
    found = current.memos(memo, attempts)
    channel = current.library.channels.own(to)
    if channel.is_own:
        Publisher(current.library, current.settings, channel).catch_up()

    def retract_one(gone: Memo) -> None:
        feeds = current.library.feed_items
        listed = [item for number, item in feeds.of_memo(gone.id) if number == channel.number]
        if not listed:
            raise MemocastError(
                f"memo {gone.id} is not in '{channel.name}'",
                hint=f"list its memos: memocast channel show {_quoted(channel.name)}",
            )
        Publisher(current.library, current.settings, channel).retract(listed)

    if attempts.each(found, retract_one):
        announce(current, Publisher(current.library, current.settings, channel))
    attempts.finish()


def export(
    context: typer.Context,
    channel: ChannelArgument,
    file: Annotated[Path, typer.Argument(metavar="KEY-FILE", help="The file to create.")],
) -> None:
    """Save the channel's key: a backup, or to publish from another machine.

    Example: memocast channel export "Anna's notes" anna.key
    """
    from memocast.formats.channel_key import to_text

    current = app_context(context, "read")
    found = current.library.channels.get(channel)
    if not found.is_own:
        raise UsageError(
            f"'{found.name}' belongs to somebody else; you only follow it",
            hint="follow it elsewhere by its link: memocast channel show",
        )
    text = to_text(found)
    write(file, lambda opened: opened.write(text.encode()), mode=0o600)
    console.note(f"anyone with {console.safe(str(file))} can publish there; keep it secret")


def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="KEY-FILE", help="A file from 'channel export'.")],
    json: JsonOption = False,
) -> None:
    """Import a channel's key, to publish from here too; print the channel's link.

    Example: memocast channel import anna.key
    """
    from memocast.formats.channel_key import from_text

    current = app_context(context)
    try:
        with file.open("rb") as opened:
            content = opened.read(_KEY_FILE_BYTES)
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or "no such file"
        raise UsageError(f"cannot read '{file}': {said}", hint="check the file's name") from error
    link, secret = from_text(content.decode(errors="replace"))
    channels = current.library.channels
    known = channels.known(link)
    if known and known.is_own:
        raise UsageError(f"'{known.name}' is already here", hint="memocast channel list")
    if known:
        channels.take_over(known, secret, link.age_identity)
    made = channels.refreshed(known) if known else channels.add(link, secret)
    if json:
        console.document(facts_of(current, made))
    else:
        console.data(str(made.link))
    console.note("fetch what was published there: memocast sync")


def _links_to_feed(current: AppContext, channel: Channel) -> dict[str, str | None]:
    from memocast.formats.link import listening_page_link

    settings = current.settings
    magnet = channel.feed_link(settings.trackers)
    page = listening_page_link(settings.page_url, [magnet]) if magnet and settings.page_url else ""
    return {"feed_link": magnet or None, "page": page or None}


def _item_facts(listed: ListedItem) -> dict[str, Any]:
    from memocast.formats.memo import rfc3339

    return {
        "id": listed.item.id,
        "memo": listed.memo,
        "title": listed.item.title,
        "published": rfc3339(listed.item.published),
        "duration": listed.item.duration / 1000,
        "bytes": listed.item.size,
        "link": listed.item.link,
        "audio": listed.item.audio or None,
        "heard": listed.heard,
        "problem": listed.problem or None,
    }


def _quoted(name: str) -> str:
    import shlex

    return shlex.quote(console.safe(name))


app = typer.Typer(
    name="channel",
    help="Publish memos to people who follow you.\n\n"
    'Example: memocast channel create "Anna\'s notes"',
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.command()(create)
app.command()(publish)
app.command("list")(list_)
app.command()(show)
app.command()(retract)
app.command()(export)
app.command("import")(import_)
app.command()(rss)
