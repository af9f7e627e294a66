"""What strangers send: links, .torrent files, info dictionaries.

Run it in an empty folder, since a link may be the name of a file.
"""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import libtorrent as lt

from fuzz import changes, link_seeds
from fuzz.harness import Harness, Target, by_bytes
from memocast.bittorrent.download import Download, open_torrent, parameters
from memocast.formats.link import Link, parse
from memocast.formats.magnet import MAX_PEERS, MAX_TRACKERS
from memocast.formats.memo import PEAK_SLICES, title_from_file
from memocast.formats.memo_info import KEY, Description, parse_info
from memocast.formats.torrent import from_metadata, with_trackers
from memocast.formats.trackers import TRACKER_SCHEMES

if TYPE_CHECKING:
    import random

    from fuzz.harness import Mutate


def pasted(data: bytes) -> str:
    """A link as somebody pastes it."""
    text = data.decode(errors="surrogateescape")
    # Nothing outside the empty folder is opened: /dev/zero has no end, and a FIFO blocks.
    is_link = text.strip().lower().startswith(("magnet:?", "http://", "https://"))
    if not is_link and (text.strip().startswith("/") or ".." in text):
        return "skipped"
    for link in parse(text):
        assert link.info_hashes
        check_link(link)
        assert parameters(link, None).peers == list(link.peers)
        if link.v1:
            assert parse(link.v1) == [Link(v1=link.v1)]
    return "accepted"


def torrent_file(data: bytes) -> str:
    """The content of a .torrent file: read, its metadata taken as from a peer, kept, shared."""
    link = open_torrent(Link(torrent=data))
    assert link.info_hashes
    check_link(link)
    settings = parameters(link, None)
    assert not (settings.url_seeds or settings.http_seeds or settings.dht_nodes or settings.peers)
    handle = SimpleNamespace(torrent_file=lambda: settings.ti)
    metadata = Download(handle).metadata()
    assert metadata is not None
    assert metadata.info_hashes == link.info_hashes
    assert metadata.files >= 1
    assert metadata.size >= 0
    assert 0 < len(title_from_file(metadata.name).encode()) <= 300
    check_description(metadata.description)
    if link.v2 and not has_piece_layers(settings):
        return "accepted without piece layers"  # peers send these later, piece by piece
    check_kept(settings, link)
    return "accepted"


def info_dictionary(data: bytes) -> str:
    """An info dictionary, as a peer sends it."""
    return torrent_file(b"d4:info%be" % data)


def our_key(data: bytes) -> str:
    """What an info dictionary holds under our key."""
    try:
        value: Any = lt.bdecode(data)
    except RuntimeError:
        return "not bencoded"
    found = parse_info({KEY: value})
    check_description(found)
    check_description(parse_info(value))
    return "empty" if found == Description() else "accepted"


def has_piece_layers(settings: Any) -> bool:
    """Whether a version 2 torrent (BEP 52) is whole, as it is once its audio has arrived."""
    try:
        lt.write_torrent_file(settings)
    except RuntimeError:
        return False
    return True


def check_link(link: Link) -> None:
    """A link holds nothing that memocast may not contact, keep or show."""
    assert len(link.v1 or "0" * 40) == 40
    assert len(link.v2 or "0" * 64) == 64
    bytes.fromhex("".join(link.info_hashes))
    link.dn.encode()
    assert len(link.trackers) <= MAX_TRACKERS
    assert len(set(link.trackers)) == len(link.trackers)
    for tracker in link.trackers:
        assert tracker.isprintable()
        assert tracker.startswith(TRACKER_SCHEMES)
    assert len(link.peers) <= MAX_PEERS
    for host, port in link.peers:
        assert str(ipaddress.ip_address(host)) == host
        assert "%" not in host
        assert 0 <= port <= 65_535


def check_description(found: Description) -> None:
    """Each field is within the bounds of docs/formats.md, or None."""
    if found.title is not None:
        assert found.title.strip()
        assert len(found.title.encode()) <= 300
    if found.description is not None:
        assert len(found.description.encode()) <= 8_000
    if found.created is not None:
        assert found.created.timestamp() > 0
        assert found.created <= datetime.now(UTC) + timedelta(days=1)
    if found.duration is not None:
        assert 0 <= found.duration <= 10**11
    if found.peaks is not None:
        assert 0 < len(found.peaks) <= PEAK_SLICES


def check_kept(settings: Any, link: Link) -> None:
    """What the library would keep is the same torrent, and so is what its next link names."""
    torrent = from_metadata(settings, link.dn, link.trackers)
    assert torrent.info_hashes == link.info_hashes
    kept: Any = lt.load_torrent_buffer(torrent.content)
    assert kept.ti.info_section() == settings.ti.info_section()
    (again,) = parse(torrent.magnet(link.trackers))
    assert (again.info_hashes, again.trackers) == (link.info_hashes, link.trackers)
    assert open_torrent(Link(torrent=with_trackers(torrent, []))).info_hashes == link.info_hashes
    announced = open_torrent(Link(torrent=with_trackers(torrent, link.trackers)))
    assert (announced.info_hashes, announced.trackers) == (link.info_hashes, link.trackers)


TOKENS = (
    *("magnet:?xt=urn:btih:", "&xt=urn:btmh:1220", "&tr=udp://", "&x.pe=", "&dn=", "?seeds=", "#"),
    *("https://", "%25", "[::1]:", "8:memocast", "5:title", "11:description", "7:created"),
    *("8:duration", "5:peaks", "12:piece layers", "9:file tree", "12:meta version", "4:info"),
)
_BEGINNINGS = (
    f"magnet:?xt=urn:btih:{link_seeds.V1}&".encode(),
    f"magnet:?xt=urn:btmh:1220{link_seeds.V2}&".encode(),
    f"http://h/?seeds=magnet:?xt=urn:btih:{link_seeds.V1}%26".encode(),
    f"https://h/#magnet%3A?xt=urn:btih:{link_seeds.V1}%26".encode(),
)


def link_changed(data: bytes, chance: random.Random, mutate: Mutate) -> bytes:
    """Change a link, and mend its beginning: few would be one after several changes."""
    changed = by_bytes(data, chance, mutate)
    if chance.random() < 0.4:
        return chance.choice(_BEGINNINGS) + (changed.partition(b"&")[2] or changed)
    return changed


HARNESS = Harness(
    {
        "link": Target(pasted, link_seeds.links, link_changed),
        "torrent file": Target(torrent_file, link_seeds.torrent_files, changes.bencoded),
        "info dictionary": Target(info_dictionary, link_seeds.infos, changes.bencoded),
        "our key": Target(our_key, link_seeds.keys, changes.bencoded),
    },
    # A name of a file that is not there, not a link, refused.
    codes=frozenset({2, 5, 7}),
    tokens=TOKENS,
)
