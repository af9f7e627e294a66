"""Any link that we write is read as it was meant; any other is read safely or refused."""

from __future__ import annotations

from urllib.parse import quote

import libtorrent as lt
from hypothesis import given
from hypothesis import strategies as st

from fuzz import link_seeds
from fuzz.links import check_link
from helpers.hypothesis_strategies import PEERS, TRACKERS
from memocast.errors import MemocastError
from memocast.formats.link import Link, parse
from memocast.formats.magnet import MAX_PEERS, MAX_TRACKERS
from memocast.formats.torrent import Torrent, from_metadata

TORRENTS = [lt.load_torrent_buffer(content) for content in link_seeds.torrents()]

torrents = st.builds(from_metadata, st.sampled_from(TORRENTS), st.text(max_size=120), st.just(()))
trackers = st.lists(TRACKERS, max_size=MAX_TRACKERS, unique=True)
peers = st.lists(PEERS, max_size=MAX_PEERS // 4, unique=True)
magnets = st.builds(Torrent.magnet, torrents, trackers, peers)


@given(torrents, trackers, peers)
def test_what_a_magnet_says_is_read_back(
    torrent: Torrent, trackers: list[str], peers: list[tuple[str, int]]
) -> None:
    (link,) = parse(torrent.magnet(trackers, peers))
    assert link.info_hashes == torrent.info_hashes
    assert link.dn == torrent.dn
    assert link.trackers == tuple(trackers)
    assert link.peers == tuple(peers)


PAGES = ["https://listen.example/", "HTTP://h", "http://[::1]:8080/ü/?a=b&c#", "https://h/p?q=%23"]

# Python's quote leaves fewer characters as they are than JavaScript's encodeURIComponent.
encoders = st.sampled_from(["", "!~*'()"])


@given(st.sampled_from(PAGES), encoders, st.lists(magnets, min_size=1, max_size=3))
def test_magnets_in_a_page_link_mean_what_they_mean_alone(
    page: str, unescaped: str, magnets: list[str]
) -> None:
    meant = [parse(magnet)[0] for magnet in magnets]
    page = page.rstrip("#")
    encoded = [quote(magnet, safe=unescaped) for magnet in magnets]
    assert parse(f"{page}#{'&'.join(encoded)}") == meant
    joiner = "&" if "?" in page else "?"
    assert parse(f"{page}{joiner}seeds={'&seeds='.join(encoded)}") == meant
    assert parse(f"{page}#{magnets[0]}") == meant[:1]
    assert parse(f"  {magnets[0]}\n") == meant[:1]


HOSTILE = [
    *(f"urn:btih:{link_seeds.V1}", f"urn:btmh:1220{link_seeds.V2}", "urn:btih:", "urn:btmh:1220zz"),
    *(
        "udp://\x1b[31m",
        "udp://\u202e",
        "file:///etc/passwd",
        "http://a",
        "x" * 301,
        "udp://\ud800",
    ),
    *(
        "host.example:80",
        "[fe80::1%eth0]:1",
        "[fe80::1%\x07]:1",
        "[::ffff:1.2.3.4]:1",
        "1.2.3.4:-1",
    ),
    *("127.1:80", "0x7f000001:80", "1.2.3.4:65536", "[1.2.3.4]:1", "::1:1", "１.2.3.4:1"),
]
NAMES = ["xt", "xt.1", "XT", "dn", "tr", "tr.2", "TR", "x.pe", "X.PE", "ws", "xs", ""]


parameters = st.one_of(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(HOSTILE) | TRACKERS | st.text()),
    st.tuples(st.just("tr"), st.text(min_size=1).map("udp://{}".format)),
    st.tuples(st.just("x.pe"), st.text(min_size=1).map("[fe80::1%{}]:80".format)),
)


@st.composite
def hostile_magnets(draw: st.DrawFn) -> str:
    """Parameters that no honest link has, behind one that every link has."""
    fields = draw(st.lists(parameters, max_size=30))
    plain = draw(st.booleans())
    return f"magnet:?{draw(st.sampled_from([f'xt=urn:btih:{link_seeds.V1}', '']))}&" + "&".join(
        f"{name}={value if plain else quote(value, safe='', errors='replace')}"
        for name, value in fields
    )


def read(text: str) -> list[Link] | None:
    """The links, which hold nothing that they may not; None when refused as the contract says."""
    try:
        links = parse(text)
    except MemocastError as error:
        assert error.exit_code in (2, 5)
        assert error.hint
        return None
    for link in links:
        assert link.info_hashes
        check_link(link)
    return links


@given(hostile_magnets(), st.text())
def test_a_hostile_link_is_refused_or_read_without_its_poison(magnet: str, text: str) -> None:
    read(magnet)
    read(f"https://h/#{quote(magnet, safe='', errors='replace')}&{text}")
    read(f"https://h/?{text}&seeds={quote(magnet, safe='', errors='replace')}")
    read(f"https://{text}/?seeds={magnet}#{text}")
    read(f"https://[{text}/?seeds={magnet}")


@given(st.text(), trackers, peers, st.integers(0, 40), st.integers(0, 120))
def test_a_long_link_is_cut_and_its_first_parts_are_kept(
    name: str,
    trackers: list[str],
    peers: list[tuple[str, int]],
    more_trackers: int,
    more_peers: int,
) -> None:
    trackers = trackers * 2 + [f"udp://t{number}.example" for number in range(more_trackers)]
    peers = peers * 2 + [("192.0.2.1", number) for number in range(more_peers)]
    links = read(
        f"magnet:?xt=urn:btih:{link_seeds.V1}&dn={quote(name)}"
        + "".join(f"&tr={quote(tracker, safe='')}" for tracker in trackers)
        + "".join(f"&x.pe={f'[{host}]' if ':' in host else host}:{port}" for host, port in peers)
    )
    assert links is not None
    assert links[0].trackers == tuple(dict.fromkeys(trackers))[:MAX_TRACKERS]
    assert links[0].peers == tuple(dict.fromkeys(peers))[:MAX_PEERS]
