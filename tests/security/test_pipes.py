"""A pipe that somebody puts where a file was looked at: nobody waits for who writes to it."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from memocast.errors import UsageError
from memocast.files import holds, open_regular, regular_hash
from memocast.formats import link
from memocast.library.importing import add_file
from memocast.library.library import Library
from memocast.podcasts import earlier_feed, source
from memocast.settings import Settings
from memocast.webpage import export

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE = 20.0


def add(path: Path) -> None:
    library = Library(path.parent / "library")
    try:
        add_file(library, path)
    finally:
        library.close()


READERS: dict[str, Callable[[Path], object]] = {
    "the feed of a channel": lambda path: earlier_feed.entries(path, "mine"),
    "an episode": regular_hash,
    "a .torrent beside the link": lambda path: holds(path, b"the same"),
    "another page": lambda path: export.write(path.parent, Settings()),
    "a .torrent to fetch": lambda path: link.parse(str(path)),
    "a podcast in a file": lambda path: source.look(str(path), "", 1.0),
    "a file to add": add,
}


@pytest.mark.parametrize("reader", READERS)
def test_a_pipe_in_a_files_place_is_waited_for_by_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reader: str
) -> None:
    pipe = tmp_path / "index.html"
    os.mkfifo(pipe)
    # It was a file when somebody looked, and the pipe came a moment later.
    monkeypatch.setattr(Path, "is_file", lambda _: True)
    ended: list[object] = []

    def read() -> None:
        try:
            ended.append(READERS[reader](pipe))
        except UsageError as error:
            ended.append(error)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    if not ended:  # let it go
        os.close(os.open(pipe, os.O_RDWR))
        thread.join()
        pytest.fail("it waited")
    assert isinstance(ended[0], UsageError) or not ended[0]


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    for name in ("file", "link"):
        file = open_regular(tmp_path / name)
        assert file is not None
        with file:
            assert file.read() == b"content"
        assert holds(tmp_path / name, b"content")
        assert not holds(tmp_path / name, b"conten")
        assert not holds(tmp_path / name, b"content2")
        assert regular_hash(tmp_path / name) == regular_hash(tmp_path / name, 7) is not None
        assert regular_hash(tmp_path / name, 8) is None
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        os.mkfifo(tmp_path / "pipe")
        (tmp_path / "null").symlink_to(os.devnull)
        before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - no file is wanted
        for name in ("socket", "pipe", ".", "null"):
            assert open_regular(tmp_path / name) is None
        assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
    assert not holds(tmp_path / "nothing", b"")
    assert regular_hash(tmp_path / "nothing") is None
