"""`share` and `unshare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from memocast.cli.context import (
    AppContext,
    JsonOption,
    MemosArgument,
    OptionalMemosArgument,
    app_context,
)
from memocast.cli.output_file import check_target
from memocast.cli.share_link import default_mode, ensure_seeder, shared_link
from memocast.cli.terminal import console
from memocast.cli.terminal.qr_code import draw_qr
from memocast.errors import UsageError
from memocast.formats.addresses import PAGE_URL_HINT, page_address
from memocast.formats.trackers import web_trackers

if TYPE_CHECKING:
    from memocast.formats.memo import Memo
    from memocast.formats.share import Mode, Share
    from memocast.library.sharing import ShareRequest


class _ShareCommand(TyperCommand):
    """One whose `--page` may have a value, which typer has no way to say.

    A URL is never a memo, so `share` finds it among its arguments.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take `--page=URL` apart."""
        rewritten = []
        for argument in args:
            option, equals, value = argument.partition("=")
            rewritten += [option, value] if equals and option == "--page" else [argument]
        return super().parse_args(ctx, rewritten)


def share(
    context: typer.Context,
    memo: OptionalMemosArgument = None,
    all_: Annotated[bool, typer.Option("--all", help="Share every memo.")] = False,
    page: Annotated[
        bool,
        typer.Option(
            "--page", help="Print a link for browsers; a URL among the MEMOs is the page's."
        ),
    ] = False,
    private: Annotated[
        bool, typer.Option("--private", help="Seal it: only who has the link can listen.")
    ] = False,
    to: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RECIPIENT",
            help="Seal it to age1…, ssh-ed25519 …, ssh-rsa … or a file of them. Can be repeated.",
        ),
    ] = None,
    public: Annotated[
        bool, typer.Option("--public", help="Do not seal it, whatever it was and is set.")
    ] = False,
    lan: Annotated[
        bool, typer.Option("--lan", help="Tell nobody outside the local network.")
    ] = False,
    qr: Annotated[bool, typer.Option("--qr", help="Also draw the link as a QR code.")] = False,
    direct: Annotated[
        bool, typer.Option("--direct", help="Put this machine's addresses into the link.")
    ] = False,
    torrent: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write a .torrent file.")
    ] = None,
    no_seed: Annotated[bool, typer.Option("--no-seed", help="Start no seeder.")] = False,
    json: JsonOption = False,
) -> None:
    """Print a memo's magnet link, and see to it that a seeder runs.

    Whoever has the link can listen, and nobody can take it back. With --private
    and --to nobody else can, not even those who find it without the link. What is
    shared already is shared the same way again, unless you name another.

    With --page the link opens in a browser, on the listening page at the URL
    that follows or in the setting 'page_url'; 'memocast page' makes such a page.

    Example: memocast share latest
    """
    current = app_context(context)
    page_url, memo = _page_url(current, memo or [], wanted=page)
    if bool(memo) == all_:
        raise UsageError("name the memos to share, or --all", hint="memocast share latest")
    if torrent and (all_ or (memo and len(memo) > 1)):
        raise UsageError("--torrent writes one memo's file", hint="share them one by one")
    if lan and (torrent or page):
        raise UsageError(
            "--lan is for a magnet link: a .torrent says nothing of it, and browsers cannot keep"
            " to it",
            hint="leave out --torrent and --page",
        )
    if to and page:
        raise UsageError(
            "browsers have no identities, so --to is for a magnet link", hint="leave out --page"
        )
    if torrent:
        check_target(torrent, force=True)
    wish = _wish(current, private=private, public=public, to=to or [], lan=lan, explicit=not all_)
    attempts = console.Attempts()

    def share_one(found: Memo) -> tuple[Memo, Share, str]:
        share, link = shared_link(current, found, wish, direct=direct, torrent_file=torrent)
        if page_url:
            from memocast.formats.link import listening_page_link

            link = listening_page_link(page_url, [link])
        if not json:
            console.data(link)
        if qr:
            draw_qr(link)
        return found, share, link

    wanted = current.library.memos() if all_ else current.memos(memo or [], attempts)
    shared = attempts.each(wanted, share_one)
    if json:
        console.document(
            [
                {"id": found.id, "link": link, "info_hash": share.info_hash, "mode": share.mode}
                for found, share, link in shared
            ]
        )
    if page and not (current.settings.webrtc and web_trackers(current.settings.trackers)):
        console.note(
            "no browser can find this: that takes 'webrtc' and a tracker beginning with wss://"
        )
    if shared and all(_is_lonely(current, share, link) for _, share, link in shared):
        console.note("nobody can find this: trackers and the DHT are off; add --direct")
    if shared:
        ensure_seeder(current, [found for found, _, _ in shared], wanted=not no_seed)
    attempts.finish()


def _page_url(current: AppContext, arguments: list[str], *, wanted: bool) -> tuple[str, list[str]]:
    """The listening page's URL, if one is wanted, and the arguments that are memos."""
    urls = [text for text in arguments if "://" in text]
    if not wanted:
        return "", arguments  # a URL is then told to be no memo
    if len(urls) > 1:
        raise UsageError("--page takes one URL", hint=PAGE_URL_HINT)
    url = urls[0] if urls else current.settings.page_url
    if not url:
        raise UsageError(
            "there is no listening page to link to",
            hint="name its URL after --page, or set 'page_url' in config.toml; to host one:"
            " memocast page DIR",
        )
    try:
        url = page_address(url)
    except ValueError as error:
        raise UsageError(f"'{url}' is no page's address", hint=PAGE_URL_HINT) from error
    return url, [text for text in arguments if text not in urls]


