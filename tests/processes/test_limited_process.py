"""What strangers made is read in a process with limits: who is at fault when that ends early."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from helpers.hostile.lying_audio import silent_vorbis
from helpers.waiting import wait_for
from memocast.audio.examine import examine
from memocast.errors import MemocastError, Refused
from memocast.processes import (
    limited_process,
    limited_process_answer,
    limited_process_child,
    process_limits,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from helpers.memocast_user import Memocast

WORKER = """
import os, signal, sys, time
from memocast.processes import limited_process_child

def prepare(what):
    pass

def channel():
    return limited_process_child._Channel.socket.fileno()

def answer(given, file):
    exec(given.decode())
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., object]:
    """Run code in a process with limits, of two seconds on a core."""
    (tmp_path / "worker.py").write_text(WORKER)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)

    def run(code: str, patience: float = 20.0, seconds: int = 2, **more: Any) -> object:
        return limited_process.run("worker", code.encode(), seconds, patience=patience, **more)

    return run


@pytest.mark.parametrize(
    "code",
    [
        "while True: pass",
        "bytes(1 << 29)",
        "os.kill(os.getpid(), signal.SIGSEGV)",
        "os.abort()",
        "raise ValueError",
        "os._exit(0)",
        "limited_process_child.say('x' * (65 << 20))",
        "limited_process_child.send_block(bytes(2 << 20))",
        "os.write(channel(), b'x' * (1 << 20))",
        "os.write(channel(), b'a\\0\\0\\x80\\0' + b'[' * 0x8000)",
    ],
)
def test_what_it_does_by_itself_it_would_do_again(run: Callable[..., object], code: str) -> None:
    with pytest.raises(limited_process.Exceeded):
        run(code)


def test_only_who_asks_for_a_feed_gets_a_long_answer(run: Callable[..., object]) -> None:
    code = "limited_process_child.say('x' * (2 << 20))"
    with pytest.raises(limited_process.Exceeded):
        run(code)
    said: list[object] = []
    run(code, tell=said.append, json_bytes=3 << 20)
    assert len(str(said[0])) == 2 << 20


class Interrupted:
    """A channel to a fork; the command is stopped (Ctrl-Z) for an hour as it first waits."""

    def __init__(self, channel: socket.socket) -> None:
        self.settimeout, self.send = channel.settimeout, channel.send
        self._channel = channel
        self.now = 0.0

    def recv(self, most: int) -> bytes:
        if not self.now:
            self.now = 3600.0
            raise TimeoutError
        return self._channel.recv(most)


def test_a_command_that_is_stopped_for_an_hour_goes_on_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours, theirs = socket.socketpair()
    channel: Any = Interrupted(ours)
    clock = SimpleNamespace(monotonic=lambda: channel.now)
    monkeypatch.setattr(limited_process_answer, "time", clock)
    with ours, theirs:
        theirs.send(limited_process_child.FRAME.pack(b"a", 1) + b"7")
        task = limited_process.Task("worker", 2, patience=60.0)
        with pytest.raises(StopIteration) as done:
            next(limited_process_answer.Conversation(channel, ours, task, None).messages())
    assert done.value.value == 7


@pytest.mark.parametrize(
    ("code", "patience"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", 20.0),
        ("os.kill(os.getpid(), signal.SIGTERM)", 20.0),
        ("os.kill(os.getpid(), signal.SIGSTOP)", 2.0),
    ],
)
def test_what_others_do_to_it_says_nothing_about_what_it_reads(
    run: Callable[..., object], code: str, patience: float
) -> None:
    with pytest.raises(MemocastError, match="was stopped") as raised:
        run(code, patience)
    assert not isinstance(raised.value, Refused)


def test_what_a_library_prints_is_no_word_of_ours(run: Callable[..., object]) -> None:
    assert run("os.write(1, b'{\"answer\": 7}\\n'); os.system('echo {')") is None


def test_an_error_of_who_is_told_is_its_own(tmp_path: Path) -> None:
    path = tmp_path / "silence.ogg"
    path.write_bytes(silent_vorbis(2, 768_000))

    def full(_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    with pytest.raises(OSError, match="no space left"):
        examine(path, full)


def test_an_add_whose_decoder_was_killed_says_so_and_can_be_run_again(
    anna: Memocast, tmp_path: Path
) -> None:
    path = tmp_path / "silence.ogg"
    path.write_bytes(silent_vorbis(2, 96_000))
    process = anna.start("add", str(path))

    def at_work() -> int | None:
        """The process that divides itself, once it has."""
        divided = (pid for pid in children(process.pid) if children(pid))
        return next(divided, None)

    os.kill(wait_for("a decoder", at_work), signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "was stopped" in err
    assert "hint: run the command again" in err
    assert anna.run("add", str(path)).out


def children(pid: int) -> list[int]:
    try:
        return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))
    except OSError:
        return []


