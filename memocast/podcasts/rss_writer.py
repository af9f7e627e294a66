"""Writer of a channel as a podcast feed (RSS 2.0) with its audio, for any web server.

Each enclosure comes with its torrent, as in BEP 36 and Podcasting 2.0:
https://www.bittorrent.org/beps/bep_0036.html, https://podcasting2.org/docs/podcast-namespace/1.0
"""

from __future__ import annotations

import base64
import hashlib
import html
import os
import re
import uuid
from dataclasses import dataclass, field
from email.utils import format_datetime
from typing import TYPE_CHECKING
from urllib.parse import quote
from xml.etree import ElementTree as Xml

from memocast.errors import MemocastError, NoSuchMemo, UsageError
from memocast.files import copy, creating, file_hash, holds, regular_hash, write_atomically
from memocast.formats import link
from memocast.formats.channel import ChannelLink
from memocast.formats.feed import MIME_TYPES
from memocast.podcasts import earlier_feed
from memocast.podcasts.parser import (
    ITUNES_NAMESPACE,
    PODCAST_NAMESPACES,
    TORRENT_NAMESPACE,
    TORRENT_TYPE,
)
from memocast.text import NAME_MAX_BYTES, cut, file_name
from memocast.version import __version__

if TYPE_CHECKING:
    from pathlib import Path

    from memocast.formats.channel import Channel
    from memocast.formats.feed import FeedItem
    from memocast.formats.memo import Memo
    from memocast.library.library import Library
    from memocast.library.tables.feed_items import ListedItem

FEED_NAME = "feed.xml"

GONE = "no longer in your library"
ABSENT = "not in your library yet"
PRIVATE = "private, or for the local network only"
CHANGED = "changed outside memocast"