def _is_lonely(current: AppContext, share: Share, link: str) -> bool:
    """Whether nothing tells others where the memo is."""
    settings = current.settings
    known = any(mark in link for mark in ("tr=", "tr%3D", "x.pe"))
    return not (known or settings.lsd or (settings.dht and not share.lan))


def _wish(
    current: AppContext, *, private: bool, public: bool, to: list[str], lan: bool, explicit: bool
) -> ShareRequest:
    from memocast.formats import age
    from memocast.library.sharing import ShareRequest

    if private + public + bool(to) > 1:
        raise UsageError(
            "of --private, --public and --to only one can be given", hint="memocast share --help"
        )
    mode: Mode | None = None
    if to:
        mode = "addressed"
    elif private or public:
        mode = "private" if private else "public"
    return ShareRequest(mode, default_mode(current), age.recipients(to), lan=lan, explicit=explicit)


def unshare(
    context: typer.Context,
    memo: MemosArgument,
    json: JsonOption = False,
) -> None:
    """Stop offering memos to others. What they have fetched already stays theirs.

    A private link is dead for good: sharing the memo privately once more makes
    a new link with a new key. A public link would be the same again.

    Example: memocast unshare latest
    """
    current = app_context(context)
    attempts = console.Attempts()

    def stop(found: Memo) -> dict[str, Any]:
        ended = current.library.shares.stop(found)
        title = console.safe(found.title)
        if not ended:
            console.note(f"'{title}' ({found.id}) was not shared")
        else:
            console.note(
                f"'{title}' ({found.id}) is offered no more; copies that others fetched stay"
                " theirs, and they can pass them on"
            )
        if any(not share.sealed or share.arrived for share in ended):
            console.note("sharing it again would give the same link as before")
        if any(share.sealed and not share.arrived for share in ended):
            console.note("a new private share gets a new link with a new key")
        return {"id": found.id, "ended": [share.to_json() for share in ended]}

    documents = attempts.each(current.memos(memo, attempts), stop)
    if json:
        console.document(documents)
    attempts.finish()


app = typer.Typer(add_completion=False, rich_markup_mode=None)
app.command(cls=_ShareCommand)(share)
