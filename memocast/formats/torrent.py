"""Torrents of memos and feed pages: version 1 (BEP 3), one file each.

The description that travels with the audio is in the info dictionary; see `memo_info`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from memocast.errors import Refused
from memocast.files import fsync_and_hash_pieces, piece_hashes
from memocast.text import file_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from memocast.formats.memo import Memo

SEALED_NAME = "memo.age"
MAX_PIECES = 1_024
MIN_PIECE_LENGTH = 16 * 1024
_SHA1_BYTES = 20


@dataclass(frozen=True, slots=True)
class Torrent:
    """A memo's torrent, as the library stores it.

    `info_hash` is hex: SHA-1 of the info dictionary, or SHA-256 if it has
    no version 1 (BEP 52). `content` is a bencoded .torrent without trackers;
    its info dictionary never changes. `dn` is the magnet's display name.
    `trackers` are those of the link it came from; empty for our own memos.
    `second_hash` is the SHA-256 info-hash of a hybrid torrent. `public_only`: it came from a
    public feed, so its trackers are asked at public addresses only.
    """

    info_hash: str
    content: bytes
    dn: str
    trackers: tuple[str, ...] = ()
    second_hash: str | None = None
    public_only: bool = False

    @property
    def info_hashes(self) -> tuple[str, ...]:
        """All its info-hashes."""
        return (self.info_hash, self.second_hash) if self.second_hash else (self.info_hash,)

    def magnet(
        self,
        trackers: Iterable[str],
        peers: Iterable[tuple[str, int]] = (),
        *,
        age_identity: str = "",
        lan: bool = False,
    ) -> str:
        """Return the magnet link with these trackers and peers (IP addresses and ports)."""
        from memocast.formats.magnet import Magnet

        v2 = self.second_hash or ""
        v1, v2 = (self.info_hash, v2) if self.has_pieces else ("", self.info_hash)
        return str(
            Magnet(
                v1,
                v2,
                name=self.dn,
                trackers=tuple(trackers),
                peers=tuple(peers),
                age_identity=age_identity,
                lan=lan,
            )
        )

    @property
    def has_pieces(self) -> bool:
        """Whether it has the hash of each piece of its file, as version 1 does."""
        return len(self.info_hash) == 2 * _SHA1_BYTES


def make(memo: Memo, path: Path, pieces: bytes = b"") -> Torrent:
    """Make the torrent of the memo's audio at `path`; the same memo gives the same bytes.

    `pieces` are the hashes of pieces of `piece_length`; without them the file is read.
    """
    from memocast.formats.memo_info import public_info

    return _make(path, file_name(memo.title, memo.format), public_info(memo), pieces)


def make_sealed(memo: Memo, path: Path, to: Sequence[str]) -> Torrent:
    """Make the torrent of the memo's age file at `path`, which the recipients `to` can open.

    Its name and everything else that a stranger sees reveal nothing about the memo.
    """
    from memocast.formats.memo_info import sealed_info

    return _make(path, SEALED_NAME, sealed_info(memo, to))


def make_feed_page(path: Path, title: str) -> Torrent:
    """Make the torrent of a feed page; without a title, that of an encrypted page."""
    from memocast.formats.memo_info import KEY_VERSION

    if not title:
        return _make(path, SEALED_NAME, {b"v": KEY_VERSION})
    return _make(path, file_name(title, "json"), {b"v": KEY_VERSION, b"feed": 1})


def is_feed_page(info: object) -> bool:
    """Return whether a stranger's decoded info dictionary is that of a page, encrypted or not."""
    from memocast.formats.memo_info import KEY

    key = info.get(KEY) if isinstance(info, dict) else None
    if not isinstance(info, dict) or not isinstance(key, dict):
        return False
    # An encrypted memo also has its description there.
    is_sealed = info.get(b"name") == SEALED_NAME.encode() and set(key) == {b"v"}
    return is_sealed or key.get(b"feed") == 1


def _make(path: Path, name: str, key: dict[bytes, Any], pieces: bytes = b"") -> Torrent:
    import libtorrent as lt

    from memocast.formats.memo_info import KEY

    size = path.stat().st_size
    creator = lt.create_torrent(
        [lt.create_file_entry(name, size)], piece_length(size), lt.create_torrent.v1_only
    )
    # The file has another name in the library, so pass the hashes piece by piece;
    # libtorrent would look for a file called `name`.
    pieces = pieces or fsync_and_hash_pieces(path, creator.piece_length())[1]
    for index in range(creator.num_pieces()):
        creator.set_hash(index, pieces[index * _SHA1_BYTES : (index + 1) * _SHA1_BYTES])
    document: Any = creator.generate()
    info = document[b"info"]
    info[KEY] = key
    content = lt.bencode({b"info": info})
    return Torrent(str(_parameters(content).info_hashes.v1), content, name)


def holds(content: bytes, path: Path) -> bool:
    """Return whether the file at `path` is that of the torrent `content`, which has pieces."""
    found = _parameters(content).ti
    pieces = (found.hash_for_piece(index) for index in range(found.num_pieces()))
    return b"".join(pieces) == piece_hashes(path, found.piece_length())[1]


def piece_length(size: int) -> int:
    """Return the smallest power of two, at least 16 KiB, that gives at most 1,024 pieces."""
    length = MIN_PIECE_LENGTH
    while length * MAX_PIECES < size:
        length *= 2
    return length


def with_trackers(torrent: Torrent, trackers: Iterable[str]) -> bytes:
    """Return the bytes of a .torrent file with these trackers, one per tier (BEP 12)."""
    import libtorrent as lt

    tiers = [[tracker.encode()] for tracker in trackers]
    if not tiers:
        return torrent.content
    document: Any = {b"announce": tiers[0][0], b"announce-list": tiers}
    # Both keys sort before those of the content. Encoding it again could change its info
    # dictionary, and so the info-hash: a stranger's may have its keys in any order.
    return bytes(lt.bencode(document)[:-1] + torrent.content[1:])


def from_metadata(parameters: Any, dn: str, trackers: Iterable[str]) -> Torrent:
    """Return the Torrent to store for a libtorrent `add_torrent_params` with metadata."""
    import libtorrent as lt

    # libtorrent keeps the info dictionary's bytes and writes them unchanged. Decoding it in
    # between would sort its keys, and so change its info-hash.
    written: Any = lt.write_torrent_file(parameters)
    kept = {key: written[key] for key in (b"info", b"piece layers") if key in written}
    hashes = parameters.info_hashes
    hybrid = hashes.has_v1() and hashes.has_v2()
    return Torrent(
        info_hash=str(hashes.v1) if hashes.has_v1() else str(hashes.v2),
        content=lt.bencode(kept),
        dn=dn,
        trackers=tuple(trackers),
        second_hash=str(hashes.v2) if hybrid else None,
    )


def _parameters(content: bytes) -> Any:
    import libtorrent as lt

    try:
        return lt.load_torrent_buffer(content)
    except RuntimeError as error:
        raise Refused(f"the torrent is damaged: {error}", hint="fetch the memo again") from error
