"""memocast and other BitTorrent clients: each fetches what the other seeds.

aria2c runs on loopback. Transmission refuses loopback peers, so it runs on a
machine of its own: a network namespace at the other end of a cable.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote

import libtorrent as lt
import pytest
import soundfile

from helpers.bare_session import bare_session
from helpers.network_namespaces import two_hosts
from helpers.other_clients import ARIA2C, run_client, start_client
from helpers.processes import running
from helpers.trackers import HttpTracker, UdpTracker
from helpers.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from helpers.memocast_user import Memocast
    from helpers.network_namespaces import Host
    from helpers.trackers import Tracker

TITLE = "Grüße aus Köln"


@pytest.fixture
def tracker(request: pytest.FixtureRequest) -> Iterator[Tracker]:
    """A tracker on loopback: HTTP, unless the test asks for another."""
    with getattr(request, "param", HttpTracker)() as tracker:
        yield tracker


@pytest.fixture
def hosts() -> Iterator[tuple[Host, Host]]:
    """Two machines that see each other and nothing else."""
    with two_hosts() as hosts:
        yield hosts


# -- other clients fetch from memocast -------------------------------------------


@pytest.mark.long
def test_aria2c_fetches_what_memocast_seeds(
    memocast: Callable[..., Memocast], tracker: Tracker, opus: Path, tmp_path: Path
) -> None:
    anna = memocast("anna", MEMOCAST_TRACKERS=tracker.url)
    memo = anna.add(opus, title=TITLE)
    link = shared(anna, memo, tracker)
    folder = tmp_path / "downloads"
    run_client(tmp_path, *ARIA2C, "--seed-time=0", f"--dir={folder}", link)
    assert list(folder.iterdir()) == [folder / f"{TITLE}.opus"]
    assert sha256(folder / f"{TITLE}.opus") == sha256(anna.audio(memo))


@pytest.mark.long
def test_transmission_fetches_what_memocast_seeds(
    hosts: tuple[Host, Host], memocast: Callable[..., Memocast], flac: Path, tmp_path: Path
) -> None:
    here, there = hosts
    with here.entered():
        tracker = UdpTracker(here.address)
    anna = memocast("anna", MEMOCAST_LISTEN=f"{here.address}:0", MEMOCAST_TRACKERS=tracker.url)
    memo = anna.add(flac, title=TITLE)
    with tracker, here.entered():
        link = shared(anna, memo, tracker)
        with transmission(there, tmp_path, link) as folder:
            fetched, original = folder / f"{TITLE}.flac", sha256(anna.audio(memo))
            wait_for("the whole file", lambda: fetched.exists() and sha256(fetched) == original)
        wait_for("the copy to be counted", lambda: copies_ever(anna) == 1)
        anna.stop()


@pytest.mark.parametrize("tracker", [HttpTracker, UdpTracker], indirect=True)
def test_a_seeder_that_ends_takes_its_leave_so_that_others_do_not_look_for_it_in_vain(
    memocast: Callable[..., Memocast], tracker: Tracker, opus: Path
) -> None:
    anna = memocast("anna", MEMOCAST_TRACKERS=tracker.url)
    memo = anna.add(opus)
    shared(anna, memo, tracker)
    result = anna.run("seed", "--stop")
    assert result.out == ""
    assert result.err == "memocast: the seeder has stopped\n"
    assert tracker.announced(anna.show(memo)["info_hash"]) == set()


# -- memocast fetches from other clients -----------------------------------------


def test_memocast_fetches_what_mktorrent_made_and_aria2c_seeds(
    memocast: Callable[..., Memocast], tracker: Tracker, opus: Path, tmp_path: Path
) -> None:
    folder, audio = seeded_folder(tmp_path, opus)
    torrent = tmp_path / "made.torrent"
    run_client(tmp_path, "mktorrent", "-a", tracker.url, "-o", torrent, audio)
    info_hash = v1_hash(torrent)
    endless = ("--check-integrity", "--seed-ratio=0.0", f"--dir={folder}")
    with running(start_client(tmp_path, *ARIA2C, *endless, torrent)):
        wait_for("aria2c to announce", lambda: tracker.announced(info_hash))
        magnet = f"magnet:?xt=urn:btih:{info_hash}&tr={quote(tracker.url, safe='')}"
        links = {memocast("ben"): torrent, memocast("carol"): magnet}
        with ThreadPoolExecutor() as both:
            for done in [
                both.submit(assert_fetched, user, link, audio, info_hash)
                for user, link in links.items()
            ]:
                done.result()


@pytest.mark.long
def test_memocast_fetches_what_transmission_made_and_seeds(
    hosts: tuple[Host, Host], memocast: Callable[..., Memocast], flac: Path, tmp_path: Path
) -> None:
    here, there = hosts
    with here.entered():
        tracker = HttpTracker(here.address)
    folder, audio = seeded_folder(tmp_path, flac)
    torrent = tmp_path / "made.torrent"
    run_client(tmp_path, "transmission-create", "-t", tracker.url, "-o", torrent, audio)
    info_hash = v1_hash(torrent)
    with tracker, transmission(there, tmp_path, torrent, folder), here.entered():
        wait_for("transmission to announce", lambda: tracker.announced(info_hash))
        ben = memocast("ben", MEMOCAST_LISTEN=f"{here.address}:0")
        link = f"magnet:?xt=urn:btih:{info_hash}&tr={quote(tracker.url, safe='')}"
        assert_fetched(ben, link, audio, info_hash)


HYBRID = 0
V2 = lt.create_torrent.v2_only


@pytest.mark.parametrize(
    ("version", "topics"),
    [
        pytest.param(HYBRID, ("btih", "btmh"), id="hybrid", marks=pytest.mark.full),
        pytest.param(HYBRID, ("btmh",), id="hybrid by its v2 hash"),
        pytest.param(V2, ("btmh",), id="v2 only"),
    ],
)
def test_a_hybrid_or_v2_memo_is_fetched_and_then_shared_again_in_the_same_swarm(
    memocast: Callable[..., Memocast],
    tracker: Tracker,
    flac: Path,
    tmp_path: Path,
    version: int,
    topics: tuple[str, ...],
) -> None:
    folder, audio = seeded_folder(tmp_path, flac)
    creator = lt.create_torrent(
        [lt.create_file_entry(audio.name, audio.stat().st_size)], 16 * 1024, version
    )
    lt.set_piece_hashes(creator, str(folder), lambda _: None)
    torrent = lt.load_torrent_buffer(lt.bencode(creator.generate()))
    known = exact_topics(torrent.info_hashes)
    tracked = f"tr={quote(tracker.url, safe='')}"
    link = "magnet:?" + "&".join([*(f"xt={known[topic]}" for topic in topics), tracked])
    kept_hash = known["btih" if "btih" in known else "btmh"].rpartition(":")[2][-64:]

    ben = memocast("ben")
    with bare_seeder(torrent, folder) as address:
        memo = assert_fetched(ben, link, audio, kept_hash, "--peer", address)

    # The one it came from is gone. Whoever has the first link finds Ben in its swarm.
    again = shared(ben, memo, tracker)
    assert set(parse_qs(again.partition("?")[2])["xt"]) == set(known.values())
    carol = memocast("carol")
    assert_fetched(carol, link, audio, kept_hash)


# -- what these tests are written with --------------------------------------------


@contextlib.contextmanager
def transmission(
    host: Host, home: Path, torrent: str | Path, folder: Path | None = None
) -> Iterator[Path]:
    """Run transmission-cli on `host`, where it stays when it is done; yield its folder."""
    config = home / "transmission"
    config.mkdir()
    # Without uTP: a connection of version 3.00 over it can stand still for most of a minute,
    # with a bare libtorrent at the other end too.
    off = ("dht-enabled", "lpd-enabled", "port-forwarding-enabled", "rpc-enabled", "utp-enabled")
    (config / "settings.json").write_text(json.dumps(dict.fromkeys(off, False)))
    folder = folder or home / "downloads"
    folder.mkdir(exist_ok=True)
    with host.entered():
        process = start_client(home, "transmission-cli", "-g", config, "-w", folder, "-v", torrent)
    with running(process):
        yield folder


@contextlib.contextmanager
def bare_seeder(torrent: lt.add_torrent_params, folder: Path) -> Iterator[str]:
    """Seed from a libtorrent session with nothing around it; yield its address."""
    session = bare_session()
    torrent.save_path = str(folder)
    torrent.flags &= ~(lt.torrent_flags.paused | lt.torrent_flags.auto_managed)
    handle = session.add_torrent(torrent)
    wait_for("the bare seeder", lambda: handle.status().is_seeding)
    yield f"127.0.0.1:{session.listen_port()}"
    session.remove_torrent(handle)


def shared(user: Memocast, memo: str, tracker: Tracker) -> str:
    """Share the memo; return its link once the tracker knows the seeder."""
    result = user.run("share", memo)
    (link,) = result.lines
    assert re.fullmatch(
        r"memocast: started the seeder in the background \(pid \d+\);"
        r" stop it with: memocast seed --stop\n",
        result.err,
    )
    assert parse_qs(link.partition("?")[2])["tr"] == [tracker.url]
    info_hash = user.show(memo)["info_hash"]
    wait_for("the seeder to announce", lambda: tracker.announced(info_hash))
    return link


def assert_fetched(
    user: Memocast, link: str | Path, audio: Path, info_hash: str, *options: str
) -> str:
    """Have `user` fetch what others made of `audio`; return the new memo's id."""
    result = user.run("fetch", str(link), "--timeout", "30", *options)
    memo = user.show(result.out.strip())
    info = soundfile.info(audio)
    assert result.out == f"{memo['id']}\n"
    assert result.err.splitlines() == [
        f"memocast: fetched '{audio.stem}' (0:{info.duration:02.0f})",
        "memocast: hint: keep it available to others: memocast seed --background",
    ]
    assert sha256(user.audio(memo["id"])) == sha256(audio)
    assert memo["title"] == audio.stem
    assert memo["description"] == ""
    assert memo["origin"] == "fetched"
    assert memo["format"] == audio.suffix[1:]
    assert memo["bytes"] == audio.stat().st_size
    assert memo["duration"] == pytest.approx(info.duration, abs=0.001)
    assert memo["info_hash"] == info_hash
    assert memo["shared"] is False
    assert max(memo["peaks"]) > 100
    return str(memo["id"])


def seeded_folder(home: Path, audio: Path) -> tuple[Path, Path]:
    """A folder of another client's, with a copy of `audio` in it that is called by TITLE."""
    folder = home / "theirs"
    folder.mkdir()
    return folder, Path(shutil.copy(audio, folder / f"{TITLE}{audio.suffix}"))


def exact_topics(hashes: Any) -> dict[str, str]:
    """The xt values of a torrent's magnet, as BEP 9 and BEP 52 write them."""
    topics = {}
    if hashes.has_v1():
        topics["btih"] = f"urn:btih:{hashes.v1}"
    if hashes.has_v2():
        topics["btmh"] = f"urn:btmh:1220{hashes.v2}"
    return topics


def v1_hash(torrent: Path) -> str:
    return str(lt.load_torrent_file(str(torrent)).info_hashes.v1)


def copies_ever(user: Memocast) -> int:
    (memo,) = user.run("status", "--json").json["memos"]
    return int(memo["copies_ever"])


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
