"""The listening page, in a real browser, fed by memocast over WebRTC."""

from __future__ import annotations

import base64
import json
import re
import shutil
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

import numpy as np
import pytest

from helpers.browser import WEBTORRENT, Net, Site
from helpers.heard_sounds import decoded, likeness
from helpers.listening_page import card, until, wait_whole
from helpers.other_clients import ARIA2C, run_client
from helpers.processes import running
from helpers.shared_memo import address_of, info_hash, sha256
from helpers.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Page

    from helpers.memocast_user import Memocast

TITLE = "Grüße 🎙 from Anna"
ABOUT = "two\nlines & ünïcode"

CAPTURE = """audio => {
  const context = new AudioContext({ sampleRate: 48000 })
  const processor = context.createScriptProcessor(4096, 1, 1)
  const heard = []
  processor.onaudioprocess = event => heard.push(event.inputBuffer.getChannelData(0).slice())
  context.createMediaElementSource(audio).connect(processor)
  processor.connect(context.destination)
  window.heard = new Promise(resolve => audio.addEventListener('ended', () => {
    const bytes = new Uint8Array(Float32Array.from(heard.flatMap(part => [...part])).buffer)
    resolve(btoa(Array.from(bytes, byte => String.fromCharCode(byte)).join('')))
  }))
}"""
"""Gathers what the speaker would get from an audio element, until it ends."""


@pytest.fixture
def anna(net: Net, memocast: Callable[..., Memocast]) -> Memocast:
    return net.user(memocast("anna"))


@pytest.fixture
def ben(net: Net, memocast: Callable[..., Memocast]) -> Memocast:
    return net.user(memocast("ben"))


def page_link(user: Memocast, memo: str, net: Net) -> str:
    return user.run("share", memo, "--page", net.site.url).out.strip()


@pytest.mark.long
def test_everything_about_a_memo_is_shown_before_its_audio_and_then_it_sounds_as_recorded(
    net: Net, anna: Memocast, flac: Path
) -> None:
    anna = anna.with_(MEMOCAST_UPLOAD_LIMIT="50000")
    memo = anna.add(flac, title=TITLE, description=ABOUT)
    tab = net.visit(page_link(anna, memo, net))
    found = card(tab, TITLE)
    found.get_by_text("0:05").first.wait_for()
    assert found.get_attribute("data-phase") == "downloading"
    assert re.match(r"\d+ %, from 1 person, ", found.locator(".status").inner_text())
    assert found.locator(".description").inner_text() == ABOUT
    assert "0:05" in found.locator(".facts").inner_text()
    drawn = found.locator(".wave path.whole").get_attribute("d") or ""
    shown = [float(height) for height in re.findall(r"h2\.6v([\d.]+)", drawn)]
    peaks = anna.show(memo)["peaks"]
    assert shown == pytest.approx([max(2, peak * 96 / 255) for peak in peaks], abs=0.01)

    found = wait_whole(tab, TITLE)
    found.locator("audio").evaluate(CAPTURE)
    found.get_by_role("button", name="Play").click()
    found.get_by_role("button", name="Pause").wait_for()
    heard = np.frombuffer(base64.b64decode(tab.evaluate("heard")), np.float32).astype(float)
    # A busy machine loses buffers of the capture now and then, and what follows one is out of
    # step; another sound is below 0.1.
    assert likeness(heard, decoded(flac)) > 0.5


@pytest.mark.long
def test_it_plays_while_it_is_downloaded(net: Net, anna: Memocast, long_memo: Path) -> None:
    anna = anna.with_(MEMOCAST_UPLOAD_LIMIT="60000")
    memo = anna.add(long_memo, title=TITLE)
    link = page_link(anna, memo, net)
    tab = net.context().new_page()
    tab.goto(net.site.url)
    until(tab, "navigator.serviceWorker.controller !== null")
    tab.goto(link)
    found = card(tab, TITLE)
    found.get_by_role("button", name="Play").click()
    until(tab, "document.querySelector('article audio').currentTime > 0.2")
    assert found.get_attribute("data-phase") == "downloading"
    found.get_by_role("slider").press("End")
    found.get_by_role("slider").press("ArrowLeft")
    until(tab, "document.querySelector('article audio').currentTime > 25.7")
    assert found.get_attribute("data-phase") == "downloading", "the end of it came first"


@pytest.mark.long
def test_the_second_tab_gets_it_from_the_first_after_the_seeder_has_stopped(
    net: Net, anna: Memocast, opus: Path
) -> None:
    link = page_link(anna, anna.add(opus, title=TITLE), net)
    first = net.visit(link)
    wait_whole(first, TITLE)
    anna.stop()
    second = net.visit(link)
    found = wait_whole(second, TITLE)
    assert "connected to 1 person" in found.locator(".status").inner_text()


