"""Pairing: the user's own devices, which bring each other up to date.

They meet at a signed item of the DHT, as followers of a channel do, whose key
all of them have. It leads to a *root*: an age file that says in which parts the
state of the last one is, each an age file too. Who finds changes there merges
them with its own, and publishes what comes out unless that was known already.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memocast import dht, link, sealing, signed, torrent
from memocast.arrival import Limits
from memocast.channel import ChannelLink, page_magnet
from memocast.errors import NoSuchMemo, Refused, SwarmTimeout, WrongKey
from memocast.feeds import StoredPage
from memocast.fetcher import Adopted, fetch
from memocast.memo import ID_PATTERN, new_id
from memocast.pull import pulled
from memocast.replica import MAX_BUCKET_BYTES, Entry, bucket, from_bytes, to_bytes
from memocast.sharer import Wish, share

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from memocast.channel import Channel
    from memocast.following import News
    from memocast.library import Library
    from memocast.registry import Registry
    from memocast.settings import Settings
    from memocast.stages import Stage

SALT = b"memocast pair"
PREFIX = "memocast-pair:"
_MAX_ROOT_BYTES = 1 << 16
_MAX_SIZE = 2**50
_ENOUGH_FAILURES = 3
"""So many memos in a row that nobody sent: the others are off."""

Root = dict[str, tuple[str, str]]
"""The parts of a state: for each bucket its SHA-256 in the clear, and its torrent's info-hash."""


def new_secret() -> str:
    """A secret for devices to share, in one line."""
    return PREFIX + sealing.new_key()


