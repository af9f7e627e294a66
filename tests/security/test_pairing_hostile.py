"""A paired device that means ill, or has made a mistake: the others go on, and agree."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from helpers.fake_clock import Clock
from helpers.odd_replica_entries import BAD
from helpers.paired_devices import texts_of
from memocast import settings as settings_
from memocast.bittorrent import dht
from memocast.channels.republish import Republisher
from memocast.formats import age, mutable_item, torrent
from memocast.formats.replica import BUCKETS, bucket
from memocast.library.library import Library
from memocast.library.tables.feed_pages import StoredPage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from helpers.memocast_user import Memocast

YEAR = 365 * 24 * 3600


class Mallory:
    """Has found a device of somebody's, and says to the others what she wants."""

    def __init__(self, device: Memocast) -> None:
        self.device = device
        self._library = Library(device.library)
        pair = self._library.channels.pair()
        assert pair is not None
        self._pair = pair
        self._number = 0

    def entries(self) -> dict[str, dict[str, Any]]:
        """What the device knows, as it would say it."""
        state = self._library.replicas.state()
        return {key: json.loads(json.dumps(asdict(entry))) for key, entry in state.items()}

    def say(self, entries: Iterable[Any], other: Iterable[StoredPage] = (), **parts: Any) -> None:
        """Publish a state of these entries, with these parts in its root, and the other pages."""
        groups: dict[str, list[str]] = {}
        for entry in entries:
            said = entry if isinstance(entry, str) else json.dumps(entry)
            name = bucket(str(entry["key"])) if isinstance(entry, dict) else "a"
            groups.setdefault(name, []).append(said)
        pages = [*other]
        for name, said_all in groups.items():
            content = '{"v":1,"memos":[' + ",".join(said_all) + "]}"
            plain = content.encode(errors="surrogateescape")
            pages.append(self.page(plain))
            parts.setdefault(name, [hashlib.sha256(plain).hexdigest(), pages[-1].info_hash])
        self.publish(json.dumps({"v": 1, "parts": parts}).encode(), pages)

    def publish(self, root: bytes, pages: Iterable[StoredPage] = ()) -> None:
        """Publish that as the root."""
        head = self.page(root)
        self._library.feed_pages.hold(self._pair, [head, *pages], ())
        self.point(dht.pointer(head.info_hash))

    def point(self, value: bytes) -> None:
        """Have the DHT lead the others to it."""
        known = self._library.channels.signed_item(self._pair)
        seq = known.seq + 100 if known else 0  # the others have not published as often since
        item = mutable_item.sign(self._pair.secret, self._pair.link.salt, seq, value)
        self._library.channels.keep_signed_item(self._pair, item)
        found, holders = Republisher(self._library, self._settings()).refresh(self._pair)
        assert found == item
        assert holders

    def page(self, plain: bytes) -> StoredPage:
        """A page that says so."""
        self._number += 1
        file = self.device.home / f"page-{self._number}"
        file.write_bytes(age.seal(plain, [age.recipient_of(self._pair.link.age_identity)]))
        made = torrent.make_feed_page(file, "")
        return StoredPage(made.info_hash, "", made.content, file)

    def _settings(self) -> settings_.Settings:
        environment = self.device.environment
        return settings_.load(
            self.device.home / "none.toml",
            {name: value for name, value in environment.items() if name.startswith("MEMOCAST_")},
        )

    def close(self) -> None:
        self._library.close()


def joined(device: Memocast, secret: str) -> None:
    device.run("pair", "-", stdin=secret)
    device.run("sync")
    device.run("seed", "--background")


@pytest.mark.full
@pytest.mark.long
def test_bad_entries_are_left_out_alone_and_the_next_edit_reaches_all(
    someone: Callable[..., Memocast], opus: Path, flac: Path, speech: Path
) -> None:
    phone, laptop, lost = someone("phone"), someone("laptop"), someone("lost")
    first = phone.add(opus, title="First")
    second = phone.add(flac, title="Second")
    secret = phone.run("pair").out
    phone.run("sync")
    phone.run("seed", "--background")
    joined(laptop, secret)
    third = lost.add(speech, title="Third")
    joined(lost, secret)
    mallory = Mallory(lost)
    try:
        good = mallory.entries()
        assert set(good) == {first, second, third}
        for key in (first, second):
            good[key] |= {"title": "changed by Mallory", "title_at": [2**50, 2**50, "evil"]}
        laptop.run("edit", second, "--title", "meant by its owner")
        bad = [entry for what, entry in BAD.items() if what != "a key of another part"]
        lie = mallory.page(b'{"v": 1, "memos": []}')
        # A part of its own: ids are random, and one of the good entries may be in any other.
        unused = next(name for name in BUCKETS[::-1] if name not in {"a", *map(bucket, good)})
        parts = {"\ud800": 7, unused: ["0" * 64, lie.info_hash]}
        mallory.say([*bad, *good.values()], [lie], **parts)
        heard = phone.run("sync", expect=7)
        assert heard.out.split() == [third]
        assert heard.err.count("left out of another device's state: ") == 1
        assert "a link to no memo (10)" in heard.err
        assert "a part that cannot be read (1)" in heard.err
        assert "hint: upgrade memocast on all your devices; if you lost one" in heard.err
        assert "your devices: 1 new memo, 2 changed\n" in heard.err
        assert texts_of(phone)[first] == texts_of(phone)[second] == ("changed by Mallory", "")
        # Nothing of it sticks: neither here nor in what the others hear from here.
        assert phone.run("sync").err == "memocast: your devices: 0 new memos\n"
        assert laptop.run("sync").out.split() == [third]
        expected = {
            first: ("changed by Mallory", ""),
            second: ("meant by its owner", ""),
            third: ("Third", ""),
        }
        assert texts_of(laptop) == expected
        laptop.run("edit", first, "--title", "mended")
        laptop.run("sync")
        expected[first] = ("mended", "")
        for device in (phone, lost):
            device.run("sync")
            assert texts_of(device) == expected
        # When the same comes again, it is known.
        mallory.say([*bad, *good.values()])
        assert phone.run("sync").err == "memocast: your devices: 0 new memos\n"
        assert texts_of(phone) == expected
        # What cannot be read at all does not keep the others from hearing of each other.
        mallory.publish(b"nonsense")
        phone.run("edit", third, "--title", "renamed")
        assert "a state that cannot be read (1)" in phone.run("sync", expect=7).err
        mallory.point(dht.pointer("0" * 40))
        assert "a state that cannot be read (1)" in phone.run("sync", expect=7).err
        laptop.run("sync")
        assert texts_of(laptop) == {**expected, third: ("renamed", "")}
    finally:
        mallory.close()


