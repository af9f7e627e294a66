"""What a command writes where the user points: no other user of that folder has a hand in it."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from helpers.bounded_run import run
from helpers.channel_commands import publish_one
from helpers.full_or_short import scaled
from helpers.mounted_folder import mounted
from helpers.processes import running
from helpers.system_calls import traced
from helpers.waiting import wait_for
from memocast.files import copy, creating

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from helpers.memocast_user import Memocast

WRITERS = {
    "export": ["export", "latest", "-o", "shared"],
    "export --force": ["export", "latest", "-o", "shared/Said.opus", "--force"],
    "export --tags": ["export", "latest", "-o", "shared/tagged.opus", "--tags"],
    "channel export": ["channel", "export", "Notes", "shared/k.pem"],
    "channel rss": ["channel", "rss", "Notes", "shared"],
    "page": ["page", "shared", "--force"],
    "share --torrent": ["share", "latest", "--no-seed", "--torrent", "shared/t.torrent"],
}
"""Every command that writes files outside the library, into a folder that others can write."""

NAMES = {
    "export": "Said.opus",
    "export --force": "Said.opus",
    "export --tags": "tagged.opus",
    "channel export": "k.pem",
    "channel rss": "feed.xml",
    "page": "index.html",
    "share --torrent": "t.torrent",
}

writers = pytest.mark.parametrize("writer", WRITERS)


@pytest.fixture
def shared(anna: Memocast, opus: Path) -> Iterator[Path]:
    """A folder that everybody can write. Anna, whose umask is 0, has a memo and a channel."""
    anna.run("channel", "create", "Notes")
    publish_one(anna, opus, "Said")
    folder = anna.home / "shared"
    folder.mkdir()
    folder.chmod(0o777)
    before = os.umask(0)
    yield folder
    os.umask(before)


@pytest.fixture
def precious(anna: Memocast) -> Path:
    """Somebody's file outside that folder, which everybody can write."""
    path = anna.home / "precious"
    path.write_text("precious")
    path.chmod(0o666)
    return path


@pytest.mark.parametrize("writer", list(WRITERS)[:: scaled(1, 3)])
def test_temporary_names_that_could_be_guessed_are_not_followed(
    anna: Memocast, shared: Path, precious: Path, writer: str
) -> None:
    with running(anna.start(*WRITERS[writer], stdin=subprocess.PIPE)) as process:
        process.communicate(timeout=60)
        expected = {path.name for path in shared.iterdir()}
    for path in shared.iterdir():
        path.unlink()
    names = (
        ".{}.part",
        ".{}.part.opus",
        ".{}.part.pem",
        ".{}.part.torrent",
        "feed.xml.{}.part",
        "k.pem.{}.part",
    )
    # The next processes have the next numbers.
    numbers = range(process.pid, process.pid + 300)
    attacks = {name.format(number) for name in names for number in numbers}
    for name in attacks:
        (shared / name).symlink_to(precious)
    anna.run(*WRITERS[writer])
    assert precious.read_text() == "precious"
    there = {path.name for path in shared.iterdir()}
    assert there - attacks == expected
    assert attacks <= there


@writers
def test_a_link_to_nowhere_at_the_final_name_is_not_followed(
    anna: Memocast, shared: Path, writer: str
) -> None:
    (shared / NAMES[writer]).symlink_to(anna.home / "nowhere")
    replaces = writer in ("export --force", "page")
    result = anna.run(*WRITERS[writer], expect=0 if replaces else 2)
    assert not os.path.lexists(anna.home / "nowhere")
    assert (shared / NAMES[writer]).is_symlink() != replaces
    if not replaces:
        assert "hint: " in result.err
        assert [path.name for path in shared.iterdir()] == [NAMES[writer]], "nothing else is left"


@writers
def test_a_link_at_the_final_name_leads_into_nobodys_file(
    anna: Memocast, shared: Path, precious: Path, writer: str
) -> None:
    (shared / NAMES[writer]).symlink_to(precious)
    anna.run(*WRITERS[writer], expect=None)
    assert precious.read_text() == "precious"


