"""`fetch`: interruptions, time-outs, and every form a link can have."""

from __future__ import annotations

import base64
import contextlib
import os
import signal
from typing import TYPE_CHECKING
from urllib.parse import quote

import numpy as np
import pytest
import soundfile

from helpers.full_or_short import pause, scaled
from helpers.processes import running
from helpers.shared_memo import address_of, assert_same_memo, info_hash
from helpers.trackers import HttpTracker
from helpers.waiting import wait_for
from memocast.audio import decoder
from memocast.errors import SwarmTimeout
from memocast.fetching.fetch import FetchRequest, fetch
from memocast.formats.link import Link
from memocast.processes.limited_process import LimitedProcess, Task
from memocast.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from helpers.memocast_user import Memocast
    from memocast.fetching.progress import Stage
    from memocast.library.library import Library


# -- interruptions -------------------------------------------------------------


@pytest.fixture
def long_wav(tmp_path: Path) -> Path:
    """Noise that does not compress: 3 MB."""
    path = tmp_path / "long.wav"
    noise = np.random.default_rng(7).normal(0, 3000, 1_500_000).astype(np.int16)
    soundfile.write(path, noise, 48_000)
    return path


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL][: scaled(3, 1)])
@pytest.mark.long
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
    # libtorrent counts what it sent a second or two later.
    wait_for("the count", lambda: anna.seeder()["memos"][memo]["uploaded"] > 500_000)
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


def test_a_sender_that_has_not_noticed_a_kill_answers_the_next_fetch_at_once(
    anna: Memocast, ben: Memocast, long_wav: Path
) -> None:
    slow = anna.with_(MEMOCAST_UPLOAD_LIMIT="2000000")
    link = slow.run("share", slow.add(long_wav), "--direct").out.strip()
    with running(ben.start("fetch", link)) as process:
        entry = ben.library / "incoming" / f"download-{info_hash(link)}"
        wait_for("the metadata", (entry / "resume").exists)
        process.kill()
    # It takes five seconds until the sender drops the connection of a peer that is gone.
    assert ben.run("fetch", link, "--timeout", "3").out


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
    assert error.startswith("memocast: error: nobody answered for this memo in 1 s; tried: ")
    assert f"tracker {tracker.url} (answered" in error
    assert "the local network" in error
    assert "1 address in the link" in error
    assert hint.startswith("memocast: hint: ask the sender to run 'memocast seed'")
    assert {**ben.snapshot(), **before} == ben.snapshot()
    assert not list((ben.library / "incoming").glob("download-*"))


@pytest.mark.long
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


def test_what_decodes_the_memo_stays_ready_however_long_its_sender_is_waited_for(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Starting it anew would take place when all bytes are here, beside libtorrent's threads.
    (tmp_path / "asked.py").write_text(
        "import os\nprepare = id\ndef answer(given, file):\n    return os.getppid()\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    nowhere = Settings(
        trackers=(), dht=False, lsd=False, port_mapping=False, listen=("127.0.0.1:0",)
    )
    with contextlib.closing(LimitedProcess(idle=1.0)) as process:
        monkeypatch.setattr(decoder, "file_process", lambda: process)
        pids: list[object] = []

        def looking(_: Stage) -> None:
            if not pids:
                pids.append(process.ask(Task("asked", 5)))

        with pytest.raises(SwarmTimeout):
            fetch(library, nowhere, FetchRequest(Link("ab" * 20), timeout=4.0), looking)
        assert process.ask(Task("asked", 5)) == pids[0]


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


def test_a_line_that_is_too_long_for_a_link_does_not_hide_the_next(
    anna: Memocast, ben: Memocast, memo: str
) -> None:
    link = anna.run("share", memo, "--direct").out.strip()
    result = ben.run("fetch", "-", stdin=f"{'x' * (2 << 20)}\n{link}", expect=5)
    assert len(result.lines) == 1
    assert result.err.count("is not a link") == 1


def test_of_several_links_all_are_tried_and_the_first_failure_counts(
    anna: Memocast, ben: Memocast, memo: str
) -> None:
    link = anna.run("share", memo, "--direct").out.strip()
    result = ben.run("fetch", "nonsense", link, str(ben.home), expect=5)
    assert len(result.lines) == 1
    assert "'nonsense' is not a link" in result.err
    assert "is a directory" in result.err


@pytest.mark.long
def test_a_sender_that_begins_after_the_fetch_is_reached_by_the_address_in_the_link(
    anna: Memocast, ben: Memocast, memo: str
) -> None:
    link = anna.run("share", memo, "--direct").out.strip()
    anna.run("seed", "--stop")
    with running(ben.start("fetch", link, "--timeout", "60s")) as process:
        wait_for("the fetch", lambda: list((ben.library / "incoming").glob("download-*")))
        pause(10)  # libtorrent gives up after six seconds what did not answer
        anna.run("seed", "--background")
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert_same_memo(anna, memo, ben, out.strip())


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