@pytest.mark.full
@pytest.mark.long
def test_a_device_whose_clock_was_years_ahead_agrees_with_the_others_again(
    someone: Callable[..., Memocast], opus: Path, tmp_path: Path
) -> None:
    phone, laptop = someone("phone"), someone("laptop")
    clock = Clock(tmp_path)
    clock.jump(9 * YEAR)
    ahead = laptop.with_(**clock.environment)
    memo = phone.add(opus, title="First")
    secret = phone.run("pair").out
    phone.run("sync")
    phone.run("seed", "--background")
    laptop.run("pair", "-", stdin=secret)
    assert ahead.run("sync").out.split() == [memo]
    laptop.run("seed", "--background")
    ahead.run("edit", memo, "--title", "from the future", "-d", "from the future")
    ahead.run("sync")
    phone.run("edit", memo, "-d", "not heard of it yet")
    phone.run("sync")
    assert texts_of(phone)[memo] == ("from the future", "not heard of it yet")
    phone.run("edit", memo, "--title", "later")
    phone.run("sync")
    ahead.run("sync")
    assert texts_of(laptop)[memo] == ("later", "not heard of it yet"), "its clock is wrong still"
    laptop.run("edit", memo, "--title", "the clock is right again")
    laptop.run("sync")
    phone.run("sync")
    assert texts_of(phone)[memo] == ("the clock is right again", "not heard of it yet")
    phone.run("remove", memo, "--yes")
    phone.run("sync")
    laptop.run("sync")
    assert texts_of(laptop) == {}


@pytest.mark.full
def test_links_that_lead_to_no_memo_keep_none_from_arriving(
    someone: Callable[..., Memocast], opus: Path
) -> None:
    phone, lost = someone("phone"), someone("lost")
    secret = phone.run("pair").out
    phone.run("sync")
    memo = lost.add(opus, title="Good")
    joined(lost, secret)
    mallory = Mallory(lost)
    try:
        (good,) = mallory.entries().values()
        magnet = "magnet:?xt=urn:btih:"
        nowhere = [
            {**good, "key": f"{n}" * 8, "link": f"{magnet}{n}" + "0" * 39, "created": 2**50}
            for n in range(1, 4)
        ]
        mallory.say([good, *nowhere])
        waited = phone.run("sync", "--timeout", "1s", expect=6)
        assert waited.out == "", "three in a row, and the others are off"
        page = mallory.page(b"no memo")
        tracker = quote(lost.environment["MEMOCAST_TRACKERS"], safe="")
        other = {**good, "key": "99999999", "link": f"{magnet}{page.info_hash}&tr={tracker}"}
        mallory.say([good, other], [page])
        heard = phone.run("sync", "--timeout", "1s", expect=None)
        assert heard.out.split() == [memo]
        assert "this is a page of a channel's feed, not a memo" in heard.err
        again = phone.run("sync", "--timeout", "1s", expect=6)
        assert "this is a page" not in again.err, "an info-hash leads to the same for ever"
        assert texts_of(phone) == {memo: ("Good", "")}
    finally:
        mallory.close()


def test_a_state_that_nobody_sends_is_published_over_after_a_while(
    someone: Callable[..., Memocast], opus: Path
) -> None:
    phone = someone("phone")
    phone.add(opus)
    phone.run("pair")
    phone.run("sync")
    mallory = Mallory(phone)
    try:
        mallory.point(dht.pointer("1" * 40))
    finally:
        mallory.close()
    for _ in range(3):
        assert "nobody answered" in phone.run("sync", "--timeout", "1s", expect=6).err
    assert phone.run("sync", "--timeout", "1s").err == "memocast: your devices: 0 new memos\n"
