"""The commands `share` and `unshare`."""

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
from memocast.cli.share_link import ensure_seeder, only_a_magnet_link, shared_link
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
    """A command whose `--page` may have a value, which typer cannot express.

    A URL never names a memo, so `share` can find it among the arguments.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Split `--page=URL` in two."""
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
        typer.Option("--page", help="Print a link for browsers; the page's URL may follow."),
    ] = False,
    private: Annotated[
        bool, typer.Option("--private", help="Seal it: only people with the link can listen.")
    ] = False,
    to: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RECIPIENT",
            help="Seal it to age1…, ssh-ed25519 …, ssh-rsa … or a file of these. Can be repeated.",
        ),
    ] = None,
    public: Annotated[
        bool,
        typer.Option(
            "--public", help="Share unsealed, overriding earlier shares and the 'share' setting."
        ),
    ] = False,
    lan: Annotated[bool, typer.Option("--lan", help="Share on the local network only.")] = False,
    qr: Annotated[bool, typer.Option("--qr", help="Also draw the link as a QR code.")] = False,
    direct: Annotated[
        bool, typer.Option("--direct", help="Put this machine's addresses into the link.")
    ] = False,
    torrent: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write a .torrent file.")
    ] = None,
    no_seed: Annotated[bool, typer.Option("--no-seed", help="Do not start a seeder.")] = False,
    json: JsonOption = False,
) -> None:
    """Print a memo's magnet link, and make sure a seeder is running.

    Anyone with the link can listen, and a link cannot be recalled. With --private
    or --to, people who find the memo without the link cannot listen. A memo that
    is already shared is shared the same way again unless you choose another.

    With --page the link opens in a browser, on the listening page at the URL that
    follows or in the setting 'page_url'. 'memocast page' makes such a page.

    Example: memocast share latest
    """
    current = app_context(context)
    page_url, memo = _page_url(current, memo or [], wanted=page)
    if bool(memo) == all_:
        raise UsageError("name the memos to share, or use --all", hint="memocast share latest")
    if torrent and (all_ or (memo and len(memo) > 1)):
        raise UsageError("--torrent writes one memo's file", hint="share them one by one")
    if lan and (torrent or page):
        raise only_a_magnet_link()
    if to and page:
        raise UsageError(
            "browsers have no identities, so --to needs a magnet link", hint="leave out --page"
        )
    if torrent:
        check_target(torrent, force=True)
    wish = _wish(current, private=private, public=public, to=to or [], lan=lan, explicit=not all_)
    attempts = console.Attempts()

    def share_one(found: Memo) -> tuple[Memo, Share, str]:
        share, link = shared_link(
            current, found, wish, direct=direct, torrent_file=torrent, for_page=bool(page_url)
        )
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
            "no browser can find this: that needs 'webrtc' and a tracker beginning with wss://"
        )
    if shared and all(_is_lonely(current, share, link) for _, share, link in shared):
        console.note("nobody can find this: trackers and the DHT are off; add --direct")
    if shared:
        ensure_seeder(current, [found for found, _, _ in shared], wanted=not no_seed)
    attempts.finish()


def _page_url(current: AppContext, arguments: list[str], *, wanted: bool) -> tuple[str, list[str]]:
    """Return the listening page's URL, if one is wanted, and the arguments that name memos."""
    urls = [text for text in arguments if "://" in text]
    if not wanted:
        return "", arguments  # a URL among them is reported as an unknown memo
    if len(urls) > 1:
        raise UsageError("--page takes one URL", hint=PAGE_URL_HINT)
    url = urls[0] if urls else current.settings.page_url
    if not url:
        raise UsageError(
            "there is no listening page to link to",
            hint="give its URL after --page, or set 'page_url' in config.toml; to host one:"
            " memocast page DIR",
        )
    try:
        url = page_address(url)
    except ValueError as error:
        raise UsageError(f"'{url}' is not a page's address", hint=PAGE_URL_HINT) from error
    return url, [text for text in arguments if text not in urls]


def _is_lonely(current: AppContext, share: Share, link: str) -> bool:
    """Return whether peers have no way to find the memo."""
    settings = current.settings
    known = any(mark in link for mark in ("tr=", "tr%3D", "x.pe"))
    return not (known or settings.lsd or (settings.dht and not share.lan))


def _wish(
    current: AppContext, *, private: bool, public: bool, to: list[str], lan: bool, explicit: bool
) -> ShareRequest:
    from memocast.formats import age
    from memocast.library.sharing import ShareRequest, default_mode

    if private + public + bool(to) > 1:
        raise UsageError(
            "choose only one of --private, --public and --to", hint="memocast share --help"
        )
    mode: Mode | None = None
    if to:
        mode = "addressed"
    elif private or public:
        mode = "private" if private else "public"
    return ShareRequest(
        mode, default_mode(current.settings), age.recipients(to), lan=lan, explicit=explicit
    )


def unshare(
    context: typer.Context,
    memo: MemosArgument,
    json: JsonOption = False,
) -> None:
    """Stop sharing memos. Copies that others fetched remain.

    A private link is not used again: sharing the memo privately makes a new link
    with a new key. Sharing it publicly gives the same link as before.

    Example: memocast unshare latest
    """
    current = app_context(context, "free")
    attempts = console.Attempts()

    def stop(found: Memo) -> dict[str, Any]:
        ended = current.library.freeing(lambda: current.library.shares.stop(found))
        title = console.safe(found.title)
        if not ended:
            console.note(f"'{title}' ({found.id}) was not shared")
        else:
            console.note(
                f"'{title}' ({found.id}) is no longer shared; copies that others fetched remain,"
                " and can be passed on"
            )
        if any(not share.sealed or share.arrived for share in ended):
            console.note("sharing it again gives the same link as before")
        if any(share.sealed and not share.arrived for share in ended):
            console.note("a new private share gets a new link with a new key")
        return {"id": found.id, "ended": [share.to_json() for share in ended]}

    documents = attempts.each(current.memos(memo, attempts), stop)
    if json:
        console.document(documents)
    attempts.finish()


app = typer.Typer(add_completion=False, rich_markup_mode=None)
app.command(cls=_ShareCommand)(share)