_ATOM = "{http://www.w3.org/2005/Atom}"
_ITUNES = f"{{{ITUNES_NAMESPACE}}}"
_PODCAST = f"{{{PODCAST_NAMESPACES[0]}}}"
_TORRENT = f"{{{TORRENT_NAMESPACE}}}"
_PREFIXES = {"atom": _ATOM, "itunes": _ITUNES, "podcast": _PODCAST, "torrent": _TORRENT}
_GUIDS = uuid.UUID("ead4c236-bf58-58c6-a2c6-a6b28d128cb6")
"""The namespace of every podcast:guid, from the specification."""

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 does not allow (its production 2)."""


@dataclass(slots=True)
class Written:
    """The result of `write`: the names of the files copied and removed, and items left out.

    `left_out` has each such item with the reason.
    """

    path: Path
    items: int = 0
    copied: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    left_out: list[tuple[FeedItem, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Episode:
    """An item whose memo is here; `name` is its file in the folder."""

    item: FeedItem
    memo: Memo
    name: str
    integrity: str
    magnet: str


def write(
    library: Library, channel: Channel, folder: Path, base_url: str = "", *, in_the_clear: bool
) -> Written:
    """Write the channel's feed and the audio of its memos to `folder`, creating it if needed.

    Existing files stay and are not copied again; files from an earlier call are removed if their
    memos are no longer in the channel. Enclosures are at `base_url`, or beside the feed.
    `in_the_clear`: include private memos. Raises UsageError, LibraryError and MemocastError.
    """
    if channel.is_private and not in_the_clear:
        raise UsageError(
            f"'{channel.name}' is private, and anyone can read a podcast's feed",
            hint="to write its memos unencrypted anyway: --in-the-clear",
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return _Writer(library, channel, folder, base_url, in_the_clear).written()
    except OSError as error:
        raise MemocastError(
            f"cannot write the feed to '{folder}': {error.strerror or error}",
            hint="check the folder's owner and its free space",
        ) from error


class _Writer:
    """One call of `write`."""

    def __init__(
        self, library: Library, channel: Channel, folder: Path, base_url: str, in_the_clear: bool
    ) -> None:
        self._library = library
        self._channel = channel
        self._folder = folder
        self._base_url = base_url
        self._in_the_clear = in_the_clear
        self._done = Written(folder / FEED_NAME)
        self._before = _entries(self._done.path, channel)
        self._taken: set[str] = set()

    def written(self) -> Written:
        listed = self._library.feed_items.items(self._channel)
        # Oldest first: of two with the same title, the newer gets a number in its name.
        episodes = [found for one in reversed(listed) if (found := self._episode(one))]
        document = _document(self._channel, episodes[::-1], self._base_url)
        if not holds(self._done.path, document):
            write_atomically(self._done.path, document)
        self._remove({one.item.id for one in listed})
        self._done.items = len(episodes)
        return self._done

    def _episode(self, listed: ListedItem) -> _Episode | None:
        item = listed.item
        is_private = self._channel.is_private or _is_private(item.link)
        try:
            memo = self._library.get(listed.memo) if listed.memo else None
        except NoSuchMemo:
            memo = None
        why = ""
        if memo is None:
            why = ABSENT if listed.arrived is None else GONE
        elif is_private and not self._in_the_clear:
            why = PRIVATE
        elif not self._library.seedables.is_intact(memo):
            why = CHANGED
        if why or memo is None:
            self._done.left_out.append((item, why))
            return None
        source = self._library.path(memo)
        with self._library.translated():
            integrity = _integrity(file_hash(source))
        name = self._name(item, memo, integrity)
        if not (self._folder / name).exists():
            self._copy(source, self._folder / name)
            self._done.copied.append(name)
        # The torrent of an encrypted memo is useless without the key.
        is_open = not is_private and item.link.startswith("magnet:")
        return _Episode(item, memo, name, integrity, item.link if is_open else "")

    def _name(self, item: FeedItem, memo: Memo, integrity: str) -> str:
        """Return a free name: the one used last time, or one made from the title."""
        candidates = [self._before[item.id][0]] if item.id in self._before else []
        plain = file_name(item.title, memo.format)
        candidates.append(plain)
        number = 1
        while True:
            for name in candidates:
                if name.casefold() not in self._taken and self._is_fit(name, memo, integrity):
                    self._taken.add(name.casefold())
                    return name
            number += 1
            suffix = f" ({number}).{memo.format}"
            stem = plain.removesuffix(f".{memo.format}")
            candidates = [cut(stem, NAME_MAX_BYTES - len(suffix)) + suffix]

    def _is_fit(self, name: str, memo: Memo, integrity: str) -> bool:
        path = self._folder / name
        if not os.path.lexists(path):
            return True
        digest = regular_hash(path, memo.size)
        return digest is not None and _integrity(digest) == integrity

    def _copy(self, source: Path, target: Path) -> None:
        # Not a hard link: a program that writes tags there would damage the library's file.
        with creating(target) as file:
            copy(source, file)

    def _remove(self, stays: set[str]) -> None:
        for id_, (name, integrity) in self._before.items():
            path = self._folder / name
            if id_ in stays or name.casefold() in self._taken:
                continue
            digest = regular_hash(path)
            if digest and _integrity(digest) == integrity:  # as it was written
                path.unlink()
                self._done.removed.append(name)


def _is_private(magnet: str) -> bool:
    """Return whether the link has a key, or is for one local network."""
    try:
        found = link.parse(magnet) if magnet.startswith("magnet:") else []
    except MemocastError:
        return True
    return any(where.age_identity or where.lan for where in found)


def _integrity(digest: bytes) -> str:
    """Return a file's hash as Subresource Integrity (https://www.w3.org/TR/SRI/)."""
    return f"sha256-{base64.b64encode(digest).decode()}"


def _identity(channel: Channel) -> str:
    """Return a hash that identifies the channel's feed without revealing its key or address."""
    known = channel.source.encode() or channel.link.public_key + channel.link.salt
    return hashlib.sha256(known).hexdigest()


