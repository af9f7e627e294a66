"""Strangers: what arrives by a link never reaches a path, a terminal or a decoder unchecked."""

from __future__ import annotations

import contextlib
import http.server
import re
import struct
import subprocess
import threading
from typing import TYPE_CHECKING, Any

import libtorrent as lt
import pytest

from helpers.bare_session import bare_session
from helpers.full_or_short import scaled
from helpers.hostile.seeding_stranger import nothing_left, stranger
from helpers.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from helpers.memocast_user import Memocast


def fetch(ben: Memocast, found: tuple[str, str], *options: str, expect: int = 0) -> Any:
    link, peer = found
    return ben.run("fetch", link, "--peer", peer, "--timeout", "20", *options, expect=expect)


def test_a_magnet_without_our_key_takes_its_title_from_the_name(
    ben: Memocast, opus: Path, tmp_path: Path
) -> None:
    with stranger(tmp_path, {"Evening talk.opus": opus.read_bytes()}) as found:
        memo = ben.show(fetch(ben, found).out.strip())
    assert (memo["title"], memo["description"], memo["origin"]) == ("Evening talk", "", "fetched")
    assert memo["duration"] > 1
    assert len(memo["peaks"]) == 200
    assert ben.audio().read_bytes() == opus.read_bytes()


@pytest.fixture
def webm(speech: Path, tmp_path: Path) -> Path:
    """The speech as a browser records it."""
    path = tmp_path / "memo.webm"
    command = ["ffmpeg", "-v", "error", "-i", speech, "-c:a", "libopus", path]
    subprocess.run(command, check=True)
    return path


def test_webm_in_a_torrent(ben: Memocast, webm: Path, tmp_path: Path) -> None:
    with stranger(tmp_path, {"memo.webm": webm.read_bytes()}) as found:
        memo = ben.show(fetch(ben, found).out.strip())
    assert memo["format"] == "webm"
    assert memo["duration"] > 1


def test_webm_where_av_cannot_be_imported_is_refused_but_its_bytes_wait_for_it(
    ben: Memocast, webm: Path, tmp_path: Path
) -> None:
    (tmp_path / "blocked" / "av").mkdir(parents=True)
    (tmp_path / "blocked" / "av" / "__init__.py").write_text("raise ImportError('no av')")
    without = ben.with_(PYTHONPATH=str(tmp_path / "blocked"))
    with stranger(tmp_path, {"memo.webm": webm.read_bytes()}) as found:
        refused = fetch(without, found, expect=7)
        assert "needs the package 'av'" in refused.err
    # The stranger is gone; with the decoder installed the bytes are enough.
    memo = ben.show(fetch(ben, found).out.strip())
    assert memo["bytes"] == webm.stat().st_size


def test_a_torrent_of_several_files_is_refused_before_a_byte_is_fetched(
    ben: Memocast, opus: Path, tmp_path: Path
) -> None:
    files = {"album/one.opus": opus.read_bytes(), "album/two.opus": opus.read_bytes()}
    with stranger(tmp_path, files) as found:
        result = fetch(ben, found, expect=7)
    assert "the torrent holds 2 files; a memo is one" in result.err
    assert nothing_left(ben)


def test_more_than_the_limit_is_refused_before_a_byte_is_fetched(
    ben: Memocast, opus: Path, tmp_path: Path
) -> None:
    with stranger(tmp_path, {"big.opus": opus.read_bytes()}) as found:
        result = fetch(ben, found, "--max-size", "1k", expect=7)
        assert f"the audio is {opus.stat().st_size:,} bytes, more than the limit" in result.err
        assert f"--max-size {opus.stat().st_size}" in result.err
        assert nothing_left(ben)
        fetch(ben, found, "--max-size", str(opus.stat().st_size))


@pytest.mark.parametrize(
    "content", [b"#!/bin/sh\nrm -rf /\n" * 50, b"OggS" + bytes(400), b"RIFF\xff\xff\xff\x7fWAVE"]
)
def test_what_is_not_audio_is_refused_and_not_kept(
    ben: Memocast, content: bytes, tmp_path: Path
) -> None:
    with stranger(tmp_path, {"voice.opus": content}) as found:
        result = fetch(ben, found, expect=7)
    assert re.search("memocast: error: (the )?audio is ", result.err)
    assert nothing_left(ben)


def test_a_few_bytes_that_unfold_to_days_of_silence_are_refused(
    ben: Memocast, tmp_path: Path
) -> None:
    import numpy as np
    import soundfile

    path = tmp_path / "silence.flac"
    with soundfile.SoundFile(path, "w", 100, 1, format="FLAC") as file:
        hour = np.zeros(100 * 3600, np.int16)
        for _ in range(25):
            file.write(hour)
    with stranger(tmp_path, {"silence.flac": path.read_bytes()}) as found:
        result = fetch(ben, found, expect=7)
    assert "lasts longer than a day" in result.err
    assert nothing_left(ben)


@pytest.mark.parametrize(
    "name",
    ["../../../evil.opus", "/etc/evil.opus", ".bashrc", "CON", "a\0b.opus", "\udcff\udcfe.opus"],
)
def test_no_name_from_a_torrent_reaches_the_disk(
    ben: Memocast, opus: Path, tmp_path: Path, name: str
) -> None:
    with stranger(tmp_path, {"voice.opus": opus.read_bytes()}, name=name) as found:
        memo = fetch(ben, found).out.strip()
    assert [path.name for path in (ben.library / "memos").iterdir()] == [f"{memo}.opus"]
    assert [path.name for path in ben.home.iterdir()] == ["library"]
    exported = ben.run("export", memo).out.strip()
    assert (ben.home / exported).parent == ben.home
    assert not exported.startswith((".", "/"))


