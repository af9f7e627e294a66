"""`channel rss`: a channel as an ordinary podcast, which other programs read too."""

from __future__ import annotations

import base64
import hashlib
import io
import xml.etree.ElementTree as Xml
from typing import TYPE_CHECKING, Any

import feedparser
import podcastparser
import pytest

from helpers.channel_commands import publish_one
from helpers.shared_memo import sha256

if TYPE_CHECKING:
    from pathlib import Path

    from helpers.memocast_user import Memocast

BASE = "https://anna.example/pod/"
TORRENT = "{http://xmlns.ezrss.it/0.1/}"
PODCAST = "{https://podcastindex.org/namespace/1.0}"
TITLE = "Grüße <b>&amp; co</b> \x1b[31m"


def wrote(user: Memocast, *options: str, channel: str = "Notes") -> tuple[Path, Any, str]:
    """The folder, what `--json` says, and stderr."""
    done = user.run("channel", "rss", channel, "pod", "--json", *options)
    return user.home / "pod", done.json, done.err


@pytest.fixture
def notes(anna: Memocast, opus: Path) -> str:
    """A channel of Anna's with one memo; the memo's id."""
    anna.run("channel", "create", "Notes")
    return publish_one(anna, opus, TITLE, "two\nlines & <more>")


def test_two_independent_programs_read_the_feed_as_a_podcast(anna: Memocast, notes: str) -> None:
    done = anna.run("channel", "rss", "Notes", "pod", "--base-url", BASE.rstrip("/"))
    assert (done.out, done.err) == ("pod/feed.xml\n", "")
    folder, shown = anna.home / "pod", anna.show(notes)
    found = feedparser.parse(io.BytesIO((folder / "feed.xml").read_bytes()))
    assert (found.bozo, found.version, found.feed.title) == (False, "rss20", "Notes")
    (entry,) = found.entries
    assert entry.id == f"urn:btih:{shown['info_hash']}"
    assert entry.summary == "two<br />\nlines &amp; &lt;more&gt;"
    assert entry.published.endswith(" GMT")
    (enclosure,) = entry.enclosures
    with (folder / "feed.xml").open("rb") as file:
        again = podcastparser.parse(f"{BASE}feed.xml", file)
    assert again["title"] == "Notes"
    (episode,) = again["episodes"]
    assert episode["guid"] == entry.id
    assert episode["total_time"] == 5
    assert episode["enclosures"] == [
        {"url": enclosure.href, "file_size": shown["bytes"], "mime_type": "audio/ogg"}
    ]
    (audio,) = folder.glob("*.opus")
    assert enclosure.href == BASE + "Gr%C3%BC%C3%9Fe%20b%20%26amp%3B%20co%20b%20%5B31m.opus"
    assert audio.name == "Grüße b &amp; co b [31m.opus"
    assert sha256(audio) == sha256(anna.audio(notes))


def test_beside_each_enclosure_is_its_magnet_as_the_specifications_have_it(
    anna: Memocast, notes: str
) -> None:
    folder, _, _ = wrote(anna, "--base-url", BASE)
    item = Xml.parse(folder / "feed.xml").find("channel/item")
    assert item is not None
    link = anna.run("channel", "show", "Notes", "--json").json["published"][0]["link"]
    torrent = item.find(f"{TORRENT}torrent")
    assert torrent is not None
    assert torrent.findtext(f"{TORRENT}magnetURI") == link
    assert torrent.findtext(f"{TORRENT}infoHash") == anna.show(notes)["info_hash"]
    other = item.find(f"{PODCAST}alternateEnclosure")
    assert other is not None
    sources = [source.attrib for source in other.findall(f"{PODCAST}source")]
    assert sources[1] == {"uri": link, "contentType": "application/x-bittorrent"}
    integrity = other.find(f"{PODCAST}integrity")
    digest = hashlib.sha256(anna.audio(notes).read_bytes()).digest()
    assert integrity is not None
    assert integrity.attrib == {
        "type": "sri",
        "value": f"sha256-{base64.b64encode(digest).decode()}",
    }


