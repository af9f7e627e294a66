"""Links to memos: magnets, share URLs, info-hashes and .torrent files."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from memocast.errors import NotALink, UsageError
from memocast.files import open_regular
from memocast.formats.magnet import info_hash, is_channel, is_magnet
from memocast.formats.magnet import parse as parse_magnet
from memocast.formats.trackers import host_of
from memocast.network.public_addresses import is_inside_literal
from memocast.text import shortened

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_TORRENT_FILE = 8 << 20
"""Bytes. A memo's .torrent takes a few kilobytes; larger files are not read."""

MAX_TEXT = 1 << 20
"""Characters searched for links. A page link to a hundred memos has 50,000."""

_HINT = "paste a magnet link, a share URL, an info-hash, or the name of a .torrent file"


@dataclass(frozen=True, slots=True)
class Link:
    """A torrent to look for, and where.

    `v1` is the SHA-1 info-hash and `v2` the SHA-256 one (BEP 52), both in hex;
    at least one is set unless `torrent`, the bytes of a .torrent file, is.
    `peers` are IP addresses and ports. `age_identity` opens what the torrent
    holds, as the link has it. `lan`: the sender announces it on the local
    network only, and so should we. `public_only`: its trackers are asked at
    public addresses only, whatever their names lead to.
    """

    v1: str | None = None
    v2: str | None = None
    dn: str = ""
    trackers: tuple[str, ...] = ()
    peers: tuple[tuple[str, int], ...] = ()
    torrent: bytes | None = field(default=None, repr=False)
    age_identity: str = field(default="", repr=False)
    lan: bool = False
    public_only: bool = False

    @property
    def info_hashes(self) -> tuple[str, ...]:
        """The known info-hashes, version 1 first."""
        return tuple(info_hash for info_hash in (self.v1, self.v2) if info_hash)

    def outside(self) -> Link:
        """Return the link so that it leads nowhere inside, to a LAN for example.

        Without trackers and peers that are at such addresses, and as `public_only` because of those
        that have names.
        """
        trackers = [url for url in self.trackers if not is_inside_literal(host_of(url))]
        peers = [peer for peer in self.peers if not is_inside_literal(peer[0])]
        return replace(self, trackers=tuple(trackers), peers=tuple(peers), public_only=True)


def parse(text: str) -> list[Link]:
    """Return every link in a text: one, or for a share URL perhaps several.

    Raises NotALink, or UsageError when it is a folder or a path that does not exist.
    """
    links, problems = parse_partly(text)
    if problems:
        raise problems[0]
    return links


def parse_partly(text: str) -> tuple[list[Link], list[NotALink]]:
    """Parse like `parse`; of a partly damaged share URL, return the good links and the problems."""
    if len(text) > MAX_TEXT:
        raise NotALink("the text is too long for a link", hint=_HINT)
    text = text.encode(errors="replace").decode().strip()
    if not text:
        raise NotALink("the link is empty", hint=_HINT)
    if is_magnet(text):
        return [_from_magnet(text)], []
    if re.match(r"(?i)https?://", text):
        return _page(text)
    bare = _from_info_hash(text)
    return [bare or _torrent_file(text)], []


def listening_page_link(page: str, magnets: Iterable[str]) -> str:
    """Return the link that opens these magnets in the listening page at the URL `page`.

    They are in its fragment, which a browser never sends to a web server.
    """
    return f"{page}#" + "&".join(quote(magnet, safe="") for magnet in magnets)


def _from_magnet(text: str) -> Link:
    found = parse_magnet(text)
    if not (found.v1 or found.v2) and is_channel(text):
        raise NotALink(
            "this is a channel link, not a memo link", hint="follow it: memocast follow LINK"
        )
    if not (found.v1 or found.v2):
        raise NotALink("the magnet link names no torrent that memocast can find", hint=_HINT)
    return Link(
        found.v1 or None,
        found.v2 or None,
        found.name,
        found.trackers,
        found.peers,
        age_identity=found.age_identity,
        lan=found.lan,
    )


def _from_info_hash(text: str) -> Link | None:
    v1, v2 = info_hash(text)
    return Link(v1 or None, v2 or None) if v1 or v2 else None


def _page(url: str) -> tuple[list[Link], list[NotALink]]:
    """Parse magnets in `seeds=` parameters (the 2016 web demo's format) or in the fragment."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise NotALink("the URL is malformed", hint=_HINT) from error
    # Values are decoded once, and a '+' in one belongs to the magnet.
    texts = [
        unquote(value)
        for key, _, value in (field.partition("=") for field in parts.query.split("&"))
        if key == "seeds"
    ]
    if is_magnet(parts.fragment):
        texts.append(parts.fragment)
    else:
        fields = [unquote(field) for field in parts.fragment.split("&")]
        # A fragment without magnets belongs to the page itself.
        texts += fields if any(map(is_magnet, fields)) else []
    if not any(map(is_magnet, texts)):
        raise NotALink("the URL contains no magnet link", hint=_HINT)
    links = []
    problems = []
    for text in filter(None, map(str.strip, texts)):
        try:
            if not is_magnet(text):
                raise NotALink("part of the URL is not a magnet link; is it cut off?", hint=_HINT)
            links.append(_from_magnet(text))
        except NotALink as problem:
            problems.append(problem)
    return links, problems


def _torrent_file(text: str) -> Link:
    path = Path(text)
    try:
        if path.is_dir():
            raise UsageError(f"'{text}' is a directory", hint="name a .torrent file in it")
        content = _read_limited(path)
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        if text.lower().endswith(".torrent") and "://" not in text:
            raise UsageError(
                f"there is no file '{text}'", hint="check the name, or paste a magnet link"
            ) from error
        raise NotALink(f"'{shortened(text)}' is not a link", hint=_HINT) from error
    except OSError as error:
        raise NotALink(f"'{text[:60]}' is not a link: {error.strerror}", hint=_HINT) from error
    # A bencoded dictionary; libtorrent checks later whether it is a torrent.
    if not (content.startswith(b"d") and content.endswith(b"e")):
        raise NotALink(f"'{text}' is not a .torrent file", hint=_HINT)
    return Link(torrent=content)


def _read_limited(path: Path) -> bytes:
    file = open_regular(path)
    if file is None:
        raise UsageError(f"'{path}' is not a regular file", hint="name a .torrent file")
    with file:
        content = file.read(MAX_TORRENT_FILE + 1)
    if len(content) > MAX_TORRENT_FILE:
        raise NotALink(f"'{path}' is too large for a memo's .torrent", hint=_HINT)
    return content