def meeting_place(secret: str) -> tuple[ChannelLink, bytes]:
    """Where devices with this secret meet, and the private key to write there. Raises WrongKey."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    text = secret.strip()
    key = text[len(PREFIX) :].upper() if text.lower().startswith(PREFIX) else ""
    try:
        sealing.identity(key)
    except Refused as error:
        raise WrongKey(
            "the secret is damaged, or was cut off",
            hint=f"copy the whole line that 'memocast pair' printed; it begins with {PREFIX}",
        ) from error
    seed = HKDF(hashes.SHA256(), 32, None, SALT).derive(key.encode())
    return ChannelLink(signed.public_key(seed), SALT, age=key), seed


def secret_of(pair: Channel) -> str:
    """The secret, to give to one more device."""
    return PREFIX + pair.link.age


@dataclass(frozen=True, slots=True)
class _Part:
    """A bucket of the state: what it says, and as what it is held."""

    digest: str
    content: bytes


class Pairing:
    """Brings the library up to its paired devices, and them up to it."""

    def __init__(
        self, library: Library, settings: Settings, registry: Registry, timeout: float
    ) -> None:
        self._library = library
        self._settings = settings
        self._registry = registry
        self._timeout = timeout

    def sync(
        self,
        pair: Channel,
        news: News,
        notify: Callable[[Stage], None],
        arrived: Callable[[str], None],
        tell: Callable[[int], None],
    ) -> None:
        """Merge what the others have changed with what was changed here.

        `tell` how many bytes are sealed, of what is new here. Raises MemocastError; what could
        not be fetched is in the news.
        """
        replicas = self._library.replicas
        replicas.collect()
        self._seal_what_is_new(pair, tell)
        item, _ = self._registry.renew(pair)
        root = self._held(pair)
        if item and (head := dht.pointed_at(item.value)) != pair.head:
            try:
                root = self._take(pair, head)
            except SwarmTimeout as error:  # it comes with the next sync, or a newer one does
                news.problems.append(error)
        state = replicas.state()
        parts = _parts(state)
        published = {name: digest for name, (digest, _) in root.items()}
        if published != {name: part.digest for name, part in parts.items()}:
            self._publish(pair, root, parts)
        self._apply(state, news)
        self._fetch(pair, state, news, notify, arrived)

    # -- audio -----------------------------------------------------------------------

    def _seal_what_is_new(self, pair: Channel, tell: Callable[[int], None]) -> None:
        """Give each memo that has none a link for the other devices."""
        replicas = self._library.replicas
        state = replicas.state()
        for key, id_ in replicas.memos().items():
            if state[key].link:
                continue
            with contextlib.suppress(NoSuchMemo):  # its audio is gone; 'doctor' tells
                memo = self._library.get(id_)
                plain = next(
                    (
                        found
                        for found in self._library.shares.of(memo)
                        if found.arrived and not found.sealed
                    ),
                    None,
                )
                recipient = sealing.recipient_of(pair.link.age)
                wish = Wish("addressed", "addressed", (recipient,), paired=True)
                found = plain or share(self._library, memo, wish, tell)
                trackers = dict.fromkeys([*self._settings.trackers, *found.torrent.trackers])
                replicas.lead_to(key, found.link(trackers))

    def _fetch(
        self,
        pair: Channel,
        state: Mapping[str, Entry],
        news: News,
        notify: Callable[[Stage], None],
        arrived: Callable[[str], None],
    ) -> None:
        here = self._library.replicas.memos()
        missing = [
            entry
            for key, entry in state.items()
            if entry.is_alive and entry.link and key not in here
        ]
        failures = 0
        for entry in sorted(missing, key=lambda entry: -entry.created):
            try:
                memo = self._adopted(pair, entry, notify)
            except SwarmTimeout as error:
                news.problems.append(error)
                failures += 1
                if failures == _ENOUGH_FAILURES:
                    return
                continue
            except Refused as error:
                news.problems.append(error)
                continue
            failures = 0
            news.memos.append(memo)
            arrived(memo)

    def _adopted(self, pair: Channel, entry: Entry, notify: Callable[[Stage], None]) -> str:
        """Fetch the entry's audio; the id of its memo."""
        (where,) = link.parse(entry.link)
        has_id = re.fullmatch(ID_PATTERN, entry.key)
        adopted = Adopted(
            id=entry.key if has_id else new_id(),
            origin="added" if entry.origin == "added" else "recorded",
            recipient=sealing.recipient_of(pair.link.age),
        )
        identities = [sealing.identity(pair.link.age)]
        limits = Limits(self._timeout, _MAX_SIZE)
        memo = fetch(
            self._library,
            where,
            self._settings,
            limits,
            notify,
            identities,
            adopted=adopted if has_id else None,
        ).memo
        self._library.edit(memo, entry.title, entry.description)
        self._library.replicas.settle(entry.key, memo.id)
        return memo.id

    def _apply(self, state: Mapping[str, Entry], news: News) -> None:
        """Do here what was done to memos elsewhere."""
        for key, id_ in self._library.replicas.memos().items():
            entry = state[key]
            try:
                memo = self._library.get(id_)
            except NoSuchMemo:
                continue
            if not entry.is_alive:
                self._library.remove(memo)
                self._library.replicas.settle(key, None)
                news.removed += 1
            elif (memo.title, memo.description) != (entry.title, entry.description):
                self._library.edit(memo, entry.title, entry.description)
                news.changed += 1

    # -- the state -------------------------------------------------------------------

    def _held(self, pair: Channel) -> Root:
        """The root that was published or found last."""
        if not pair.head:
            return {}
        try:
            content = self._library.feeds.page_file(pair.head).read_bytes()
            return _root(self._unsealed(pair, content))
        except (OSError, Refused):
            return {}

    def _take(self, pair: Channel, head: str) -> Root:
        """Merge the state that another device published; return its root."""
        feeds = self._library.feeds
        with contextlib.ExitStack() as files:
            stored = [self._pulled(files, head, _MAX_ROOT_BYTES)]
            root = _root(self._read(pair, stored[0].file))
            entries: list[Entry] = []
            for _, info_hash in root.values():
                if feeds.older(pair, info_hash) is not None:
                    continue  # it was merged when it came
                part = self._pulled(files, info_hash, MAX_BUCKET_BYTES)
                entries += from_bytes(self._read(pair, part.file))
                stored.append(part)
            self._library.replicas.merge(entries)
            feeds.hold(pair, stored, {info_hash for _, info_hash in root.values()})
        return root

    def _pulled(self, files: contextlib.ExitStack, info_hash: str, max_size: int) -> StoredPage:
        (where,) = link.parse(page_magnet(info_hash, "", self._settings.trackers))
        came = files.enter_context(
            pulled(self._library, where, self._settings, max_size, self._timeout)
        )
        return StoredPage(came.torrent.info_hash, "", came.torrent.content, came.file)

    def _read(self, pair: Channel, file: Path) -> bytes:
        with self._library.translated():
            content = file.read_bytes()
        return self._unsealed(pair, content)

    def _unsealed(self, pair: Channel, content: bytes) -> bytes:
        return sealing.unseal(content, [sealing.identity(pair.link.age)])

    def _publish(self, pair: Channel, root: Root, parts: Mapping[str, _Part]) -> None:
        """Have this state found by the other devices."""
        with self._library.translated():
            entry = self._library.incoming.create("page")
        try:
            made: list[StoredPage] = []
            published: Root = {}
            for name, part in parts.items():
                known = root.get(name)
                if known and known[0] == part.digest:
                    published[name] = known
                    continue
                made.append(self._sealed(pair, part.content, entry.folder / f"part-{name}"))
                published[name] = (part.digest, made[-1].info_hash)
            document = json.dumps({"v": 1, "parts": published}).encode()
            head = self._sealed(pair, document, entry.folder / "root")
            kept = {info_hash for _, info_hash in published.values()}
            self._library.feeds.hold(pair, [head, *made], kept)
        finally:
            entry.discard()
        self._library.channels.next_item(pair, dht.pointer(head.info_hash))
        self._registry.renew(pair)

    def _sealed(self, pair: Channel, content: bytes, file: Path) -> StoredPage:
        with self._library.translated():
            file.write_bytes(sealing.seal(content, [sealing.recipient_of(pair.link.age)]))
            made = torrent.make_page(file, "")
        return StoredPage(made.info_hash, "", made.content, file)


def _parts(state: Mapping[str, Entry]) -> dict[str, _Part]:
    """The state, divided; the same state gives the same digests."""
    groups: dict[str, list[Entry]] = {}
    for key, entry in state.items():
        groups.setdefault(bucket(key), []).append(entry)
    contents = {name: to_bytes(entries) for name, entries in sorted(groups.items())}
    return {
        name: _Part(hashlib.sha256(content).hexdigest(), content)
        for name, content in contents.items()
    }


def _root(content: bytes) -> Root:
    """The root in such a document. Raises Refused when it is none."""
    try:
        parts = json.loads(content)["parts"]
        found = {str(name): (str(digest), str(where)) for name, (digest, where) in parts.items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        found = {"": ("", "")}
    if not all(re.fullmatch("[0-9a-f]{40}", info_hash) for _, info_hash in found.values()):
        raise Refused(
            "what another device says of its memos cannot be read",
            hint="upgrade memocast on all of your devices",
        ) from None
    return found