def test_links_at_every_name_of_the_page_are_replaced_themselves(
    anna: Memocast, shared: Path, precious: Path
) -> None:
    anna.run("page", "shared")
    names = {path.name for path in shared.iterdir()}
    for number, path in enumerate(sorted(shared.iterdir())):
        if path.name != "index.html":
            path.unlink()
            path.symlink_to(precious) if number % 2 else path.hardlink_to(precious)
    anna.run("page", "shared")
    assert precious.read_text() == "precious"
    assert {path.name for path in shared.iterdir() if not path.is_symlink()} == names
    assert b"precious" not in {path.read_bytes() for path in shared.iterdir()}


def test_links_at_the_names_of_episodes_are_neither_followed_nor_taken_for_them(
    anna: Memocast, shared: Path, precious: Path, opus: Path
) -> None:
    (shared / "Said.opus").symlink_to(precious)
    (shared / "Said (2).opus").symlink_to(anna.home / "nowhere")
    said = anna.run("channel", "rss", "Notes", "shared", "--json").json
    assert said["copied"] == ["Said (3).opus"]
    assert (shared / "Said (3).opus").read_bytes() == opus.read_bytes()
    assert precious.read_text() == "precious"
    assert not os.path.lexists(anna.home / "nowhere")


def test_a_file_with_two_names_keeps_its_content_under_the_other(
    anna: Memocast, shared: Path, precious: Path, opus: Path
) -> None:
    (shared / "Said.opus").hardlink_to(precious)
    anna.run(*WRITERS["export --force"])
    assert (shared / "Said.opus").read_bytes() == opus.read_bytes()
    assert precious.read_text() == "precious"


@pytest.mark.parametrize(
    "what", ["fifo", "endless", "address", "entities", "elements"][: scaled(5, 3)]
)
def test_a_feed_that_somebody_put_there_neither_holds_up_nor_fills_the_memory(
    anna: Memocast, shared: Path, what: str
) -> None:
    anna.run("channel", "rss", "Notes", "shared")
    feed = shared / "feed.xml"
    content = feed.read_bytes()
    feed.unlink()
    if what == "fifo":
        os.mkfifo(feed)
    elif what == "endless":
        feed.symlink_to("/dev/zero")
    elif what == "entities":
        lines = [f"<!ENTITY e{n} '{f'&e{n - 1};' * 10}'>" for n in range(1, 12)]
        feed.write_text(f"<!DOCTYPE rss [<!ENTITY e0 'x'>{''.join(lines)}]><rss>&e11;</rss>")
    elif what == "elements":
        feed.write_bytes(content.replace(b"<title>", b"<a/>" * 5_000_000 + b"<title>", 1))
    else:
        feed.write_bytes(re.sub(rb'url="[^"]+"', b'url="http://[1"', content))
    refused = run(anna, "channel rss Notes shared", scratch=anna.home)
    assert refused.code == 2, refused
    assert "is not the feed of 'Notes'" in refused.err


@pytest.mark.parametrize("writer", ["channel export", "identity"])
def test_keys_are_for_their_owner_alone_from_the_first_byte(
    anna: Memocast, shared: Path, writer: str
) -> None:
    name = {"identity": "library", "channel export": "shared"}[writer]
    calls = traced(anna, "openat,open,creat", WRITERS.get(writer, [writer]))
    made = [
        call
        for call in calls
        if "O_CREAT" in call and f"/{name}" in call and re.search(r"\.part|k\.pem|identity", call)
    ]
    assert made
    for call in made:
        assert "O_EXCL" in call, call
        assert "O_NOFOLLOW" in call, call
        assert ", 0600)" in call, call
    key = anna.home / {"identity": "library/identity.txt", "channel export": "shared/k.pem"}[writer]
    assert key.stat().st_mode & 0o777 == 0o600


@writers
def test_what_was_written_is_on_disk_before_it_has_its_name_and_the_name_is_after(
    anna: Memocast, shared: Path, writer: str
) -> None:
    calls = traced(anna, "fsync,linkat,renameat,renameat2,rename,unlinkat", WRITERS[writer])
    calls = [call for call in calls if re.search(r"/shared[>/]", call) and " = -1 " not in call]
    order = "".join(
        {"fsync": "s", "linkat": "n", "unlinkat": "u"}.get(call.partition("(")[0], "n")
        for call in calls
    )
    # A file's content, its name, the folder; a temporary name that is a second one goes last.
    assert re.fullmatch("(snsu?)+", order), calls


