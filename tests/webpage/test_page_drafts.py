"""What the page keeps in the browser goes when it should, whoever sits there next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from helpers.listening_page import card, until
from helpers.page_recorder import TITLE, record, share
from helpers.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import BrowserContext, Page

    from helpers.browser import Net
    from helpers.memocast_user import Memocast

COUNT = """async () => {
  const request = indexedDB.open('memocast')
  await new Promise(resolve => { request.onsuccess = resolve })
  const database = request.result
  const counts = await Promise.all(['memos', 'draft'].map(name => new Promise(resolve => {
    const all = database.transaction(name).objectStore(name).getAll()
    all.onsuccess = () => resolve(all.result)
  })))
  database.close()
  const [memos, parts] = counts
  return [memos.length, parts.length, new Set(parts.map(part => part.recording)).size]
}"""

HOLD = """name => new Promise(resolve => {
  globalThis.released = false
  const request = indexedDB.open('memocast')
  request.onsuccess = () => {
    const database = request.result
    const store = database.transaction(name, 'readwrite').objectStore(name)
    const spin = () => {
      if (globalThis.released) database.close()
      else store.count().onsuccess = spin
    }
    spin()
    resolve()
  }
})"""
"""Has all others who want to write wait, until `released`."""


def kept(tab: Page) -> tuple[int, int, int]:
    """How many memos this browser keeps, parts of recordings, and recordings that they are of."""
    memos, parts, recordings = tab.evaluate(COUNT)
    return memos, parts, recordings


def visit_again(net: Net, tab: Page) -> Page:
    """Close the tab and come back, as somebody else may who uses this browser."""
    profile = tab.context
    tab.close()
    again = net.visit(context=profile)
    until(again, "!document.querySelector('#record').disabled")
    return again


def discard(tab: Page) -> None:
    tab.get_by_role("button", name="Discard").click()
    tab.get_by_role("button", name="Yes", exact=True).click()


def delete(tab: Page, title: str = TITLE) -> None:
    card(tab, title).get_by_role("button", name="Delete").click()
    tab.get_by_role("button", name="Yes", exact=True).click()
    card(tab, title).wait_for(state="detached")


def other_tab(net: Net, profile: BrowserContext) -> Page:
    """A tab at the same web site, in which the page does not run."""
    return net.visit(f"{net.site.url}icon.svg", profile)


@pytest.mark.full
@pytest.mark.long
def test_what_was_discarded_or_shared_and_deleted_leaves_nothing_behind(
    net: Net, profile: BrowserContext
) -> None:
    tab = net.visit(context=profile)
    record(tab, seconds=2)
    assert kept(tab)[1] > 0, "a tab that dies would not take it along"
    tab.get_by_role("button", name="Stop").click()
    discard(tab)
    tab.get_by_text("Discarded.").wait_for()
    tab = visit_again(net, tab)
    assert tab.locator("#draft").is_hidden()
    assert kept(tab) == (0, 0, 0)

    record(tab, seconds=1)
    share(tab)
    tab.get_by_text("It is in the list below.").wait_for()
    tab = visit_again(net, tab)
    assert tab.locator("#draft").is_hidden()
    assert kept(tab) == (1, 0, 0)
    delete(tab)
    assert kept(visit_again(net, tab)) == (0, 0, 0)


@pytest.mark.full
@pytest.mark.long
def test_recordings_of_tabs_that_died_are_offered_one_after_another_until_none_is_left(
    net: Net, profile: BrowserContext
) -> None:
    tabs = [net.visit(context=profile) for _ in range(3)]
    for tab in tabs:
        record(tab, seconds=1)
    wait_for("all three", lambda: kept(tabs[0])[2] == 3)
    # One goes on: its own is left alone by what happens in others, and the reverse.
    living = tabs.pop()
    for tab in tabs[:-1]:
        tab.close()
    again = visit_again(net, tabs[-1])
    again.get_by_text("A recording was interrupted.").wait_for()
    discard(again)
    again.get_by_text("Discarded. A recording was interrupted.").wait_for()
    assert kept(again)[2] == 2
    again.get_by_label("Title", exact=True).first.fill(TITLE)
    again.get_by_role("button", name="Share it").click()
    card(again, TITLE).wait_for()
    again.get_by_role("button", name="Record").wait_for()
    assert (kept(again)[0], kept(again)[2]) == (1, 1)
    living.get_by_role("button", name="Stop").click()
    discard(living)
    living.get_by_text("Discarded.").wait_for()
    living.close()
    assert kept(visit_again(net, again)) == (1, 0, 0)


@pytest.mark.full
def test_what_is_still_being_written_when_a_recording_is_discarded_goes_too(
    net: Net, profile: BrowserContext
) -> None:
    tab = net.visit(context=profile)
    record(tab, seconds=1)
    holding = other_tab(net, profile)
    holding.evaluate(HOLD, "draft")
    tab.get_by_role("button", name="Stop").click()
    discard(tab)
    tab.locator("#keep:disabled").wait_for()
    assert tab.get_by_text("Discarded.").is_hidden(), "it is not done yet"
    holding.evaluate("released = true")
    tab.get_by_text("Discarded.").wait_for()
    assert kept(visit_again(net, tab)) == (0, 0, 0)


@pytest.mark.full
@pytest.mark.long
def test_a_browser_whose_room_is_used_up_keeps_no_memo_and_drops_its_draft_all_the_same(
    net: Net, profile: BrowserContext
) -> None:
    other = other_tab(net, profile)
    origin = net.site.url.rstrip("/")
    # An empty database takes 74 kB of it, and a second of sound 6 kB.
    room = {"origin": origin, "quotaSize": 90_000}
    profile.new_cdp_session(other).send("Storage.overrideQuotaForOrigin", room)
    tab = net.visit(context=profile)
    record(tab, seconds=4)
    assert kept(tab)[1] > 0
    share(tab).get_by_text("This browser could not store it").wait_for()
    tab.get_by_text("It is in the list below.").wait_for()
    assert kept(visit_again(net, tab)) == (0, 0, 0)


@pytest.mark.full
def test_what_a_browser_does_not_delete_is_told_and_offered_again(
    net: Net, profile: BrowserContext
) -> None:
    tab = net.visit(context=profile)
    record(tab, seconds=1)
    tab.get_by_role("button", name="Stop").click()
    tab.evaluate("void (IDBObjectStore.prototype.delete = () => { throw new Error('read only') })")
    with net.uncaught.provoked("read only"):
        discard(tab)
        tab.get_by_text("This browser could not delete the recording").wait_for()
    again = visit_again(net, tab)
    again.get_by_text("A recording was interrupted.").wait_for()
    discard(again)
    again.get_by_text("Discarded.").wait_for()
    assert kept(again) == (0, 0, 0)


@pytest.mark.full
def test_what_one_tab_has_deleted_no_other_tab_brings_back(
    net: Net, profile: BrowserContext
) -> None:
    tab = net.visit(context=profile)
    record(tab, seconds=1)
    share(tab)
    other = net.visit(context=profile)
    card(other, TITLE).wait_for()
    delete(tab)
    card(other, TITLE).get_by_role("button", name="Edit").click()
    other.get_by_role("dialog").get_by_label("Title").fill("Changed")
    other.get_by_role("button", name="Save", exact=True).last.click()
    card(other, "Changed").get_by_text("This browser no longer keeps it.").wait_for()
    assert kept(other) == (0, 0, 0)


def test_a_memo_that_is_dismissed_while_it_is_being_kept_is_not_kept(
    net: Net, memocast: Callable[..., Memocast], opus: Path
) -> None:
    anna = net.user(memocast("anna"))
    magnet = anna.run("share", anna.add(opus, title=TITLE)).out.strip()
    tab = net.visit()
    tab.get_by_label("Magnet or page link").fill(magnet)
    holding = other_tab(net, tab.context)
    holding.evaluate(HOLD, "memos")
    tab.get_by_role("button", name="Fetch").click()
    found: Any = tab.locator("article[data-phase=whole]")
    found.get_by_role("button", name="Dismiss").click()
    found.wait_for(state="detached")
    holding.evaluate("released = true")
    wait_for("nothing to be left", lambda: kept(tab)[0] == 0)


@pytest.mark.full
def test_a_database_that_the_browser_has_closed_is_opened_again(
    net: Net, profile: BrowserContext
) -> None:
    tab = net.visit(context=profile)
    until(tab, "!document.querySelector('#record').disabled")
    # As somebody does who deletes what this site has stored, with the page open.
    other_tab(net, profile).evaluate(
        """() => new Promise(resolve => {
          indexedDB.deleteDatabase('memocast').onsuccess = resolve
        })"""
    )
    record(tab, seconds=1)
    share(tab)
    assert kept(visit_again(net, tab)) == (1, 0, 0)
