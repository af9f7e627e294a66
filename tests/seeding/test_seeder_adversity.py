"""The seeder goes on when the machine, the network, the clock or others fail it, and says so."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
import wave
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from helpers.fake_clock import Clock
from helpers.network_namespaces import two_hosts
from helpers.processes import running
from helpers.raw_peer import Wire
from helpers.seeder_report import pid, seeding
from helpers.shared_memo import address_of, assert_same_memo, info_hash
from helpers.trackers import BadTracker
from helpers.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from helpers.memocast_user import Memocast

YEAR = 365 * 86_400


# -- the machine ---------------------------------------------------------------


def test_a_machine_that_slept_seeds_on(anna: Memocast, ben: Memocast, opus: Path) -> None:
    ids = [anna.add(opus, title=title) for title in ("Before", "Meanwhile", "Afterwards")]
    links = anna.run("share", *ids, "--direct").lines
    ben.run("fetch", links[0])
    report = anna.seeder()
    processes = report["pid"], report["session_pid"]
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    with running(ben.start("fetch", links[1])) as waiting:
        time.sleep(3)  # it is the sleep that is tested
        assert waiting.poll() is None
        for process in processes:
            os.kill(process, signal.SIGCONT)
        out, err = waiting.communicate(timeout=30)
    assert waiting.returncode == 0, err
    assert_same_memo(anna, ids[1], ben, out.strip())
    assert ben.run("fetch", links[2]).out
    report = anna.seeder()
    assert (report["pid"], report["session_pid"]) == processes
    assert report["crashes"] == 0


@pytest.mark.parametrize(
    ("listen", "count"),
    [("127.0.0.1:0", 20), ("[::1]:0", 60), ("127.0.0.1:0", 300)],
    ids=["a few", "by IPv6", "a crowd"],
)
def test_whoever_connects_while_the_seeder_is_busy_is_kept_for_later(
    anna: Memocast, opus: Path, listen: str, count: int
) -> None:
    user = anna.with_(MEMOCAST_LISTEN=listen)
    link = user.run("share", user.add(opus), "--direct").out.strip()
    host, _, port = address_of(user).rpartition(":")
    session = user.seeder()["session_pid"]
    with contextlib.ExitStack() as opened:
        wires = []
        os.kill(session, signal.SIGSTOP)  # as busy as can be
        try:
            for _ in range(count):
                # The system drops a connection that nobody has room for, and tries again a second
                # later, then two and four: one that is kept is there at once.
                peer = (host.strip("[]"), int(port))
                connection = socket.create_connection(peer, timeout=5)
                wires.append(opened.enter_context(contextlib.closing(Wire(connection))))
        finally:
            os.kill(session, signal.SIGCONT)
        assert all(wire.greet(bytes.fromhex(info_hash(link))) for wire in wires)


def silence(path: Path, megabytes: int) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 48_000, 0, "NONE", ""))
        file.writeframes(bytes(megabytes * 1_000_000))
    return path


def read_by(process: int) -> int:
    """All bytes that the process has read, from the disk or the page cache."""
    lines = Path(f"/proc/{process}/io").read_text().splitlines()
    return int(dict(line.split(": ") for line in lines)["rchar"])


def test_after_a_kill_only_changed_files_are_hashed_again(anna: Memocast, tmp_path: Path) -> None:
    files = [silence(tmp_path / f"{number}.wav", 25) for number in range(4)]
    ids = anna.run("add", *map(str, files)).lines
    anna.run("share", *ids)
    wait_for("all four", lambda: seeding(anna) == 4)

    def restarted(count: int) -> int:
        os.kill(pid(anna), signal.SIGKILL)
        wait_for("its end", lambda: anna.seeder() is None)
        anna.run("seed", "--background")
        wait_for(f"{count} memos", lambda: seeding(anna) == count)
        return read_by(anna.seeder()["session_pid"])

    # Python and the modules themselves take a few megabytes; the memos, a hundred.
    unchanged = restarted(4)
    assert unchanged < 20_000_000
    with anna.audio(ids[2]).open("r+b") as file:
        file.seek(-1000, os.SEEK_END)
        file.write(b"changed")
    changed = restarted(3)
    assert anna.seeder()["damaged"] == [ids[2]]
    assert 24_900_000 <= changed - unchanged < 30_000_000, "one file was hashed, and only once"


# -- the network ---------------------------------------------------------------


def test_a_network_that_went_away_and_came_back(
    memocast: Callable[..., Memocast], opus: Path
) -> None:
    with two_hosts() as (one, two):
        anna = memocast("anna", MEMOCAST_LISTEN=f"{one.address}:0")
        ben = memocast("ben", MEMOCAST_LISTEN=f"{two.address}:0")
        ids = [anna.add(opus, title=title) for title in ("Before", "Cable", "Address")]
        with one.entered():
            links = anna.run("share", *ids, "--direct").lines
        seeder = pid(anna)
        where = address_of(anna)

        def assert_reached(number: int) -> None:
            with two.entered():
                assert ben.run("fetch", links[number], "--timeout", "20").out

        def listening() -> Any:
            return anna.seeder()["reach"]["listening"]

        assert_reached(0)
        one.unplug(keep_address=True)
        one.plug_in()
        assert_reached(1)
        one.unplug()
        wait_for("status to say so", lambda: listening() == [])
        assert "listening: nowhere" in anna.run("status").lines
        one.plug_in()
        wait_for("status to say so", lambda: listening() == [where])
        assert_reached(2)
        assert pid(anna) == seeder
        anna.stop()


@pytest.mark.long
def test_trackers_that_misbehave_are_told_of_and_hold_nothing_up(
    memocast: Callable[..., Memocast], ben: Memocast, opus: Path
) -> None:
    with contextlib.ExitStack() as stack:
        expected = {
            stack.enter_context(tracker).url: said
            for tracker, said in (
                (BadTracker(), "timed out"),
                (BadTracker.saying("200 OK", b"\xff\0<html>"), "bencoded"),
                (BadTracker.saying("500 Internal Server Error", b"oops"), "Internal Server Error"),
                (BadTracker.saying("200 OK", b"d" * 50_000_000), "too large"),
            )
        }
        anna = memocast("anna", MEMOCAST_TRACKERS=" ".join(expected))
        ids = [anna.add(opus, title=title) for title in ("One", "Two")]
        links = anna.run("share", *ids).lines
        began = time.monotonic()
        # The links name the trackers, so the receiver suffers them as well.
        fetched = ben.run("fetch", *links, "--peer", address_of(anna), "--timeout", "5").lines
        assert_same_memo(anna, ids[1], ben, fetched[1])

        def told() -> dict[str, str]:
            return dict(anna.seeder()["reach"]["trackers"])

        wait_for("a word on each tracker", lambda: len(told()) == len(expected), 25)
        assert time.monotonic() - began < 20
        for url, said in told().items():
            assert expected[url] in said
        assert seeding(anna) == 2
        anna.stop()


def test_a_port_that_is_free_again_brings_the_same_link(
    anna: Memocast, ben: Memocast, opus: Path
) -> None:
    memo = anna.add(opus)
    link = anna.run("share", memo, "--direct").out
    host, _, port = address_of(anna).rpartition(":")
    os.kill(pid(anna), signal.SIGKILL)
    wait_for("its end", lambda: anna.seeder() is None)
    with socket.create_server((host, int(port))):
        refused = anna.run("share", memo, "--direct", expect=1)
        assert f"port {port} on {host} is taken by another program" in refused.err
        assert refused.out == link
        assert anna.seeder() is None
    assert anna.run("share", memo, "--direct").out == link
    assert ben.run("fetch", link.strip()).out


# -- the clock -----------------------------------------------------------------


def test_a_clock_that_jumps_disturbs_nothing(
    anna: Memocast, memocast: Callable[..., Memocast], opus: Path, tmp_path: Path
) -> None:
    clock = Clock(tmp_path)
    # With the monotonic clock left alone, libfaketime lets Python's `sleep` fail: it takes
    # the moment to wake up at for a duration.
    (tmp_path / "sitecustomize.py").write_text(
        "import select, time; time.sleep = lambda seconds: select.select([], [], [], seconds)"
    )
    dated = anna.with_(
        PYTHONPATH=str(tmp_path),
        # No system lets a jump touch this one.
        FAKETIME_DONT_FAKE_MONOTONIC="1",
        **clock.environment,
    )
    memo = anna.add(opus)
    link = anna.run("share", memo, "--direct", "--no-seed").out.strip()
    with running(dated.start("seed")) as seeder:
        session = wait_for("the seeder", anna.seeder)["session_pid"]
        for count, seconds in enumerate((YEAR, -10 * YEAR), 1):
            clock.jump(seconds)
            anna.run("share", anna.add(opus, title=f"After jump {count}"))
            wait_for("it to follow the library", lambda count=count: seeding(anna) == 1 + count)
            assert memocast(f"ben{count}").run("fetch", link).out

            def counted(count: int = count) -> Any:
                row = dated.run("status", "--json").json["memos"][-1]
                assert row["id"] == memo
                return row if row["copies_ever"] == count else None

            row = wait_for("the copy", counted)
            assert abs(row["last_copy"] - (time.time() + seconds)) < 60, "the time as it is"
            says = dated.run("status").lines
            assert says[0] == f"seeder: running, pid {seeder.pid}, {1 + count} memos"
            assert not [line for line in says if line.startswith("problem")]
            assert anna.seeder()["session_pid"] == session
        seeder.terminate()
        _, err = seeder.communicate(timeout=30)
    assert seeder.returncode == 0, err
