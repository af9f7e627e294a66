"""A podcast's feed, the HTML in it, and the feed that `channel rss` finds in its folder."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

from fuzz import changes
from fuzz.feeds import check_item
from fuzz.harness import Harness, Target, by_bytes
from helpers.podcast_feeds import item, rss
from memocast.errors import MemocastError, Refused
from memocast.formats import feed, link
from memocast.podcasts import earlier_feed, html_text, parser, parser_process

if TYPE_CHECKING:
    import random

    from fuzz.harness import Mutate

BASE = "https://pod.example/shows/feed.xml"
MAGNET = "magnet:?xt=urn:btih:" + "ab" * 20
KINDS = ("", "application/rss+xml", "text/xml; charset=iso-8859-1", "x/y; charset=\x00\udcff;=")
IDENTITY = "0123456789abcdef"


def a_feed(data: bytes) -> str:
    """A feed, with the Content-Type that the first byte chooses."""
    kind = KINDS[data[0] % len(KINDS)] if data else ""
    # As the limited process does it.
    given = json.dumps([BASE, kind]).encode() + b"\n" + data[1:]
    said = json.loads(json.dumps(parser_process.answer(given)))
    if "refused" in said:
        raise Refused(said["refused"], hint=said["hint"])
    found = parser.Podcast(said["title"], tuple(map(parser_process._item, said["items"])))
    assert len(found.title.encode()) <= feed.NAME_MAX_BYTES
    assert len(found.items) <= parser.MAX_ITEMS
    assert len({item.id for item in found.items}) == len(found.items)
    times = [item.published for item in found.items]
    assert times == sorted(times, reverse=True)
    for each in found.items:
        check_item(each)
        for address in (each.link, each.audio):
            assert len(address) <= feed.MAX_LINK
            assert address.isprintable()
        assert each.link or each.audio
        assert not each.audio or each.audio.startswith(("http://", "https://"))
        if each.link.startswith("magnet:?"):
            _check_magnet(each.link)
        else:
            assert each.link.startswith(("http://", "https://"))
    return "accepted" if found.items else "accepted, empty"


def _check_magnet(text: str) -> None:
    try:
        (found,) = link.parse(text)
    except MemocastError as error:
        assert error.exit_code == 5
    else:
        assert found.info_hashes


def html(data: bytes) -> str:
    """A description in HTML."""
    said = html_text.to_text(data.decode(errors="replace"))
    assert said == said.strip()
    assert not {"\0", "\1", "\r", "\t"} & set(said)
    assert len(said) <= html_text.MAX_HTML * 2
    assert all(line == line.strip() for line in said.split("\n"))
    return "accepted" if said else "empty"


def earlier(data: bytes) -> str:
    """The feed that is in the folder already, by whomever it is."""
    found = earlier_feed.answer(IDENTITY.encode(), io.BytesIO(data))
    if found is None:
        return "another feed"
    for id_, (name, digest) in found.items():
        assert isinstance(id_, str)
        assert isinstance(digest, str)
        assert name
        assert not {"/", "\0"} & set(name)
    json.dumps(found)
    return "accepted"


# -- inputs --------------------------------------------------------------------------

_ATOM = f"""<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom"><title type="html">A &lt;b&gt;show</title>
<entry><id>urn:x:1</id><title>One</title><updated>2021-09-02T10:00:00Z</updated>
<content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><p>Hello</p></div></content>
<link rel="enclosure" type="audio/ogg" href="one.opus" length="1234"/></entry>
<entry><id>urn:x:2</id><title>Two</title><published>2021-09-03T10:00:00+02:00</published>
<link rel="enclosure" type="application/x-bittorrent" href="{MAGNET}"/></entry></feed>"""

_MORE = (
    f"<torrent:torrent><torrent:magnetURI><![CDATA[{MAGNET}]]></torrent:magnetURI></torrent:torrent>",
    f"<torrent:infoHash>{'ab' * 20}</torrent:infoHash>",
    '<podcast:alternateEnclosure type="audio/ogg"><podcast:source uri="https://x/a.torrent"'
    ' contentType="application/x-bittorrent"/></podcast:alternateEnclosure>',
    "<itunes:duration>1:02:03</itunes:duration><itunes:title>Better</itunes:title>",
    "<description>&lt;p&gt;Some &amp;amp; more&lt;br&gt;text&lt;/p&gt;</description>",
    "<link>https://pod.example/x.torrent?y</link><guid>" + "x" * 301 + "</guid>",
    f'<enclosure url="{MAGNET}" type="application/x-bittorrent"/>',
    '<enclosure url="HTTP://[::1/" length="-7"/><pubDate>Thu, 99 Foo 2021</pubDate>',
)


def feeds() -> list[bytes]:
    """Feeds of several dialects, and what is none."""
    enclosure = "https://pod.example/one.opus"
    written = [
        rss(*(item(number, enclosure) for number in range(1, 4))),
        *(rss(item(5, enclosure, more)) for more in _MORE),
        rss(*(item(number, f"{number}.mp3", more) for number, more in enumerate(_MORE, 1))),
        _ATOM.encode(),
        _ATOM.replace("utf-8", "utf-16").encode("utf-16"),
        rss(item(1, enclosure), title="Grüße".encode().decode("latin-1")),
        _RDF.encode(),
        b'<!DOCTYPE x [<!ENTITY a "b">]>' + rss(),
        rss().replace(b"<title>", b"<x>" * 200),
        b'<?xml version="1.0" encoding="x-nothing"?><rss/>',
        b"<html><body>no feed</body></html>",
        b"<rss",
        b"",
    ]
    return [bytes([number % len(KINDS)]) + content for number, content in enumerate(written)]


_RDF = """<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
 xmlns="http://purl.org/rss/1.0/" xmlns:enc="http://purl.oclc.org/net/rss_2.0/enc#"
 xmlns:dc="http://purl.org/dc/elements/1.1/"><channel><title>Old</title></channel>
