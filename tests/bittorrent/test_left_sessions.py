"""Sessions that cannot be ended are used again, as good as new ones."""

from __future__ import annotations

import contextlib
import shutil
import socket
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import libtorrent as lt
import pytest

from helpers.network_namespaces import two_hosts
from helpers.waiting import wait_for
from helpers.web_tracker import WEB, WebTracker
from memocast.bittorrent import events, left_sessions
from memocast.bittorrent.session import Session
from memocast.bittorrent.webrtc_session import WebRtcSession
from memocast.formats.link import Link
from memocast.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

SETTINGS = Settings(trackers=(), dht=False, lsd=False, port_mapping=False, stun_server="")
NOBODYS = "ab" * 20


def classic(*, lan: bool = False, settings: Settings = SETTINGS) -> Session:
    """A session as `fetch` has it."""
    return Session.classic(settings, [("127.0.0.1", 0)], exact_port=False, lan=lan, brief=True)


def a_torrent(folder: Path, sound: bytes) -> tuple[str, bytes]:
    """Of a new file `sound`: its info-hash, and what its .torrent file holds."""
    folder.mkdir()
    (folder / "sound").write_bytes(sound * 50_000)
    made = lt.create_torrent(lt.list_files(str(folder / "sound")), 0, lt.create_torrent.v1_only)
    lt.set_piece_hashes(made, str(folder))
    content = lt.bencode(made.generate())
    return str(lt.load_torrent_buffer(content).info_hashes.v1), content


def seeded(seeder: Session, folder: Path, trackers: list[str]) -> list[str]:
    """Let a session seed two sounds; return their info-hashes."""
    keys = []
    for name in "ab":
        key, torrent = a_torrent(folder / name, name.encode())
        seeder.seed(key, torrent, str(folder / name / "sound"), trackers)
        keys.append(key)
    return keys


def fetch(
    session: Session, seeder: Session, key: str, peers: list[tuple[str, int]], trackers: list[str]
) -> None:
    """Fetch what the seeder seeds, and leave the session."""
    with tempfile.TemporaryDirectory() as folder:
        download = session.fetch(key, Link(v1=key, peers=tuple(peers)), Path(folder), trackers)
        begun: list[bool] = []

        def is_complete() -> bool:
            if not begun and download.metadata():
                begun.append(True)
                download.start(in_order=False)
            seeder.poll(0.01)
            return events.Completed(key) in session.poll(0.02)

        wait_for("the sound", is_complete)
        session.drop(key)
        session.close(is_empty=True)


@pytest.mark.parametrize("make", [classic, lambda: WebRtcSession(SETTINGS)])
def test_memos_that_are_fetched_one_after_another_take_no_more_descriptors(
    make: Callable[[], Session], tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        closed = taken.getsockname()[1]
    trackers = [f"ws://127.0.0.1:{closed}", f"http://127.0.0.1:{closed}/announce"]

    def fetch_one() -> None:
        session = make()
        session.fetch(NOBODYS, Link(v1=NOBODYS), tmp_path, trackers)
        wait_for(
            "the tracker's failure",
            lambda: any(isinstance(each, events.TrackerFailed) for each in session.poll(0.02)),
        )
        session.drop(NOBODYS)
        session.close(is_empty=True)

    def used() -> tuple[int, int]:
        return tuple(len(list(Path("/proc/self", each).iterdir())) for each in ("fd", "task"))

    fetch_one()
    before = used()
    for _ in range(3):
        fetch_one()
    wait_for("the end of all relays", lambda: used() <= before)


def test_a_session_that_was_left_fetches_as_a_new_one_does(tmp_path: Path) -> None:
    seeder = Session.classic(SETTINGS, [("127.0.0.1", 0)], exact_port=False)
    with contextlib.closing(seeder):
        keys = seeded(seeder, tmp_path, [])
        found: list[events.Event] = []
        wait_for("its port", lambda: found.extend(seeder.poll(0.02)) or len(found) > len(keys))
        peers = [(at.host, at.port) for at in found if isinstance(at, events.Listening)]
        for number, key in enumerate(keys):
            assert len(left_sessions._left) == min(number, 1)
            # The first keeps to the local network, which the others need not know.
            fetch(classic(lan=not number), seeder, key, peers, [])


def test_only_a_session_like_it_that_was_left_lately_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    classic(settings=Settings(dht=False, upload_limit=5)).close(is_empty=True)
    classic().close(is_empty=True)
    assert len(left_sessions._left) == 2
    monkeypatch.setattr(left_sessions, "_FRESH_SECONDS", 0.0)
    classic().close(is_empty=True)  # takes the second, and leaves it for no time
    assert len(left_sessions._left) == 2
    classic().close(is_empty=True)
    assert len(left_sessions._left) == 3


def test_a_session_that_was_left_finds_peers_by_webrtc(tmp_path: Path) -> None:
    if not (shutil.which("node") and (WEB / "node_modules").exists()):
        pytest.skip("NOT INSTALLED: node, and the npm packages of tests/web; see .ci/browser")
    with two_hosts() as (here, there), contextlib.closing(WebTracker(here)) as tracker:
        with here.entered():
            seeder = WebRtcSession(SETTINGS)
        with contextlib.closing(seeder):
            keys = seeded(seeder, tmp_path, [tracker.url])
            for number, key in enumerate(keys):
                with there.entered():
                    assert len(left_sessions._left) == min(number, 1)
                    fetch(WebRtcSession(SETTINGS), seeder, key, [], [tracker.url])