@pytest.mark.full
@pytest.mark.long
def test_a_memo_fetched_from_a_browser_alone_is_then_served_to_aria2(
    net: Net, anna: Memocast, ben: Memocast, opus: Path, tmp_path: Path
) -> None:
    memo = anna.add(opus, title=TITLE, description=ABOUT)
    link = page_link(anna, memo, net)
    tab = net.visit(link)
    wait_whole(tab, TITLE)
    anna.stop()
    fetched = ben.run("fetch", link)
    copy = ben.show(fetched.out.strip())
    assert (copy["title"], copy["description"]) == (TITLE, ABOUT)
    assert sha256(ben.audio()) == sha256(anna.audio(memo))
    ben.environment["MEMOCAST_TRACKERS"] = f"{net.tracker.url} {net.tracker.http}"
    magnet = ben.run("share", "latest").out.strip()
    wait_for("Ben's seeder", lambda: net.tracker.announced(info_hash(magnet)))
    aria2c = [part for part in ARIA2C if not part.startswith("--interface")]
    with net.here.entered():
        run_client(tmp_path, *aria2c, "--seed-time=0", f"--dir={tmp_path / 'theirs'}", magnet)
    (file,) = (tmp_path / "theirs").iterdir()
    assert sha256(file) == sha256(opus)


def test_a_browser_is_reached_although_its_address_is_that_of_a_client_that_does_not_answer(
    net: Net, anna: Memocast, ben: Memocast, opus: Path
) -> None:
    link = page_link(anna, anna.add(opus, title=TITLE), net)
    wait_whole(net.visit(link), TITLE)
    anna.stop()
    nobody = f"{net.there.address}:9"
    assert ben.run("fetch", link, "--peer", nobody).out
    assert sha256(ben.audio()) == sha256(opus)


@pytest.mark.full
@pytest.mark.long
def test_a_fetch_whose_clients_fall_silent_goes_on_with_browsers(
    net: Net, anna: Memocast, ben: Memocast, long_memo: Path
) -> None:
    slow = anna.with_(MEMOCAST_UPLOAD_LIMIT="200000")
    link = page_link(slow, anna.add(long_memo, title=TITLE), net)
    tab = net.visit(link)
    wait_whole(tab, TITLE)
    fetching = ben.start("fetch", link, "--peer", address_of(anna), "--json")
    with running(fetching):
        wait_for("some of it", lambda: received(ben) > 200_000)
        anna.stop()
        out, err = fetching.communicate(timeout=60)
    assert fetching.returncode == 0, err
    assert json.loads(out)["title"] == TITLE
    assert sha256(ben.audio()) == sha256(long_memo)


def received(user: Memocast) -> int:
    """How much of a download is on disk."""
    staged = list((user.library / "incoming").glob("download-*/audio"))
    return staged[0].stat().st_blocks * 512 if staged else 0


# -- plain webtorrent.js, with nothing of ours ------------------------------------

PLAIN = """async () => {
  const { default: WebTorrent } = await import('./webtorrent.min.js')
  window.client = new WebTorrent({ tracker: { rtcConfig: { iceServers: [] } } })
}"""


def plain(net: Net) -> Page:
    tab = net.visit(f"{net.site.url}plain.html")
    tab.evaluate(PLAIN)
    return tab


def test_a_memocast_magnet_works_in_plain_webtorrent(net: Net, anna: Memocast, opus: Path) -> None:
    magnet = anna.run("share", anna.add(opus, title=TITLE)).out.strip()
    name, content = plain(net).evaluate(
        """magnet => new Promise(resolve => client.add(magnet).on('done', async function () {
          const bytes = new Uint8Array(await this.files[0].arrayBuffer())
          resolve([this.name, btoa(Array.from(bytes, byte => String.fromCharCode(byte)).join(''))])
        }))""",
        magnet,
    )
    assert name == f"{TITLE}.opus"
    assert base64.b64decode(content) == opus.read_bytes()


def test_what_plain_webtorrent_seeds_is_fetched(net: Net, ben: Memocast, opus: Path) -> None:
    magnet = plain(net).evaluate(
        """([content, tracker]) => new Promise(resolve => {
          const bytes = Uint8Array.from(atob(content), char => char.charCodeAt(0))
          const file = new File([bytes], 'From a browser.opus')
          client.seed(file, { announce: [tracker] }, torrent => resolve(torrent.magnetURI))
        })""",
        [base64.b64encode(opus.read_bytes()).decode(), net.tracker.url],
    )
    fetched = ben.run("fetch", magnet)
    assert fetched.err.startswith("memocast: fetched 'From a browser' (0:05)\n")
    assert sha256(ben.audio(fetched.out.strip())) == sha256(opus)


# -- the page itself ----------------------------------------------------------------