def test_titles_from_strangers_keep_off_the_terminal(
    ben: Memocast, opus: Path, tmp_path: Path
) -> None:
    evil = "\x1b]0;owned\x07\x1b[31mred[bold]\u202e\x9b31m"
    key = {b"v": 1, b"title": evil.encode(), b"description": (evil + "\n").encode()}
    with stranger(tmp_path, {"voice.opus": opus.read_bytes()}, key=key) as found:
        results = [fetch(ben, found), ben.run("list"), ben.run("show", "latest")]
    for result in results:
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", result.out + result.err)
    assert ben.show()["title"] == evil


@pytest.mark.parametrize(
    "key",
    [
        b"text",
        [],
        {b"title": 5, b"created": b"x", b"duration": -1, b"peaks": b"x" * 500},
        {b"v": 99, b"title": b"\xff", b"description": b"x" * 9000, b"created": 10**18},
    ],
)
def test_nonsense_under_our_key_is_dropped_and_the_audio_fetched(
    ben: Memocast, opus: Path, tmp_path: Path, key: object
) -> None:
    with stranger(tmp_path, {"voice.opus": opus.read_bytes()}, key=key) as found:
        memo = ben.show(fetch(ben, found).out.strip())
    assert (memo["title"], memo["description"]) == ("voice", "")
    assert memo["duration"] > 1
    assert len(memo["peaks"]) == 200


def test_a_lie_about_the_duration_is_not_believed(
    ben: Memocast, opus: Path, tmp_path: Path
) -> None:
    key = {b"v": 1, b"title": b"Short", b"duration": 3_600_000}
    with stranger(tmp_path, {"voice.opus": opus.read_bytes()}, key=key) as found:
        memo = ben.show(fetch(ben, found).out.strip())
    assert memo["title"] == "Short"
    assert memo["duration"] < 20


def test_a_wav_that_claims_more_than_it_holds_is_refused(
    ben: Memocast, speech: Path, tmp_path: Path
) -> None:
    content = bytearray(speech.read_bytes())
    content[4:8] = struct.pack("<I", 2**30)
    with stranger(tmp_path, {"voice.wav": bytes(content)}) as found:
        assert "cut short" in fetch(ben, found, expect=7).err
    assert nothing_left(ben)


def test_a_tracker_that_answers_nonsense_ends_neither_seeder_nor_fetch(
    anna: Memocast, ben: Memocast, opus: Path
) -> None:
    with rude_tracker() as url:
        rude = anna.with_(MEMOCAST_TRACKERS=url)
        link = rude.run("share", anna.add(opus), "--direct").out.strip()
        wait_for("the answer", lambda: anna.seeder()["reach"]["trackers"])
        assert anna.seeder()["reach"]["trackers"][url] == "a reason that is not text"
        ben.run("fetch", link)
        nowhere = f"magnet:?xt=urn:btih:{'cd' * 20}&tr={url}"
        ben.run("fetch", nowhere, "--timeout", "1", expect=6)


@contextlib.contextmanager
def rude_tracker() -> Iterator[str]:
    """An HTTP tracker whose failure reason is not UTF-8."""

    class Rude(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b"d14:failure reason4:\xff\xfe\xfa\xfbe"
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Rude) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/announce"
        server.shutdown()
        thread.join()


def test_padding_in_front_of_the_audio_counts_as_a_file(
    ben: Memocast, opus: Path, tmp_path: Path
) -> None:
    pad = lt.create_file_entry("d/.pad/1", 16_384, lt.file_flags_t.flag_pad_file)
    audio = lt.create_file_entry("d/voice.opus", opus.stat().st_size)
    creator = lt.create_torrent([pad, audio], 16_384, lt.create_torrent.v1_only)
    for index in range(creator.num_pieces()):
        creator.set_hash(index, bytes([7] * 20))
    torrent = tmp_path / "pad.torrent"
    document: Any = creator.generate()
    torrent.write_bytes(lt.bencode(document))
    result = ben.run("fetch", str(torrent), expect=7)
    assert "the torrent holds 2 files" in result.err
    assert nothing_left(ben)


@pytest.mark.parametrize("option", ["--json", "--play"][: scaled(2, 1)])
@pytest.mark.long
def test_a_hybrid_that_is_held_is_known_by_either_of_its_hashes(
    ben: Memocast, speaking_anna: Memocast, opus: Path, tmp_path: Path, option: str
) -> None:
    ben.environment["PULSE_SERVER"] = speaking_anna.environment["PULSE_SERVER"]
    (tmp_path / "talk.opus").write_bytes(opus.read_bytes())
    entry = lt.create_file_entry("talk.opus", opus.stat().st_size)
    creator = lt.create_torrent([entry], 16_384)
    lt.set_piece_hashes(creator, str(tmp_path), lambda _: None)
    document: Any = creator.generate()
    settings = lt.load_torrent_buffer(lt.bencode(document))
    settings.save_path = str(tmp_path)
    flags = lt.torrent_flags
    settings.flags |= flags.seed_mode | flags.upload_mode
    settings.flags &= ~(flags.paused | flags.auto_managed)
    session = bare_session()
    hashes = session.add_torrent(settings).info_hashes()
    wait_for("the stranger", session.listen_port)
    peer = f"127.0.0.1:{session.listen_port()}"
    # Both at once: they meet in the library, and one memo is kept.
    both = [str(hashes.v1), str(hashes.v2)]
    processes = [ben.start("fetch", text, "--peer", peer) for text in both]
    results = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], results
    assert len(ben.run("list").lines) == 1
    del session
    memo = ben.run("fetch", *both, option)
    assert memo.out.count(ben.show()["id"]) == 2
    assert memo.err.count("was already in the library") == 2
