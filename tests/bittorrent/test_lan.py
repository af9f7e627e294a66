"""`share --lan`: nobody outside the local network is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from helpers.shared_memo import info_hash
from helpers.trackers import HttpTracker
from helpers.waiting import wait_for
from memocast.bittorrent.session import Session
from memocast.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from helpers.memocast_user import Memocast


def test_after_unshare_a_memo_can_be_kept_to_the_lan_and_let_out_again(
    anna: Memocast, memo: str
) -> None:
    for options in ([], ["--lan"], []):
        link = anna.run("share", memo, "--no-seed", *options).out.strip()
        assert ("x.scope=lan" in link) == bool(options)
        anna.run("unshare", memo)


@pytest.mark.parametrize(
    "options", [["--lan", "--torrent", "memo.torrent"], ["--lan", "--page", "https://a.b/"]]
)
def test_what_a_lan_link_cannot_be_is_refused(
    anna: Memocast, memo: str, options: list[str]
) -> None:
    assert "--lan works only with a magnet link" in anna.run("share", memo, *options, expect=2).err
    # Nor when it was shared on the LAN before.
    anna.run("share", memo, "--lan", "--no-seed")
    later = anna.run("share", memo, "--no-seed", *options[1:], expect=2)
    assert "--lan works only with a magnet link" in later.err
    assert later.out == ""
    assert not list(anna.home.glob("*.torrent"))


@pytest.mark.parametrize(
    ("address", "blocked"),
    [
        ("8.8.8.8", 1),
        ("172.32.0.1", 1),
        ("100.64.0.1", 1),
        ("2606:4700::1", 1),
        ("::ffff:8.8.8.8", 1),
        ("192.168.1.7", 0),
        ("172.31.255.255", 0),
        ("10.0.0.1", 0),
        ("169.254.3.4", 0),
        ("fe80::1", 0),
        ("fd12::1", 0),
    ],
)
def test_the_session_for_the_lan_is_deaf_to_addresses_that_routers_pass_on(
    address: str, blocked: int
) -> None:
    settings = Settings(lsd=False).on_lan()
    swarm = Session.classic(settings, [("127.0.0.1", 0)], exact_port=False, lan=True)
    assert swarm._session.get_ip_filter().access(address) == blocked
    swarm.close()


@pytest.mark.long
def test_what_is_shared_on_the_lan_is_told_to_no_tracker_by_sender_and_follower(
    memocast: Callable[..., Memocast], opus: Path
) -> None:
    with HttpTracker() as tracker:
        anna = memocast("anna", MEMOCAST_TRACKERS=tracker.url, MEMOCAST_LSD="true")
        ben = memocast("ben", MEMOCAST_TRACKERS=tracker.url, MEMOCAST_LSD="true")
        everywhere = anna.run("share", anna.add(opus, title="For all")).out.strip()
        memo = anna.add(opus, title="For the house")
        link = anna.run("share", memo, "--lan").out.strip()
        assert link.endswith("&x.scope=lan")
        assert "tr=" not in link
        ben.run("fetch", link)
        assert ben.show()["title"] == "For the house"
        ben.run("seed", "--background")
        wait_for("the other memo to be announced", lambda: tracker.announced(info_hash(everywhere)))
        wait_for("Ben's session", lambda: (ben.seeder()["lan"] or {}).get("seeding") == 1)
        assert tracker.announced(info_hash(link)) == set()
        again = anna.run("share", memo)
        assert again.out.strip() == link
        assert "stays on the local network" in again.err
        wide = info_hash(everywhere)
        first = next(row for row in anna.run("status", "--json").json["memos"] if not row["lan"])
        assert first["info_hash"] == wide
        refused = anna.run("share", first["id"], "--lan", expect=1)
        assert "is already shared beyond the local network" in refused.err
        anna.stop()
        ben.stop()
