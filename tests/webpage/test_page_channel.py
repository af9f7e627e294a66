"""Channels in the listening page: what they list, and memos of theirs on demand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from helpers.channel_commands import create, publish
from helpers.listening_page import card, until, wait_whole
from helpers.page_stranger import SCRIPT, guarded
from helpers.private_memos import key_in

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Page

    from helpers.browser import Net
    from helpers.memocast_user import Memocast
    from helpers.page_stranger import Stranger

NAME = "Anna's notes"
VERSION = "https://jsonfeed.org/version/1.1"
NOBODY = "magnet:?xt=urn:btih:" + "ab" * 20


@pytest.fixture
def anna(net: Net, memocast: Callable[..., Memocast]) -> Memocast:
    return net.user(memocast("anna", MEMOCAST_PAGE_URL=net.site.url))


def page_of_channel(user: Memocast) -> str:
    return str(user.run("channel", "show", NAME, "--json").json["page"])


def channel_of(tab: Page, name: str = NAME) -> Any:
    return tab.get_by_role("region", name=name)


def headings(channel: Any) -> list[str]:
    return [str(text) for text in channel.locator("h3:visible").all_inner_texts()]


@pytest.mark.long
def test_a_channel_is_listed_and_of_its_memos_comes_what_is_asked_for(
    net: Net, anna: Memocast, opus: Path, flac: Path
) -> None:
    create(anna)
    (first,) = publish(anna, opus, "The first")
    second = anna.add(flac, title="The second", description="two\nlines")
    anna.run("channel", "publish", second)
    tab = net.visit(page_of_channel(anna))
    channel = channel_of(tab)
    channel.get_by_text("2 memos. Memos published after").wait_for()
    assert headings(channel) == ["The second", "The first"]
    facts = card(tab, "The first").locator(".facts").inner_text()
    size = anna.show(first)["bytes"]
    assert facts.endswith(f" · 0:05 · {size / 1000:.1f} kB")
    assert card(tab, "The second").locator(".description").inner_text() == "two\nlines"
    status = anna.run("status", "--json").json["memos"]
    assert [(memo["peers"], memo["uploaded"]) for memo in status] == [(0, 0), (0, 0)]

    channel.get_by_role("button", name="Listen to The first").click()
    found = wait_whole(tab, "The first")
    until(tab, "document.querySelector('article audio').currentTime > 0.2")
    with tab.expect_download() as saving:
        found.get_by_role("button", name="Save").click()
    assert saving.value.path().read_bytes() == opus.read_bytes()
    assert headings(channel) == ["The second", "The first"], "it stands where it was listed"
    found.get_by_role("button", name="Delete").click()
    tab.get_by_role("button", name="Yes").click()
    channel.get_by_role("button", name="Listen to The first").click()
    wait_whole(tab, "The first")
    channel.get_by_role("button", name="Dismiss Anna").click()
    channel.wait_for(state="detached")
    assert card(tab, "The first").get_attribute("data-phase") == "whole"
    again = net.visit(context=tab.context)
    card(again, "The first").wait_for()
    assert again.locator("article").count() == 1, "only what was listened to is kept"


def test_a_private_channel_and_its_memos_open_with_the_key_in_the_link(
    net: Net, anna: Memocast, opus: Path
) -> None:
    key = key_in(create(anna, "--private"))
    publish(anna, opus, "Nobody's business")
    link = page_of_channel(anna)
    tab = net.visit(link)
    channel_of(tab).get_by_role("button", name="Listen to Nobody's business").click()
    wait_whole(tab, "Nobody's business")
    until(tab, "document.querySelector('article audio').currentTime > 0.2")
    for heard in (net.site.asked, net.tracker.heard):
        assert not [line for line in heard if key.lower() in line.lower()]
    other = net.visit(link.partition("%26x.age")[0], tab.context)
    refused = other.locator("article .bad")
    refused.get_by_text("This channel is private, and the link has no key.").wait_for()


# -- strangers ---------------------------------------------------------------------------


def item(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": f"item {number}",
        "title": f"Memo {number}",
        "date_published": "2026-01-02T03:04:05Z",
        "attachments": [{"url": f"magnet:?xt=urn:btih:{number:040x}"}],
        **changes,
    }


def feed(*items: Any, **changes: Any) -> bytes:
    return json.dumps({"version": VERSION, "title": "Feed", "items": items, **changes}).encode()


def magnet(link: str) -> str:
    return link.partition("#")[2]


def test_older_pages_follow_until_one_is_no_page(net: Net, stranger: Stranger, opus: Path) -> None:
    key = {b"v": 1, b"feed": 1}
    memo = magnet(stranger.seed({"memo.opus": opus.read_bytes()}))
    oldest = feed(item(1), item(0), next_url=memo)
    older = magnet(stranger.seed({"older.json": oldest}, key=key))
    newest = feed(item(3), item(2), item(1, title="Said twice"), next_url=older)
    tab = guarded(net)
    tab.goto(stranger.seed({"newest.json": newest}, key=key))
    channel = channel_of(tab, "Feed")
    channel.get_by_text("3 memos.").wait_for()
    channel.get_by_role("button", name="Older").click()
    channel.get_by_text("4 memos.").wait_for()
    assert headings(channel) == ["Memo 3", "Memo 2", "Said twice", "Memo 0"]
    channel.get_by_role("button", name="Older").click()
    channel.get_by_text("This link does not lead to a feed.").wait_for()
    assert channel.get_by_role("button", name="Older").is_hidden()
    assert tab.locator("article[data-phase]").count() == 0, "nothing is fetched as a memo"
    # No torrent can lead to itself, unless SHA-1 fails.
    circle = """async () => {
      const { Channel } = await import('./channel.js')
      const link = { infoHash: 'a' }
      const transfer = { link, name: '', feedPage: { title: '', items: [], older: link } }
      const channel = new Channel(transfer, {})
      channel.loadOlder()
      return channel.status.textContent
    }"""
    assert tab.evaluate(circle).startswith("The feed of this channel goes in a circle")


HOSTILE = {
    "no.json": (b"<html><script>alert(1)</script>", "does not lead to a feed"),
    "other.json": (json.dumps({"items": []}).encode(), "does not lead to a feed"),
    "deep.json": (b"[" * 500_000, "does not lead to a feed"),
    "many.json": (feed(*map(item, range(1_001))), "feed of this channel is too large."),
    "large.json": ((1 << 20) + 1, "too large, so it was not downloaded"),
}


def test_hostile_feeds_are_refused_or_shown_as_words_and_nothing_else(
    net: Net, stranger: Stranger
) -> None:
    unusable = [
        None,
        7,
        [],
        {},
        item(1, id=7),
        item(2, id="x" * 301),
        item(3, attachments={}),
        item(4, attachments=[]),
        item(5, attachments=[{"url": "javascript:alert(1)"}]),
        item(6, attachments=[{"url": "magnet:?xt=urn:btih:abc"}]),
        item(7, attachments=[{"url": f"{NOBODY}&x.scope=lan"}]),
        item(8, attachments=[{"url": NOBODY + "&dn=" + "x" * 4_000}]),
    ]
    odd = item(
        9,
        title=SCRIPT,
        content_text="word " * 100_000,
        date_published="9999-12-31T00:00:00Z",
        attachments=[
            {"url": NOBODY, "size_in_bytes": -1, "duration_in_seconds": 1e300, "mime_type": 7}
        ],
    )
    good = feed(*unusable, odd, title=SCRIPT * 100, next_url="javascript:alert(1)")
    key = {b"v": 1, b"feed": 1}
    links = [stranger.seed({"good.json": good}, key=key)]
    links += [stranger.seed({name: content}, key=key) for name, (content, _) in HOSTILE.items()]
    tab = guarded(net)
    tab.goto(net.site.url + "#" + "&".join(quote(magnet(link), safe="") for link in links))
    for name, (_, words) in HOSTILE.items():
        refused = card(tab, name.partition(".")[0])
        refused.get_by_text(words).wait_for()
        assert refused.get_attribute("data-phase") == "failed"
    channel = tab.locator("section.channel")
    channel.locator("article").wait_for()
    assert channel.count() == 1
    row = channel.locator("article")
    assert row.count() == 1
    safe = SCRIPT.replace("\u202e", "\ufffd").replace("\x1b", "\ufffd")
    assert row.locator("h3").inner_text() == safe
    assert safe in channel.locator("h2").inner_text()
    assert len(channel.locator("h2").inner_text()) <= 100
    assert len(row.locator(".description").text_content() or "") == 8_000
    assert "9999" not in row.locator(".facts").inner_text()
    assert channel.get_by_role("button", name="Older").is_hidden()
    assert (
        tab.locator("section.channel a, section.channel img, section.channel script").count() == 0
    )
    assert tab.evaluate("violations") == []
