"""`share`: what keeps a link alive, and that it stays the same link."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import libtorrent as lt
import pytest

from helpers.bare_session import bare_session
from helpers.processes import running
from helpers.shared_memo import address_of, assert_same_memo, info_hash
from helpers.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from helpers.memocast_user import Memocast


# -- what keeps a link alive ---------------------------------------------------


def test_a_receiver_serves_a_third_library_after_the_sender_has_stopped(
    anna: Memocast, ben: Memocast, memocast: Callable[..., Memocast], memo: str
) -> None:
    carla = memocast("carla")
    link = anna.run("share", memo, "--direct").out.strip()
    ben.run("fetch", link)
    ben.run("seed", "--background")
    anna.stop()
    fetched = carla.run("fetch", info_hash(link), "--peer", address_of(ben))
    assert_same_memo(anna, memo, carla, fetched.out.strip())


def test_seed_fetched_off_means_that_only_own_shares_are_seeded(
    anna: Memocast, ben: Memocast, memo: str
) -> None:
    ben = ben.with_(MEMOCAST_SEED_FETCHED="false")
    link = anna.run("share", memo, "--direct").out.strip()
    fetched = ben.run("fetch", link)
    assert "'seed_fetched' is off" in fetched.err
    ben.run("seed", "--background")
    assert ben.seeder()["seeding"] == 0
    ben.run("share", "latest")
    wait_for("the share", lambda: ben.seeder()["seeding"] == 1)


def test_the_seeder_that_share_starts_survives_its_terminal(
    anna: Memocast, ben: Memocast, memo: str
) -> None:
    # A session of its own that hangs up, as a terminal window does when it is closed.
    process = anna.start("share", memo, "--direct", start_new_session=True)
    with running(process):
        link, err = process.communicate(timeout=30)
        assert process.returncode == 0, err
        assert "memocast: started the seeder in the background (pid " in err
        subprocess.run(["pkill", "-HUP", "--session", str(process.pid)], check=False)
    assert ben.run("fetch", link.strip()).out


def test_status_counts_what_was_uploaded_and_who_has_it(
    anna: Memocast, ben: Memocast, memo: str
) -> None:
    link = anna.run("share", memo, "--direct").out.strip()
    fresh = anna.run("status", "--json").json["memos"][0]
    assert (fresh["copies"], fresh["copies_ever"], fresh["safe_to_close"]) == (0, 0, False)
    ben.run("fetch", link)
    size = anna.show(memo)["bytes"]

    def told() -> bool:
        row = anna.run("status", "--json").json["memos"][0]
        return bool(row["uploaded"] >= size and row["copies_ever"] == 1 and row["last_copy"])

    wait_for("the tally", told)
    anna.stop()
    after = anna.run("status", "--json").json
    assert after["seeder"] is None
    assert after["memos"][0]["uploaded"] >= size


@pytest.mark.long
def test_it_is_safe_to_close_once_a_complete_copy_has_stayed_for_ten_seconds(
    anna: Memocast, memo: str
) -> None:
    link = anna.run("share", memo).out.strip()
    session, _ = bare_copy(anna.home, link, address_of(anna))

    def row() -> Any:
        return anna.run("status", "--json").json["memos"][0]

    wait_for("the copy", lambda: row()["copies"] == 1)
    assert row()["safe_to_close"] is False
    wait_for("the copy to have stayed", lambda: row()["safe_to_close"])
    assert "safe to close" in anna.run("status").out
    del session
    wait_for("the copy to go", lambda: row()["copies"] == 0)
    assert row()["safe_to_close"] is False


def bare_copy(folder: Path, link: str, peer: str) -> tuple[lt.session, lt.torrent_handle]:
    """Another client that fetches the torrent and stays."""
    session = bare_session(close_redundant_connections=False, tick_interval=100)
    settings = lt.parse_magnet_uri(f"magnet:?xt=urn:btih:{info_hash(link)}")
    settings.save_path = str(folder)
    settings.flags &= ~(lt.torrent_flags.paused | lt.torrent_flags.auto_managed)
    host, _, port = peer.rpartition(":")
    settings.peers = [(host, int(port))]
    handle = session.add_torrent(settings)
    wait_for("another client's copy", lambda: handle.status().is_seeding)
    return session, handle


# -- the same link, the same memo ----------------------------------------------


def test_sharing_twice_gives_the_same_link_also_after_an_edit(anna: Memocast, memo: str) -> None:
    first = anna.run("share", memo)
    anna.run("edit", memo, "--title", "Another name", "-d", "")
    second = anna.run("share", memo)
    assert second.out == first.out
    assert "started the seeder" in first.err
    assert "seeder" not in second.err, "it runs already"
    assert anna.show(memo)["title"] == "Another name"


def test_two_processes_that_share_at_once_print_one_link(anna: Memocast, memo: str) -> None:
    processes = [anna.start("share", memo) for _ in range(4)]
    outputs = [process.communicate(timeout=30) for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, outputs
    assert len({out for out, _ in outputs}) == 1
    assert anna.seeder()["seeding"] == 1


def test_fetching_twice_keeps_one_memo(anna: Memocast, ben: Memocast, memo: str) -> None:
    link = anna.run("share", memo, "--direct").out.strip()
    first = ben.run("fetch", link)
    anna.stop()  # the second one needs nobody
    second = ben.run("fetch", link)
    assert second.out == first.out
    assert "was already in the library" in second.err
    assert len(ben.run("list").lines) == 1


def test_a_memo_whose_file_was_lost_can_be_fetched_again(
    anna: Memocast, ben: Memocast, memo: str
) -> None:
    link = anna.run("share", memo, "--direct").out.strip()
    lost = ben.run("fetch", link).out.strip()
    ben.audio(lost).unlink()
    again = ben.run("fetch", link).out.strip()
    assert ben.audio(again).read_bytes() == anna.audio(memo).read_bytes()
    assert [found["id"] for found in ben.run("list", "--json").json] == [again]
    ben.run("export", again, "-o", "copy.opus")


def test_two_processes_that_fetch_at_once_keep_one_memo(
    anna: Memocast, ben: Memocast, memo: str
) -> None:
    link = anna.run("share", memo, "--direct").out.strip()
    processes = [ben.start("fetch", link) for _ in range(3)]
    outputs = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0] * 3, outputs
    assert len({out for out, _ in outputs}) == 1
    assert len(ben.run("list").lines) == 1


def test_fetching_ones_own_memo_downloads_nothing(anna: Memocast, memo: str) -> None:
    link = anna.run("share", memo).out.strip()
    assert anna.run("fetch", link).out.strip() == memo


def test_a_fetched_memo_that_was_edited_is_shared_under_its_old_link(
    anna: Memocast, ben: Memocast, memo: str
) -> None:
    link = anna.run("share", memo, "--direct").out.strip()
    received = ben.run("fetch", link).out.strip()
    ben.run("edit", received, "--title", "Mine now")
    again = ben.run("share", received).out.strip()
    assert again == link.partition("&x.pe=")[0]


def test_share_all_prints_a_link_for_every_memo(anna: Memocast, opus: Path, flac: Path) -> None:
    anna.add(opus)
    anna.add(flac)
    shared = anna.run("share", "--all")
    assert [line[:20] for line in shared.lines] == ["magnet:?xt=urn:btih:"] * 2


def test_share_json_qr_and_no_seed(anna: Memocast, memo: str) -> None:
    result = anna.run("share", memo, "--json", "--qr", "--no-seed")
    assert result.json == [
        {
            "id": memo,
            "link": anna.run("share", memo, "--no-seed").out.strip(),
            "info_hash": anna.show(memo)["info_hash"],
            "mode": "public",
        }
    ]
    assert "█" in result.err
    assert "no seeder is running" in result.err
    assert anna.seeder() is None


def test_a_torrent_is_never_written_over_another_file(anna: Memocast, memo: str) -> None:
    (anna.home / "thesis.torrent").write_text("mine")
    result = anna.run("share", memo, "--no-seed", "--torrent", "thesis.torrent", expect=2)
    assert "'thesis.torrent' exists" in result.err
    assert (anna.home / "thesis.torrent").read_text() == "mine"
    anna.run("share", memo, "--no-seed", "--torrent", "no/such/folder.torrent", expect=2)
    assert anna.show(memo)["shared"] is False
