"""What paired devices publish: the root, the parts of their state, and the merge of both here."""

from __future__ import annotations

import functools
import hashlib
import json
import time
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import libtorrent as lt

from fuzz import changes
from fuzz.feeds import KEY
from fuzz.harness import Harness, Target, work_folder
from helpers.odd_replica_entries import BAD, GOOD, LAST, ODD, part
from memocast.bittorrent import dht
from memocast.channels.pair import Pairing, _differing, _parts, meeting_place
from memocast.channels.pair_disputes import Disputes
from memocast.channels.pair_missing import MissingMemos
from memocast.channels.pair_pages import PairPages
from memocast.channels.republish import Republisher
from memocast.channels.sync_events import News
from memocast.errors import SwarmTimeout
from memocast.formats import age, link, mutable_item
from memocast.formats.replica import BUCKETS, EditStamp, bucket, merge, to_bytes
from memocast.formats.replica_entries import entries_in, mend, root_in
from memocast.library.library import Library
from memocast.library.tables.feed_pages import StoredPage
from memocast.settings import Settings

if TYPE_CHECKING:
    import contextlib
    import random
    from collections.abc import Mapping

    from fuzz.harness import Mutate
    from memocast.formats.channel import Channel
    from memocast.formats.replica import ReplicaEntry

_CENTURIES = 3 * 36_525 * 24 * 3600 * 1000
"""Milliseconds. A time moved to a plausible place is at most two spans of 35 years ahead."""


def root(data: bytes) -> str:
    """A root."""
    found, reasons = root_in(data)
    for name, (digest, info_hash) in found.items():
        assert name in BUCKETS
        assert len(name) == 1
        assert len(bytes.fromhex(digest)) == 32
        assert len(bytes.fromhex(info_hash)) == 20
    again = json.dumps({"v": 1, "parts": found}).encode()
    assert root_in(again) == (found, {})
    return "accepted" if found and not reasons else "accepted in part"


def one_part(data: bytes) -> str:
    """A part of a state. The first letter of its first key says which."""
    now = _now()
    name = _first_letter(data)
    found, reasons = entries_in(data, name, now)
    for key, entry in found.items():
        assert key == entry.key
        assert bucket(key) == name
        check_entry(entry, now)
        for other in _OURS:
            one, two = replace(entry, key=other.key), other
            assert merge(one, two) == merge(two, one)
            assert merge(merge(one, two), one) == merge(one, two)
    assert entries_in(to_bytes(found.values()), name, now) == (found, {})
    return "accepted" if found and not reasons else "accepted in part"


def state(data: bytes) -> str:
    """All that another device published, merged into a library that has a state of its own."""
    try:
        said: Any = lt.bdecode(data)
    except RuntimeError:
        return "not bencoded"
    if not isinstance(said, dict):
        return "not bencoded"
    library, pair = _library()
    news = News()
    try:
        with library.atomically():
            _hear(library, pair, said, news)
            raise _Undo
    except _Undo:
        pass
    return "accepted in part" if news.problems else "accepted"


def _hear(library: Library, pair: Channel, said: Mapping[bytes, Any], news: News) -> None:
    """Merge it, twice; what comes of it can be published, and is read by others as it is here."""
    replicas = library.replicas
    settings = Settings(dht=False)
    republisher = Republisher(library, settings)
    pages = _HandedPages(library, settings, republisher, pair, 1.0)
    item = pages.hand(said)
    pairing = Pairing(library, settings, republisher, 1.0)
    changes_here = replicas.collect()
    published, _ = pairing._heard(pages, item, changes_here, Disputes(replicas), news)
    found = replicas.state()
    assert {entry.key for entry in _OURS} <= set(found)
    now = _now()
    for entry in found.values():
        check_entry(entry, now)
    parts = _parts(found)
    for name, ours in parts.items():
        mine = {key: entry for key, entry in found.items() if bucket(key) == name}
        assert entries_in(ours.content, name, now) == (mine, {})
    _differing(published, parts, Disputes(replicas))
    MissingMemos(replicas, found).in_turn()
    again = pairing._heard(pages, item, replicas.collect(), Disputes(replicas), News())
    assert replicas.state() == found
    assert again


