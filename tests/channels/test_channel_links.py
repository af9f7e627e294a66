"""Links to a channel's feed: what `channel show` prints, and what `fetch` says of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from helpers.channel_commands import create, publish
from helpers.private_memos import key_in
from helpers.shared_memo import address_of
from memocast.channels.publish import Publisher
from memocast.formats import mutable_item
from memocast.formats.channel import ChannelLink
from memocast.formats.link import parse
from memocast.formats.torrent import is_feed_page
from memocast.library.library import Library
from memocast.seeding import webrtc_worker
from memocast.seeding.webrtc_worker import WebRtcWorker
from memocast.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from helpers.memocast_user import Memocast

PAGE = "https://example.org/listen/"
TRACKER = "ws://127.0.0.1:9"


def shown(user: Memocast) -> Any:
    return user.run("channel", "show", "Anna's notes", "--json").json


def test_show_has_no_link_to_the_feed_before_there_is_one(anna: Memocast) -> None:
    create(anna)
    facts = shown(anna.with_(MEMOCAST_PAGE_URL=PAGE))
    assert (facts["feed_link"], facts["page"]) == (None, None)


def test_show_links_to_the_newest_page_and_where_there_is_a_listening_page_opens_it_there(
    anna: Memocast, opus: Path
) -> None:
    create(anna)
    publish(anna, opus, "The first")
    user = anna.with_(MEMOCAST_PAGE_URL=PAGE, MEMOCAST_TRACKERS=TRACKER)
    facts = shown(user)
    (link,) = parse(facts["feed_link"])
    assert (link.v1, link.dn, link.age_identity) == (facts["feed"], "Anna's notes", "")
    assert link.trackers == (TRACKER,)
    assert facts["page"].startswith(PAGE)
    assert parse(facts["page"]) == [link]
    assert f"page: {facts['page']}" in user.run("channel", "show", "Anna's notes").lines
    assert shown(anna)["page"] is None


def test_the_link_to_the_feed_of_a_private_channel_has_its_key(anna: Memocast, opus: Path) -> None:
    channel = create(anna, "--private")
    publish(anna, opus, "The first")
    assert key_in(shown(anna)["feed_link"]) == key_in(channel)


@pytest.mark.parametrize("options", [[], ["--private"]], ids=["public", "private"])
def test_fetch_knows_a_page_of_a_feed_before_it_is_downloaded(
    anna: Memocast, ben: Memocast, opus: Path, options: list[str]
) -> None:
    create(anna, *options)
    publish(anna, opus, "The first")
    peer = address_of(anna)
    link = shown(anna)["feed_link"]
    # So small a limit that its size would be refused next.
    refused = ben.run("fetch", link, "--peer", peer, "--max-size", "1", expect=7)
    assert "this is a page of a channel's feed, not a memo" in refused.err
    assert "hint: follow the channel" in refused.err
    assert ben.run("list").out == ""
    assert not list((ben.library / "incoming").glob("download-*"))


@pytest.mark.parametrize(
    "info",
    [
        None,
        {b"name": b"memo.age"},
        {b"name": b"memo.age", b"memocast": b"feed"},
        {b"name": b"memo.age", b"memocast": {b"v": 1, b"sealed": b"x"}},
        {b"name": b"memo.opus", b"memocast": {b"v": 1}},
        {b"name": b"memo.opus", b"memocast": {b"v": 1, b"feed": 0}},
    ],
)
def test_nothing_else_is_taken_for_a_page(info: object) -> None:
    assert not is_feed_page(info)


def test_browsers_are_offered_the_newest_page_then_memos_and_older_pages_in_places_of_their_own(
    anna: Memocast, opus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memos = [anna.add(opus, title=f"Memo {number}") for number in range(4)]
    monkeypatch.setattr("memocast.channels.publish.PAGE_ITEMS", 1)
    monkeypatch.setattr(webrtc_worker, "MOST_MEMOS", 4)
    monkeypatch.setattr(webrtc_worker, "OLDER_PAGES", 1)
    library = Library(anna.library)
    settings = Settings(trackers=(TRACKER,), stun_server="")
    secret = mutable_item.new_secret()
    link = ChannelLink(mutable_item.public_key(secret), name="Anna's notes", trackers=(TRACKER,))
    publisher = Publisher(library, settings, library.channels.add(link, secret))
    found = [library.get(memo) for memo in memos]
    publisher.publish([(memo, publisher.offer(memo)) for memo in found])
    channel = library.channels.get("Anna's notes")
    pages = library.feed_pages.chain(channel, channel.head, ())
    seeder = WebRtcWorker(library, settings, lambda *_: None)
    seeder.begin()
    offered = [found.memo or info_hash for info_hash, found in seeder.wanted().items()]
    assert offered == [pages[0], memos[3], memos[2], pages[1]]
    only = WebRtcWorker(library, settings, lambda *_: None, only=[memos[0]])
    only.begin()
    assert [found.memo for found in only.wanted().values()] == [memos[0]]
    for session in (seeder, only):
        session.session.close()
    library.close()
