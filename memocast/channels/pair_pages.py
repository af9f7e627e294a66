"""The pages through which paired devices exchange their state.

A signed item in the DHT leads to a *root*, an age file that lists the parts of the state; each
part is an age file too. Any of it can be forged by a lost device, or wrong by a fault of another
release: a part counts only if it matches the root, and only what is wrong is left out.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from memocast.bittorrent import dht
from memocast.errors import LibraryError, MemocastError, Refused, SwarmTimeout
from memocast.fetching.page_download import download_page
from memocast.formats import age, mutable_item, replica_entries, torrent
from memocast.formats.link import Link
from memocast.formats.replica import MAX_BUCKET_BYTES, to_bytes
from memocast.formats.replica_entries import MAX_ROOT_BYTES, Reasons, Root
from memocast.library.tables.feed_pages import StoredPage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from memocast.channels.republish import Republisher
    from memocast.formats.channel import Channel
    from memocast.formats.replica import ReplicaEntry
    from memocast.library.library import Library
    from memocast.settings import Settings

_ENOUGH_FAILURES = 3
"""Parts that time out before the other devices are taken to be off."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the state: its content, and the SHA-256 of that."""

    digest: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Found:
    """The result of reading a part or the root: its entries, and why others were left out.

    `id` is the part's SHA-256, or, if it cannot be read, its info-hash. `is_whole`: everything
    in it was accepted unchanged.
    """

    id: str
    entries: Mapping[str, ReplicaEntry] = field(default_factory=dict)
    reasons: Reasons = field(default_factory=Reasons)
    is_whole: bool = False


class PairPages:
    """Reads and writes the pages of one pairing.

    Calls `tell` with the bytes received so far.
    """

    def __init__(
        self,
        library: Library,
        settings: Settings,
        republisher: Republisher,
        pair: Channel,
        timeout: float,
        tell: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._library = library
        self._settings = settings
        self._republisher = republisher
        self._pair = pair
        self._timeout = timeout
        self._tell = tell
        self._size = 0

    def held(self) -> Root:
        """Return the root that was published or read last."""
        head = self._pair.head
        if not head:
            return {}
        try:
            content = self._library.feed_pages.file(head).read_bytes()
            root, reasons = replica_entries.root_in(self._unsealed(content))
        except (OSError, Refused):
            return {}
        if reasons:
            root[""] = _unread(head)
        for name, (_, info_hash) in root.items():
            if self._library.feed_pages.older(self._pair, info_hash) is None:
                root[name] = _unread(info_hash)
        return root

    def take(self, value: bytes, merge: Callable[[Found], None]) -> Root:
        """Read what another device published as this value, `merge` each part, return the root.

        What cannot be read is in the root under a digest that matches nothing. Raises
        SwarmTimeout when nobody sends a page, after merging those that came.
        """
        try:
            head = dht.target_of(value)
        except Refused:
            return self._refused(hashlib.sha1(value, usedforsecurity=False).hexdigest(), merge)
        if head == self._pair.head:
            return self.held()
        with contextlib.ExitStack() as files:
            try:
                page = self._download(files, head, MAX_ROOT_BYTES)
                root, reasons = replica_entries.root_in(self._read(page.file))
            except (SwarmTimeout, LibraryError):
                raise
            except MemocastError:  # or libtorrent finds that it is not a torrent
                return self._refused(head, merge)
            stored = [page]
            held = self.held()
            failures: list[SwarmTimeout] = []
            for name, said in list(root.items()):
                if held.get(name) == said:
                    continue  # already merged
                try:
                    merge(self._part(files, name, *said, stored))
                except LibraryError:
                    raise
                except SwarmTimeout as error:
                    failures.append(error)
                    if len(failures) == _ENOUGH_FAILURES:
                        break
                except MemocastError:
                    merge(Found(said[1], reasons=Reasons(["a part that cannot be read"])))
                    root[name] = _unread(said[1])
            if reasons:
                merge(Found(head, reasons=reasons))
                root[""] = _unread(head)
            if failures:
                raise failures[0]
            self._library.feed_pages.hold(self._pair, stored, {where for _, where in root.values()})
        return root

    def _refused(self, id_: str, merge: Callable[[Found], None]) -> Root:
        merge(Found(id_, reasons=Reasons(["a state that cannot be read"])))
        return {"": _unread(id_)}

    def _part(
        self,
        files: contextlib.ExitStack,
        name: str,
        digest: str,
        info_hash: str,
        stored: list[StoredPage],
    ) -> Found:
        """Read the part that the root names. Raises Refused if it does not match; SwarmTimeout."""
        if self._library.feed_pages.older(self._pair, info_hash) is None:
            page = self._download(files, info_hash, MAX_BUCKET_BYTES)
        else:
            page = None
        content = self._read(page.file if page else self._library.feed_pages.file(info_hash))
        if hashlib.sha256(content).hexdigest() != digest:
            raise replica_entries.unreadable()
        found, reasons = replica_entries.entries_in(content, name, time.time_ns() // 1_000_000)
        if page:
            stored.append(page)
        return Found(digest, found, reasons, is_whole=to_bytes(found.values()) == content)

    def _download(self, files: contextlib.ExitStack, info_hash: str, max_size: int) -> StoredPage:
        where = Link(info_hash, trackers=self._settings.trackers)
        came = files.enter_context(
            download_page(
                self._library,
                where,
                self._settings,
                max_size,
                self._timeout,
                lambda done: self._tell(self._size + done),
            )
        )
        with self._library.translated():
            self._size += came.file.stat().st_size
        return StoredPage(came.torrent.info_hash, "", came.torrent.content, came.file)

    def _read(self, file: Path) -> bytes:
        with self._library.translated():
            content = file.read_bytes()
        return self._unsealed(content)

    def _unsealed(self, content: bytes) -> bytes:
        return age.unseal(content, [age.identity(self._pair.link.age_identity)])

    def publish(self, root: Root, parts: Mapping[str, Part]) -> None:
        """Publish this state to the other devices. Raises Refused if no newer one can be signed."""
        latest = self._library.channels.signed_item(self._pair)
        if latest and latest.seq >= mutable_item.MAX_SEQ:
            raise Refused(
                "another device has used up the sequence numbers of updates",
                hint="pair your devices again; on each: memocast pair --end",
            )
        with self._library.translated():
            entry = self._library.staging.create("page")
        try:
            made: list[StoredPage] = []
            published: Root = {}
            for name, part in parts.items():
                known = root.get(name)
                if known and known[0] == part.digest:
                    published[name] = known
                    continue
                made.append(self._sealed(part.content, entry.folder / f"part-{name}"))
                published[name] = (part.digest, made[-1].info_hash)
            document = json.dumps({"v": 1, "parts": published}).encode()
            head = self._sealed(document, entry.folder / "root")
            kept = {info_hash for _, info_hash in published.values()}
            with self._library.atomically():
                self._library.feed_pages.hold(self._pair, [head, *made], kept)
                self._library.channels.sign_next(self._pair, dht.pointer(head.info_hash))
        finally:
            entry.discard()
        self._republisher.refresh(self._pair)

    def _sealed(self, content: bytes, file: Path) -> StoredPage:
        with self._library.translated():
            file.write_bytes(age.seal(content, [age.recipient_of(self._pair.link.age_identity)]))
            made = torrent.make_feed_page(file, "")
        return StoredPage(made.info_hash, "", made.content, file)


def _unread(info_hash: str) -> tuple[str, str]:
    return (info_hash, info_hash)
