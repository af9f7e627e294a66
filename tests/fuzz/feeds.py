"""Pages of a channel's feed, plain and sealed, and what a library makes of them."""

from __future__ import annotations

import functools
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fuzz import changes
from fuzz.harness import Harness, Target, by_bytes, work_folder
from memocast.errors import MemocastError
from memocast.formats import age, feed, link
from memocast.formats.channel import Channel, ChannelLink
from memocast.formats.feed import FeedItem, FeedPage, parse_page
from memocast.library.library import Library
from memocast.library.tables.feed_pages import StoredPage

if TYPE_CHECKING:
    import random

    from fuzz.harness import Mutate

KEY = "AGE-SECRET-KEY-1SX06Z4VJ5EJZFRGUVM2WD6JKPR9ZX8YDUAGP25T6U7M8DPE8RJMS0U45PW"
"""Of nobody. It stays the same, so that what was found opens later too."""

MAGNET = "magnet:?xt=urn:btih:" + "ab" * 20


def plain(data: bytes) -> str:
    """A page as it is in a torrent."""
    page = parse_page(data)
    check_page(page)
    return "accepted" if page.items else "accepted, empty"


def kept(data: bytes) -> str:
    """A page that a library keeps in place of another one."""
    page = parse_page(data)
    library, channel = _library()
    file = work_folder() / "page"
    file.write_bytes(data)
    older = link.parse(page.next)[0].v1 if _leads(page.next) else ""
    stored = StoredPage("cd" * 20, older or "", b"d4:infode", file)
    try:
        with library.atomically():
            library.feed_pages.replace(channel, stored.info_hash, [(stored, page.items)])
            listed = [found.item for found in library.feed_items.items(channel)]
            assert listed == list(page.items)
            raise _Undo
    except _Undo:
        pass
    return "accepted" if page.items else "accepted, empty"


def sealed(data: bytes) -> str:
    """An age file in place of a private channel's page."""
    return plain(age.unseal(data, [_identity()]))


class _Undo(Exception):
    """Has a transaction rolled back."""


def check_page(page: FeedPage) -> None:
    """All of it is within the bounds of docs/formats.md, and is read again as it was written."""
    assert len(page.title.encode()) <= feed.NAME_MAX_BYTES
    assert len(page.items) <= feed.MAX_ITEMS
    assert len({item.id for item in page.items}) == len(page.items)
    check_magnet(page.next)
    for item in page.items:
        check_item(item)
        assert item.link
        check_magnet(item.link)
        assert item.audio == ""
    again = page.to_bytes()
    if len(again) <= feed.MAX_PAGE_BYTES:
        assert parse_page(again) == page


def check_item(item: FeedItem) -> None:
    """The bounds of any item, of a podcast too."""
    assert 0 < len(item.id) <= feed.MAX_ID
    assert item.title.strip()
    assert len(item.title.encode()) <= 300
    assert len(item.text.encode()) <= 8_000
    assert datetime.fromtimestamp(0, UTC) <= item.published <= datetime.now(UTC)
    assert len(item.mime.encode()) <= 100
    assert type(item.size) is int
    assert 0 <= item.size <= 2**50
    assert type(item.duration) is int
    assert 0 <= item.duration <= 10**11
    for text in (item.id, item.title, item.text, item.link, item.mime, item.audio):
        text.encode()
        assert "\0" not in text


def check_magnet(text: str) -> None:
    """It is empty, or begins like a magnet, and nothing but an error of ours comes of it."""
    assert not text or text.startswith("magnet:?")
    assert len(text) <= feed.MAX_LINK
    if _leads(text):
        (found,) = link.parse(text)
        assert found.info_hashes


def _leads(text: str) -> bool:
    try:
        return bool(text and link.parse(text))
    except MemocastError as error:
        assert error.exit_code == 5
        return False


@functools.cache
def _identity() -> age.Identity:
    return age.identity(KEY)


@functools.cache
def _library() -> tuple[Library, Channel]:
    library = Library(work_folder() / "library")
    return library, library.channels.add(ChannelLink(b"k" * 32, name="c"), b"")


# -- inputs --------------------------------------------------------------------------

