"""Episodes whose download was interrupted, and feeds that call the same episode something else."""

from __future__ import annotations

import io
import signal
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from helpers.full_or_short import scaled
from helpers.podcast_feeds import item, rss, titles
from helpers.shared_memo import sha256
from helpers.waiting import wait_for
from helpers.web_server import Reply
from memocast.errors import Refused
from memocast.formats.memo import rfc3339
from memocast.podcasts import http_get

if TYPE_CHECKING:
    from pathlib import Path

    from helpers.memocast_user import Memocast
    from helpers.web_server import WebServer

AT = 20_000
"""Bytes after which the server says no more."""


LONG_AGO = "Wed, 01 Sep 2021 08:00:00 GMT"
VERSION = {"ETag": '"one"'}


def stalled(
    ben: Memocast, server: WebServer, opus: Path, headers: dict[str, str] = VERSION
) -> None:
    """Have Ben interrupted while the first `AT` bytes of an episode are here."""
    server.replies |= {
        "/feed": Reply(rss(item(1, "1.opus"))),
        "/1.opus": Reply(opus.read_bytes(), headers={**headers}, ranges=True, stall_at=AT),
    }
    ben.run("follow", f"{server.url}/feed")
    process = ben.start("sync")
    wait_for("the first bytes", lambda: received(ben) == AT)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "interrupted; what has arrived is kept" in err


def received(user: Memocast) -> int:
    return sum(path.stat().st_size for path in user.library.glob("incoming/download-web-*/audio"))


def asked_for(server: WebServer) -> list[str | None]:
    return [headers.get("Range") for path, headers in server.asked if path == "/1.opus"]


@pytest.mark.parametrize("headers", [VERSION, {"Last-Modified": LONG_AGO}])
def test_an_interrupted_episode_goes_on_where_it_was(
    ben: Memocast, server: WebServer, opus: Path, headers: dict[str, str]
) -> None:
    stalled(ben, server, opus, headers)
    server.replies["/1.opus"].stall_at = None
    memo = ben.run("sync").out.strip()
    assert sha256(ben.audio(memo)) == sha256(opus)
    assert asked_for(server) == [None, f"bytes={AT}-"]
    assert {path.name for path in (ben.library / "incoming").iterdir()} == {".gate"}


def test_an_episode_that_changed_meanwhile_comes_whole(
    ben: Memocast, server: WebServer, opus: Path, flac: Path
) -> None:
    stalled(ben, server, opus)
    server.replies["/1.opus"] = Reply(flac.read_bytes(), headers={"ETag": '"two"'}, ranges=True)
    memo = ben.run("sync").out.strip()
    assert sha256(ben.audio(memo)) == sha256(flac)


@pytest.mark.parametrize(
    "said", ["bytes 0-9/99", "bytes 19999-/99", "octets 20000-9/9", ""][: scaled(4, 1)]
)
def test_a_server_that_sends_another_part_is_asked_for_the_whole(
    ben: Memocast, server: WebServer, opus: Path, said: str
) -> None:
    stalled(ben, server, opus)
    lie = Reply(opus.read_bytes(), headers={"ETag": '"one"'}, status=206)
    lie.headers |= {"Content-Range": said} if said else {}
    server.replies["/1.opus"] = lie
    refused = ben.run("sync", expect=7)
    assert "sent another part than was asked for" in refused.err
    server.replies["/1.opus"] = Reply(opus.read_bytes())
    memo = ben.run("sync").out.strip()
    assert sha256(ben.audio(memo)) == sha256(opus)
    assert asked_for(server)[-1] is None


@pytest.mark.parametrize("said", [{}, {"Last-Modified": "Wed, 01 Sep 2021 08:00:01 GMT"}])
def test_the_rest_of_another_date_is_not_taken(server: WebServer, said: dict[str, str]) -> None:
    rest = Reply(b"cd", status=206, headers={"Content-Range": "bytes 2-3/4", **said})
    server.replies["/1.opus"] = rest
    url, target = f"{server.url}/1.opus", io.BytesIO(b"ab")
    part = http_get.Response(url, modified=LONG_AGO, date="Wed, 01 Sep 2021 09:00:00 GMT")
    with pytest.raises(Refused, match="sent another part than was asked for"):
        http_get.get(url, target, 4, 5, part=part)
    rest.headers["Last-Modified"] = LONG_AGO
    http_get.get(url, target, 4, 5, part=part)
    assert target.getvalue() == b"abcd"
    assert server.asked[-1][1]["If-Range"] == LONG_AGO


@pytest.mark.parametrize(
    ("etag", "modified", "date"),
    [
        ('W/"one"', LONG_AGO, "Wed, 01 Sep 2021 09:00:00 GMT"),
        ("", LONG_AGO, "Wed, 01 Sep 2021 08:00:59 GMT"),
        ("", LONG_AGO, "Wed, 01 Sep 2021 07:00:00 GMT"),
        ("", LONG_AGO, ""),
        ("", "yesterday", "Wed, 01 Sep 2021 09:00:00 GMT"),
        ("", "Wed, 01 Sep 2021 08:00:00", "Wed, 01 Sep 2021 09:00:00 GMT"),
        ("", "Wed, 01 Sep 99999999999 08:00:00 GMT", "Wed, 01 Sep 2021 09:00:00 GMT"),
    ],
)
def test_what_does_not_tell_versions_apart_is_not_relied_on(
    etag: str, modified: str, date: str
) -> None:
    assert http_get.Response("", etag=etag, modified=modified, date=date).validator == ""


