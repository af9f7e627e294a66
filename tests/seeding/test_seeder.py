"""The seeder's life: one of them for a library, and it follows the library."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from helpers.mounted_folder import mounted
from helpers.processes import is_running, processes_of, running
from helpers.seeder_report import pid, seeding
from helpers.trackers import HttpTracker
from helpers.waiting import wait_for
from memocast.library.seeder_lock import SeederLock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from helpers.memocast_user import Memocast


def test_background_starts_one_and_says_when_one_runs(anna: Memocast) -> None:
    started = anna.run("seed", "--background")
    assert started.out == ""
    first = pid(anna)
    assert f"started the seeder in the background (pid {first})" in started.err
    again = anna.run("seed", "--background")
    assert again.err == f"memocast: the seeder is already running (pid {first})\n"
    stopped = anna.run("seed", "--stop")
    assert stopped.err == "memocast: the seeder has stopped\n"
    assert anna.seeder() is None
    assert anna.run("seed", "--stop").err == "memocast: no seeder was running\n"


def test_starting_many_at_once_leaves_one(anna: Memocast) -> None:
    processes = [anna.start("seed", "--background") for _ in range(4)]
    notes = [process.communicate(timeout=30)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, notes
    assert all(f"(pid {pid(anna)})" in note for note in notes)


def test_stopped_means_stopped_also_for_those_that_wait(anna: Memocast) -> None:
    anna.run("list")
    other = SeederLock(anna.library)
    assert other.claim(seeding=False)
    with (
        running(anna.start("seed", "--background")) as first,
        running(anna.start("seed", "--background")) as second,
    ):
        wait_for("two that wait", lambda: len(processes_of(anna.library)) == 2)
        before = other.last_stop()
        with running(anna.start("seed", "--stop")) as stopping:
            wait_for("it to be told", lambda: other.last_stop() != before)
            other.release()
            assert stopping.communicate(timeout=30)[1] == "memocast: the seeder has stopped\n"
        for process in (first, second):
            assert "the seeder was stopped while it started" in process.communicate(timeout=30)[1]
            assert process.returncode == 1
    wait_for("their end", lambda: not processes_of(anna.library))
    anna.run("seed", "--background")


def test_a_second_seed_takes_over(anna: Memocast) -> None:
    anna.run("seed", "--background")
    first = pid(anna)
    with running(anna.start("seed")) as second:
        wait_for("the change", lambda: pid(anna) == second.pid)
        assert not is_running(first)
        second.send_signal(signal.SIGINT)
        out, err = second.communicate(timeout=30)
    assert (second.returncode, out) == (0, "")
    assert "the running seeder has stopped; this one takes over" in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_its_normal_end(anna: Memocast, number: int) -> None:
    with running(anna.start("seed")) as seeder:
        wait_for("the seeder", lambda: pid(anna))
        seeder.send_signal(number)
        _, err = seeder.communicate(timeout=30)
    assert seeder.returncode == 0
    assert "listening on 127.0.0.1:" in err
    assert not (anna.library / "seeder.json").exists()


def test_a_killed_seeder_leaves_nothing_in_the_way(anna: Memocast) -> None:
    anna.run("seed", "--background")
    os.kill(pid(anna), signal.SIGKILL)
    wait_for("its end", lambda: anna.seeder() is None)
    assert "not running" in anna.run("status").out
    anna.run("seed", "--background")
    assert pid(anna)


def test_it_picks_up_shares_and_removals_within_two_seconds(anna: Memocast, opus: Path) -> None:
    anna.run("seed", "--background")
    memo = anna.add(opus)
    for command, count in ((["share", memo], 1), (["remove", memo, "--yes"], 0)):
        anna.run(*command)
        began = time.monotonic()
        wait_for("the change", lambda count=count: seeding(anna) == count)
        # Asking it takes a process; it is the promise that is checked, not a speed.
        assert time.monotonic() - began < 2 + 3
    anna.run("fetch", "ab" * 20, "--timeout", "0.1", expect=6)


def test_seed_with_memos_offers_only_those(anna: Memocast, opus: Path) -> None:
    ids = [anna.add(opus, title=title) for title in ("One", "Two")]
    anna.run("share", *ids, "--no-seed")
    with running(anna.start("seed", ids[0], "--json")) as seeder:
        assert seeder.stdout is not None
        events = []
        while not events or events[-1]["event"] != "seeding":
            events.append(json.loads(seeder.stdout.readline()))
        assert events[-1]["id"] == ids[0]
        # The event comes first, the report that 'status' reads right after it.
        wait_for("the report", lambda: seeding(anna) == 1)
        seeder.send_signal(signal.SIGTERM)
        assert seeder.wait(30) == 0


def test_seed_with_a_memo_that_was_never_shared_is_refused(anna: Memocast, opus: Path) -> None:
    memo = anna.add(opus)
    result = anna.run("seed", memo, expect=1)
    assert f"memo {memo} was never shared" in result.err
    assert f"hint: share it: memocast share {memo}" in result.err


def test_a_port_taken_by_another_program_is_exit_1_with_a_hint(anna: Memocast, opus: Path) -> None:
    memo = anna.add(opus)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        blocked = anna.with_(MEMOCAST_LISTEN=f"127.0.0.1:{port}")
        for command in (["seed"], ["seed", "--background"]):
            result = blocked.run(*command, expect=1)
            assert f"port {port} on 127.0.0.1 is taken by another program" in result.err
            assert "hint: stop that program, or choose another port" in result.err
        shared = blocked.run("share", memo, expect=1)
        assert shared.out.startswith("magnet:?xt="), "the link itself is made"
    assert anna.seeder() is None


def test_the_port_survives_a_restart_so_that_direct_links_do(anna: Memocast, opus: Path) -> None:
    memo = anna.add(opus)
    first = anna.run("share", memo, "--direct").out
    anna.stop()
    assert anna.run("share", memo, "--direct").out == first


def test_autostart_off_means_that_share_starts_nothing(anna: Memocast, opus: Path) -> None:
    memo = anna.add(opus)
    result = anna.with_(MEMOCAST_AUTOSTART="false").run("share", memo)
    assert "no seeder is running; the link works once you run: memocast seed" in result.err
    assert anna.seeder() is None


def test_a_memo_changed_on_disk_is_not_seeded_and_not_overwritten(
    anna: Memocast, ben: Memocast, opus: Path
) -> None:
    memo = anna.add(opus)
    link = anna.run("share", memo, "--direct").out.strip()
    ben.run("fetch", link)  # someone who could send the original back
    anna.stop()
    path = anna.audio(memo)
    changed = path.read_bytes()[:-100] + bytes(100)
    path.write_bytes(changed)
    anna.run("seed", "--background")
    report = anna.seeder()
    assert (report["seeding"], report["damaged"]) == (0, [memo])
    row = anna.run("status", "--json").json["memos"][0]
    assert row["damaged"] is True
    assert path.read_bytes() == changed
    finding = next(
        f for f in anna.run("doctor", "--json", expect=None).json if f["check"] == "changed audio"
    )
    assert finding["ok"] is False
    assert memo in finding["detail"]


def test_a_touched_file_is_still_seeded_and_a_restored_one_again(
    anna: Memocast, ben: Memocast, memocast: Callable[..., Memocast], opus: Path
) -> None:
    memo = anna.add(opus)
    link = anna.run("share", memo, "--direct").out.strip()
    ben.run("fetch", link)
    path = anna.audio(memo)
    os.utime(path, (1, 1))
    memocast("carla").run("fetch", link)
    original = path.read_bytes()
    path.write_bytes(original[:-1])
    wait_for("the damage to be seen", lambda: anna.seeder()["damaged"] == [memo])
    path.write_bytes(original)
    wait_for("the repair to be seen", lambda: anna.seeder()["seeding"] == 1)
    assert anna.seeder()["damaged"] == []
    memocast("dora").run("fetch", link)


def test_share_says_when_what_it_shares_is_not_seeded(anna: Memocast, opus: Path) -> None:
    ids = [anna.add(opus, title=title) for title in ("One", "Two")]
    anna.run("share", *ids, "--no-seed")
    with running(anna.start("seed", ids[0])) as seeder:
        wait_for("the seeder", lambda: seeding(anna) == 1)
        assert "seeds only other memos" in anna.run("share", ids[1]).err
        assert "seeder" not in anna.run("share", ids[0]).err
        seeder.terminate()
        seeder.wait(30)
    anna.audio(ids[0]).write_bytes(b"changed")
    assert "was changed on disk" in anna.run("share", ids[0], "--no-seed").err


def test_a_report_left_by_a_killed_seeder_names_nobody(anna: Memocast) -> None:
    from memocast.library.seeder_lock import SeederLock

    anna.run("list")
    with running(subprocess.Popen(["sleep", "60"])) as bystander:
        (anna.library / "seeder.json").write_text(json.dumps({"pid": bystander.pid, "reach": {}}))
        assert anna.seeder() is None
        presence = SeederLock(anna.library)
        assert presence.claim()
        assert SeederLock(anna.library).report() is None
        presence.release()
        anna.run("seed", "--stop")
        assert bystander.poll() is None


def test_nohup_is_respected(anna: Memocast) -> None:
    command = ["nohup", sys.executable, "-m", "memocast", "seed"]
    with running(
        subprocess.Popen(
            command,
            env=anna.environment,
            cwd=anna.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    ) as seeder:
        wait_for("the seeder", lambda: pid(anna))
        seeder.send_signal(signal.SIGHUP)
        again = wait_for("its next report", lambda: pid(anna))
        assert again == seeder.pid
        assert seeder.poll() is None


def test_a_full_disk_does_not_end_it(
    memocast: Callable[..., Memocast], ben: Memocast, opus: Path, tmp_path: Path
) -> None:
    with mounted(tmp_path / "small", "3m") as small:
        anna = memocast("anna", MEMOCAST_LIBRARY=str(small / "library"))
        link = anna.run("share", anna.add(opus), "--direct").out.strip()
        (small / "fill").write_bytes(b"")
        subprocess.run(["sh", "-c", f"cat /dev/zero >{small}/fill"], check=False, stderr=-3)
        assert ben.run("fetch", link).out
        (small / "fill").unlink()

        def counted() -> bool:
            return bool(anna.run("status", "--json").json["memos"][0]["uploaded"])

        assert wait_for("the seeder's next tally", counted)
        anna.run("seed", "--stop")


def test_share_right_after_a_stop_was_asked_for_still_has_a_seeder_run(
    anna: Memocast, ben: Memocast, opus: Path
) -> None:
    memo = anna.add(opus)
    anna.run("seed", "--background")
    os.kill(pid(anna), signal.SIGTERM)
    wait_for("it to hear", lambda: anna.seeder() is None)
    link = anna.run("share", memo, "--direct").out.strip()
    assert ben.run("fetch", link, "--timeout", "20").out


def test_what_was_found_damaged_stays_aside_while_the_library_changes(
    anna: Memocast, ben: Memocast, opus: Path, flac: Path
) -> None:
    memo = anna.add(flac)
    path = anna.audio(memo)
    link = anna.run("share", memo, "--direct", "--no-seed").out.strip()
    # Another content under the same size and time: only the pieces' hashes tell.
    before = path.stat()
    path.write_bytes(path.read_bytes()[:-50_000] + bytes(50_000))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with running(anna.start("seed", "--json")) as seeder:
        wait_for("the seeder", lambda: seeding(anna) == 1)
        ben.run("fetch", link, "--timeout", "2", expect=6)
        wait_for("the damage to be seen", lambda: anna.seeder()["damaged"] == [memo])
        anna.run("share", anna.add(opus))
        wait_for("the other memo", lambda: seeding(anna) == 1)
        assert anna.seeder()["damaged"] == [memo]
        seeder.terminate()
        out, _ = seeder.communicate(timeout=30)
    events = [json.loads(line) for line in out.splitlines()]
    offered = [event["id"] for event in events if event["event"] == "seeding"]
    assert offered.count(memo) == 1


def test_a_file_whose_change_only_its_pieces_tell_is_set_aside_as_it_is(
    memocast: Callable[..., Memocast], flac: Path
) -> None:
    with HttpTracker() as tracker:
        anna, ben, carla = (
            memocast(name, MEMOCAST_TRACKERS=tracker.url) for name in ("anna", "ben", "carla")
        )
        memo = anna.add(flac)
        link = anna.run("share", memo, "--direct").out.strip()
        ben.run("fetch", link)
        ben.run("seed", "--background")  # has the original, and would send it
        anna.stop()
        path = anna.audio(memo)
        before = path.stat()
        changed = bytes(len(path.read_bytes()))
        path.write_bytes(changed)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        anna.run("seed", "--background")
        info_hash = anna.show(memo)["info_hash"]
        wait_for("both to announce", lambda: len(tracker.announced(info_hash)) == 2)
        carla.run("fetch", link)
        wait_for("the damage to be seen", lambda: anna.seeder()["damaged"] == [memo])
        assert path.read_bytes() == changed
        for user in (anna, ben):
            user.stop()


def test_status_without_anything_says_what_to_do(anna: Memocast) -> None:
    assert anna.run("status").lines == ["seeder: not running; start it: memocast seed --background"]
    assert anna.run("status", "--json").json == {"seeder": None, "memos": []}


def test_the_log_is_in_the_library(anna: Memocast) -> None:
    anna.run("seed", "--background")
    assert (anna.library / "log" / "seeder.log").exists()