class _HandedPages(PairPages):
    """Pages that come from an input, and not from a swarm; those it does not have never come."""

    def hand(self, said: Mapping[bytes, Any]) -> mutable_item.SignedItem:
        """Take the pages, and return the signed item that leads to them."""
        self._files: dict[str, bytes] = {}
        parts = said.get(b"parts")
        named = {}
        for name, content in parts.items() if isinstance(parts, dict) else ():
            if isinstance(content, bytes):
                digest = hashlib.sha256(content).hexdigest()
                named[name.decode(errors="replace")] = (digest, self._file(content))
        document = said.get(b"root")
        if not isinstance(document, bytes):
            document = json.dumps({"v": 1, "parts": named}).encode()
        value = said.get(b"value")
        if not isinstance(value, bytes) or not value or len(value) > 900:
            value = dht.pointer(self._file(document))
        # As the DHT's answer is read: any value that is bencoded can have been signed.
        return mutable_item.sign(self._pair_secret(), b"memocast pair", 1, _bencoded(value))

    def _pair_secret(self) -> bytes:
        return self._pair.secret

    def _file(self, content: bytes) -> str:
        info_hash = hashlib.sha1(content, usedforsecurity=False).hexdigest()
        self._files[info_hash] = content
        return info_hash

    def _download(self, files: contextlib.ExitStack, info_hash: str, max_size: int) -> StoredPage:
        content = self._files.get(info_hash)
        if content is None:
            raise SwarmTimeout("nobody sends it", hint="wait")
        file = work_folder() / info_hash
        sealed = age.seal(content, [age.recipient_of(KEY)])
        file.write_bytes(sealed if len(content) % 16 else content)
        files.callback(file.unlink, missing_ok=True)
        return StoredPage(info_hash, "", b"d4:infode", file)


def _bencoded(value: bytes) -> bytes:
    try:
        decoded: Any = lt.bdecode(value)
    except RuntimeError:
        decoded = value
    return bytes(lt.bencode(decoded))


class _Undo(Exception):
    """Has a transaction rolled back."""


def check_entry(entry: ReplicaEntry, now: int) -> None:
    """All of it is within the bounds of docs/formats.md, and is nothing to repair."""
    assert mend(entry) == entry
    assert entry.title.strip()
    assert entry.title.isprintable() or not any(
        char < " " or "\x7f" <= char <= "\x9f" for char in entry.title
    )
    assert len(entry.title.encode()) <= 300
    assert len(entry.description.encode()) <= 8_000
    assert "\0" not in entry.description
    for stamp in (entry.title_at, entry.description_at, entry.removed_at):
        assert 0 <= stamp.ms <= now + _CENTURIES
        assert 0 <= stamp.turn <= 2**50
        assert len(stamp.device) <= 32
        assert stamp.device.isprintable()
        assert stamp.next(now, "me") > stamp
    assert 0 <= entry.created <= 2**50
    assert 0 <= entry.duration <= 10**11
    assert 0 <= entry.size <= 2**50
    assert entry.origin in ("recorded", "added", "fetched")
    if entry.link:
        (found,) = link.parse(entry.link)
        assert found.info_hashes
        assert not found.age_identity


def _now() -> int:
    return time.time_ns() // 1_000_000


def _first_letter(data: bytes) -> str:
    begin = data.find(b'"key": "') + 8
    letter = data[begin : begin + 1].decode(errors="replace")
    return letter if letter and letter in BUCKETS else "a"


@functools.cache
def _library() -> tuple[Library, Channel]:
    library = Library(work_folder() / "paired")
    where, secret = meeting_place(f"memocast-pair:{KEY}")
    pair = library.channels.add(where, secret, kind="pair")
    library.replicas.merge(_OURS)
    return library, pair


