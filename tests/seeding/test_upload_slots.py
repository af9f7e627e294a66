"""Who is served when many want the same memo: all, or a few that serve the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import libtorrent as lt
import pytest

from helpers.bare_session import bare_session
from helpers.shared_memo import address_of
from helpers.waiting import wait_for
from memocast.bittorrent.session_settings import EVERYBODY
from memocast.bittorrent.torrent_status import Peer, TorrentStatus
from memocast.seeding.upload_slots import FEW, UploadSlots

if TYPE_CHECKING:
    from pathlib import Path

    from helpers.memocast_user import Memocast

PEERS = 2 * FEW


def look(uploaded: int, has: int, peers: int = PEERS, key: str = "key") -> TorrentStatus:
    """A torrent of which so many bytes were sent, with peers that have so many bytes each."""
    who = (Peer(f"{key}{number}", 0, complete=False, has=has) for number in range(peers))
    return TorrentStatus(key, 0, uploaded, tuple(who))


def places(*looks: tuple[TorrentStatus, ...]) -> list[int]:
    """What is said at each look, one every three seconds."""
    crowd = UploadSlots()
    return [crowd.places(transfers, 3.0 * number) for number, transfers in enumerate(looks, 1)]


def test_peers_that_pass_on_what_they_get_are_served_few_at_a_time() -> None:
    # 100 bytes left the seeder, and eight peers got 100 each.
    assert places((look(0, 0),), (look(100, 100),)) == [EVERYBODY, FEW]


def test_peers_that_get_all_from_the_seeder_are_all_served() -> None:
    assert places((look(0, 0),), (look(800, 100),), (look(1600, 200),)) == [EVERYBODY] * 3


def test_peers_that_no_longer_pass_on_are_all_served_again() -> None:
    assert places((look(0, 0),), (look(100, 100),), (look(900, 200),))[-1] == EVERYBODY


def test_nothing_sent_and_nothing_got_tells_nothing() -> None:
    assert places((look(0, 0),), (look(0, 0),)) == [EVERYBODY] * 2


def test_a_few_peers_are_never_made_to_wait() -> None:
    few = ((look(100 * number, 100 * number, peers=FEW),) for number in range(4))
    assert places(*few) == [EVERYBODY] * 4


def test_who_wants_another_memo_has_a_place_of_its_own() -> None:
    begun = (look(0, 0), look(0, 0, peers=1, key="other"))
    later = (look(100, 100), look(50, 50, peers=1, key="other"))
    assert places(begun, later) == [EVERYBODY, FEW + 1]


def test_complete_peers_take_no_place() -> None:
    seeds = tuple(Peer(f"seed {number}", 0, complete=True, has=100) for number in range(9))
    crowd = TorrentStatus("key", 0, 100, seeds + look(0, 0, peers=1).peers)
    assert places((crowd,), (crowd,)) == [EVERYBODY] * 2


@pytest.mark.long
def test_a_seeder_whose_peers_serve_each_other_serves_few_of_them(
    anna: Memocast, speech: Path, tmp_path: Path
) -> None:
    sender = anna.with_(MEMOCAST_UPLOAD_LIMIT="120000")
    link = sender.run("share", sender.add(speech), "--direct").out.strip()
    host, _, port = address_of(sender).rpartition(":")
    sessions = [
        bare_session(unchoke_slots_limit=-1, enable_outgoing_utp=False) for _ in range(3 * FEW)
    ]
    handles = [_download(session, link, tmp_path / str(n)) for n, session in enumerate(sessions)]
    addresses = [("127.0.0.1", session.listen_port()) for session in sessions]
    for handle in handles:
        for address in addresses:
            handle.connect_peer(address)

    def choked() -> int:
        return sum(_is_choked_by(handle, (host, int(port))) for handle in handles)

    wait_for("most to be left to the others", lambda: choked() >= FEW)
    sender.stop()


def _download(session: lt.session, link: str, folder: Path) -> Any:
    wanted = lt.parse_magnet_uri(link)
    wanted.save_path = str(folder)
    return session.add_torrent(wanted)


def _is_choked_by(handle: Any, seeder: tuple[str, int]) -> bool:
    flag = lt.peer_info
    return any(
        bool(peer.flags & flag.remote_choked) and bool(peer.flags & flag.interesting)
        for peer in handle.get_peer_info()
        if peer.ip == seeder
    )
