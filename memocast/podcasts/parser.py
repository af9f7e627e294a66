"""Parser of RSS and Atom feeds; its items are like those of a channel's feed.

Nothing in a feed is trusted. feedparser reads every dialect; links to torrents,
which it does not assign to their items, are read from the XML itself: `torrent`
(BEP 36) and `podcast:alternateEnclosure` (Podcasting 2.0).
"""

from __future__ import annotations

import calendar
import contextlib
import hashlib
import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from memocast.errors import Refused
from memocast.formats import untrusted
from memocast.formats.feed import (
    MAX_ID,
    MAX_LINK,
    MAX_MILLISECONDS,
    MAX_SIZE,
    NAME_MAX_BYTES,
    FeedItem,
)
from memocast.formats.memo import DESCRIPTION_MAX_BYTES, TITLE_MAX_BYTES
from memocast.podcasts import html_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

MAX_FEED_BYTES = 16 << 20
MAX_ITEMS = 1_000
"""The newest items of a feed are read, up to this many."""

TORRENT_TYPE = "application/x-bittorrent"
TORRENT_NAMESPACE = "http://xmlns.ezrss.it/0.1/"
PODCAST_NAMESPACES = (
    "https://podcastindex.org/namespace/1.0",
    "https://github.com/Podcastindex-org/podcast-namespace/blob/main/docs/1.0.md",
)
ITUNES_NAMESPACE = "http://www.itunes.com/dtds/podcast-1.0.dtd"

_FEED_NAMESPACES = (
    "",
    "http://www.w3.org/2005/Atom",
    "http://purl.org/rss/1.0/",
    "http://backend.userland.com/rss2",
    "http://blogs.law.harvard.edu/tech/rss",
)
_MAX_DEPTH = 100
_HINT = "check the address: memocast follows channels, and RSS and Atom feeds with audio"


@dataclass(frozen=True, slots=True)
class Podcast:
    """A feed's `title`, empty if it has none, and its items, newest first."""

    title: str
    items: tuple[FeedItem, ...]


def parse(content: bytes, base: str, kind: str = "") -> Podcast:
    """Parse the feed `content`, with addresses relative to the URL `base`.

    `kind` is its Content-Type. Raises Refused if it is not a feed.
    """
    import feedparser

    with _broken_refused():
        text = _utf8(content, kind)
    torrents = _torrents(text)
    with _broken_refused():
        found = feedparser.parse(
            # Not the bytes themselves, which feedparser could take for a file name.
            io.BytesIO(text),
            response_headers={"content-type": "application/xml; charset=utf-8"},
            resolve_relative_uris=False,
            sanitize_html=False,  # only its text is used
        )
    if not found.version or found.bozo:
        raise Refused("that is not a feed", hint=_HINT)
    if len(torrents) != len(found.entries):  # the two readers disagree on what an item is
        torrents = [[]] * len(found.entries)
    items: dict[str, FeedItem] = {}
    for entry, links in zip(found.entries[:MAX_ITEMS], torrents, strict=False):
        item = _item(entry, base, links)
        if item:
            items.setdefault(item.id, item)
    # Python's sort is stable: without dates, the feed's own order stays, newest first.
    newest = sorted(items.values(), key=lambda item: item.published, reverse=True)
    title = _line(found.feed.get("title_detail"), NAME_MAX_BYTES)
    return Podcast(title, tuple(newest))


@contextlib.contextmanager
def _broken_refused() -> Iterator[None]:
    """Raise Refused for whatever feedparser raises on a broken feed, which it does not document."""
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:
        raise Refused("that is not a feed, or a broken one", hint=_HINT) from error


def _utf8(content: bytes, kind: str) -> bytes:
    """Convert the content to UTF-8, so that it can be searched."""
    from feedparser.encodings import convert_to_utf8

    result: dict[str, Any] = {}
    text: bytes = convert_to_utf8({"content-type": kind} if kind else {}, content, result)
    return text


def _item(entry: Any, base: str, torrents: list[str]) -> FeedItem | None:
    enclosures = [link for link in entry.get("links", ()) if link.get("rel") == "enclosure"]
    plain_one: Any = {}
    for enclosure in enclosures:
        address = str(enclosure.get("href", "")).strip()
        if _is_torrent(address, str(enclosure.get("type", ""))):
            torrents = [*torrents, address]
        elif not plain_one and _is_audio(enclosure):
            plain_one = enclosure
    audio = _address(plain_one.get("href"), base, ("http", "https"))
    if _is_torrent(page := str(entry.get("link") or "").strip(), ""):
        torrents = [*torrents, page]
    torrent = max((_torrent(link, base) for link in torrents), key=_worth, default="")
    if not torrent and not audio:
        return None
    title = str(entry.get("itunes_title") or "") or _line(entry.get("title_detail"))
    return FeedItem(
        id=_id(entry.get("id") or audio or torrent),
        title=untrusted.cut_text(title, TITLE_MAX_BYTES).strip() or "untitled",
        text=_text(entry),
        published=_moment(entry),
        link=torrent or audio,
        mime=untrusted.cut_text(str(plain_one.get("type", "")), 100),
        size=_size(plain_one.get("length")),
        duration=_duration(str(entry.get("itunes_duration") or "")),
        audio=audio,
    )


def _is_torrent(address: str, kind: str) -> bool:
    path = address.partition("?")[0].lower()
    return kind.lower().startswith(TORRENT_TYPE) or path.endswith(".torrent") or path == "magnet:"


