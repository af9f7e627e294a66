"""Pages of feeds and of paired devices: how large they may be, before any of it is downloaded."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

import pytest

from helpers.shared_memo import address_of, info_hash
from helpers.waiting import wait_for
from memocast.bittorrent import dht
from memocast.channels import feed_reader, pair_pages
from memocast.channels.feed_reader import FeedReader
from memocast.channels.pair import meeting_place, new_secret
from memocast.channels.pair_pages import PairPages
from memocast.channels.republish import Republisher
from memocast.errors import Refused, SwarmTimeout
from memocast.fetching.page_download import DownloadedPage, download_page
from memocast.formats import age, torrent
from memocast.formats.channel import SALT, ChannelLink
from memocast.formats.feed import MAX_PAGE_BYTES
from memocast.formats.link import Link
from memocast.formats.mutable_item import SignedItem
from memocast.formats.replica import MAX_BUCKET_BYTES
from memocast.formats.replica_entries import MAX_ROOT_BYTES
from memocast.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import ModuleType

    from helpers.memocast_user import Memocast
    from memocast.library.library import Library

ALONE = Settings(trackers=(), dht=False, lsd=False, port_mapping=False, listen=("127.0.0.1:0",))
HEAD = "ab" * 20


def test_one_byte_more_than_a_page_may_have_is_refused_before_any_of_it_is_sent(
    anna: Memocast, library: Library, opus: Path
) -> None:
    memo = anna.add(opus)
    link = anna.run("share", memo, "--direct").out.strip()
    host, _, port = address_of(anna).rpartition(":")
    where = Link(info_hash(link), peers=((host, int(port)),))
    size = opus.stat().st_size

    def uploaded() -> int:
        return int(anna.seeder()["memos"].get(memo, {"uploaded": 0})["uploaded"])

    with pytest.raises(Refused), download_page(library, where, ALONE, size - 1, 20.0):
        pass
    with download_page(library, where, ALONE, size, 20.0) as page:
        assert page.file.read_bytes() == opus.read_bytes()
    wait_for("the count", lambda: uploaded() >= size)
    assert uploaded() < 1.5 * size, "the first got none of it"
    assert not list((library.root / "incoming").glob("page-*")), "nothing is left of either"


class Asked(list[tuple[str, int]]):
    """Pages that were asked for, each with the bytes that it may have; those in `sends` come."""

    def __init__(self) -> None:
        super().__init__()
        self.sends: dict[str, Path] = {}

    def of(self, module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Asked:
        monkeypatch.setattr(module, "download_page", self._download)
        return self

    @contextlib.contextmanager
    def _download(
        self, _library: Library, where: Link, _settings: Settings, most: int, *_: object
    ) -> Iterator[DownloadedPage]:
        assert where.v1
        self.append((where.v1, most))
        if where.v1 not in self.sends:
            raise SwarmTimeout("nobody has it")
        file = self.sends[where.v1]
        yield DownloadedPage(file, torrent.make_feed_page(file, ""))


def test_a_channels_page_may_be_as_large_as_the_format_says(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Asked().of(feed_reader, monkeypatch)

    class Found:
        def refresh(self, _: object) -> tuple[SignedItem, int]:
            return SignedItem(bytes(32), SALT, 1, dht.pointer(HEAD), b""), 1

    channel = library.channels.add(ChannelLink(bytes(32), SALT, "Anna"))
    with pytest.raises(SwarmTimeout):
        FeedReader(library, ALONE, Found()).read(channel)  # type: ignore[arg-type]
    assert asked == [(HEAD, MAX_PAGE_BYTES)]


def test_the_pages_of_paired_devices_may_be_as_large_as_the_format_says(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link, seed = meeting_place(new_secret())
    pair = library.channels.add(link, seed, kind="pair")
    pages = PairPages(library, ALONE, Republisher(library, ALONE), pair, 1.0)
    asked = Asked().of(pair_pages, monkeypatch)
    with pytest.raises(SwarmTimeout):
        pages.take(dht.pointer(HEAD), lambda _: None)
    assert asked == [(HEAD, MAX_ROOT_BYTES)]

    part = "cd" * 20
    root = tmp_path / "root"
    said = json.dumps({"v": 1, "parts": {"a": ["0" * 64, part]}}).encode()
    root.write_bytes(age.seal(said, [age.recipient_of(link.age_identity)]))
    asked.sends[HEAD] = root
    with pytest.raises(SwarmTimeout):
        pages.take(dht.pointer(HEAD), lambda _: None)
    assert asked[1:] == [(HEAD, MAX_ROOT_BYTES), (part, MAX_BUCKET_BYTES)]
