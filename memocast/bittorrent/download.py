"""Downloading one torrent, paused after the metadata until the caller approves it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from memocast.errors import NotALink
from memocast.formats.magnet import MAX_TRACKERS
from memocast.formats.memo_info import Description, parse_info, sealed_block
from memocast.formats.torrent import from_metadata, is_feed_page
from memocast.formats.trackers import is_tracker

if TYPE_CHECKING:
    from collections.abc import Iterable

    from memocast.formats.link import Link
    from memocast.formats.torrent import Torrent

STAGED_NAME = "audio"
"""The name of the audio file during the download: no name from the link reaches the disk."""

_MAX_DICTIONARY = 1 << 16
"""Bytes of an info dictionary without its piece hashes. With the longest description it has 9,000,
and sealed to the most recipients 60,000."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """A torrent's info dictionary, parsed but not yet trusted.

    `size` and `piece_length` in bytes; `files` does not count padding after the last file, which
    version 2 torrents have (BEP 47, BEP 52); `info_hashes` in hex. `sealed` is the
    age-encrypted description of a memo whose audio is encrypted too. `page`: it is not a memo
    but a page of a channel's feed.
    """

    name: str
    size: int
    piece_length: int
    files: int
    info_hashes: tuple[str, ...]
    description: Description
    sealed: bytes | None
    page: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a download. Sizes in bytes, `rate` in bytes a second.

    `verified` is the number of pieces that match their hashes; `whole`: all of them do.
    """

    done: int
    total: int
    rate: int
    peers: int
    seeds: int
    verified: int
    whole: bool


class Download:
    """A torrent that a session downloads."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    def metadata(self) -> Metadata | None:
        """Return the torrent's metadata, or None until it has arrived."""
        torrent = self._handle.torrent_file()
        if torrent is None or not torrent.is_valid():
            return None
        hashes = torrent.info_hashes()
        known = []
        if hashes.has_v1():
            known.append(str(hashes.v1))
        if hashes.has_v2():
            known.append(str(hashes.v2))
        info = _small_part(torrent)
        return Metadata(
            name=torrent.name(),
            size=torrent.layout().file_size(0),
            piece_length=torrent.piece_length(),
            files=_files(torrent),
            info_hashes=tuple(known),
            description=parse_info(info),
            sealed=sealed_block(info),
            page=is_feed_page(info),
        )

    def start(self, *, in_order: bool) -> None:
        """Start requesting the audio from peers; with `in_order`, its beginning first."""
        import libtorrent as lt

        if in_order:
            self._handle.set_flags(lt.torrent_flags.sequential_download)
        self._handle.unset_flags(lt.torrent_flags.upload_mode)

    def dial(self, peers: Iterable[tuple[str, int]]) -> None:
        """Dial these peers now: libtorrent gives up for good a peer that did not answer."""
        for peer in peers:
            self._handle.connect_peer(peer)

    def want(self, index: int) -> None:
        """Request that piece before all others, and a PieceRead event with its content."""
        import libtorrent as lt

        self._handle.set_piece_deadline(index, 0, lt.torrent_handle.alert_when_available)

    def look_again(self) -> None:
        """Ask the DHT again: the first look-up may come before the DHT is ready."""
        self._handle.force_dht_announce()

    def progress(self) -> Progress:
        """Return the progress of the download."""
        status = self._handle.status()
        return Progress(
            status.total_wanted_done,
            status.total_wanted,
            status.download_payload_rate,
            status.num_peers,
            status.num_seeds,
            status.num_pieces,
            status.is_finished,
        )

    def check_again(self) -> None:
        """Hash the data on disk again, and request the rest from peers."""
        self._handle.force_recheck()

    def ask_for_resume_data(self) -> None:
        """Ask the session for a ResumeData event."""
        import libtorrent as lt

        self._handle.save_resume_data(
            lt.torrent_handle.save_info_dict | lt.torrent_handle.flush_disk_cache
        )


