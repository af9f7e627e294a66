"""The seeder as a service of the system, and a session that crashes."""

from __future__ import annotations

import json
import os
import plistlib
import re
import shlex
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from helpers.processes import running
from helpers.programs import needs
from helpers.seeder_report import pid, seeding
from helpers.shared_memo import assert_same_memo
from helpers.waiting import wait_for
from memocast.errors import UsageError
from memocast.seeding import service

if TYPE_CHECKING:
    from collections.abc import Callable

    from helpers.memocast_user import Memocast


def units(user: Memocast) -> list[Path]:
    return sorted((user.home / ".config" / "systemd" / "user").glob("*.service"))


def verify(unit: Path, runtime: Path) -> subprocess.CompletedProcess[str]:
    """What systemd itself says of a unit, as it would load it for a user."""
    runtime.mkdir(mode=0o700, exist_ok=True)
    return subprocess.run(
        [needs("systemd-analyze"), "--user", "verify", unit],
        env={**os.environ, "XDG_RUNTIME_DIR": str(runtime), "HOME": str(unit.parents[3])},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", ["library", 'my "voice" memos, 100% $HOME \\ really'])
def test_install_writes_and_enables_a_unit_that_systemd_accepts(
    memocast: Callable[..., Memocast], tmp_path: Path, name: str
) -> None:
    anna = memocast("anna", MEMOCAST_LIBRARY=str(tmp_path / name))
    result = anna.run("seed", "--install")
    (unit,) = units(anna)
    assert result.out == ""
    assert f"memocast: installed {unit}" in result.err
    assert "it starts at your next login" in result.err, "nobody is logged in here"
    enabled = unit.parent / "default.target.wants" / unit.name
    assert enabled.resolve() == unit
    verified = verify(unit, tmp_path / "runtime")
    assert (verified.returncode, verified.stderr) == (0, "")
    spoilt = unit.with_name("spoilt.service")
    spoilt.write_text(unit.read_text().replace("Restart=on-failure", "Restart=sometimes"))
    assert "Failed to parse service restart" in verify(spoilt, tmp_path / "runtime").stderr
    spoilt.unlink()
    again = anna.run("seed", "--install")
    assert again.err == result.err
    removed = anna.run("seed", "--uninstall")
    assert removed.err == f"memocast: removed {unit}\n"
    assert not unit.exists()
    assert not enabled.is_symlink()
    assert "no service is installed" in anna.run("seed", "--uninstall").err


def test_what_the_unit_starts_is_a_seeder(anna: Memocast, ben: Memocast, opus: Path) -> None:
    memo = anna.add(opus)
    link = anna.run("share", memo, "--direct", "--no-seed").out.strip()
    anna.run("seed", "--install")
    (unit,) = units(anna)
    found = re.search("^ExecStart=(.*)$", unit.read_text(), re.MULTILINE)
    assert found
    # As a service is started: from the root folder, with next to nothing in its environment.
    environment = {name: text for name, text in anna.environment.items() if name != "PATH"}
    del environment["MEMOCAST_LIBRARY"]
    with running(
        subprocess.Popen(shlex.split(found[1]), env=environment, cwd="/", stderr=subprocess.PIPE)
    ) as seeder:
        wait_for("the seeder", lambda: seeding(anna) == 1)
        assert pid(anna) == seeder.pid
        assert_same_memo(anna, memo, ben, ben.run("fetch", link).out.strip())
        seeder.terminate()
        assert seeder.wait(30) == 0, "a regular end, after which it is not started again"


def test_two_libraries_have_two_services(memocast: Callable[..., Memocast], tmp_path: Path) -> None:
    anna = memocast("anna")
    other = anna.with_(MEMOCAST_LIBRARY=str(tmp_path / "other"))
    anna.run("seed", "--install")
    other.run("seed", "--install")
    assert len(units(anna)) == 2
    other.run("seed", "--uninstall")
    (left,) = units(anna)
    assert f'"{anna.library}"' in left.read_text()


def test_without_systemd_it_says_what_to_start_instead(anna: Memocast, tmp_path: Path) -> None:
    anna.environment["PATH"] = str(tmp_path)
    result = anna.run("seed", "--install", expect=1)
    assert "memocast: error: this system has no systemd" in result.err
    assert f"memocast --library {anna.library} seed" in result.err
    assert not units(anna)


def test_a_path_that_systemd_cannot_be_told_is_refused() -> None:
    with pytest.raises(UsageError, match="a service cannot have"):
        service.unit(Path("/anna/line\nfeed"))


def test_the_agent_for_macos_starts_the_same_seeder() -> None:
    agent = plistlib.loads(service.agent(Path("/Users/anna/memos")))
    assert agent["ProgramArguments"][1:] == [
        *("-P", "-m", "memocast", "--library", "/Users/anna/memos", "seed"),
    ]
    assert agent["RunAtLoad"] is True
    assert agent["KeepAlive"] == {"SuccessfulExit": False}
    path = service.agent_path(Path("/Users/anna/memos"))
    assert (path.parent.name, path.stem) == ("LaunchAgents", agent["Label"])


# -- crashes -------------------------------------------------------------------


def crash(user: Memocast) -> int:
    """Kill the session as a fault in libtorrent would; return its pid."""
    session = user.seeder()["session_pid"]
    os.kill(session, signal.SIGSEGV)
    return int(session)


def test_a_crash_of_libtorrent_is_survived_and_counted(
    anna: Memocast, ben: Memocast, memo: str
) -> None:
    link = anna.run("share", memo, "--direct").out.strip()
    before = anna.seeder()
    assert (before["crashes"], before["last_crash"], before["problem"]) == (0, None, None)
    crashed = crash(anna)
    wait_for("the next session", lambda: anna.seeder()["session_pid"] not in (None, crashed))
    after = anna.seeder()
    assert after["pid"] == before["pid"]
    assert after["crashes"] == 1
    assert after["last_crash"]["how"] == "SIGSEGV"
    assert "crashes: 1 survived, last 20" in anna.run("status").out
    wait_for("the memo", lambda: seeding(anna) == 1)
    assert_same_memo(anna, memo, ben, ben.run("fetch", link).out.strip())
    assert "crash" in (anna.library / "log" / "seeder.log").read_text()
    again = crash(anna)
    wait_for("the session after that", lambda: anna.seeder()["session_pid"] not in (None, again))
    assert anna.seeder()["crashes"] == 2


def test_a_crash_after_one_of_the_named_memos_was_removed_leaves_the_others_seeded(
    anna: Memocast, opus: Path
) -> None:
    ids = [anna.add(opus, title=title) for title in ("One", "Two")]
    anna.run("share", *ids, "--no-seed")
    with running(anna.start("seed", *ids)) as seeder:
        wait_for("both", lambda: seeding(anna) == 2)
        anna.run("remove", ids[0], "--yes")
        wait_for("the removal", lambda: seeding(anna) == 1)
        crashed = crash(anna)
        wait_for("the next session", lambda: anna.seeder()["session_pid"] not in (None, crashed))
        wait_for("the other memo", lambda: seeding(anna) == 1)
        assert anna.seeder()["crashes"] == 1
        seeder.terminate()
        _, err = seeder.communicate(timeout=30)
    assert "the session crashed: SIGSEGV; restarting" in err


def test_status_reads_what_a_seeder_of_an_older_version_says(anna: Memocast) -> None:
    anna.run("seed", "--background")
    report = anna.library / "seeder.json"
    os.kill(pid(anna), signal.SIGSTOP)
    stopped = pid(anna)
    old = json.loads(report.read_text())
    for key in ("heard", "problem", "crashes", "last_crash", "session_pid"):
        del old[key]
    report.write_text(json.dumps(old))
    assert f"seeder: running, pid {stopped}" in anna.run("status").out
    os.kill(stopped, signal.SIGCONT)


def test_the_session_does_not_outlive_a_seeder_that_was_killed(anna: Memocast) -> None:
    anna.run("seed", "--background")
    session = anna.seeder()["session_pid"]
    os.kill(pid(anna), signal.SIGKILL)
    wait_for("its end", lambda: not Path(f"/proc/{session}/cmdline").exists())
    assert anna.seeder() is None
    anna.run("seed", "--background")
    assert anna.seeder()["crashes"] == 0


def test_a_seeder_that_was_killed_keeps_the_library_until_its_session_has_ended(
    anna: Memocast,
) -> None:
    anna.run("seed", "--background")
    session = anna.seeder()["session_pid"]
    os.kill(session, signal.SIGSTOP)
    os.kill(pid(anna), signal.SIGKILL)
    waiting = anna.start("seed", "--json")
    with running(waiting):
        os.kill(session, signal.SIGCONT)
        assert waiting.stdout is not None
        first = json.loads(waiting.stdout.readline())
        assert first["event"] == "listening", "the port was free again by then"


def test_what_the_session_cannot_mend_is_told_while_it_tries_again(anna: Memocast) -> None:
    import socket

    anna.run("seed", "--background")
    host, port = anna.seeder()["reach"]["listening"][0].rsplit(":", 1)
    session = anna.seeder()["session_pid"]
    with socket.socket() as thief:
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        os.kill(session, signal.SIGKILL)
        wait_for("the port", lambda: binds(thief, host, int(port)))
        thief.listen()
        wait_for("it to be told", lambda: "is taken by another" in str(anna.seeder()["problem"]))
        assert "is taken by another program; restarting" in anna.run("status").out
    wait_for("the next session", lambda: anna.seeder()["problem"] is None, 60)
    assert anna.seeder()["session_pid"]


def binds(socket: object, host: str, port: int) -> bool:
    try:
        socket.bind((host, port))  # type: ignore[attr-defined]
    except OSError:
        return False
    return True