@pytest.mark.parametrize("etag", ['"two"', 'W/"one"', None])
def test_the_rest_of_another_version_is_not_taken(server: WebServer, etag: str | None) -> None:
    rest = Reply(b"cd", status=206, headers={"Content-Range": "bytes 2-3/4"})
    rest.headers |= {"ETag": etag} if etag else {}
    server.replies["/1.opus"] = rest
    url, target = f"{server.url}/1.opus", io.BytesIO(b"ab")
    part = http_get.Response(url, etag='"one"')
    with pytest.raises(Refused, match="sent another part than was asked for"):
        http_get.get(url, target, 4, 5, part=part)
    assert target.getvalue() == b"ab"
    rest.headers["ETag"] = '"one"'
    http_get.get(url, target, 4, 5, part=part)
    assert target.getvalue() == b"abcd"


def test_without_an_etag_that_is_sure_an_episode_comes_whole(
    ben: Memocast, server: WebServer, opus: Path
) -> None:
    stalled(ben, server, opus, {"ETag": 'W/"one"', "Last-Modified": LONG_AGO})
    server.replies["/1.opus"].stall_at = None
    memo = ben.run("sync").out.strip()
    assert sha256(ben.audio(memo)) == sha256(opus)
    assert asked_for(server) == [None, None]


def test_the_part_of_an_episode_that_nobody_wants_any_more_is_deleted(
    ben: Memocast, server: WebServer, opus: Path
) -> None:
    stalled(ben, server, opus)
    assert received(ben) == AT
    server.replies |= {"/feed": Reply(rss(item(2, "2.opus"))), "/2.opus": Reply(opus.read_bytes())}
    ben.run("sync")
    assert titles(ben) == ["Episode 2"]
    assert {path.name for path in (ben.library / "incoming").iterdir()} == {".gate"}


# -- the same episode under another name ----------------------------------------------------


def episode(
    guid: str, address: str, *, day: int = 1, year: int = 2021, length: int = 1, dated: bool = True
) -> str:
    date = f"<pubDate>{day:02} Sep {year} 10:00:00 +0200</pubDate>" if dated else ""
    return (
        f"<item><title>Said {guid}</title><guid>{guid}</guid>{date}"
        f'<enclosure url="{address}" length="{length}" type="audio/ogg"/></item>'
    )


@pytest.mark.parametrize(
    "year",
    [2021, pytest.param(2099, id="in the future"), pytest.param(9999, marks=pytest.mark.full)],
)
def test_a_feed_that_renames_its_episodes_at_each_sync_is_fetched_once(
    ben: Memocast, server: WebServer, opus: Path, year: int
) -> None:
    server.replies["/a.opus"] = server.replies["/b.opus"] = Reply(opus.read_bytes())
    for turn in range(3):
        feed = rss(
            episode(f"b{turn}", f"b.opus?token={turn}", day=2, year=year),
            episode(f"a{turn}", f"a.opus#t={turn}", year=year),
        )
        server.replies["/feed"] = Reply(feed)
        if not turn:
            ben.run("follow", f"{server.url}/feed")
            first, _ = ben.run("sync").out.split()
            ben.run("remove", first, "--yes")
    assert ben.run("sync").err == "memocast: 'A show': 0 new memos\n"
    assert server.paths().count("/a.opus") == server.paths().count("/b.opus") == 1
    assert ben.run("following", "--json").json[0]["items"] == 2
    (memo,) = ben.run("list", "--json").json
    assert memo["created"] <= rfc3339(datetime.now(UTC))


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(episode("new", "a.opus", day=3), id="another day"),
        pytest.param(episode("new", "a.opus", length=2), id="another size"),
        pytest.param(episode("new", "c.opus"), id="another file", marks=pytest.mark.full),
        pytest.param(
            episode("one", "a.opus") + episode("new", "a.opus"),
            id="beside the first",
            marks=pytest.mark.full,
        ),
    ],
)
def test_what_differs_is_another_episode(
    ben: Memocast, server: WebServer, opus: Path, other: str
) -> None:
    server.replies["/a.opus"] = server.replies["/c.opus"] = Reply(opus.read_bytes())
    server.replies["/feed"] = Reply(rss(episode("one", "a.opus")))
    ben.run("follow", f"{server.url}/feed")
    ben.run("sync")
    server.replies["/feed"] = Reply(rss(other))
    assert "1 new memo" in ben.run("sync").err


@pytest.mark.parametrize("length", [0, pytest.param(1, id="a size that is none")])
def test_without_size_and_date_the_query_tells_episodes_apart(
    ben: Memocast, server: WebServer, opus: Path, length: int
) -> None:
    server.replies["/get"] = Reply(opus.read_bytes())
    for number, expected in ((1, "1 new memo"), (2, "1 new memo"), (2, "0 new memos")):
        address = f"get?episode={number}"
        guid = f"{number}-{len(server.asked)}"
        feed = rss(episode(guid, address, length=length, dated=False))
        server.replies["/feed"] = Reply(feed)
        if not ben.run("following").out:
            ben.run("follow", f"{server.url}/feed")
        assert expected in ben.run("sync").err
