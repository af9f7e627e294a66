"""`share` and `fetch`: two libraries, separate processes, real BitTorrent over loopback."""

from __future__ import annotations

import base64
import hashlib
import signal
import subprocess
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, urlsplit

import libtorrent as lt
import numpy as np
import pytest
import soundfile
from conftest import PRIVATE, running, wait_for
from trackers import HttpTracker, UdpTracker

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Memocast

TRAVELS = ("title", "description", "created", "duration", "bytes", "format", "info_hash", "peaks")


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def info_hash(link: str) -> str:
    return parse_qs(urlsplit(link).query)["xt"][0].rpartition(":")[2]


def address_of(user: Memocast) -> str:
    """Where the user's seeder listens, as `fetch --peer` takes it."""
    return str(user.seeder()["reach"]["listening"][0])


def assert_same_memo(sender: Memocast, sent: str, receiver: Memocast, received: str) -> None:
    assert sha256(receiver.audio(received)) == sha256(sender.audio(sent))
    original, copy = sender.show(sent), receiver.show(received)
    assert {key: copy[key] for key in TRAVELS} == {key: original[key] for key in TRAVELS}
    assert copy["origin"] == "fetched"
    assert copy["shared"] is False


@pytest.fixture
def memo(anna: Memocast, opus: Path) -> str:
    """A memo of Anna's with everything that should travel."""
    return anna.add(opus, title="Grüße 🎙 from Anna", description="two\nlines & ünïcode")


# -- every way to find each other ----------------------------------------------


def test_direct_addresses_in_the_link(anna: Memocast, ben: Memocast, memo: str) -> None:
    shared = anna.run("share", memo, "--direct")
    link = shared.out.strip()
    assert "&x.pe=127.0.0.1:" in link
    fetched = ben.run("fetch", link)
    assert fetched.err.splitlines() == [
        "memocast: fetched 'Grüße 🎙 from Anna' (0:05)",
        "memocast: hint: keep it available to others: memocast seed --background",
    ]
    assert_same_memo(anna, memo, ben, fetched.out.strip())


def test_a_peer_named_on_the_command_line(anna: Memocast, ben: Memocast, memo: str) -> None:
    link = anna.run("share", memo).out.strip()
    assert "x.pe" not in link
    fetched = ben.run("fetch", info_hash(link), "--peer", address_of(anna))
    assert_same_memo(anna, memo, ben, fetched.out.strip())


@pytest.mark.parametrize("tracker_kind", [HttpTracker, UdpTracker])
def test_a_tracker(
    memocast: Callable[..., Memocast], opus: Path, tracker_kind: Callable[..., Any]
) -> None:
    with tracker_kind() as tracker:
        anna = memocast("anna", MEMOCAST_TRACKERS=tracker.url)
        ben = memocast("ben")
        memo = anna.add(opus, title="By tracker")
        link = anna.run("share", memo).out.strip()
        assert f"&tr={quote(tracker.url, safe='')}" in link
        wait_for("the announce", lambda: tracker.announced(info_hash(link)))
        fetched = ben.run("fetch", link)
        assert_same_memo(anna, memo, ben, fetched.out.strip())
        wait_for(
            "the seeder's report",
            lambda: anna.seeder()["reach"]["trackers"] == {tracker.url: "ok"},
        )
        anna.stop()


def test_a_dht_of_our_own(memocast: Callable[..., Memocast], opus: Path) -> None:
    nodes, addresses = dht_nodes(5)
    # The node that a client is introduced by does not count as one it knows.
    bootstrap = addresses[0]
    anna = memocast(
        "anna",
        MEMOCAST_DHT="true",
        MEMOCAST_DHT_BOOTSTRAP=bootstrap,
        MEMOCAST_LISTEN="127.0.21.1:0",
    )
    ben = memocast(
        "ben",
        MEMOCAST_DHT="true",
        MEMOCAST_DHT_BOOTSTRAP=bootstrap,
        MEMOCAST_LISTEN="127.0.22.1:0",
    )
    memo = anna.add(opus, title="By DHT")
    link = anna.run("share", memo).out.strip()
    assert info_hash(link) == link.partition("urn:btih:")[2].partition("&")[0]
    wait_for("the DHT", lambda: anna.seeder()["reach"]["dht_nodes"])
    fetched = ben.run("fetch", info_hash(link), "--timeout", "30")
    assert_same_memo(anna, memo, ben, fetched.out.strip())
    anna.stop()
    del nodes


