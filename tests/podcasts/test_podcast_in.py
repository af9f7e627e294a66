"""Following ordinary podcasts, from the web and from files."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

import pytest

from helpers.podcast_feeds import item, rss, titles
from helpers.shared_memo import assert_same_memo, info_hash, sha256
from helpers.trackers import HttpTracker
from helpers.waiting import wait_for
from helpers.web_server import Reply, WebServer
from memocast.formats.torrent import with_trackers
from memocast.library.library import Library
from memocast.podcasts.html_text import to_text
from memocast.podcasts.http_get import checked_url
from memocast.podcasts.parser import parse

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from helpers.memocast_user import Memocast


def test_the_newest_episodes_come_with_what_the_feed_says_of_them(
    ben: Memocast, server: WebServer, opus: Path, flac: Path
) -> None:
    described = (
        "<itunes:duration>0:05</itunes:duration><description>&lt;p&gt;Hello &amp;amp; "
        "&lt;i&gt;welcome&lt;/i&gt;.&lt;/p&gt;&lt;script&gt;no()&lt;/script&gt;Bye</description>"
    )
    feed = rss(item(3, "three.flac", described), item(2, "/two.opus"), item(1, "one.opus"))
    server.replies |= {
        "/show/feed": Reply(feed),
        "/show/three.flac": Reply(flac.read_bytes()),
        "/two.opus": Reply(opus.read_bytes()),
    }
    followed = ben.run("follow", f"{server.url}/show/feed", "--newest", "2")
    assert followed.out == ""
    assert "memocast: you now follow 'A show'" in followed.err
    synced = ben.run("sync")
    older, newest = synced.out.splitlines()
    assert synced.err.splitlines() == ["memocast: 'A show': 2 new memos"]
    shown = ben.show(newest)
    assert shown["title"] == "Episode 3"
    assert shown["description"] == "Hello & welcome.\nBye"
    assert shown["created"] == "2021-09-03T08:00:00Z"
    assert (shown["origin"], shown["format"]) == ("fetched", "flac")
    assert sha256(ben.audio(newest)) == sha256(flac)
    assert sha256(ben.audio(older)) == sha256(opus)
    assert "/show/one.opus" not in server.paths()
    facts = ben.run("following", "--json").json[0]
    assert facts["link"] == facts["source"] == f"{server.url}/show/feed"
    assert (facts["items"], facts["memos"], facts["unheard"]) == (3, 2, 2)


def test_what_came_from_the_web_can_be_shared(
    anna: Memocast, ben: Memocast, server: WebServer, opus: Path
) -> None:
    server.replies |= {"/feed": Reply(rss(item(1, "1.opus"))), "/1.opus": Reply(opus.read_bytes())}
    anna.run("follow", f"{server.url}/feed")
    memo = anna.run("sync").out.strip()
    link = anna.run("share", memo, "--direct").out.strip()
    got = ben.run("fetch", link).out.strip()
    assert_same_memo(anna, memo, ben, got)


def test_a_feed_that_did_not_change_is_not_sent_again_and_new_episodes_are_found(
    ben: Memocast, server: WebServer, opus: Path
) -> None:
    server.replies["/feed"] = Reply(rss(item(1, "1.opus")), headers={"ETag": '"a"'})
    server.replies["/1.opus"] = server.replies["/2.opus"] = Reply(opus.read_bytes())
    ben.run("follow", f"{server.url}/feed")
    ben.run("sync")
    assert [headers.get("If-None-Match") for path, headers in server.asked if path == "/feed"] == [
        None,
        '"a"',
    ]
    feed = rss(item(2, "2.opus"), item(1, "1.opus"))
    server.replies["/feed"] = Reply(feed, headers={"ETag": '"b"'})
    synced = ben.run("sync")
    assert synced.err.splitlines()[-1] == "memocast: 'A show': 1 new memo"
    assert titles(ben) == ["Episode 1", "Episode 2"]
    ben.run("remove", synced.out.strip(), "--yes")
    assert ben.run("sync").out == "", "what was removed does not come again"


def test_a_torrent_comes_first_and_the_web_when_nobody_has_it(
    anna: Memocast, ben: Memocast, server: WebServer, opus: Path, flac: Path
) -> None:
    link = escape(anna.run("share", anna.add(opus), "--direct").out.strip())
    dead = "magnet:?xt=urn:btih:" + "0" * 40
    by_source = f'<podcast:source uri="{link}"/>'
    server.replies |= {
        "/feed": Reply(
            rss(
                item(
                    3,
                    "3.flac",
                    "<podcast:alternateEnclosure type='application/x-bittorrent'>"
                    f"{by_source}</podcast:alternateEnclosure>",
                ),
                item(
                    2,
                    "2.flac",
                    "<torrent:torrent><torrent:magnetURI>"
                    f"{dead}</torrent:magnetURI></torrent:torrent>",
                ),
            )
        ),
        "/2.flac": Reply(flac.read_bytes()),
    }
    ben.run("follow", f"{server.url}/feed")
    second, first = ben.run("sync", "--timeout", "2s").out.splitlines()
    assert sha256(ben.audio(first)) == sha256(opus)
    assert sha256(ben.audio(second)) == sha256(flac)
    assert "/3.flac" not in server.paths()


def test_an_enclosure_can_be_a_torrent_file(
    memocast: Callable[..., Memocast], ben: Memocast, server: WebServer, opus: Path
) -> None:
    with HttpTracker() as tracker:
        anna = memocast("anna", MEMOCAST_TRACKERS=tracker.url)
        memo = anna.add(opus)
        link = anna.run("share", memo).out.strip()
        library = Library(anna.library)
        (share,) = library.shares.of(library.get(memo))
        library.close()
        server.replies |= {
            "/get": Reply(with_trackers(share.torrent, [tracker.url])),
            "/feed": Reply(rss(item(1, "get").replace("audio/ogg", "application/x-bittorrent"))),
        }
        wait_for("the announce", lambda: tracker.announced(info_hash(link)))
        ben.run("follow", f"{server.url}/feed")
        (got,) = ben.run("sync").out.splitlines()
        assert_same_memo(anna, memo, ben, got)
        anna.stop()


def test_what_channel_rss_wrote_comes_back_by_torrent_and_from_the_web(
    anna: Memocast, ben: Memocast, server: WebServer, opus: Path
) -> None:
    title = "Grüße <b>&amp; co</b>"
    memo = anna.run("add", str(opus), "--title", title, "-d", "a < b\n\nc").out.strip()
    anna.run("channel", "create", "Notes")
    anna.run("channel", "publish", memo)
    anna.run("channel", "rss", "Notes", "pod")
    feed = anna.home / "pod" / "feed.xml"
    address = anna.seeder()["reach"]["listening"][0]
    text = feed.read_text().replace("magnet:?", f"magnet:?x.pe={address}&amp;")
    local = ben.home / "feed.xml"
    local.write_text(text)
    ben.run("follow", "feed.xml")
    (got,) = ben.run("sync").out.splitlines()
    assert_same_memo(anna, memo, ben, got)
    anna.stop()
    for path in feed.parent.iterdir():
        server.replies[f"/{path.name}"] = Reply(path.read_bytes())
    carla = ben.with_(MEMOCAST_LIBRARY=str(ben.home / "carla"))
    carla.library = ben.home / "carla"
    carla.run("follow", f"{server.url}/feed.xml")
    (got,) = carla.run("sync", "--timeout", "1s").out.splitlines()
    assert sha256(carla.audio(got)) == sha256(opus)
    shown = carla.show(got)
    assert (shown["title"], shown["description"]) == (title, "a < b\n\nc")


def test_a_podcast_is_followed_once_and_what_is_taken_of_it_can_be_changed(
    ben: Memocast, server: WebServer
) -> None:
    server.replies |= {"/a": Reply(rss(item(1, "1.opus"))), "/b": Reply(rss(item(1, "1.opus")))}
    ben.run("follow", f"{server.url}/a")
    again = ben.run("follow", f"{server.url}/a#top", "--newest", "3")
    assert "you already follow 'A show'; its options were changed" in again.err
    ben.run("follow", f"{server.url}/b")
    listed = [line.split("\t") for line in ben.run("following").lines]
    assert [(line[0], line[-1]) for line in listed] == [("-", "A show"), ("-", "A show (2)")]
    assert ben.run("following", "--json").json[0]["newest"] == 3
    ben.run("unfollow", "A show (2)")
    assert len(ben.run("following").lines) == 1


def test_episodes_go_when_their_days_are_over(ben: Memocast, server: WebServer, opus: Path) -> None:
    server.replies |= {"/feed": Reply(rss(item(1, "1.opus"))), "/1.opus": Reply(opus.read_bytes())}
    ben.run("follow", f"{server.url}/feed", "--keep-days", "1")
    ben.run("sync")
    ben.shell("sqlite3 library/library.db 'UPDATE item SET arrived = arrived - 2 * 86400'")
    assert "0 new memos, 1 removed" in ben.run("sync").err
    assert titles(ben) == []


def test_atom_feeds_and_odd_items_are_read() -> None:
    atom = (
        '<feed xmlns="http://www.w3.org/2005/Atom"><title>Atom</title>'
        "<entry><id>a</id><title>One</title><published>2021-09-01T00:00:00Z</published>"
        '<link rel="enclosure" type="audio/mpeg" length="7" href="1.mp3"/></entry>'
        "<entry><id>b</id><title>No audio</title></entry></feed>"
    )
    (one,) = parse(atom.encode(), "https://h.example/x/").items
    assert (one.id, one.audio, one.size) == ("a", "https://h.example/x/1.mp3", 7)
    odd = rss(
        "<item><title> \t</title><pubDate>32 Foo 99999</pubDate><guid/>"
        '<enclosure url="1.mp3" length="many" type=""/></item>',
        f"<item><title>{'ü' * 400}</title><guid>{'g' * 999}</guid>"
        f"<pubDate>Mon, 01 Jan 2990 00:00:00 GMT</pubDate><description>{'d' * 9000}</description>"
        '<enclosure url="http://h.example/2.mp3"/></item>',
        item(1, "javascript:alert(1)"),
        item(2, "http://h.example/" + "a" * 9_000),
        *(
            item(number, bad)
            for number, bad in enumerate(("https:h/a", "http://:8/a", "HTTPS:///a"), 3)
        ),
    )
    late, early = parse(odd, "http://h.example/").items
    assert (len(late.title.encode()), len(late.text), len(late.id)) == (300, 8_000, 64)
    assert late.published.year == 2990  # what a library shows of it is in the past
    assert (early.title, early.size, early.published.year) == ("untitled", 0, 1970)
    assert early.id == "http://h.example/1.mp3"


def test_of_html_only_text_is_taken() -> None:
    assert to_text("<p>a&amp;b</p><p>c<br>d</p><ul><li>e<li>f</ul>") == "a&b\nc\nd\ne\nf"
    assert to_text("<style>p{}</style>x<img src=y onerror=z><!-- c -->") == "x"
    assert to_text("<" * 100_000).count("<") <= 1 << 16


@pytest.mark.parametrize("odd", ["<![CDAD[x]]>", "<![if x>", "<![x", "<![ \xa8[", "<![CDATA[x"])
def test_html_that_pythons_parser_does_not_know_costs_no_episode(odd: str) -> None:
    assert to_text(f"<p>before</p>{odd}") in ("before", f"before\n{odd}")
    description = f"<description><![CDATA[a<br>b{odd.replace(']]>', '')}]]></description>"
    feed = rss(item(2, "http://h.example/2.mp3", description), item(1, "http://h.example/1.mp3"))
    assert [each.id for each in parse(feed, "").items] == ["id-2", "id-1"]


@pytest.mark.parametrize("number", ["&#" + "9" * 5_000 + ";", "&#" + "9" * 31, "&#x" + "f" * 5_000])
def test_a_character_with_a_number_that_none_has_is_shown_as_unknown(number: str) -> None:
    assert to_text(f"a{number} b &#65; &#0000000000065;") == "a\ufffd b A A"


@pytest.mark.parametrize(
    ("address", "asked"),
    [
        ("http://☂.example:8/ä#x", "http://xn--m3h.example:8/%C3%A4"),
        ("http://%e2%98%82.example/", "http://xn--m3h.example/"),
        ("https://BÜCHER.example?ü", "https://xn--bcher-kva.example?%C3%BC"),
        ("http://Example.COM/a", "http://Example.COM/a"),
        ("http://[2001:DB8::1]:80/", "http://[2001:DB8::1]:80/"),
    ],
)
def test_an_address_is_asked_for_in_ascii(address: str, asked: str) -> None:
    assert checked_url(address) == asked
    assert checked_url(asked) == asked
