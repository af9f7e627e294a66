"""The listening page when something is wrong: nobody there, a damaged link, somebody hostile."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from helpers.listening_page import card, until, wait_whole
from helpers.page_stranger import SCRIPT, Stranger, guarded
from helpers.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Page

    from helpers.browser import Net
    from helpers.memocast_user import Memocast

TITLE = "What was said"
NOBODY = "magnet:?xt=urn:btih:" + "ab" * 20


def magnet_of_nobody(net: Net, tracker: str = "") -> str:
    return f"{net.site.url}#{NOBODY}&dn=Hello.opus&tr={tracker or net.tracker.url}"


def visit_with_a_clock(net: Net, url: str) -> Page:
    """A tab whose time the test moves on."""
    context = net.context()
    context.clock.install()
    return net.visit(url, context)


# -- nobody there --------------------------------------------------------------------


def test_it_waits_and_after_half_a_minute_says_that_nobody_is_there(net: Net) -> None:
    tab = visit_with_a_clock(net, magnet_of_nobody(net))
    found = card(tab, "Hello")
    found.get_by_text("Waiting for the sender to be online").wait_for()
    until(tab, "navigator.serviceWorker.controller !== null")
    tab.clock.run_for(31_000)
    found.get_by_text("Nobody who has this memo is online. Ask the sender to run").wait_for()


def test_it_says_when_no_tracker_can_be_reached(net: Net, tmp_path: Path) -> None:
    (net.site.folder / "settings.json").rename(tmp_path / "settings.json")
    try:
        tab = visit_with_a_clock(net, magnet_of_nobody(net, f"ws://{net.here.address}:9"))
        found = card(tab, "Hello")
        found.get_by_text("Waiting for the sender to be online").wait_for()
        until(tab, "navigator.serviceWorker.controller !== null")  # without settings.json, too
        tab.clock.run_for(11_000)
        found.get_by_text("No tracker could be reached, so nobody can be found.").wait_for()
    finally:
        (tmp_path / "settings.json").rename(net.site.folder / "settings.json")


def test_a_memo_whose_sender_comes_later_arrives_by_itself(
    net: Net, memocast: Callable[..., Memocast], opus: Path
) -> None:
    anna = net.user(memocast("anna"))
    memo = anna.add(opus, title=TITLE)
    link = anna.run("share", memo, "--page", net.site.url, "--no-seed").out.strip()
    tab = net.visit(link)
    tab.get_by_text("Waiting for the sender to be online").wait_for()
    anna.run("seed", "--background")
    wait_whole(tab, TITLE)


def test_a_browser_without_webrtc_is_told_so(net: Net) -> None:
    tab = net.context().new_page()
    tab.add_init_script("delete window.RTCPeerConnection")
    tab.goto(magnet_of_nobody(net))
    tab.locator("#trouble", has_text="has no WebRTC").wait_for()
    assert not tab.locator("main").is_visible()


def test_a_browser_that_runs_no_scripts_is_told_so(net: Net) -> None:
    tab = net.visit(context=net.context(java_script_enabled=False))
    assert "This page needs JavaScript" in tab.locator("#trouble").inner_text()


# -- damaged links ---------------------------------------------------------------------


DAMAGED = {
    "#magnet%3A%3Fxt%3Durn%3Abtih%3Aabab": "it does not say which memo it means",
    "#magn": "part of it is not a magnet link",
    "#": "",
    "#hello": "part of it is not a magnet link",
    "#magnet:?xt=urn:btmh:1220" + "ab" * 32: "a version 2 torrent",
    "?seeds=": "There is no magnet link in this address",
    "?seeds=%E0%A4%A": "part of it is not a magnet link",
}


def test_a_damaged_link_is_told(net: Net) -> None:
    tab = net.visit()
    for fragment, words in DAMAGED.items():
        tab.goto(net.site.url + fragment)  # into the same tab, as somebody pastes it
        trouble = tab.locator("#trouble", has_text=words or re.compile("^$"))
        trouble.wait_for(state="attached")


def test_a_link_whose_name_was_cut_leads_to_its_memo(net: Net) -> None:
    tab = net.visit(net.site.url + "#magnet%3A%3Fxt%3Durn%3Abtih%3A" + "ab" * 20 + "%26dn%3DGr%2")
    card(tab, "Gr%2").wait_for()
    assert tab.locator("#trouble").inner_text() == ""


def test_what_is_kept_and_cannot_be_read_is_told_and_the_page_goes_on(net: Net) -> None:
    tab = net.context().new_page()
    tab.add_init_script("IDBObjectStore.prototype.getAll = () => { throw new Error('gone') }")
    tab.goto(magnet_of_nobody(net))
    card(tab, "Hello").get_by_text("Waiting for the sender to be online").wait_for()
    trouble = "This browser cannot read the memos that it kept."
    assert tab.locator("#trouble").inner_text() == trouble


def test_of_a_link_that_is_damaged_in_part_the_rest_is_opened(
    net: Net, memocast: Callable[..., Memocast], opus: Path
) -> None:
    anna, ben = (net.user(memocast(name)) for name in ("anna", "ben"))
    good = anna.run("share", anna.add(opus, title=TITLE), "--page", net.site.url).out.strip()
    link = f"{good}&magnet%3A%3Fxt%3Durn%3Abtih%3Aabab&magn"
    tab = net.visit(link)
    wait_whole(tab, TITLE)
    assert "it does not say which memo it means" in tab.locator("#trouble").inner_text()
    fetched = ben.run("fetch", link, expect=5)
    assert ben.show(fetched.out.strip())["title"] == TITLE
    assert "part of the URL is not a magnet link" in fetched.err
    assert "the magnet link names no torrent" in fetched.err


def test_a_memo_that_nobody_has_is_dismissed(net: Net) -> None:
    tab = net.visit(magnet_of_nobody(net))
    card(tab, "Hello").get_by_role("button", name="Dismiss").click()
    card(tab, "Hello").wait_for(state="detached")


def test_without_webtorrent_it_says_so_and_goes_on_when_the_network_is_back(
    net: Net, memocast: Callable[..., Memocast], opus: Path
) -> None:
    anna = net.user(memocast("anna"))
    link = anna.run("share", anna.add(opus, title=TITLE), "--page", net.site.url).out.strip()
    context = net.context(service_workers="block")
    context.route("**/webtorrent.min.js*", lambda route: route.abort())
    tab = net.visit(link, context)
    card(tab, TITLE).get_by_text("could not be loaded").wait_for()
    context.unroute_all()
    tab.evaluate("dispatchEvent(new Event('online'))")
    wait_whole(tab, TITLE)


def test_it_fits_a_phone_and_every_control_has_a_name(
    net: Net, memocast: Callable[..., Memocast], opus: Path
) -> None:
    anna = net.user(memocast("anna"))
    memo = anna.add(opus, title="A title that is long " * 8, description="and\nwords " * 50)
    link = anna.run("share", memo, "--page", net.site.url).out.strip()
    tab = net.visit(link, net.context(viewport={"width": 320, "height": 640}))
    tab.locator("article[data-phase=whole]").wait_for()
    assert tab.evaluate("document.documentElement.scrollWidth") <= 320
    nameless = tab.evaluate(
        """[...document.querySelectorAll('button, input, select, textarea, [role=slider], meter')]
          .filter(found => found.checkVisibility())
          .filter(found => !(found.ariaLabel || found.labels?.length || found.textContent.trim()))
          .map(found => found.outerHTML)"""
    )
    assert nameless == []
    assert "Complete." in tab.locator("#announcer").inner_text()


def test_of_a_link_to_more_than_twenty_memos_the_first_twenty_are_shown(net: Net) -> None:
    links = [f"magnet%3A%3Fxt%3Durn%3Abtih%3A{number:040x}" for number in range(30)]
    tab = net.visit(f"{net.site.url}#{'&'.join(links)}")
    tab.locator("#trouble", has_text="names 30 memos; the first 20 are shown").wait_for()
    assert tab.locator("article").count() == 20


def test_what_is_typed_and_is_no_link_is_refused(net: Net) -> None:
    tab = net.visit()
    tab.get_by_label("Magnet or page link").fill("not a link")
    tab.keyboard.press("Enter")
    tab.get_by_text("That is not a link.").wait_for()


# -- strangers ---------------------------------------------------------------------------


def test_words_of_strangers_are_words_and_nothing_else(
    net: Net, stranger: Stranger, opus: Path
) -> None:
    key = {
        b"v": 1,
        b"title": SCRIPT.encode(),
        b"description": (SCRIPT + "\nsecond line").encode(),
        b"duration": 5_000,
        b"peaks": bytes(range(200)),
    }
    tab = guarded(net)
    tab.goto(stranger.seed({"audio.opus": opus.read_bytes()}, key=key))
    found = tab.locator("article[data-phase=whole]")
    found.wait_for()
    safe = SCRIPT.replace("\u202e", "\ufffd").replace("\x1b", "\ufffd")
    assert found.locator("h3").inner_text() == safe
    assert found.locator(".description").inner_text() == f"{safe}\nsecond line"
    assert tab.locator("article img, article script").count() == 0
    with tab.expect_download() as download:
        found.get_by_role("button", name="Save").click()
    assert not set(download.value.suggested_filename) & set('<>:"/\\|?*\x1b\u202e')
    assert tab.evaluate("violations") == []


ODD: dict[str, Any] = {
    "bytes": b"no dictionary",
    "list": [1, 2],
    "types": {
        b"title": 7,
        b"peaks": 5,
        b"created": b"now",
        b"duration": -1,
        b"description": [b"x"],
    },
    "bounds": {
        b"title": b"\xff\xfe",
        b"peaks": bytes(201),
        b"created": 1 << 60,
        b"duration": 1 << 60,
    },
    "long": {b"title": b"t" * 301, b"description": b"d" * 8_001},
    "too much": {b"title": b"t" * 70_000},
}


def test_fields_that_are_not_as_they_should_be_are_left_out(
    net: Net, stranger: Stranger, opus: Path
) -> None:
    links = [
        stranger.seed({f"Plain {name}.opus": opus.read_bytes()}, key=key)
        for name, key in ODD.items()
    ]
    tab = guarded(net)
    tab.goto(net.site.url + "#" + "&".join(quote(link.partition("#")[2]) for link in links))
    for name in ODD:
        found = wait_whole(tab, f"Plain {name}")
        assert found.locator(".description").is_hidden()
    for name in ODD:
        found = card(tab, f"Plain {name}")
        found.get_by_role("button", name="Play").click()
        sound = found.locator("audio")
        wait_for("sound", lambda sound=sound: sound.evaluate("it => it.currentTime") > 0.1)


def test_what_is_not_audio_is_not_downloaded(net: Net, stranger: Stranger) -> None:
    tab = guarded(net)
    page = b"<html><script>alert(1)</script>" * 300_000
    tab.goto(stranger.seed({"song.opus": page}))
    found = card(tab, "song")
    found.get_by_text("This is not audio that memocast knows").wait_for()
    assert found.get_attribute("data-phase") == "failed"
    assert found.get_by_role("button", name="Play").is_hidden()
    assert tab.evaluate("violations") == []


def test_audio_that_is_none_after_its_first_bytes_says_so_when_it_is_played(
    net: Net, stranger: Stranger
) -> None:
    tab = guarded(net)
    tab.goto(stranger.seed({"broken.opus": b"OggS" + bytes(60_000)}))
    found = wait_whole(tab, "broken")
    found.get_by_role("button", name="Play").click()
    found.get_by_text("This browser cannot play this kind of audio.").wait_for()


def test_a_torrent_of_several_files_is_refused(net: Net, stranger: Stranger, opus: Path) -> None:
    content: dict[str, bytes | int] = {"a.opus": opus.read_bytes(), "b.opus": opus.read_bytes()}
    tab = guarded(net)
    tab.goto(stranger.seed(content, name="album"))
    tab.locator("article").get_by_text("This link has 2 files; a memo has one.").wait_for()


def test_a_large_file_is_downloaded_only_when_that_was_meant_and_the_tab_stays_alive(
    net: Net, stranger: Stranger
) -> None:
    link = stranger.seed({"long.wav": 200_000_000})
    tab = guarded(net)
    tab.goto(link)
    found = card(tab, "long")
    found.get_by_text("This memo is large. Download it?").wait_for()
    assert found.locator("progress").is_hidden(), "nothing of it is asked for yet"
    found.get_by_role("button", name="Download 200.0 MB").click()
    found.get_by_text("This is not audio that memocast knows").wait_for()
    tab.get_by_label("Title", exact=True).first.fill("alive")