def dht_nodes(count: int) -> tuple[list[lt.session], list[str]]:
    """Bare libtorrent sessions that know each other, each on a loopback address of its own."""
    sessions = [
        lt.session(
            {
                "listen_interfaces": f"127.0.{number}.1:0",
                "enable_dht": True,
                "dht_bootstrap_nodes": "",
                "enable_lsd": False,
                "enable_upnp": False,
                "enable_natpmp": False,
            }
        )
        for number in range(1, count + 1)
    ]
    addresses = [
        (f"127.0.{number}.1", session.listen_port())
        for number, session in enumerate(sessions, start=1)
    ]

    def acquainted() -> bool:
        for session in sessions:
            for address in addresses:
                session.add_dht_node(address)
            session.post_session_stats()
        known: list[int] = []
        for session in sessions:
            session.wait_for_alert(200)
            known.extend(
                alert.values["dht.dht_nodes"]
                for alert in session.pop_alerts()
                if isinstance(alert, lt.session_stats_alert)
            )
        return len(known) == len(sessions) and min(known) > 0

    wait_for("a DHT", acquainted)
    return sessions, [f"{host}:{port}" for host, port in addresses]


def test_the_local_network(memocast: Callable[..., Memocast], opus: Path) -> None:
    anna = memocast("anna", MEMOCAST_LSD="true")
    ben = memocast("ben", MEMOCAST_LSD="true")
    memo = anna.add(opus, title="By LSD")
    link = anna.run("share", memo).out.strip()
    fetched = ben.run("fetch", link, "--timeout", "30")
    assert_same_memo(anna, memo, ben, fetched.out.strip())


def test_a_torrent_file(anna: Memocast, ben: Memocast, memo: str) -> None:
    with HttpTracker() as tracker:
        anna = anna.with_(MEMOCAST_TRACKERS=tracker.url)
        link = anna.run("share", memo, "--torrent", "memo.torrent").out.strip()
        wait_for("the announce", lambda: tracker.announced(info_hash(link)))
        fetched = ben.run("fetch", str(anna.home / "memo.torrent"))
        assert_same_memo(anna, memo, ben, fetched.out.strip())
        anna.stop()


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
    session = lt.session(
        {
            "listen_interfaces": "127.0.0.1:0",
            "enable_dht": False,
            "enable_lsd": False,
            "enable_upnp": False,
            "enable_natpmp": False,
            "allow_multiple_connections_per_ip": True,
            "close_redundant_connections": False,
            "tick_interval": 100,
        }
    )
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
    assert second.err == "", "the seeder runs already"
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
    assert "was in the library already" in second.err
    assert len(ben.run("list").lines) == 1


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
        }
    ]
    assert "█" in result.err
    assert "no seeder runs" in result.err
    assert anna.seeder() is None


def test_a_torrent_is_never_written_over_another_file(anna: Memocast, memo: str) -> None:
    (anna.home / "thesis.torrent").write_text("mine")
    result = anna.run("share", memo, "--no-seed", "--torrent", "thesis.torrent", expect=2)
    assert "'thesis.torrent' exists" in result.err
    assert (anna.home / "thesis.torrent").read_text() == "mine"
    anna.run("share", memo, "--no-seed", "--torrent", "no/such/folder.torrent", expect=2)
    assert anna.show(memo)["shared"] is False


# -- interruptions -------------------------------------------------------------


@pytest.fixture
def long_wav(tmp_path: Path) -> Path:
    """Noise that does not compress: 3 MB."""
    path = tmp_path / "long.wav"
    noise = np.random.default_rng(7).normal(0, 3000, 1_500_000).astype(np.int16)
    soundfile.write(path, noise, 48_000)
    return path


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_fetch_goes_on_where_it_stopped(
    anna: Memocast, ben: Memocast, long_wav: Path, number: int
) -> None:
    slow = anna.with_(MEMOCAST_UPLOAD_LIMIT="400000")
    memo = slow.add(long_wav)
    link = slow.run("share", memo, "--direct").out.strip()
    process = ben.start("fetch", link)
    with running(process):
        staged = ben.library / "incoming" / f"download-{info_hash(link)}" / "audio"
        wait_for(
            "a third of it", lambda: staged.exists() and staged.stat().st_blocks * 512 > 1_000_000
        )
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert out == ""
    if number != signal.SIGKILL:
        assert process.returncode == 130
        assert "what has arrived is kept" in err
    anna.stop()  # which also writes down what it uploaded
    uploaded = tally(anna)
    assert uploaded > 500_000
    anna.run("seed", "--background")
    fetched = ben.run("fetch", link)
    assert_same_memo(anna, memo, ben, fetched.out.strip())
    anna.stop()
    again = tally(anna) - uploaded
    assert again < 2_500_000, "the second fetch began at zero"
    assert not list((ben.library / "incoming").glob("download-*"))


def tally(user: Memocast) -> int:
    return int(user.run("status", "--json").json["memos"][0]["uploaded"])


