"""How copies are counted: complete peers, also those that came and went between two looks."""

from __future__ import annotations

from fuzz.link_seeds import MEMO
from memocast.bittorrent.torrent_status import Peer, TorrentStatus
from memocast.seeding.upload_tally import UploadTally

SIZE = MEMO.size


def counted(*looks: TorrentStatus) -> int:
    offer = UploadTally(SIZE)
    for moment, look in enumerate(looks):
        offer.count(look, float(moment))
    return offer.new_copies


def look(uploaded: int, *peers: Peer) -> TorrentStatus:
    return TorrentStatus("key", 0, uploaded, peers)


def test_a_peer_that_is_seen_complete_counts_once_however_often_it_comes_back() -> None:
    assert (
        counted(
            look(SIZE, Peer("a", SIZE, complete=True)),
            look(SIZE),
            look(SIZE, Peer("a", 0, complete=True)),
            look(SIZE),
        )
        == 1
    )


def test_a_peer_that_was_never_seen_counts_by_its_bytes() -> None:
    assert counted(look(0), look(SIZE), look(3 * SIZE)) == 3


def test_a_peer_that_completed_after_the_last_look_at_it_counts() -> None:
    assert counted(look(100, Peer("a", 100, complete=False)), look(SIZE)) == 1


def test_peers_that_gave_up_half_way_are_no_copy() -> None:
    part = SIZE * 3 // 10
    looks = []
    for number in range(5):
        looks += [
            look(part * (number + 1), Peer(str(number), part, complete=False)),
            look(part * (number + 1)),
        ]
    assert counted(*looks) == 0


def test_a_peer_that_has_it_from_others_counts() -> None:
    assert counted(look(0, Peer("a", 0, complete=True))) == 1