ITEM = FeedItem(
    id="urn:btih:" + "ab" * 20,
    title="Title ☂",
    text="Some\nlines",
    published=datetime(2026, 11, 23, 9, 37, tzinfo=UTC),
    link=MAGNET + "&dn=Title&tr=udp%3A%2F%2Ft.example%3A1",
    size=40_000,
    duration=1_234,
)


def pages() -> list[bytes]:
    """Pages that memocast writes, and others."""
    several = tuple(replace(ITEM, id=f"id {number}") for number in range(3))
    good = FeedPage("A channel", several, "magnet:?xt=urn:btih:" + "cd" * 20)
    documents = [json.loads(page.to_bytes()) for page in (good, FeedPage("", (ITEM,)))]
    odd = {
        "version": "https://jsonfeed.org/version/1",
        "title": 7,
        "next_url": [],
        "items": [
            7,
            {},
            {"id": "", "attachments": [{"url": MAGNET}]},
            {"id": "x", "attachments": [{"url": MAGNET, "size_in_bytes": 1e9}]},
            {"id": "y", "title": "t" * 301, "attachments": [{"url": MAGNET}, {"url": 7}]},
            {"id": "z", "date_published": "2999-01-01", "attachments": [{"url": "http://x"}]},
        ],
    }
    texts = [json.dumps(document).encode() for document in [*documents, odd]]
    return [
        *texts,
        good.to_bytes(),
        FeedPage("no items", ()).to_bytes(),
        b'{"version": "https://jsonfeed.org/version/1", "items": [' + b"[],\n" * 1_001 + b"[]]}",
        texts[0].replace(b"1.234", b"9" * 5_000),
        texts[0].replace(b"1.234", b"[" * 2_000 + b"]" * 2_000),
        texts[0].replace(b"1.234", b"[" * 2_000),
        b"{}",
        b"[]",
        b"",
        b"OggS",
    ]


def sealed_pages() -> list[bytes]:
    """Some of them sealed: to us, to others, by a password, and cut."""
    ours = age.recipient_of(KEY)
    found = [age.seal(page, [ours]) for page in pages()[:6]]
    return [
        *found,
        age.seal(b"x", [age.recipient_of(age.new_key())]),
        age.seal(pages()[0], [age.recipient_of(age.new_key()), ours, ours]),
        b"age-encryption.org/v1\n-> scrypt B100CliN8KieREr3QF13Bg 15\n"
        b"mjwWaVdFL8mkGPW4ffdLfMeN6PEq0a1ft/TtBg2kzG8\n"
        b"--- g5yqFex8QMRzgIFFvMYQZtlzzOLUYJm9+ma8FsjOYQM\n" + bytes(33),
        found[0][:-1],
        found[0][:150],
        b"age-encryption.org/v1\n--- " + b"A" * 43 + b"\n" + b"x" * 32,
        b"age-encryption.org/v1\n-> X25519 \n\n--- " + b"A" * 43 + b"\n" + b"x" * 32,
        b"-----BEGIN AGE ENCRYPTED FILE-----\n",
    ]


def inside_changed(data: bytes, chance: random.Random, mutate: Mutate) -> bytes:
    """Change what is sealed and seal it again, or change the header, line by line."""
    try:
        content = age.unseal(data, [_identity()])
    except MemocastError:
        content = None
    if content is None or chance.random() < 0.25:
        header, mark, rest = data.partition(b"\n---")
        return changes.in_lines(header, chance, mutate) + mark + rest
    change = changes.in_json if chance.random() < 0.8 else by_bytes
    return age.seal(change(content, chance, mutate), [age.recipient_of(KEY)])


HARNESS = Harness(
    {
        "page": Target(plain, pages, changes.in_json),
        "kept page": Target(kept, pages, changes.in_json),
        "sealed page": Target(sealed, sealed_pages, inside_changed),
    },
    codes=frozenset({7}),
    most_bytes=1 << 15,
    tokens=(
        *("https://jsonfeed.org/version/1.1", "version", "items", "next_url", "title", "id"),
        *("attachments", "url", "mime_type", "size_in_bytes", "duration_in_seconds"),
        *("content_text", "date_published", "magnet:?xt=urn:btih:", "age-encryption.org/v1"),
        *("-> X25519 ", "-> scrypt ", "-> ssh-ed25519 ", "--- "),
    ),
)