def test_nobody_there_is_exit_6_with_what_was_tried(ben: Memocast) -> None:
    with HttpTracker() as tracker:
        nobody = ben.with_(MEMOCAST_TRACKERS=tracker.url, MEMOCAST_LSD="true")
        before = ben.snapshot()
        link = f"magnet:?xt=urn:btih:{'ab' * 20}&x.pe=127.0.0.1:1"
        result = nobody.run("fetch", link, "--timeout", "1s", expect=6)
    assert result.out == ""
    error, hint = result.err.splitlines()
    assert error.startswith("memocast: error: nobody sent the memo's description in 1 s; tried: ")
    assert f"tracker {tracker.url} (answered" in error
    assert "the local network" in error
    assert "1 address in the link" in error
    assert hint.startswith("memocast: hint: ask the sender to run 'memocast seed'")
    assert {**ben.snapshot(), **before} == ben.snapshot()
    assert not list((ben.library / "incoming").glob("download-*"))


def test_a_sender_that_goes_away_is_exit_6_and_what_arrived_is_kept(
    anna: Memocast, ben: Memocast, long_wav: Path
) -> None:
    slow = anna.with_(MEMOCAST_UPLOAD_LIMIT="400000")
    memo = slow.add(long_wav)
    link = slow.run("share", memo, "--direct").out.strip()
    process = ben.start("fetch", link, "--timeout", "2")
    with running(process):
        staged = ben.library / "incoming" / f"download-{info_hash(link)}" / "audio"
        wait_for("some of it", lambda: staged.exists() and staged.stat().st_blocks * 512 > 500_000)
        anna.stop()
        _, err = process.communicate(timeout=30)
    assert process.returncode == 6
    assert "memocast: error: the download stopped at " in err
    assert staged.exists()


# -- what a link can look like -------------------------------------------------


def test_every_form_of_a_link_leads_to_the_same_memo(
    anna: Memocast, ben: Memocast, opus: Path
) -> None:
    ids = [anna.add(opus, title=f"Form {number}") for number in range(8)]
    magnets = anna.run("share", *ids, "--direct").lines
    hashes = [info_hash(magnet) for magnet in magnets]
    peer = address_of(anna)
    encoded = [quote(magnet, safe="") for magnet in magnets]
    texts = [
        magnets[0].replace("magnet:", "MAGNET:"),
        f"  {magnets[1]}  ",
        hashes[2].upper(),
        base64.b32encode(bytes.fromhex(hashes[3])).decode(),
        f"https://voice-memos.example/?seeds={encoded[4]}",
        f"http://voice-memos.example/play?x=1&seeds={encoded[5]}&seeds={encoded[6]}#/list",
        f"https://listen.example/#{encoded[7]}&{encoded[0]}",
        f"https://listen.example/#{magnets[1]}",
    ]
    result = ben.run("fetch", *texts, "--peer", peer)
    titles = [ben.show(memo)["title"] for memo in result.lines]
    assert titles == [f"Form {number}" for number in (0, 1, 2, 3, 4, 5, 6, 7, 0, 1)]


def test_links_are_read_from_standard_input(anna: Memocast, ben: Memocast, opus: Path) -> None:
    ids = [anna.add(opus, title=title) for title in ("One", "Two")]
    links = anna.run("share", *ids, "--direct").out
    result = ben.run("fetch", "-", stdin=f"\n{links}\n")
    assert [ben.show(memo)["title"] for memo in result.lines] == ["One", "Two"]


def test_of_several_links_all_are_tried_and_the_first_failure_counts(
    anna: Memocast, ben: Memocast, memo: str
) -> None:
    link = anna.run("share", memo, "--direct").out.strip()
    result = ben.run("fetch", "nonsense", link, str(ben.home), expect=5)
    assert len(result.lines) == 1
    assert "'nonsense' is not a link" in result.err
    assert "is a directory" in result.err


def test_a_link_that_nobody_answers_does_not_stop_the_next(
    anna: Memocast, ben: Memocast, memo: str
) -> None:
    link = anna.run("share", memo, "--direct").out.strip()
    result = ben.run("fetch", "ab" * 20, link, "--timeout", "1", expect=6)
    assert len(result.lines) == 1


def test_fetch_json_is_one_memo_a_line(anna: Memocast, ben: Memocast, memo: str) -> None:
    link = anna.run("share", memo, "--direct").out.strip()
    first = ben.run("fetch", link, "--json").json
    again = ben.run("fetch", link, "--json").json
    assert first == {**again, "downloaded": True}
    assert first["title"] == "Grüße 🎙 from Anna"


def test_the_suite_itself_contacts_nobody() -> None:
    assert PRIVATE["MEMOCAST_TRACKERS"] == PRIVATE["MEMOCAST_DHT_BOOTSTRAP"] == ""
    assert PRIVATE["MEMOCAST_LISTEN"].startswith("127.")
