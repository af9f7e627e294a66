"""`page`, and `share --page`: the page for others to host, and links to it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import threading
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

import pytest

from helpers.qr_reader import read_qr
from helpers.terminal import Terminal
from memocast.bittorrent import stun
from memocast.formats.link import listening_page_link, parse
from memocast.formats.trackers import web_trackers
from memocast.settings import Settings
from memocast.webpage.export import SOURCE, WEBTORRENT

if TYPE_CHECKING:
    from pathlib import Path

    from helpers.memocast_user import Memocast

PAGE = "https://example.org/listen/"


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# -- memocast page -------------------------------------------------------------------


def test_page_writes_it_out_with_the_trackers_and_the_stun_server_of_the_settings(
    anna: Memocast,
) -> None:
    user = anna.with_(
        MEMOCAST_TRACKERS="udp://a.example:1 wss://b.example ws://c.example:8000",
        MEMOCAST_STUN_SERVER="stun.example:3478",
    )
    result = user.run("page", "site")
    assert result.out == "site/index.html\n"
    assert f"dist/webtorrent.min.js of the npm package webtorrent@{WEBTORRENT}" in result.err
    assert "hint: set 'page_url' to the page's address" in result.err
    site = anna.home / "site"
    assert names(site) == names(SOURCE)
    settings = json.loads((site / "settings.json").read_text())
    assert settings == {
        "trackers": ["wss://b.example", "ws://c.example:8000"],
        "stun": "stun.example:3478",
    }
    (site / "webtorrent.min.js").write_text("a copy")
    again = user.run("page", "site", "--json")
    assert again.json["path"] == "site"
    assert set(again.json["files"]) == names(SOURCE)
    assert "webtorrent" not in again.err, "it is there"
    assert (site / "webtorrent.min.js").read_text() == "a copy"


def test_page_never_replaces_another_page_unless_told_to(anna: Memocast) -> None:
    site = anna.home / "site"
    site.mkdir()
    (site / "index.html").write_text("<h1>My homepage</h1>")
    result = anna.run("page", "site", expect=2)
    assert "'site/index.html' is another page" in result.err
    assert "hint: name an empty folder, or replace it with --force" in result.err
    assert names(site) == {"index.html"}
    anna.run("page", "site", "--force")
    assert "memocast" in (site / "index.html").read_text()


def test_page_says_when_it_cannot_be_written(anna: Memocast) -> None:
    (anna.home / "file").write_text("mine")
    assert "is not a folder" in anna.run("page", "file", expect=2).err
    assert "cannot write the page" in anna.run("page", "file/site", expect=1).err
    assert (anna.home / "file").read_text() == "mine"


def test_the_page_loads_pinned_files_from_elsewhere_and_lets_nothing_else_in() -> None:
    index = (SOURCE / "index.html").read_text()
    found = re.search('Content-Security-Policy" content="(.*)"', index)
    assert found
    policy = dict(rule.strip().split(" ", 1) for rule in found[1].split(";"))
    cdn = f"https://cdn.jsdelivr.net/npm/webtorrent@{WEBTORRENT}/dist/webtorrent.min.js"
    assert policy["default-src"] == "'none'"
    own_map = re.search('<script type="importmap">(.*?)</script>', index, re.DOTALL)
    assert own_map
    digest = base64.b64encode(hashlib.sha256(own_map[1].encode()).digest()).decode()
    pinned = json.loads(own_map[1])
    assert all(text.startswith("sha384-") for text in pinned["integrity"].values())
    elsewhere = [url for url in pinned["integrity"] if "://" in url]
    found_packages = {
        re.match(r"https://cdn.jsdelivr.net/npm/(@\w+/)?[^/]+/", u) for u in elsewhere
    }
    packages = sorted({match[0] for match in found_packages if match})
    allowed = policy["script-src"].split()
    assert allowed[:3] == ["'self'", f"'sha256-{digest}'", cdn]
    assert sorted(allowed[3:]) == packages
    for target in pinned["imports"].values():
        assert target.startswith(tuple(packages))
    assert not re.search("unsafe|data:|\\*", found[1])
    assert f"'{cdn}'" in (SOURCE / "webtorrent.js").read_text()
    for script in SOURCE.glob("*.js"):
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", script.read_text()
        ), script.name


def test_the_service_worker_keeps_every_file_of_the_page() -> None:
    worker = (SOURCE / "sw.js").read_text()
    listed = worker.partition("const PAGE")[2].partition("self.addEventListener")[0]
    kept = set(re.findall(r"'([\w.]+)'", listed)) - {"webtorrent.min.js", "age.min.js"}
    assert kept == names(SOURCE) - {"sw.js", "too_old.js"}


def test_the_words_of_the_page_are_the_words_of_its_settings() -> None:
    shipped = json.loads((SOURCE / "settings.json").read_text())
    assert shipped["trackers"] == web_trackers(Settings().trackers)
    assert shipped["stun"] == Settings().stun_server


# -- share --page ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [["MEMO", "--page", PAGE], ["--page", PAGE, "MEMO"], ["MEMO", f"--page={PAGE}"]],
)
def test_share_page_prints_the_magnet_whole_and_encoded_in_the_fragment(
    anna: Memocast, memo: str, arguments: list[str]
) -> None:
    magnet = anna.run("share", memo, "--no-seed", "--direct").out.strip()
    given = [memo if argument == "MEMO" else argument for argument in arguments]
    link = anna.run("share", *given, "--no-seed", "--direct").out
    assert link == f"{PAGE}#{quote(magnet, safe='')}\n"
    assert unquote(link.strip().partition("#")[2]) == magnet


def test_share_page_takes_the_setting_and_several_memos_a_link_a_line(
    anna: Memocast, memo: str, opus: Path
) -> None:
    other = anna.add(opus, title="Other")
    user = anna.with_(MEMOCAST_PAGE_URL=PAGE)
    lines = user.run("share", "--page", memo, other, "--no-seed").lines
    assert [line.startswith(f"{PAGE}#magnet%3A%3Fxt") for line in lines] == [True, True]
    assert user.run("share", "--page", "--all", "--no-seed", "--json").json[0]["link"] in lines


def test_without_a_page_share_page_says_how_to_host_one(anna: Memocast, memo: str) -> None:
    result = anna.run("share", "--page", memo, expect=2)
    assert "there is no listening page to link to" in result.err
    assert "memocast page DIR" in result.err
    assert anna.show(memo)["shared"] is False


@pytest.mark.parametrize("url", ["ftp://example.org/", "https://", "https://a/#b", "https://a/ b"])
def test_a_page_that_is_no_web_address_is_refused(anna: Memocast, memo: str, url: str) -> None:
    assert "is not a page's address" in anna.run("share", memo, "--page", url, expect=2).err
    configured = anna.with_(MEMOCAST_PAGE_URL=url)
    assert "is not a page's address" in configured.run("list", expect=2).err
    assert anna.show(memo)["shared"] is False


def test_two_pages_or_a_url_without_page_are_refused(anna: Memocast, memo: str) -> None:
    assert "--page takes one URL" in anna.run("share", memo, "--page", PAGE, PAGE, expect=2).err
    assert "there is no memo 'https:" in anna.run("share", memo, PAGE, expect=3).err


def test_share_page_says_when_no_browser_can_find_it(anna: Memocast, memo: str) -> None:
    told = anna.run("share", memo, "--page", PAGE, "--no-seed").err
    assert "no browser can find this" in told
    reachable = anna.with_(MEMOCAST_TRACKERS="wss://tracker.example")
    assert "no browser" not in reachable.run("share", memo, "--page", PAGE, "--no-seed").err


def test_fetch_takes_a_page_link(anna: Memocast, ben: Memocast, memo: str) -> None:
    link = anna.run("share", memo, "--page", PAGE, "--direct").out.strip()
    assert ben.run("fetch", link).out
    anna.stop()


def test_what_page_link_writes_parse_reads() -> None:
    magnets = [f"magnet:?xt=urn:btih:{number:040x}&dn=a%20%26%20b" for number in range(20)]
    found = parse(listening_page_link(PAGE, magnets))
    assert [link.v1 for link in found] == [f"{number:040x}" for number in range(20)]
    assert {link.dn for link in found} == {"a & b"}


@pytest.mark.parametrize(
    "link",
    [
        PAGE,
        f"{PAGE}#",
        f"{PAGE}#magnet%3A%3Fxt%3Durn%3Abtih%3Aabab",
        f"{PAGE}#magnet%3",
        "http://[",
    ],
)
def test_a_page_link_without_a_whole_magnet_is_exit_5(ben: Memocast, link: str) -> None:
    result = ben.run("fetch", link, expect=5)
    assert "memocast: hint: paste a magnet link, a share URL" in result.err


# -- STUN -------------------------------------------------------------------------------


def test_a_stun_server_is_known_by_its_answer() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(10)
        address = f"127.0.0.1:{server.getsockname()[1]}"

        def serve() -> None:
            # To the first a stranger's answer, to the second none, to the third the true one.
            for answer in (bytes(20), None, b"\x01\x01\0\0"):
                request, sender = server.recvfrom(100)
                assert request[:8] == b"\0\x01\0\0\x21\x12\xa4\x42"
                if answer:
                    server.sendto((answer + request[4:])[:20], sender)

        thread = threading.Thread(target=serve)
        thread.start()
        assert stun.answers(address, 1.5)
        thread.join()
        assert not stun.answers(address, 0.3)
    assert not stun.answers("no.such.host.invalid:3478", 0.3)


# -- for a phone's camera ----------------------------------------------------------------


def test_a_phone_reads_the_page_link_from_the_terminal(
    anna: Memocast, memo: str, tmp_path: Path
) -> None:
    user = anna.with_(MEMOCAST_TRACKERS=" ".join(Settings().trackers))
    shared = user.run("share", memo, "--page", PAGE, "--qr", "--no-seed")
    assert read_qr(shared.err, tmp_path) == shared.out.strip()


def test_a_code_that_the_terminal_is_too_narrow_for_is_not_drawn_broken(
    anna: Memocast, opus: Path
) -> None:
    memo = anna.add(opus, title="A title that goes on and on " * 4)
    anna.environment["MEMOCAST_TRACKERS"] = " ".join(Settings().trackers)
    with Terminal(anna) as terminal:
        lines = terminal.run(f"memocast share {memo} --page {PAGE} --qr --no-seed")
    text = "".join(lines)
    assert re.search(r"memocast: the QR code needs \d+ columns and this terminal has 80", text)
    assert "█" not in text
