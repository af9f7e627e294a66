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


def tally_after(*looks: TorrentStatus) -> UploadTally:
    tally = UploadTally(SIZE)
    for moment, look in enumerate(looks):
        tally.count(look, float(moment))
    return tally


def test_peers_that_have_left_are_forgotten_so_that_a_thousand_cost_no_more_than_some() -> None:
    part = SIZE * 3 // 10

    def visits(count: int, *, complete: bool) -> UploadTally:
        sent = SIZE if complete else part
        return tally_after(
            *(look(sent * (n + 1), Peer(str(n), sent, complete=complete)) for n in range(count)),
            look(sent * count),
        )

    for complete in (True, False):
        few, many = visits(1_000, complete=complete), visits(5_000, complete=complete)
        assert kept(many) == kept(few)
        assert many.new_copies == 5_000 * complete


def kept(tally: UploadTally) -> int:
    """How many things its collections hold."""
    names = type(tally).__slots__  # type: ignore[attr-defined]
    return sum(len(value) for name in names if hasattr(value := getattr(tally, name), "__len__"))


def test_a_peer_that_stays_is_never_forgotten_however_many_come_and_go() -> None:
    stays = Peer("stays", SIZE, complete=True)
    looks = [look(SIZE + n, stays, Peer(str(n), 1, complete=False)) for n in range(2_000)]
    assert counted(look(SIZE, stays), *looks, look(SIZE + 2_000, stays)) == 1


def test_a_peer_that_comes_back_at_once_counts_once_after_thousands_of_others() -> None:
    looks = [look(SIZE + n + 1, Peer(str(n), 1, complete=False)) for n in range(3_000)]
    sent = SIZE + 3_000
    assert (
        counted(
            look(SIZE, Peer("before", SIZE, complete=True)),
            *looks,
            look(sent + SIZE, Peer("a", SIZE, complete=True)),
            look(sent + SIZE),
            look(sent + SIZE, Peer("a", 0, complete=True)),
        )
        == 2
    )