# -- inputs --------------------------------------------------------------------------

_OURS = (
    replace(GOOD, title="Ours", title_at=EditStamp(7, 0, "c")),
    replace(GOOD, key="kkkkkkkk", removed_at=EditStamp(2**41, 3, "d")),
)
_LONG = 1 << 14
"""Bytes. What is only long takes the fuzzer's time, and is tested elsewhere."""


def parts() -> list[bytes]:
    """Parts: one for each kind of entry, good and bad, and some that are none."""
    found = [part(*ODD.values()), *(part(entry) for entry in [*ODD.values(), *BAD.values()])]
    stamps = [[2**45, 0, "a"], [5, 2**50, "a"], [5, 2**60, "z"], [10**29, 0, ""]]
    found += [part({**asdict(GOOD), "key": "abababab", "title_at": stamp}) for stamp in stamps]
    return [
        *(content for content in found if len(content) < _LONG),
        *(to_bytes(entries) for entries in ([], [GOOD], [LAST, GOOD])),
        b'{"v": 1, "memos": {}}',
        b'{"v": 1}',
        b"[]",
        b"",
    ]


def roots() -> list[bytes]:
    """Roots."""
    good = {letter: ["ab" * 32, "cd" * 20] for letter in "0ak"}
    odd = {**good, "": ["ab" * 32, "cd" * 20], "ab": [1, 2], "b": ["AB" * 32, "cd" * 20], "u": {}}
    return [
        *(json.dumps({"v": 1, "parts": said}).encode() for said in (good, odd, {}, [], None)),
        b'{"v": 2, "parts": {"a": ["' + b"ab" * 32 + b'", "' + b"cd" * 20 + b'", 1]}}',
        b"{}",
        b"",
    ]


def states() -> list[bytes]:
    """States: roots and parts together."""
    later = replace(GOOD, title="Later", title_at=EditStamp(2**41, 0, "x"))
    gone = replace(_OURS[1], title_at=EditStamp(2**41, 4, "d"))
    good = {b"a": to_bytes([later, LAST]), b"k": to_bytes([gone])}
    said: list[dict[bytes, Any]] = [
        {b"parts": good},
        {b"parts": {b"a": part(*ODD.values())}},
        {b"parts": {b"a": part(BAD["a size below nothing"]), b"b": b"[]", b"u": b"x", b"": b""}},
        {b"root": roots()[0], b"parts": {}},
        {b"root": roots()[1], b"parts": {}},
        {b"root": b"{}", b"parts": {}},
        {b"value": lt.bencode({b"ih": b"x" * 20}), b"parts": {}},  # type: ignore[dict-item]
        {b"value": b"i7e", b"parts": {}},
        {b"value": b"de", b"parts": {}},
    ]
    return [bytes(lt.bencode(each)) for each in said]  # type: ignore[arg-type]


def state_changed(data: bytes, chance: random.Random, mutate: Mutate) -> bytes:
    """Change what a part or the root says, or what there is of them."""
    try:
        said: Any = lt.bdecode(data)
        name = chance.choice([*said[b"parts"], b"root"])
        holder = said if name == b"root" else said[b"parts"]
        if chance.random() < 0.8 and isinstance(holder.get(name), bytes):
            holder[name] = changes.in_json(holder[name], chance, mutate)
            return bytes(lt.bencode(said))
    except (RuntimeError, TypeError, KeyError, AttributeError):
        pass
    return changes.bencoded(data, chance, mutate)


HARNESS = Harness(
    {
        "root": Target(root, roots, changes.in_json),
        "part": Target(one_part, parts, changes.in_json),
        "state": Target(state, states, state_changed),
    },
    codes=frozenset({6, 7}),
    most_bytes=1 << 15,
    tokens=("v", "parts", "memos", "magnet:?xt=urn:btih:", "&x.age=", *asdict(GOOD)),
)