<item><title>One</title><link>x</link><dc:date>2003-12-31T10:14:55Z</dc:date>
<enclosure url="http://x/a.mp3" type="audio/mpeg" length="7"/></item></rdf:RDF>"""


def texts() -> list[bytes]:
    """HTML, good and bad."""
    return [
        b"<p>One<br>two</p><ul><li>three<li>four</ul><script>x()</script>",
        b"a &amp; b &#x1F600; &#0; &#xD800; &nosuch; <!-- c --> <![CDATA[x]]> <?php ?>",
        b"<<<a href='>'>x</a><p <p></p></>< /p><!DOCTYPE",
        b"<" * 300,
        b"&#" + b"9" * 3_000,
        b"plain\n\n  text\t",
        b"",
    ]


def earlier_feeds() -> list[bytes]:
    """Feeds as `channel rss` writes them."""
    more = (
        '<podcast:alternateEnclosure type="audio/ogg">'
        '<podcast:integrity type="sri" value="sha256-x"/></podcast:alternateEnclosure>'
    )
    mark = f'<podcast:txt purpose="memocast-channel">{IDENTITY}</podcast:txt>'
    names = ("One%20memo.opus", "https://x/y/two.opus?z", "%2e%2e/%2Fetc", "a%00", "")
    items = [item(number, name, more) for number, name in enumerate(names, 1)]
    good = rss(mark, *items)
    odd = good.replace(b"One%20memo", b"http://[1"), good.replace(b'"1.0"', b'"1.0" encoding="x"')
    return [
        good,
        *odd,
        rss(mark),
        rss(*items),
        rss(mark, mark),
        good[:-9],
        good.replace(b"guid", b"x"),
    ]


def behind_kind(data: bytes, chance: random.Random, mutate: Mutate) -> bytes:
    """Change the feed behind the byte that chooses its Content-Type."""
    kind = bytes([chance.randrange(len(KINDS))]) if chance.random() < 0.1 else data[:1]
    return kind + changes.in_xml(data[1:], chance, mutate)


HARNESS = Harness(
    {
        "feed": Target(a_feed, feeds, behind_kind),
        "html": Target(html, texts, by_bytes),
        "earlier feed": Target(earlier, earlier_feeds, changes.in_xml),
    },
    codes=frozenset({7}),
    tokens=(
        *("<item>", "</item>", "<entry>", "<enclosure url=", "<guid>", "<pubDate>", "<itunes:"),
        *("xmlns=", "<![CDATA[", "]]>", "<!DOCTYPE", "<?xml encoding=", "&#x", "&lt;", "magnet:?"),
        *("application/x-bittorrent", "<torrent:infoHash>", "<podcast:source uri=", "type=html"),
    ),
    seconds=20,
)
