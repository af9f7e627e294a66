"""Every way for two people to find each other that can run on one machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from helpers.dht_network import dht_nodes
from helpers.private_settings import PRIVATE
from helpers.shared_memo import address_of, assert_same_memo, info_hash
from helpers.trackers import HttpTracker, UdpTracker
from helpers.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from helpers.memocast_user import Memocast


def test_direct_addresses_in_the_link(anna: Memocast, ben: Memocast, memo: str) -> None:
    shared = anna.run("share", memo, "--direct")
    link = shared.out.strip()
    assert "&x.pe=127.0.0.1:" in link
    fetched = ben.run("fetch", link)
    assert fetched.err.splitlines() == [
        "memocast: fetched 'Grüße 🎙 from Anna' (0:05)",
        "memocast: hint: keep it available to others: memocast seed --background",
    ]
    assert_same_memo(anna, memo, ben, fetched.out.strip())


def test_a_peer_named_on_the_command_line(anna: Memocast, ben: Memocast, memo: str) -> None:
    link = anna.run("share", memo).out.strip()
    assert "x.pe" not in link
    fetched = ben.run("fetch", info_hash(link), "--peer", address_of(anna))
    assert_same_memo(anna, memo, ben, fetched.out.strip())


@pytest.mark.parametrize("tracker_kind", [HttpTracker, UdpTracker])
def test_a_tracker(
    memocast: Callable[..., Memocast], opus: Path, tracker_kind: Callable[..., Any]
) -> None:
    with tracker_kind() as tracker:
        anna = memocast("anna", MEMOCAST_TRACKERS=tracker.url)
        ben = memocast("ben")
        memo = anna.add(opus, title="By tracker")
        link = anna.run("share", memo).out.strip()
        assert f"&tr={quote(tracker.url, safe='')}" in link
        wait_for("the announce", lambda: tracker.announced(info_hash(link)))
        fetched = ben.run("fetch", link)
        assert_same_memo(anna, memo, ben, fetched.out.strip())
        wait_for(
            "the seeder's report",
            lambda: anna.seeder()["reach"]["trackers"] == {tracker.url: "ok"},
        )
        anna.stop()


def test_a_dht_of_our_own(memocast: Callable[..., Memocast], opus: Path) -> None:
    nodes, addresses = dht_nodes(5)
    # The node that a client is introduced by does not count as one it knows.
    bootstrap = addresses[0]
    anna = memocast(
        "anna",
        MEMOCAST_DHT="true",
        MEMOCAST_DHT_BOOTSTRAP=bootstrap,
        MEMOCAST_LISTEN="127.0.21.1:0",
    )
    ben = memocast(
        "ben",
        MEMOCAST_DHT="true",
        MEMOCAST_DHT_BOOTSTRAP=bootstrap,
        MEMOCAST_LISTEN="127.0.22.1:0",
    )
    memo = anna.add(opus, title="By DHT")
    link = anna.run("share", memo).out.strip()
    assert info_hash(link) == link.partition("urn:btih:")[2].partition("&")[0]
    wait_for("the DHT", lambda: anna.seeder()["reach"]["dht_nodes"])
    fetched = ben.run("fetch", info_hash(link), "--timeout", "30")
    assert_same_memo(anna, memo, ben, fetched.out.strip())
    anna.stop()
    del nodes


def test_the_local_network(memocast: Callable[..., Memocast], opus: Path) -> None:
    anna = memocast("anna", MEMOCAST_LSD="true")
    ben = memocast("ben", MEMOCAST_LSD="true")
    memo = anna.add(opus, title="By LSD")
    link = anna.run("share", memo).out.strip()
    fetched = ben.run("fetch", link, "--timeout", "30")
    assert_same_memo(anna, memo, ben, fetched.out.strip())


def test_a_torrent_file(anna: Memocast, ben: Memocast, memo: str) -> None:
    with HttpTracker() as tracker:
        anna = anna.with_(MEMOCAST_TRACKERS=tracker.url)
        link = anna.run("share", memo, "--torrent", "memo.torrent").out.strip()
        wait_for("the announce", lambda: tracker.announced(info_hash(link)))
        fetched = ben.run("fetch", str(anna.home / "memo.torrent"))
        assert_same_memo(anna, memo, ben, fetched.out.strip())
        anna.stop()


def test_the_suite_itself_contacts_nobody() -> None:
    assert PRIVATE["MEMOCAST_TRACKERS"] == PRIVATE["MEMOCAST_DHT_BOOTSTRAP"] == ""
    assert PRIVATE["MEMOCAST_LISTEN"].startswith("127.")