def _is_audio(enclosure: Any) -> bool:
    kind = str(enclosure.get("type", "")).lower()
    return not kind.startswith(("image/", "text/", "application/pdf"))


def _worth(torrent: str) -> tuple[bool, int]:
    """Rank a torrent's link: a magnet needs no server, and a longer one has more trackers."""
    return torrent.startswith("magnet:"), len(torrent)


def _torrent(link: str, base: str) -> str:
    """Return a magnet or the address of a .torrent; empty if it is neither."""
    if link[:8].lower() == "magnet:?":
        is_good = len(link) <= MAX_LINK and not _is_broken(link)
        return f"magnet:?{link[8:]}" if is_good else ""
    return _address(link, base, ("http", "https"))


def _address(value: object, base: str, schemes: Iterable[str]) -> str:
    if not isinstance(value, str) or not value.strip():
        return ""
    try:
        address = urljoin(base, value.strip())
        parts = urlsplit(address)
        is_good = parts.scheme in schemes and parts.hostname
    except ValueError:
        return ""
    return address if is_good and len(address) <= MAX_LINK and not _is_broken(address) else ""


def _id(value: object) -> str:
    said = str(value)
    if len(said) <= MAX_ID and not _is_broken(said):
        return said
    return hashlib.sha256(said.encode(errors="replace")).hexdigest()


def _text(entry: Any) -> str:
    contents = entry.get("content") or [entry.get("summary_detail") or {}]
    return untrusted.cut_text(_plain(contents[0]), DESCRIPTION_MAX_BYTES)


def _line(detail: Any, limit: int = TITLE_MAX_BYTES) -> str:
    return untrusted.cut_text(" ".join(_plain(detail or {}).split()), limit).strip()


def _plain(detail: Any) -> str:
    said = str(detail.get("value") or "")[: html_text.MAX_HTML]
    return html_text.to_text(said) if "html" in str(detail.get("type")) else said.strip()


def _is_broken(text: str) -> bool:
    return not text.isprintable()


def _moment(entry: Any) -> datetime:
    """Return when the entry says that it was published; the epoch if it has no date."""
    # feedparser warns when 'updated_parsed' is read where only 'published_parsed' is present.
    said = next(
        (entry[key] for key in ("published_parsed", "updated_parsed") if key in entry), None
    )
    try:
        seconds = calendar.timegm(said) if said else 0
    except (ValueError, OverflowError, TypeError):
        seconds = 0
    return untrusted.moment(seconds)


def _size(said: object) -> int:
    is_number = isinstance(said, str) and re.fullmatch(r"\s*[0-9]{1,16}\s*", said)
    return min(int(str(said)), MAX_SIZE) if is_number else 0


def _duration(said: str) -> int:
    """Return milliseconds for `5400`, `90:00` or `1:30:00`; 0 for anything else."""
    if not re.fullmatch(r"[0-9]{1,7}(:[0-9]{1,4}){0,2}", said.strip()):
        return 0
    seconds = 0
    for part in said.split(":"):
        seconds = seconds * 60 + int(part)
    return min(seconds * 1000, MAX_MILLISECONDS)


def _torrents(text: bytes) -> list[list[str]]:
    """Return each item's links to torrents, in the order of the feed.

    Raises Refused for what no feed needs and could cost hours or gigabytes: XML entities,
    elements nested hundreds deep, and malformed XML.
    """
    from xml.etree import ElementTree

    if b"<!entity" in text.lower():
        raise Refused("the feed defines XML entities, which memocast does not read", hint=_HINT)
    reader = _Torrents()
    parser = ElementTree.XMLParser(target=reader)  # noqa: S314
    try:
        parser.feed(text)
        parser.close()
    except ElementTree.ParseError as error:
        raise Refused(f"that is not a feed: {error}", hint=_HINT) from error
    except (ValueError, LookupError) as error:
        raise Refused("that is not a feed, or its encoding is unknown", hint=_HINT) from error
    return reader.items


class _Torrents:
    """Receives an XML document's elements one by one, and keeps only the torrent links."""

    def __init__(self) -> None:
        self.items: list[list[str]] = []
        self._depth = 0
        self._kind = ""
        self._said: list[str] | None = None

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Note the start of an element."""
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise Refused("the feed's elements are nested too deeply", hint=_HINT)
        namespace, _, name = tag[1:].rpartition("}") if tag[0] == "{" else ("", "", tag)
        self._said = None
        if name in ("item", "entry") and namespace in _FEED_NAMESPACES:
            self.items.append([])
        elif namespace == TORRENT_NAMESPACE and name in ("magnetURI", "infoHash"):
            self._said = []
        elif namespace in PODCAST_NAMESPACES and name == "alternateEnclosure":
            self._kind = attributes.get("type", "")
        elif namespace in PODCAST_NAMESPACES and name == "source":
            link = attributes.get("uri", "").strip()
            if _is_torrent(link, attributes.get("contentType", "") or self._kind):
                self._add(link)

    def data(self, text: str) -> None:
        """Collect text in an element."""
        if self._said is not None:
            self._said.append(text)

    def end(self, tag: str) -> None:
        """Note the end of an element."""
        self._depth -= 1
        if self._said is not None:
            said = "".join(self._said).strip()
            self._add(f"magnet:?xt=urn:btih:{said}" if tag.endswith("}infoHash") else said)
        self._said = None

    def close(self) -> None:
        """Do nothing at the document's end."""

    def _add(self, link: str) -> None:
        if self.items:
            self.items[-1].append(link)
