"""Links: what people paste, and what a stranger may have put into it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memocast.bittorrent.download import open_torrent
from memocast.errors import MemocastError, NotALink, UsageError, WrongKey
from memocast.formats import age, channel
from memocast.formats.link import Link, parse
from memocast.formats.magnet import MAX_PEERS, MAX_TRACKERS

if TYPE_CHECKING:
    from pathlib import Path

V1 = "0123456789abcdef0123456789abcdef01234567"
V2 = "ab" * 32


def test_a_magnet_gives_hash_name_trackers_and_peers() -> None:
    (link,) = parse(
        f"magnet:?xt=urn:btih:{V1}&dn=My+memo&tr=udp%3A%2F%2Ft.example%3A1%2Fannounce"
        "&tr=http://u.example/announce&x.pe=192.0.2.7:51413&x.pe=[2001:db8::1]:6881"
    )
    assert link == Link(
        v1=V1,
        dn="My memo",
        trackers=("udp://t.example:1/announce", "http://u.example/announce"),
        peers=(("192.0.2.7", 51413), ("2001:db8::1", 6881)),
    )


def test_hybrid_and_version_2_magnets() -> None:
    (hybrid,) = parse(f"magnet:?xt=urn:btih:{V1}&xt=urn:btmh:1220{V2}")
    assert hybrid.info_hashes == (V1, V2)
    (second,) = parse(f"magnet:?xt.1=urn:btmh:1220{V2.upper()}")
    assert second.info_hashes == (V2,)


def test_the_share_url_of_2016_with_one_and_with_several_seeds() -> None:
    one = f"magnet:?xt=urn:btih:{V1}&dn=a%20b"
    two = f"magnet:?xt=urn:btih:{V1[::-1]}&dn=c"
    url = "https://memos.example/?seeds="
    assert parse(url + quote(one, safe="")) == parse(one)
    several = f"{url}{quote(one, safe='')}&seeds={quote(two, safe='')}"
    assert parse(several) == [*parse(one), *parse(two)]


def test_what_is_encoded_twice_stays_encoded_once() -> None:
    magnet = f"magnet:?xt=urn:btih:{V1}&dn={quote('50% + 1', safe='')}"
    (link,) = parse("https://memos.example/?seeds=" + quote(magnet, safe=""))
    assert link.dn == "50% + 1"


def test_a_page_link_carries_magnets_in_its_fragment() -> None:
    magnets = [f"magnet:?xt=urn:btih:{V1}&dn=a&tr=udp://x:1", f"magnet:?xt=urn:btih:{V1[::-1]}"]
    joined = "&".join(quote(magnet, safe="") for magnet in magnets)
    assert parse(f"https://listen.example/#{joined}") == [parse(m)[0] for m in magnets]
    assert parse(f"https://listen.example/#{magnets[0]}") == parse(magnets[0])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "hello world",
        V1[:-1],
        V1 + "0",
        "magnet:?dn=nothing",
        "magnet:?xt=urn:btih:zzzz",
        "magnet:?xt=urn:sha1:" + V1,
        "https://example.org/",
        "https://example.org/?seeds=hello",
        "https://[broken/?seeds=x",
        "ftp://example.org/a.torrent",
        "a" * 5000,
        "nul\0byte",
    ],
)
def test_what_is_not_a_link_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(NotALink) as caught:
        parse(text)
    assert caught.value.hint
    assert len(caught.value.message) < 200


def test_host_names_as_peers_are_not_looked_up() -> None:
    (link,) = parse(f"magnet:?xt=urn:btih:{V1}&x.pe=tracked.example:80&x.pe=127.0.0.1:7")
    assert link.peers == (("127.0.0.1", 7),)


def test_peers_with_a_zone_are_left_out() -> None:
    for zone in ("eth0", "\x1b[31m", "evil.example"):
        (link,) = parse(f"magnet:?xt=urn:btih:{V1}&x.pe={quote(f'[fe80::1%{zone}]:80')}")
        assert link.peers == ()


def test_a_link_cannot_make_us_contact_any_number_of_machines() -> None:
    trackers = "".join(f"&tr=udp://t{number}.example:1" for number in range(500))
    peers = "".join(f"&x.pe=192.0.2.1:{number}" for number in range(1, 500))
    (link,) = parse(f"magnet:?xt=urn:btih:{V1}{trackers}{peers}")
    assert len(link.trackers) == MAX_TRACKERS
    assert len(link.peers) == MAX_PEERS


def test_trackers_of_unknown_schemes_and_web_seeds_are_left_out() -> None:
    (link,) = parse(
        f"magnet:?xt=urn:btih:{V1}&tr=file:///etc/passwd&tr=javascript:x&ws=http://10.0.0.1/"
    )
    assert link.trackers == ()


def test_torrent_files(tmp_path: Path) -> None:
    (tmp_path / "empty.torrent").write_bytes(b"")
    (tmp_path / "text.torrent").write_text("hello")
    (tmp_path / "huge.torrent").write_bytes(b"d" + b"0" * (9 << 20) + b"e")
    for name in ("empty", "text", "huge"):
        with pytest.raises(NotALink):
            parse(str(tmp_path / f"{name}.torrent"))
    with pytest.raises(UsageError):
        parse(str(tmp_path / "missing.torrent"))
    with pytest.raises(UsageError):
        parse(str(tmp_path))


def test_a_torrent_file_with_a_tracker_that_is_not_utf_8_is_read_without_its_trackers() -> None:
    info = b"d6:lengthi5e4:name1:a12:piece lengthi16384e6:pieces20:%be" % (b"x" * 20)
    link = open_torrent(Link(torrent=b"d8:announce10:http://a/\xff4:info%be" % info))
    assert link.v1 == hashlib.sha1(info).hexdigest()
    assert link.trackers == ()


@given(st.text())
def test_any_text_is_a_link_or_one_of_our_errors(text: str) -> None:
    for candidate in (text, "magnet:?" + text, "http://h/?seeds=" + text, "http://h/#" + text):
        try:
            links = parse(candidate)
        except MemocastError as error:
            assert error.exit_code in (2, 5)
        else:
            assert all(link.info_hashes or link.torrent for link in links)


@given(st.dictionaries(st.sampled_from(["dn", "tr", "x.pe", "xt", "xl"]), st.text()))
def test_any_magnet_with_a_hash_is_read(extra: dict[str, str]) -> None:
    rest = "".join(f"&{key}={quote(value, safe='')}" for key, value in extra.items())
    (link,) = parse(f"magnet:?xt=urn:btih:{V1}{rest}")
    assert link.v1 == V1


HALF = "\udcff"
KEY = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    "fields",
    [f"x.age=AGE{HALF}", f"dn={HALF}&tr=udp://h{HALF}:1", f"s=6d{HALF}&s=6d", f"x{HALF}=y&{HALF}"],
)
def test_half_characters_of_a_channels_link_go_nowhere(fields: str) -> None:
    try:
        link = channel.parse(f"magnet:?xs=urn:btpk:{KEY}&{fields}")
    except NotALink:
        return
    assert str(link).isascii()
    assert HALF not in f"{link.name}{link.trackers}{link.age_identity}"
    with pytest.raises(WrongKey):
        age.identity(f"AGE-SECRET-KEY-1{HALF}")


@pytest.mark.parametrize("identity", ["AGE-SECRET-KEY-1Q", "AGE+SECRET:KEY&S=1", "%41", "Ü #"])
def test_an_identity_in_a_channels_link_is_read_back_whatever_it_is(identity: str) -> None:
    link = channel.ChannelLink(bytes(32), b"notes", "A name", age_identity=identity)
    assert channel.parse(str(link)) == link  # that some are none is said when they are used


@pytest.mark.parametrize("more", [" " * 200 + "x", "Q" * 200])
def test_a_key_with_more_behind_it_than_a_key_can_have_is_none(more: str) -> None:
    # Cut to the length of a key it would be one, or a different text each time it is read.
    said = quote(age.new_key() + more)
    made = channel.parse(f"magnet:?xs=urn:btpk:{'ab' * 32}&x.age={said}")
    assert channel.parse(str(made)) == made
    (memo,) = parse(f"magnet:?xt=urn:btih:{'ab' * 20}&x.age={said}")
    for identity in (made.age_identity, memo.age_identity):
        with pytest.raises(MemocastError):
            age.identity(identity)
