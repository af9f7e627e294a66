"""Making a memo's link, and starting the seeder that serves it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from memocast.cli.context import AppContext
from memocast.cli.output_file import write
from memocast.cli.terminal import console
from memocast.cli.terminal.display import Counter
from memocast.errors import UsageError
from memocast.files import holds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memocast.formats.memo import Memo
    from memocast.formats.share import Share
    from memocast.formats.torrent import Torrent
    from memocast.library.sharing import ShareRequest


def shared_link(
    current: AppContext,
    memo: Memo,
    wish: ShareRequest | None = None,
    *,
    direct: bool = False,
    torrent_file: Path | None = None,
    for_page: bool = False,
) -> tuple[Share, str]:
    """Share the memo, by default as the settings say; return the share and its magnet link.

    Raises UsageError for a memo that stays on the local network, with a `torrent_file` or where
    the link is `for_page`.
    """
    from memocast.library import sharing
    from memocast.library.reachable_addresses import reachable_addresses

    library = current.library
    before = library.shares.of(memo)
    counter = Counter("sealing")

    def write_torrent(share: Share) -> None:
        if share.lan and (torrent_file or for_page):
            raise only_a_magnet_link()
        if torrent_file:
            _write_torrent(torrent_file, share.torrent, share.trackers(current.settings.trackers))

    try:
        share = sharing.share(
            library,
            memo,
            wish or sharing.ShareRequest(None, sharing.default_mode(current.settings)),
            lambda size: counter.tell(console.size(size)),
            first=write_torrent,
        )
    finally:
        counter.done()
    if torrent_file and share.age_identity:
        console.note(f"{torrent_file} is useless without the key, which only the link contains")
    if before and not library.seedables.answers(share):
        console.note(f"memo {memo.id} was changed on disk, so it is not seeded from here")
    _tell_of(memo, share, before, asked_for_lan=bool(wish and wish.lan))
    settings = current.settings.on_lan() if share.lan else current.settings
    peers = reachable_addresses(settings, library.listen_port(lan=share.lan)) if direct else []
    return share, share.link(current.settings.trackers, peers)


def only_a_magnet_link() -> UsageError:
    """The error of asking for another form of a link that is for the local network."""
    return UsageError(
        "--lan works only with a magnet link: a .torrent file cannot express it, and browsers"
        " cannot obey it",
        hint="leave out --torrent and --page",
    )


def _tell_of(memo: Memo, share: Share, before: list[Share], *, asked_for_lan: bool) -> None:
    """Print a note about what the user may not expect of this share."""
    if share.stopped:
        console.note(f"memo {memo.id} is shared again; its link is the same as before 'unshare'")
    if share.lan and not asked_for_lan:
        console.note(
            f"memo {memo.id} came from a local network and stays there"
            if share.arrived
            else f"memo {memo.id} stays on the local network; to share it with others, unshare it"
            " first"
        )
    sealed_too = any(other.sealed and other.shared for other in before)
    if not share.sealed and share not in before and sealed_too:
        console.note(f"memo {memo.id} was only shared sealed; with this link anyone can listen")


def _write_torrent(path: Path, torrent: Torrent, trackers: list[str]) -> None:
    from memocast.formats.torrent import with_trackers

    content = with_trackers(torrent, trackers)
    if not holds(path, content):
        write(path, lambda file: file.write(content))


def ensure_seeder(current: AppContext, memos: Sequence[Memo], *, wanted: bool = True) -> None:
    """Start a seeder in the background unless one is running; print a note about it."""
    from memocast.library.seeder_lock import SeederLock
    from memocast.seeding.background import start_seeder

    seeder_lock = SeederLock(current.root)
    report = seeder_lock.report()
    if report:
        if report.only and not {memo.id for memo in memos} <= set(report.only):
            console.note("the running seeder seeds only other memos; replace it: memocast seed")
        return
    if not wanted or not current.settings.autostart:
        console.note("no seeder is running; the link works once you run: memocast seed")
        return
    pid = start_seeder(current.root)
    console.note(
        f"started the seeder in the background (pid {pid}); stop it with: memocast seed --stop"
    )