def _entries(path: Path, channel: Channel) -> dict[str, tuple[str, str]]:
    """Return each item's file name and integrity from the feed written there before.

    Raises UsageError if another file is there.
    """
    if not os.path.lexists(path):
        return {}
    found = earlier_feed.entries(path, _identity(channel))
    if found is None:
        raise UsageError(
            f"'{path}' is not the feed of '{channel.name}'", hint="choose an empty folder"
        )
    return found


def _document(channel: Channel, episodes: list[_Episode], base_url: str) -> bytes:
    for prefix, namespace in _PREFIXES.items():
        Xml.register_namespace(prefix, namespace[1:-1])
    root = Xml.Element("rss", version="2.0")
    top = Xml.SubElement(root, "channel")
    _add(top, "title", channel.name)
    if home := base_url or _home(channel):
        _add(top, "link", home)
    _add(top, "description", html.escape(f"{channel.name}: voice memos", quote=False))
    _add(top, "generator", f"memocast {__version__}")
    if episodes:
        _add(top, "pubDate", format_datetime(episodes[0].item.published, usegmt=True))
    _add(top, f"{_ITUNES}explicit", "false")
    if base_url:
        address = f"{base_url}{FEED_NAME}"
        Xml.SubElement(
            top, f"{_ATOM}link", rel="self", type="application/rss+xml", href=_clean(address)
        )
        named = address.partition("://")[2].rstrip("/")
        _add(top, f"{_PODCAST}guid", str(uuid.uuid5(_GUIDS, named)))
    earlier_feed.mark(top, _identity(channel))
    for episode in episodes:
        _add_item(top, episode, base_url)
    Xml.indent(root)
    written: bytes = Xml.tostring(root, "utf-8", xml_declaration=True)
    return written + b"\n"


def _home(channel: Channel) -> str:
    """Return the channel's link without its key; RSS requires an address of the podcast's site."""
    if channel.source:  # its address may be secret, as that of a paid feed
        return ""
    return str(ChannelLink(channel.link.public_key, channel.link.salt, channel.name))


def _add_item(top: Xml.Element, episode: _Episode, base_url: str) -> None:
    item, memo = episode.item, episode.memo
    address = base_url + quote(episode.name)
    mime = MIME_TYPES.get(memo.format, "application/octet-stream")
    size = str(memo.size)
    entry = Xml.SubElement(top, "item")
    _add(entry, "title", item.title)
    _add(entry, f"{_ITUNES}title", item.title)
    text = html.escape(item.text, quote=False)  # programs show a description as HTML
    _add(entry, "description", text.replace("\n", "<br>\n"))
    _add(entry, "guid", item.id, isPermaLink="false")
    _add(entry, "pubDate", format_datetime(item.published, usegmt=True))
    Xml.SubElement(entry, "enclosure", url=address, length=size, type=mime)
    _add(entry, f"{_ITUNES}duration", str(round(memo.duration / 1000)))
    other = Xml.SubElement(
        entry, f"{_PODCAST}alternateEnclosure", type=mime, length=size, default="true"
    )
    Xml.SubElement(other, f"{_PODCAST}source", uri=address)
    if episode.magnet:
        magnet = _clean(episode.magnet)
        Xml.SubElement(other, f"{_PODCAST}source", uri=magnet, contentType=TORRENT_TYPE)
        (where,) = link.parse(magnet)
        torrent = Xml.SubElement(entry, f"{_TORRENT}torrent")
        _add(torrent, f"{_TORRENT}fileName", where.dn or episode.name)
        _add(torrent, f"{_TORRENT}contentLength", size)
        if where.v1:
            _add(torrent, f"{_TORRENT}infoHash", where.v1)
        _add(torrent, f"{_TORRENT}magnetURI", magnet)
    Xml.SubElement(other, f"{_PODCAST}integrity", type="sri", value=episode.integrity)


def _add(parent: Xml.Element, name: str, text: str, **attributes: str) -> None:
    Xml.SubElement(parent, name, attributes).text = _clean(text)


def _clean(text: str) -> str:
    return _NO_XML.sub("\N{REPLACEMENT CHARACTER}", text)