@pytest.mark.full
def test_each_thread_learns_how_its_own_process_ended(run: Callable[..., object]) -> None:
    """Of four at once, one is killed while another uses more time than it may."""
    before_and_after: list[threading.Event] = [threading.Event() for _ in range(2)]
    told: dict[str, object] = {}

    def killed() -> None:
        # It waits for its end, which comes when the other has used its two seconds.
        run_told("killed", "limited_process_child.say(os.getpid()); signal.pause()", tell=kill)

    def kill(process: object) -> None:
        before_and_after[0].set()
        before_and_after[1].wait(60)
        os.kill(int(str(process)), signal.SIGKILL)

    def greedy() -> None:
        before_and_after[0].wait(60)
        run_told("greedy", "while True: pass")
        before_and_after[1].set()

    def run_told(name: str, code: str, **more: object) -> None:
        try:
            told[name] = run(code, **more)
        except Exception as error:
            told[name] = error

    threads = [threading.Thread(target=target) for target in (killed, greedy)]
    threads += [
        threading.Thread(target=run_told, args=(f"{number}", f"os.kill(os.getpid(), {number})"))
        for number in (signal.SIGTERM, signal.SIGSEGV)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ends = {name: type(error) for name, error in told.items()}
    crashed = told[f"{signal.SIGSEGV}"]
    assert getattr(crashed, "signal", None) == signal.SIGSEGV, "whoever looks for crashes is told"
    assert ends == {
        "killed": MemocastError,
        "greedy": limited_process.Exceeded,
        f"{signal.SIGTERM}": MemocastError,
        f"{signal.SIGSEGV}": limited_process.Exceeded,
    }


ORPHANS = r"""
import sys
from memocast.processes.limited_process import LimitedProcess, Task

process = LimitedProcess()
code = b"limited_process_child.say([os.getppid(), os.getpid()])\nwhile True: pass"
process.ask(Task("worker", 600, code), lambda pids: print(*pids, flush=True))
"""


@pytest.mark.parametrize("victim", ["who asked", "the process", "the fork"])
def test_none_of_its_processes_outlives_who_asked_or_the_others(
    run: Callable[..., object], victim: str
) -> None:
    asking = subprocess.Popen(
        [sys.executable, "-c", ORPHANS], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert asking.stdout
    pids = [asking.pid, *map(int, asking.stdout.readline().split())]
    os.kill(pids[["who asked", "the process", "the fork"].index(victim)], signal.SIGKILL)
    _, err = asking.communicate(timeout=60)
    assert asking.returncode == -signal.SIGKILL or "was stopped" in err
    wait_for("their end", lambda: not any(is_running(pid) for pid in pids))


def is_running(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return "State:\tZ" not in status


def test_a_process_that_ended_for_want_of_work_is_started_again(
    run: Callable[..., object],
) -> None:
    with contextlib.closing(limited_process.LimitedProcess(idle=0.01)) as process:
        pids = set()
        for _ in range(3):
            task = limited_process.Task("worker", 5, b"limited_process_child.say(os.getppid())")
            process.ask(task, pids.add)
            wait_for("its end", lambda: not any(is_running(pid) for pid in pids))
    assert len(pids) == 3


def test_a_process_that_is_kept_does_not_end_for_want_of_work(run: Callable[..., object]) -> None:
    with contextlib.closing(limited_process.LimitedProcess(idle=0.5)) as process:
        task = limited_process.Task("worker", 5, b"limited_process_child.say(os.getppid())")
        process.load("worker")
        pids: list[int] = []
        process.ask(task, pids.append)
        until = time.monotonic() + 2
        while time.monotonic() < until:
            process.keep()
            time.sleep(0.05)  # as often as a fetch does it, for much longer than it may be idle
        process.ask(task, pids.append)
        assert pids[0] == pids[1]
        wait_for("its end, as nobody keeps it", lambda: not is_running(pids[0]))


def test_a_process_that_could_not_be_started_is_started_for_the_next_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_more(*_: object, **__: object) -> NoReturn:
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    with contextlib.closing(limited_process.LimitedProcess()) as process:
        task = limited_process.Task("memocast.podcasts.earlier_feed", 5, b"")
        before = len(list(Path("/proc/self/fd").iterdir()))
        with monkeypatch.context() as patched:
            patched.setattr(subprocess, "Popen", no_more)
            process.load(task.module)
            with pytest.raises(MemocastError, match="was stopped") as failed:
                process.ask(task)
        assert "ulimit -u" in process_limits.hint_for(failed.value)
        assert len(list(Path("/proc/self/fd").iterdir())) == before
        with pytest.raises(limited_process.Exceeded):  # it needs a file, and began to look
            process.ask(task)