def test_without_an_address_enclosures_are_beside_the_feed_and_that_is_said(
    anna: Memocast, notes: str
) -> None:
    folder, said, err = wrote(anna)
    assert said["items"] == 1
    assert "its URLs are relative" in err
    entry = feedparser.parse(io.BytesIO((folder / "feed.xml").read_bytes())).entries[0]
    assert entry.enclosures[0].href == "Gr%C3%BC%C3%9Fe%20b%20%26amp%3B%20co%20b%20%5B31m.opus"


def test_a_second_run_copies_only_what_is_new_and_keeps_names(
    anna: Memocast, notes: str, flac: Path, opus: Path
) -> None:
    folder, first, _ = wrote(anna)
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    _, again, _ = wrote(anna)
    assert again["copied"] == []
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    publish_one(anna, flac, TITLE)
    longer = publish_one(anna, opus, TITLE)
    _, third, _ = wrote(anna)
    assert third["copied"] == [
        "Grüße b &amp; co b [31m.flac",
        "Grüße b &amp; co b [31m (2).opus",
    ]
    assert first["copied"] == ["Grüße b &amp; co b [31m.opus"]
    anna.run("channel", "retract", notes)
    (folder / "mine.opus").write_bytes(b"mine")
    _, fourth, _ = wrote(anna)
    assert fourth["removed"] == first["copied"]
    assert (fourth["copied"], fourth["items"]) == ([], 2)
    assert (folder / "mine.opus").read_bytes() == b"mine"
    assert sha256(folder / third["copied"][1]) == sha256(anna.audio(longer))


def test_a_file_that_is_not_ours_is_neither_overwritten_nor_removed(
    anna: Memocast, notes: str
) -> None:
    folder = anna.home / "pod"
    folder.mkdir()
    other = folder / "Grüße b &amp; co b [31m.opus"
    other.write_bytes(b"something else")
    _, said, _ = wrote(anna)
    assert said["copied"] == ["Grüße b &amp; co b [31m (2).opus"]
    assert other.read_bytes() == b"something else"
    copy = folder / said["copied"][0]
    copy.write_bytes(b"edited")
    anna.run("channel", "retract", notes)
    assert wrote(anna)[1]["removed"] == []
    assert copy.read_bytes() == b"edited"
    (folder / "feed.xml").write_text("<rss version='2.0'><channel/></rss>")
    refused = anna.run("channel", "rss", "Notes", "pod", expect=2)
    assert "'pod/feed.xml' is not the feed of 'Notes'" in refused.err
    assert (folder / "feed.xml").read_text() == "<rss version='2.0'><channel/></rss>"


def test_memos_that_are_gone_or_were_changed_are_left_out_and_that_is_said(
    anna: Memocast, notes: str, flac: Path
) -> None:
    changed = publish_one(anna, flac, "Changed")
    folder, _, _ = wrote(anna)
    anna.audio(changed).write_bytes(b"fLaC and nothing else")
    anna.run("remove", notes, "--yes")
    _, said, err = wrote(anna)
    assert (said["items"], said["removed"]) == (0, [])
    assert [out["why"] for out in said["left_out"]] == [
        "no longer in your library",
        "changed outside memocast",
    ]
    assert "memocast: left out 1 memo: no longer in your library" in err.splitlines()
    assert len(list(folder.iterdir())) == 3, "what may be the last copy stays"


def test_private_memos_become_public_only_when_that_is_said(anna: Memocast, opus: Path) -> None:
    anna.run("channel", "create", "Secret", "--private")
    publish_one(anna, opus, "Between us")
    refused = anna.run("channel", "rss", "Secret", "pod", expect=2)
    assert refused.out == ""
    assert "'Secret' is private" in refused.err
    assert "--in-the-clear" in refused.err
    assert not (anna.home / "pod").exists()
    folder, said, _ = wrote(anna, "--in-the-clear", channel="Secret")
    assert said["items"] == 1
    feed = (folder / "feed.xml").read_text()
    assert "AGE-SECRET-KEY" not in feed.upper()
    assert "urn:btih" not in feed.replace('<guid isPermaLink="false">urn:btih', "")


def test_a_base_address_that_is_none_is_a_usage_error(anna: Memocast, notes: str) -> None:
    for address in ("anna.example/pod", "ftp://anna.example/", "https://a:b@anna.example/"):
        refused = anna.run("channel", "rss", "Notes", "pod", "--base-url", address, expect=2)
        assert "is not the URL of a folder" in refused.err
    assert not (anna.home / "pod").exists()