@pytest.mark.parametrize("replace", [True, False])
def test_contents_are_on_disk_before_the_name_and_the_name_before_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replace: bool
) -> None:
    calls: list[str] = []

    def noted(name: str) -> Callable[..., None]:
        call = getattr(os, name)

        def note(*arguments: Any, **options: Any) -> None:
            call(*arguments, **options)
            is_folder = name == "fsync" and stat.S_ISDIR(os.fstat(arguments[0]).st_mode)
            calls.append("fsync of the folder" if is_folder else name)

        return note

    for name in ("fsync", "replace", "link"):
        monkeypatch.setattr(os, name, noted(name))
    with creating(tmp_path / "new", replace=replace) as file:
        file.write(b"x" * 100_000)
        assert calls == []
    assert calls == ["fsync", "replace" if replace else "link", "fsync of the folder"]
    assert (tmp_path / "new").read_bytes() == b"x" * 100_000


@pytest.mark.parametrize("error", ["EPERM", "EOPNOTSUPP"][: scaled(2, 1)])
def test_a_file_system_without_hard_links_is_written_to_all_the_same(
    anna: Memocast, shared: Path, opus: Path, precious: Path, error: str
) -> None:
    trouble = ["-e", f"inject=linkat:error={error}"]
    traced(anna, "linkat", WRITERS["export"], *trouble)
    assert [path.name for path in shared.iterdir()] == ["Said.opus"]
    assert (shared / "Said.opus").read_bytes() == opus.read_bytes()
    (shared / "k.pem").symlink_to(precious)
    traced(anna, "linkat", WRITERS["channel export"], *trouble, expect=2)
    assert precious.read_text() == "precious"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_export_that_is_stopped_in_the_middle_leaves_nothing(
    anna: Memocast, shared: Path, number: signal.Signals
) -> None:
    # Its source is a pipe that nobody fills, so it stays in the middle.
    audio = anna.audio()
    audio.unlink()
    os.mkfifo(audio)
    with running(anna.start(*WRITERS["export"])) as process:
        feed = os.open(audio, os.O_WRONLY)
        (partial,) = wait_for("a temporary file", lambda: list(shared.iterdir()))
        assert re.fullmatch(r"\.memocast-[0-9a-f]{16}\.part", partial.name)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
        os.close(feed)
    assert (process.returncode, err) == (130, "memocast: interrupted\n")
    assert list(shared.iterdir()) == []


def test_a_full_disk_leaves_nothing(anna: Memocast, shared: Path) -> None:
    traced(anna, "fsync", WRITERS["export"], "-e", "inject=fsync:error=ENOSPC", expect=1)
    assert list(shared.iterdir()) == []


# -- the function that does it -----------------------------------------------------------


def test_a_folder_that_is_swapped_in_the_middle_leads_nowhere_else(tmp_path: Path) -> None:
    for name in ("shared", "outside"):
        (tmp_path / name).mkdir()
    with creating(tmp_path / "shared" / "k.pem", mode=0o600) as file:
        (tmp_path / "shared").rename(tmp_path / "moved")
        (tmp_path / "shared").symlink_to(tmp_path / "outside")
        file.write(b"secret")
    assert [path.name for path in (tmp_path / "moved").iterdir()] == ["k.pem"]
    assert list((tmp_path / "outside").iterdir()) == []


def test_what_appears_under_the_name_meanwhile_is_kept(tmp_path: Path) -> None:
    with (
        pytest.raises(FileExistsError),
        creating(tmp_path / "x") as file,
    ):
        file.write(b"mine")
        (tmp_path / "x").symlink_to("somebody's")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert (tmp_path / "x").is_symlink()


@pytest.mark.parametrize("problem", [KeyboardInterrupt, MemoryError, OSError])
def test_whatever_goes_wrong_what_was_there_stays(
    tmp_path: Path, problem: type[BaseException]
) -> None:
    (tmp_path / "x").write_text("old")
    with pytest.raises(problem), creating(tmp_path / "x", replace=True) as file:
        file.write(b"new")
        raise problem
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert (tmp_path / "x").read_text() == "old"


def test_copies_are_whole_within_a_file_system_and_across_two(tmp_path: Path, flac: Path) -> None:
    with mounted(tmp_path / "memory", "10m") as other:
        for folder in (tmp_path, other):
            with creating(folder / "x") as file:
                copy(flac, file)
                file.write(b"and more")
            assert (folder / "x").read_bytes() == flac.read_bytes() + b"and more"
