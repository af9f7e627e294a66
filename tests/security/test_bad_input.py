"""Bad input: a sentence, a hint, the documented exit code, and nothing changed on disk."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from helpers.full_or_short import scaled
from helpers.processes import running
from helpers.waiting import wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from helpers.memocast_user import Memocast, Result


def assert_said(result: Result, *texts: str) -> None:
    lines = result.err.splitlines()
    assert lines[0].startswith("memocast: error: "), result
    assert lines[1].startswith("memocast: hint: "), result
    for text in texts:
        assert text in result.err
    assert result.out == ""


@pytest.fixture
def files(anna: Memocast, opus: Path, speech: Path, flac: Path) -> Path:
    """A folder of everything that is not audio, or no longer."""
    (anna.home / "folder").mkdir()
    (anna.home / "empty.opus").write_bytes(b"")
    (anna.home / "text.opus").write_text("This is not audio.\n")
    (anna.home / "cut.opus").write_bytes(opus.read_bytes()[:20_000])
    (anna.home / "cut.flac").write_bytes(flac.read_bytes()[:100_000])
    (anna.home / "cut.wav").write_bytes(speech.read_bytes()[:100_000])
    (anna.home / "head.opus").write_bytes(opus.read_bytes()[:100])
    (anna.home / "header.wav").write_bytes(speech.read_bytes()[:44])
    (anna.home / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    (anna.home / "empty.torrent").write_bytes(b"")
    (anna.home / "text.torrent").write_text("hello")
    (anna.home / "list.torrent").write_bytes(b"d4:listl1:ae1:be")
    return anna.home


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("empty.opus", 7, "empty.opus is empty"),
        ("text.opus", 7, "text.opus is not audio that memocast knows"),
        ("picture.png", 7, "picture.png is not audio"),
        ("cut.opus", 7, "cut.opus is cut short"),
        ("cut.flac", 7, "cut.flac is damaged, cut short"),
        ("cut.wav", 7, "cut.wav is cut short"),
        ("head.opus", 7, "head.opus is"),
        ("header.wav", 7, "header.wav is cut short"),
        ("folder", 2, "'folder' is a directory"),
        ("missing.opus", 2, "there is no file 'missing.opus'"),
        ("", 2, ""),
        ("/dev/null", 2, "'/dev/null' is not a regular file"),
    ],
)
def test_add_refuses_it(anna: Memocast, files: Path, name: str, code: int, said: str) -> None:
    before = anna.snapshot()
    assert_said(anna.run("add", name, expect=code), said)
    assert anna.snapshot() == {**anna.snapshot(), **before}
    assert anna.run("list").out == ""
    assert [path.name for path in (anna.library / "incoming").iterdir()] == [".gate"]


def test_add_refuses_standard_input_that_is_empty(anna: Memocast) -> None:
    assert_said(anna.run("add", "-", expect=7), "standard input is empty")


@pytest.mark.parametrize(
    ("link", "code", "said"),
    [
        ("hello", 5, "'hello' is not a link"),
        ("", 5, "the link is empty"),
        ("empty.opus", 5, "'empty.opus' is not a .torrent file"),
        ("empty.torrent", 5, "'empty.torrent' is not a .torrent file"),
        ("text.torrent", 5, "'text.torrent' is not a .torrent file"),
        ("list.torrent", 5, "the .torrent file is not valid"),
        ("folder", 2, "'folder' is a directory"),
        ("missing.torrent", 2, "there is no file 'missing.torrent'"),
        ("magnet:?dn=only+a+name", 5, "names no torrent"),
        ("https://example.org/", 5, "contains no magnet link"),
    ],
)
def test_fetch_refuses_it(anna: Memocast, files: Path, link: str, code: int, said: str) -> None:
    assert_said(anna.run("fetch", link, expect=code), said)
    assert anna.run("list").out == ""
    assert not list((anna.library / "incoming").glob("download-*"))


@pytest.mark.parametrize(
    "options",
    [
        ["--timeout", "never"],
        ["--timeout", "-1"],
        ["--max-size", "big"],
        ["--peer", "nowhere"],
        ["--peer", "127.0.0.1"],
        ["--peer", "127.0.0.1:0"],
        ["--peer", "127.0.0.1:70000"],
        ["--nonsense"],
    ],
)
def test_fetch_refuses_bad_options(anna: Memocast, options: list[str]) -> None:
    assert_said(anna.run("fetch", "ab" * 20, *options, expect=2))


@pytest.mark.parametrize("command", ["show", "play", "edit", "remove", "export", "share", "seed"])
def test_a_memo_that_does_not_exist_is_exit_3(anna: Memocast, command: str) -> None:
    options = {"edit": ["--title", "x"], "remove": ["--yes"]}.get(command, [])
    assert_said(anna.run(command, "nope", *options, expect=3), "there is no memo 'nope'")
    assert_said(anna.run(command, "latest", *options, expect=3), "the library is empty")


def test_a_prefix_that_fits_two_memos_is_exit_3_and_names_them(anna: Memocast, opus: Path) -> None:
    seen: dict[str, str] = {}
    # 33 memos and 32 possible first letters: two must begin alike.
    paths = [str(opus)] * 33
    for memo in anna.run("add", *paths).lines:
        if memo[0] in seen:
            break
        seen[memo[0]] = memo
    result = anna.run("show", memo[0], expect=3)
    assert_said(result, f"'{memo[0]}' matches ", "hint: type more of the id")
    anna.run("remove", memo[0], "--yes", expect=3)
    assert len(anna.run("list").lines) == 33


def test_the_usage_of_every_command_is_checked(anna: Memocast) -> None:
    for command in (
        ["nonsense"],
        ["show"],
        ["list", "--limit", "-1"],
        ["list", "a", "b"],
        ["share"],
        ["share", "--all", "latest"],
        ["seed", "--stop", "--background"],
        ["record", "--duration"],
        ["--nonsense", "list"],
    ):
        assert_said(anna.run(*command, expect=2))
    assert not anna.library.exists() or anna.run("list").out == ""


def test_invalid_utf8_in_an_argument_is_refused(anna: Memocast, opus: Path) -> None:
    process = anna.start("add", str(opus), "--title", os.fsdecode(b"bad \xff title"))
    with running(process):
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (2, "")
    assert "the title is not valid UTF-8" in err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (
            [
                "fetch",
                os.fsdecode(b"magnet:?xt=urn:btih:" + b"ab" * 20 + b"&tr=http://\xff/&dn=\xff"),
            ],
            6,
        ),
        (["fetch", "ab" * 20, "--max-size", "9" * 5000], 2),
        (["fetch", "ab" * 20, "--peer", "127.0.0.1:" + "9" * 5000], 2),
        (["fetch", "fifo.torrent"], 2),
        (["record", "--duration", "9" * 400], 2),
        (["--library", "~nosuchuser/x", "list"], 2),
        (["--library", "", "list"], 2),
        (["share", "latest", "--torrent", "x" * 300], 1),
        (["export", "latest", "-o", "x" * 300], 1),
    ],
)
def test_odd_arguments_are_no_reason_to_crash(
    anna: Memocast, opus: Path, arguments: list[str], code: int
) -> None:
    anna.add(opus)
    os.mkfifo(anna.home / "fifo.torrent")
    extra = ["--timeout", "0.5"] if code == 6 else []
    result = anna.run(*arguments, *extra, expect=code)
    assert result.out == ""
    assert "memocast: hint: " in result.err


@pytest.mark.parametrize(
    ("variable", "value"), [("MEMOCAST_UPLOAD_LIMIT", "9" * 5000), ("MEMOCAST_LISTEN", "x:9" * 99)]
)
def test_odd_settings_are_no_reason_to_crash(anna: Memocast, variable: str, value: str) -> None:
    assert_said(anna.with_(**{variable: value}).run("list", expect=2))
    folder = anna.home / ".config" / "memocast"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text("trackers = " + "[" * 5000)
    assert_said(anna.run("list", expect=2), "is not valid TOML")


def test_errors_that_cannot_be_written_keep_their_exit_code(anna: Memocast) -> None:
    anna.shell("memocast show nope 2>/dev/full", expect=3)
    anna.shell("memocast add - <&-", expect=7)


def test_output_that_cannot_be_written_is_exit_1(anna: Memocast, opus: Path) -> None:
    anna.add(opus)
    result = anna.shell("memocast list >/dev/full", expect=1)
    assert result.err.startswith("memocast: error: cannot write the output: No space left")


def test_a_reader_that_leaves_early_is_no_error_worth_a_word(anna: Memocast, opus: Path) -> None:
    anna.run("add", *[str(opus)] * 5)
    result = anna.shell("memocast list --json | head -c 1; memocast list | true")
    assert result.err == ""


@pytest.mark.parametrize("closed", ["<&- >&- 2>&-", "<&-", ">&-", "2>&-"][: scaled(4, 2)])
def test_closed_streams_are_no_reason_to_crash(anna: Memocast, opus: Path, closed: str) -> None:
    anna.add(opus)
    result = anna.shell(f"memocast list {closed}; memocast show nope {closed}", expect=3)
    assert "Traceback" not in result.err


def test_an_interrupted_fetch_is_exit_130(anna: Memocast) -> None:
    import signal

    with running(anna.start("fetch", "ab" * 20)) as process:
        wait_for("the fetch", lambda: list((anna.library / "incoming").glob("download-*")))
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    assert "memocast: error: interrupted" in err


def test_a_terminal_that_knows_no_utf8_is_no_reason_to_crash(anna: Memocast, opus: Path) -> None:
    anna.add(opus, title="Grüße 🎙")
    ascii_only = anna.with_(PYTHONIOENCODING="ascii")
    assert "Gr??e ?" in ascii_only.run("list").out


def test_memocast_writes_nowhere_but_the_library(anna: Memocast, opus: Path) -> None:
    anna.add(opus)
    anna.run("share", "latest")
    anna.run("status")
    anna.stop()
    assert [path.name for path in anna.home.iterdir()] == ["library"]


def test_python_dash_m_and_the_installed_command_are_the_same(anna: Memocast) -> None:
    by_module = anna.run("--version").out
    assert by_module == anna.shell("memocast --version").out
    check = subprocess.run(
        [sys.executable, "-c", "import memocast; print(memocast.__version__)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert by_module == f"memocast {check.stdout}"
