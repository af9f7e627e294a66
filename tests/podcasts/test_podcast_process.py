"""The process that parses a podcast's feed: what it can reach, and what it has loaded before."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from helpers.full_or_short import scaled
from helpers.podcast_feeds import item, rss
from memocast.podcasts import parser_process

if TYPE_CHECKING:
    from pathlib import Path

TAKEN_OVER = """
import os, socket, sys

def tried(deed, *arguments):
    try:
        deed(*arguments)
    except OSError as error:
        return type(error).__name__
    return "done"

class encodings:
    def convert_to_utf8(headers, data, result):
        return data

class Found:
    version, bozo, entries, feed = "rss20", False, [], {}

def parse(stream, **options):
    found = Found()
    if b"evil" not in stream.read():
        return found
    path = os.environ["PRECIOUS"]
    done = {
        "open": tried(open, path), "list": tried(os.listdir, "/"), "socket": tried(socket.socket),
        "pipe": tried(os.pipe), "delete": tried(os.unlink, path),
        "cut": tried(os.truncate, path, 0), "rename": tried(os.rename, path, path + "2"),
        "folder": tried(os.mkdir, path + "3"),
    }
    found.feed = {"title_detail": {"value": " ".join(d for d in done if done[d] == "done")}}
    return found

sys.modules["feedparser.encodings"] = encodings
"""
"""Instead of feedparser: does what the author of a feed wants once it has read that."""


def test_a_parser_that_was_taken_over_reaches_no_file_and_no_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "feedparser.py").write_text(TAKEN_OVER)
    precious = tmp_path / "precious"
    precious.write_bytes(b"precious")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("PRECIOUS", str(precious))
    done = set(parser_process.read(rss(title="evil"), "http://show.example/").title.split())
    landlock = pytest.importorskip("landlock")
    try:
        landlock.landlock_abi_version()
    except Exception:  # a kernel without it
        assert not done & {"open", "list", "socket", "pipe"}
        return
    assert done == set()
    assert precious.read_bytes() == b"precious"


ENCODINGS = ["koi8-r", "utf-16", "gb2312", "shift_jis", "windows-1251", "utf-32", "cp855"]


@pytest.mark.parametrize("encoding", ENCODINGS[: scaled(7, 3)])
def test_a_feed_is_read_in_the_encoding_that_it_names(encoding: str) -> None:
    text = rss(item(1, "http://show.example/1.opus"), title="Тема").decode()
    declared = text.replace('"1.0"', f'"1.0" encoding="{encoding}"', 1)
    assert declared != text
    assert parser_process.read(declared.encode(encoding), "http://show.example/").title == "Тема"
    kind = f'application/rss+xml; charset="{encoding}"'
    bare = text.partition("?>")[2]
    if encoding.startswith(("koi8", "windows", "cp")):
        assert parser_process.read(bare.encode(encoding), "http://a.example/", kind).title == "Тема"


def test_a_feed_in_an_encoding_that_nobody_knows_is_read_as_others_are() -> None:
    odd = rss(title="Odd").replace(b'"1.0"', b'"1.0" encoding="x-nothing"', 1)
    assert parser_process.read(odd, "http://show.example/").title == "Odd"
