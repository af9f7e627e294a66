"""Commands in shells that limit them: what runs out is named, and nothing ends without a word."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from helpers.memocast_user import Memocast, Result
from helpers.processes import running
from helpers.waiting import wait_for
from memocast.audio import portaudio_check
from memocast.processes import process_limits
from memocast.processes.crash_watch import how_it_ended

NOBODY = "ab" * 20


def limited(user: Memocast, limit: str, *command: str, code: str = "") -> Result:
    """Run a command in a shell with that limit; `code` is a libtorrent that does that instead."""
    # Python 3.11 would keep compiled modules that a limit on the size of files cut off.
    environment = {"PYTHONDONTWRITEBYTECODE": "1"}
    if code:
        folder = user.home / "libraries"
        folder.mkdir(exist_ok=True)
        (folder / "libtorrent.py").write_text(code)
        environment["PYTHONPATH"] = str(folder)
    script = f'ulimit -c 0; {limit} && exec python -m memocast "$@"'
    return user.with_(**environment).program("bash", "-c", script, "bash", *command)


def assert_said(result: Result, what: str, letter: str, codes: tuple[int, ...] = (1, 8)) -> None:
    assert result.code in codes, result
    assert "unexpected" not in result.err
    assert "Traceback" not in result.err
    message, hint = result.err.splitlines()[-2:]
    assert message.startswith("memocast: error: "), result
    assert what in message, result
    assert hint.startswith("memocast: hint: "), result
    assert f"ulimit -{letter}" in hint, result


@pytest.mark.parametrize(
    ("letter", "amounts", "what"),
    [
        ("v", (15_000, 18_000, 22_000), "memory"),
        ("d", (7_000, 11_000), "memory"),
        ("f", (0, 1), "the size of a file"),
    ],
)
def test_a_limit_that_is_far_too_low_is_named(
    anna: Memocast, letter: str, amounts: tuple[int, ...], what: str
) -> None:
    anna.run("list")
    for amount in amounts:
        assert_said(limited(anna, f"ulimit -{letter} {amount}", "list"), what, letter)


@pytest.mark.parametrize("command", ["list", "add", "fetch"])
def test_with_few_descriptors_a_command_works_or_says_so(
    anna: Memocast, speech: Path, command: str
) -> None:
    arguments = {"list": [], "add": [str(speech)], "fetch": [NOBODY, "--timeout", "0.1"]}[command]
    anna.run("list")
    failed = 0
    for count in (5, 8, 10):
        result = limited(anna, f"ulimit -n {count}", command, *arguments)
        if result.code and "nobody answered" not in result.err:
            assert "ulimit -n 1024" in result.err, result
            assert_said(result, "", "n")
            failed += 1
    assert failed > 1


@pytest.mark.parametrize("command", ["devices", "record"])
def test_too_few_descriptors_to_ask_portaudio_are_a_failure_of_sound(
    anna: Memocast, command: str
) -> None:
    for count in (8, 10):
        result = limited(anna, f"ulimit -n {count}", command)
        assert_said(result, "PortAudio cannot be started", "n", (4,))


def test_with_few_descriptors_doctor_shows_what_it_can_find_out(anna: Memocast) -> None:
    anna.run("list")
    for count, library in ((8, "problem"), (10, "ok")):
        result = limited(anna, f"ulimit -n {count}", "doctor")
        assert (result.code, result.err) == (1, "")
        rows = {line.split("\t")[1]: line for line in result.lines}
        assert rows["library"].startswith(library), result
        problems = [line for line in result.lines if line.startswith("problem")]
        assert rows["sound"] in problems
        assert all("ulimit -n 1024" in line for line in problems), result
        assert library == "problem" or {"audio files", "seeder", "listening"} <= rows.keys()


def test_with_little_memory_a_command_works_or_says_so(anna: Memocast, speech: Path) -> None:
    anna.run("list")
    results = [
        # One of numpy's libraries ends the process by itself, and says nothing that is heard.
        limited(anna, f"ulimit -v {kilobytes}", "add", str(speech))
        for kilobytes in (40_000, 100_000, 4_000_000)
    ]
    assert results[0].code in (1, 7, 8)
    assert results[-1].code == 0
    for result in results:
        if result.code:
            assert_said(result, "", "v", (1, 7, 8))


@pytest.mark.parametrize(
    ("code", "limit", "what", "letter"),
    [
        ("import os; os.abort()", "ulimit -v 1900000", "crashed (SIGABRT)", "v"),
        pytest.param(
            *("import os; os._exit(3)", "ulimit -d 500000", "crashed (exit code 3)", "d"),
            marks=pytest.mark.full,
        ),
        ("import os; os.kill(os.getpid(), 11)", "ulimit -s 900", "crashed (SIGSEGV)", "s"),
        ("while True: pass", "ulimit -t 1", "processor time is too low: 1 s", "t"),
        pytest.param(
            *("while True: pass", "ulimit -t 3", "processor time is too low: 3 s", "t"),
            marks=pytest.mark.full,
        ),
        ('raise RuntimeError("can\'t start new thread")', "true", "processes and threads", "u"),
        ("import os; raise OSError(23, 'Too many')", "true", "all programs together", "n"),
    ],
    ids=["aborted", "left", "no stack", "killed", "warned", "no thread", "no file for anybody"],
)
def test_what_ends_a_process_without_a_word_is_spoken_for(
    anna: Memocast, code: str, limit: str, what: str, letter: str
) -> None:
    assert_said(limited(anna, limit, "fetch", NOBODY, code=code), what, letter, (1,))


def test_a_mistake_of_ours_is_blamed_on_no_limit(anna: Memocast) -> None:
    code = "raise ValueError('std::bad_alloc, too many open files')"
    result = limited(anna, "true", "fetch", NOBODY, code=code)
    assert result.code == 1
    assert "unexpected ValueError" in result.err
    assert "ulimit" not in result.err


def test_a_file_that_is_too_large_for_fat32_is_blamed_on_no_shell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    error = OSError(errno.EFBIG, "File too large")
    monkeypatch.setattr(process_limits, "limit", lambda _: -1)
    said, hint = process_limits.cause(error) or ("", "")
    assert said == "the file is too large for its disk"
    assert "another file system" in hint
    monkeypatch.setattr(process_limits, "limit", lambda _: 2_000_000_000)
    assert "ulimit -f unlimited" in (process_limits.cause(error) or ("", ""))[1]


@pytest.mark.parametrize(
    ("code", "said"), [(3, "exit code 3"), (-9, "SIGKILL"), (-40, "signal 40"), (-99, "signal 99")]
)
def test_the_end_of_a_process_has_a_name_on_every_system(
    monkeypatch: pytest.MonkeyPatch, code: int, said: str
) -> None:
    monkeypatch.delattr(signal, "SIGRTMIN", raising=False)  # as on macOS
    assert how_it_ended(code) == said
    assert said in str(portaudio_check._crashed(code, b""))


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("setpriv"),
    reason="only root can become another user, whose limit counts nothing but this test",
)
def test_who_may_start_no_thread_is_told() -> None:
    # Root is not limited: another user, who may read the interpreter wherever it lies, has a home
    # where nothing above it is closed.
    other = "setpriv --reuid=12345 --regid=12345 --clear-groups --inh-caps=-all,+dac_read_search"
    command = (
        f"{other} --ambient-caps=+dac_read_search prlimit --nproc=2 python -m memocast".split()
    )
    with tempfile.TemporaryDirectory(prefix="mc-") as folder:
        Path(folder).chmod(0o755)
        user = Memocast(Path(folder) / "home", PYTHONDONTWRITEBYTECODE="1")
        os.chown(user.home, 12_345, 12_345)
        for words in (["fetch", NOBODY], ["doctor"], ["seed"], ["identity"]):
            result = user.program(*command, *words)
            if words[0] == "identity":
                assert result.code == 0, "what needs no thread works"
            else:
                assert_said(result, "processes", "u")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_reaches_a_command_that_is_watched(anna: Memocast, number: signal.Signals) -> None:
    script = f"ulimit -v 1900000; exec python -m memocast fetch {NOBODY}"
    process = subprocess.Popen(
        ["sh", "-c", script], env=anna.environment, cwd=anna.home, stderr=subprocess.PIPE, text=True
    )
    with running(process):
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        busy = anna.library / "incoming"
        wait_for("the download", lambda: busy.is_dir() and any(busy.glob("download-*")))
        child = int(children.read_text())
        os.kill(process.pid, number)
        _, err = process.communicate(timeout=30)
        wait_for("its child", lambda: not Path(f"/proc/{child}").exists())
    if number == signal.SIGKILL:
        assert (process.returncode, err) == (-signal.SIGKILL, "")
    else:
        assert process.returncode == 130
        assert "interrupted before anything arrived" in err
