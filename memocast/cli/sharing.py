"""`share`."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from memocast.cli import console
from memocast.cli.output import check_target, write
from memocast.cli.state import JsonOption, OptionalMemosArgument, State, state
from memocast.errors import MemocastError, UsageError
from memocast.settings import PAGE_URL_HINT, page_address, web_trackers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memocast.memo import Memo
    from memocast.torrent import Torrent

_QR_BORDER = 2


def register(app: typer.Typer) -> None:
    """Add this family's commands to the application."""
    app.command(cls=_ShareCommand)(share)


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

    Whoever has the link can listen, and nobody can take it back.

    With --page the link opens in a browser, on the listening page at the URL
    that follows or in the setting 'page_url'; 'memocast page' makes such a page.

    Example: memocast share latest
    """
    from memocast.link import page_link

    current = state(context)
    page_url, memo = _page_url(current, memo or [], wanted=page)
    if bool(memo) == all_:
        raise UsageError("name the memos to share, or --all", hint="memocast share latest")
    if torrent and (all_ or (memo and len(memo) > 1)):
        raise UsageError("--torrent writes one memo's file", hint="share them one by one")
    if torrent:
        check_target(torrent, force=True)
    peers = _own_addresses(current) if direct else []
    attempts = console.Attempts()

    def share_one(found: Memo) -> tuple[Memo, str]:
        link = shared_link(current, found, peers, torrent)
        if page_url:
            link = page_link(page_url, [link])
        if not json:
            console.data(link)
        if qr:
            _draw_qr(link)
        return found, link

    wanted = current.library.memos() if all_ else current.memos(memo or [], attempts)
    shared = attempts.each(wanted, share_one)
    if json:
        hashes = [current.library.get(found.id).info_hash for found, _ in shared]
        console.document(
            [
                {"id": found.id, "link": link, "info_hash": info_hash}
                for (found, link), info_hash in zip(shared, hashes, strict=True)
            ]
        )
    if page and not (current.settings.webrtc and web_trackers(current.settings.trackers)):
        console.note(
            "no browser can find this: that takes 'webrtc' and a tracker beginning with wss://"
        )
    lonely = not (current.settings.dht or current.settings.lsd)
    if lonely and not any(mark in link for _, link in shared for mark in ("tr=", "tr%3D", "x.pe")):
        console.note("nobody can find this: trackers and the DHT are off; add --direct")
    if shared:
        ensure_seeder(current, [found for found, _ in shared], wanted=not no_seed)
    attempts.finish()


def _page_url(current: State, arguments: list[str], *, wanted: bool) -> tuple[str, list[str]]:
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


def shared_link(
    current: State,
    memo: Memo,
    peers: Sequence[tuple[str, int]] = (),
    torrent_file: Path | None = None,
) -> str:
    """Mark the memo shared; return its magnet link."""
    from memocast import torrent as torrents

    library = current.library
    torrent = library.shares.torrent(memo)
    intact = library.shares.is_intact(memo)
    if torrent is None and not intact:
        raise MemocastError(
            f"the audio of memo {memo.id} was changed outside memocast",
            hint=f"add it as it is now: memocast add {library.path(memo)}",
        )
    with library.translated():
        torrent = torrent or torrents.make(memo, library.path(memo))
    trackers = list(dict.fromkeys([*current.settings.trackers, *torrent.trackers]))
    if torrent_file:
        _write_torrent(torrent_file, torrent, trackers)
    torrent = library.shares.share(memo, torrent)
    if not intact:
        console.note(f"memo {memo.id} was changed on disk, so it is not seeded from here")
    return torrents.magnet(torrent, trackers, peers)


def _write_torrent(path: Path, torrent: Torrent, trackers: list[str]) -> None:
    from memocast.torrent import with_trackers

    content = with_trackers(torrent, trackers)
    if not (path.is_file() and path.read_bytes() == content):
        write(path, lambda partial: partial.write_bytes(content))


def _own_addresses(current: State) -> list[tuple[str, int]]:
    addresses = []
    for host, port in current.settings.addresses(current.library.listen_port()):
        if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
            own = _outgoing_address(socket.AF_INET6 if ":" in host else socket.AF_INET)
            if own:
                addresses.append((own, port))
        else:
            addresses.append((host, port))
    if not addresses:
        raise MemocastError(
            "this machine has no address to put into the link",
            hint="connect to a network, or leave out --direct",
        )
    return addresses


def _outgoing_address(family: socket.AddressFamily) -> str | None:
    """This machine's address on its default route. Connecting UDP sends nothing."""
    documentation = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}  # RFC 5737, 3849
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((documentation[family], 9))
            return str(probe.getsockname()[0])
    except OSError:
        return None


def _draw_qr(link: str) -> None:
    import segno

    try:
        code = segno.make(link, error="l", micro=False)
    except segno.DataOverflowError:
        console.note("the link is too long for a QR code")
        return
    columns, _ = code.symbol_size(border=_QR_BORDER)
    if console.stderr_is_terminal() and (room := console.screen(stderr=True).width) < columns:
        console.note(
            f"the QR code takes {columns} columns and this terminal has {room}; make it wider,"
            " or its letters smaller"
        )
        return
    code.terminal(out=sys.stderr, compact=True, border=_QR_BORDER)


def ensure_seeder(current: State, memos: Sequence[Memo], *, wanted: bool = True) -> None:
    """Have a seeder run, in the background if it must be started; say so on stderr."""
    from memocast.background import start_seeder
    from memocast.presence import Presence

    presence = Presence(current.root)
    report = presence.report()
    if report:
        only = report["only"]
        if only and not {memo.id for memo in memos} <= set(only):
            console.note("the running seeder offers other memos only; replace it: memocast seed")
        return
    if not wanted or not current.settings.autostart:
        console.note("no seeder runs; the link answers once you run: memocast seed")
        return
    pid = start_seeder(current.root)
    console.note(f"started the seeder in the background (pid {pid}); memocast seed --stop ends it")
