"""Answering from the page: what is recorded in a browser reaches a terminal."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from helpers.heard_sounds import RATE, decoded, likeness
from helpers.listening_page import card, until
from helpers.page_recorder import ABOUT, TITLE, elapsed, record, share
from helpers.waiting import wait_for
from memocast.audio.examine import examine

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Browser, BrowserContext, Page, Route

    from helpers.browser import Net
    from helpers.memocast_user import Memocast


def copied(tab: Page, button: Any) -> str:
    button.click()
    return str(wait_for("the link", lambda: tab.evaluate("navigator.clipboard.readText()")))


@pytest.mark.long
def test_an_answer_recorded_in_the_page_is_fetched_with_all_that_belongs_to_it(
    net: Net, memocast: Callable[..., Memocast], profile: BrowserContext, speech: Path
) -> None:
    ben = net.user(memocast("ben"))
    tab = net.visit(context=profile)
    record(tab, seconds=6)
    wait_for("the level", lambda: tab.evaluate("document.querySelector('#level').value > 20"))
    found = share(tab)
    assert found.locator(".description").inner_text() == ABOUT
    link = copied(tab, found.get_by_role("button", name="Copy link"))
    assert link.startswith(f"{net.site.url}#magnet%3A")
    fetched = ben.run("fetch", link)
    memo = ben.show(fetched.out.strip())
    assert (memo["title"], memo["description"], memo["format"]) == (TITLE, ABOUT, "webm")
    heard = decoded(ben.audio(memo["id"]))
    assert memo["duration"] == pytest.approx(len(heard) / RATE, abs=0.05)
    assert likeness(heard, decoded(speech)) > 0.9
    peaks = list(examine(ben.audio(memo["id"])).peaks)
    assert np.abs(np.array(memo["peaks"]) - peaks).mean() < 3


@pytest.mark.long
def test_what_is_said_while_paused_is_not_recorded(net: Net, profile: BrowserContext) -> None:
    tab = net.visit(context=profile)
    record(tab, seconds=1)
    tab.get_by_role("button", name="Pause").click()
    tab.get_by_text("Paused.").wait_for()
    before = elapsed(tab)
    tab.evaluate("() => new Promise(resolve => setTimeout(resolve, 2000))")
    assert elapsed(tab) - before <= 1
    tab.get_by_role("button", name="Resume").click()
    share(tab)
    heard = tab.evaluate(
        """async () => {
          const request = indexedDB.open('memocast')
          await new Promise(resolve => { request.onsuccess = resolve })
          const all = request.result.transaction('memos').objectStore('memos').getAll()
          await new Promise(resolve => { all.onsuccess = resolve })
          const context = new AudioContext()
          const bytes = await all.result[0].blob.arrayBuffer()
          return [(await context.decodeAudioData(bytes)).duration, all.result[0].duration]
        }"""
    )
    assert heard[0] < before + 1.9
    assert heard[1] == pytest.approx(heard[0], abs=0.2)


def test_a_recording_is_listened_to_and_discarded_only_after_asking(
    net: Net, profile: BrowserContext
) -> None:
    tab = net.visit(context=profile)
    record(tab, seconds=1)
    tab.get_by_role("button", name="Stop").click()
    tab.locator("#listen").evaluate("audio => audio.play()")
    until(tab, "document.querySelector('#listen').currentTime > 0.1")
    for answer, left in (("No", 1), ("Yes", 0)):
        tab.get_by_role("button", name="Discard").click()
        tab.get_by_role("button", name=answer, exact=True).click()
        tab.locator("#draft").wait_for(state="visible" if left else "hidden")
    assert tab.locator("article").count() == 0
    tab.get_by_role("button", name="Record").wait_for()


def test_what_is_shared_before_the_page_is_connected_is_shared_once_it_is(
    net: Net, microphone: Browser
) -> None:
    context = net.context(microphone, service_workers="block", permissions=["microphone"])
    held: list[Route] = []
    context.route("**/webtorrent.min.js*", lambda route: held.append(route))
    tab = net.visit(context=context)
    record(tab, seconds=1)
    tab.get_by_role("button", name="Stop").click()
    tab.get_by_role("button", name="Share it").click()
    wait_for("the request", lambda: tab.title() and held)
    assert tab.locator("article").count() == 0
    held[0].continue_()
    tab.locator("article").locator(".facts", has_text="0:0").wait_for()


@pytest.mark.long
def test_a_recording_whose_browser_died_is_offered_again(
    net: Net, speech: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "profile"
    record(net.visit(context=net.living_in(folder, speech)), seconds=3)
    subprocess.run(["pkill", "-9", "-f", f"user-data-dir={folder}"], check=True)
    again = net.visit(context=net.living_in(folder, speech))
    again.get_by_text("A recording was interrupted.").wait_for()
    again.get_by_role("button", name="Share it").click()
    found = again.locator("article")
    found.locator(".facts", has_text=re.compile("0:(0[1-9]|[1-3][0-9])")).wait_for()
    found.get_by_role("button", name="Play").click()
    until(again, "document.querySelector('article audio').currentTime > 0.1")


@pytest.mark.full
@pytest.mark.long
def test_one_that_had_been_stopped_is_offered_again_too_with_its_length_and_waveform(
    net: Net, speech: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "profile"
    tab = net.visit(context=net.living_in(folder, speech))
    record(tab, seconds=3)
    tab.get_by_role("button", name="Stop").click()
    tab.get_by_role("button", name="Share it").wait_for()
    subprocess.run(["pkill", "-9", "-f", f"user-data-dir={folder}"], check=True)
    again = net.visit(context=net.living_in(folder, speech))
    again.get_by_role("button", name="Share it").click()
    found = again.locator("article")
    found.locator(".facts", has_text=re.compile("0:(0[1-9]|[1-3][0-9])")).wait_for()
    drawn = found.locator(".wave path.whole").get_attribute("d") or ""
    assert len(set(re.findall(r"h2\.6v([\d.]+)", drawn))) > 20


HOLD = """() => new Promise(resolve => {
  const request = indexedDB.open('memocast', 1)
  request.onupgradeneeded = () => {
    request.result.createObjectStore('memos', { keyPath: 'infoHash' })
    const drafts = request.result.createObjectStore('draft', { autoIncrement: true })
    const spin = () => { if (!globalThis.released) drafts.count().onsuccess = spin }
    spin()
    resolve()
  }
  request.onsuccess = () => request.result.close()
})"""


def test_recording_can_begin_once_the_page_knows_what_it_keeps_and_no_click_is_lost(
    net: Net, profile: BrowserContext
) -> None:
    holding = net.visit(f"{net.site.url}icon.svg", context=profile)
    holding.evaluate(HOLD)
    tab = net.visit(context=profile)
    button = tab.get_by_role("button", name="Record")
    button.wait_for()
    assert button.is_disabled()
    holding.evaluate("globalThis.released = true")
    record(tab, seconds=1)
    share(tab)


@pytest.mark.full
@pytest.mark.long
def test_a_recording_in_another_tab_is_left_to_that_tab(net: Net, profile: BrowserContext) -> None:
    tab = net.visit(context=profile)
    record(tab, seconds=2)
    other = net.visit(context=profile)
    other.get_by_text("Nothing yet.").wait_for()
    assert other.locator("#draft").is_hidden()
    share(tab)
    third = net.visit(context=profile)
    card(third, TITLE).wait_for()
    assert third.locator("#draft").is_hidden(), "what was shared is no draft any more"


def test_where_the_clipboard_is_refused_the_link_is_shown_to_be_copied(
    net: Net, microphone: Browser
) -> None:
    tab = net.context(microphone).new_page()
    tab.add_init_script("navigator.clipboard.writeText = () => Promise.reject(new Error())")
    tab.goto(net.site.url)
    record(tab, seconds=1)
    share(tab).get_by_role("button", name="Copy link").click()
    assert tab.get_by_label("Link", exact=True).input_value().startswith(net.site.url)
    tab.get_by_role("button", name="Done").click()


@pytest.mark.long
def test_what_is_kept_is_edited_deleted_after_asking_and_shared_all_in_one_link(
    net: Net, memocast: Callable[..., Memocast], profile: BrowserContext
) -> None:
    ben = net.user(memocast("ben"))
    tab = net.visit(context=profile)
    for title in ("One", "Two", "Three"):
        record(tab, title, seconds=1)
        share(tab, title)
    tab.reload()
    assert tab.locator("h3").all_inner_texts() == ["Three", "Two", "One"]
    card(tab, "Two").get_by_role("button", name="Edit").click()
    tab.get_by_role("dialog").get_by_label("Title").fill("Two and a half")
    tab.get_by_role("button", name="Save", exact=True).last.click()
    card(tab, "Two and a half").wait_for()
    card(tab, "One").get_by_role("button", name="Delete").click()
    tab.get_by_text("Delete “One” from this browser?").wait_for()
    tab.get_by_role("button", name="Yes", exact=True).click()
    card(tab, "One").wait_for(state="detached")
    tab.reload()
    card(tab, "Two and a half").wait_for()
    assert card(tab, "One").count() == 0
    tab.get_by_text("Complete. Keeping it available while this tab is open").first.wait_for()
    link = copied(tab, tab.get_by_role("button", name="Copy a link to all"))
    fetched = ben.run("fetch", link)
    titles = [ben.show(memo)["title"] for memo in fetched.lines]
    assert titles == ["Three", "Two"], "the link keeps the words it was made with"