def _small_part(torrent: Any) -> object:
    """Return the decoded info dictionary, or None if it is larger than an honest one."""
    import libtorrent as lt

    # A decoded dictionary takes many times its size in memory, and libtorrent
    # gives up on very many items. Apart from the piece hashes, an honest one is
    # small; we do not read any other.
    content = torrent.info_section()
    if len(content) - 20 * torrent.num_pieces() > _MAX_DICTIONARY:
        return None
    return lt.bdecode(content)


def _files(torrent: Any) -> int:
    import libtorrent as lt

    layout = torrent.layout()
    count: int = torrent.num_files()
    while count and layout.file_flags(count - 1) & lt.file_storage.flag_pad_file:
        count -= 1
    return count


def open_torrent(link: Link) -> Link:
    """Return the link with the fields of its .torrent file, if it has one. Raises NotALink."""
    if link.torrent is None:
        return link
    settings = _torrent_parameters(link, None)
    hashes = settings.info_hashes
    trackers: list[str] = []
    # libtorrent returns all or none, and none when one of them is not UTF-8.
    with contextlib.suppress(UnicodeDecodeError):
        trackers = [url for url in settings.trackers if is_tracker(url)]
    return replace(
        link,
        v1=str(hashes.v1) if hashes.has_v1() else None,
        v2=str(hashes.v2) if hashes.has_v2() else None,
        dn=settings.ti.name(),
        trackers=tuple(dict.fromkeys(trackers))[:MAX_TRACKERS],
    )


def finished_torrent(resume: bytes, link: Link) -> Torrent:
    """Return the torrent of a finished download, from its resume data."""
    import libtorrent as lt

    parameters: Any = lt.read_resume_data(resume)
    trackers = () if link.lan else link.trackers
    made = from_metadata(parameters, link.dn or parameters.ti.name(), trackers)
    return replace(made, public_only=link.public_only)


def parameters(link: Link, resume: bytes | None) -> Any:
    """Return libtorrent's parameters for a link: paused after the metadata, peers as only source.

    Raises NotALink when the link's .torrent file is not valid.
    """
    import libtorrent as lt

    settings = _torrent_parameters(link, resume)
    flag = lt.torrent_flags
    settings.flags |= flag.upload_mode
    # Rarest first, so that listeners who begin together have pieces for each other.
    settings.flags &= ~(flag.paused | flag.auto_managed | flag.seed_mode | flag.sequential_download)
    settings.renamed_files = {0: STAGED_NAME}
    settings.peers = [*settings.peers, *link.peers]
    # A torrent can name web seeds: any URL on any machine. We take audio only from peers.
    settings.url_seeds = []
    settings.http_seeds = []
    # It can name hosts too, and looking them up would reveal us to a stranger's server.
    settings.dht_nodes = []
    return settings


def _torrent_parameters(link: Link, resume: bytes | None) -> Any:
    import libtorrent as lt

    if resume is not None:
        with contextlib.suppress(RuntimeError):  # damaged by a crash: begin with the link
            settings = lt.read_resume_data(resume)
            # Have libtorrent hash the file again, which also finds pieces that
            # arrived after the last save.
            settings.have_pieces = []
            settings.verified_pieces = []
            settings.unfinished_pieces = {}
            return settings
    if link.torrent is not None:
        try:
            return lt.load_torrent_buffer(link.torrent)
        except RuntimeError as error:
            reason = str(error).partition("[")[0].strip()
            raise NotALink(
                f"the .torrent file is not valid: {reason}", hint="ask for it again"
            ) from error
    settings = lt.add_torrent_params()
    hashes: list[Any] = []
    if link.v1:
        hashes.append(lt.sha1_hash(bytes.fromhex(link.v1)))
    if link.v2:
        hashes.append(lt.sha256_hash(bytes.fromhex(link.v2)))
    settings.info_hashes = lt.info_hash_t(*hashes)
    return settings