def test_without_a_network_the_page_opens_and_plays_what_it_keeps(
    net: Net, anna: Memocast, opus: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "site"
    shutil.copytree(net.site.folder, folder)
    site = Site(net.there, folder)
    context = net.context()
    link = anna.run("share", anna.add(opus, title=TITLE), "--page", site.url).out.strip()
    tab = net.visit(link, context)
    wait_whole(tab, TITLE)
    until(tab, "navigator.serviceWorker.controller !== null")
    site.close()
    anna.stop()
    context.set_offline(True)
    offline = net.visit(site.url, context)
    found = card(offline, TITLE)
    found.get_by_role("button", name="Play").click()
    until(offline, "document.querySelector('article audio').currentTime > 0.2")
    assert offline.locator("#trouble").inner_text() == ""


def test_what_is_listened_to_never_reaches_the_web_server(
    net: Net, anna: Memocast, opus: Path
) -> None:
    link = page_link(anna, anna.add(opus, title=TITLE), net)
    before = len(net.site.asked)
    wait_whole(net.visit(link), TITLE)
    asked = " ".join(net.site.asked[before:])
    assert "GET / HTTP" in asked
    assert not re.search("btih|magnet|Gr", asked)


def test_a_share_url_of_the_2016_demo_opens_too_and_loses_its_query(
    net: Net, anna: Memocast, opus: Path
) -> None:
    magnet = anna.run("share", anna.add(opus, title=TITLE)).out.strip()
    tab = net.visit(f"{net.site.url}?seeds={quote(magnet, safe='')}")
    wait_whole(tab, TITLE)
    assert "?" not in tab.url
    assert unquote(tab.url.partition("#")[2]) == magnet


def test_it_is_played_by_keyboard_and_saved_under_its_title(
    net: Net, anna: Memocast, flac: Path, tmp_path: Path
) -> None:
    tab = net.visit(page_link(anna, anna.add(flac, title="a/b: <c>"), net))
    found = wait_whole(tab, "a/b: <c>")
    slider = found.get_by_role("slider", name="Position in a/b: <c>")
    slider.focus()
    tab.keyboard.press("End")
    tab.keyboard.press("ArrowLeft")
    until(tab, "document.querySelector('[role=slider]').ariaValueNow < 2")
    assert re.match("0:0[01] of 0:05", slider.get_attribute("aria-valuetext") or "")
    box = slider.bounding_box()
    assert box is not None
    tab.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    until(tab, "document.querySelector('[role=slider]').ariaValueNow >= 2")
    found.get_by_label("Speed").select_option("2")
    found.get_by_role("button", name="Play").focus()
    tab.keyboard.press("Enter")
    until(tab, "!document.querySelector('article audio').paused")
    assert found.locator("audio").evaluate("audio => audio.playbackRate") == 2
    with tab.expect_download() as download:
        found.get_by_role("button", name="Save").click()
    assert download.value.suggested_filename == "a b c.flac"
    download.value.save_as(tmp_path / "saved")
    assert (tmp_path / "saved").read_bytes() == flac.read_bytes()


def cdn(net: Net, tmp_path: Path, content: bytes) -> Page:
    """The page where nobody put webtorrent.js beside it, and what the CDN has instead."""
    folder = tmp_path / "bare"
    shutil.copytree(net.site.folder, folder)
    (folder / "webtorrent.min.js").unlink()
    site = Site(net.there, folder)
    context = net.context()
    context.route(
        "https://cdn.jsdelivr.net/npm/webtorrent@2.8.5/dist/webtorrent.min.js",
        lambda route: route.fulfill(
            body=content,
            headers={
                "Content-Type": "application/javascript",
                "Access-Control-Allow-Origin": "*",
            },
        ),
    )
    return net.visit(site.url, context)


def test_webtorrent_comes_from_a_cdn_where_there_is_no_copy_beside_the_page(
    net: Net, anna: Memocast, opus: Path, tmp_path: Path
) -> None:
    magnet = anna.run("share", anna.add(opus, title=TITLE)).out.strip()
    tab = cdn(net, tmp_path, WEBTORRENT.read_bytes())
    tab.get_by_label("Magnet or page link").fill(magnet)
    tab.get_by_role("button", name="Fetch").click()
    wait_whole(tab, TITLE)


def test_a_cdn_that_serves_anything_else_is_refused(net: Net, tmp_path: Path) -> None:
    changed = WEBTORRENT.read_bytes() + b"\nwindow.changed = true"
    tab = cdn(net, tmp_path, changed)
    tab.locator("#trouble", has_text="could not be loaded").wait_for()
    assert tab.evaluate("window.changed") is None


def test_twelve_memos_in_one_link(net: Net, anna: Memocast, opus: Path) -> None:
    ids = [anna.add(opus, title=f"Memo {number}") for number in range(12)]
    magnets = anna.run("share", *ids).lines
    tab = net.visit(net.site.url + "#" + "&".join(quote(magnet, safe="") for magnet in magnets))
    until(tab, "document.querySelectorAll('article[data-phase=whole]').length === 12")
    assert tab.get_by_role("button", name="Copy a link to all").is_visible()
