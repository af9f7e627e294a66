"""The seeder's web session: a process of its own, for browsers, that may die without harm."""

from __future__ import annotations

import os
import re
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from helpers.listening_page import wait_whole
from helpers.processes import running
from helpers.seeder_report import seeding
from helpers.shared_memo import address_of, assert_same_memo
from helpers.waiting import wait_for
from helpers.web_tracker import WebTracker

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from helpers.browser import Net
    from helpers.memocast_user import Memocast

TITLE = "For browsers"


@pytest.fixture
def anna(net: Net, memocast: Callable[..., Memocast]) -> Memocast:
    return net.user(memocast("anna"))


@pytest.fixture
def ben(net: Net, memocast: Callable[..., Memocast]) -> Memocast:
    return net.user(memocast("ben"))


def web(user: Memocast) -> Any:
    """What the seeder says of its web session; empty before it has begun."""
    return (user.seeder() or {}).get("web") or {}


def serving(user: Memocast) -> int:
    return int(web(user).get("seeding", -1))


@pytest.mark.long
def test_a_native_crash_touches_neither_the_classic_side_nor_the_link_and_is_mended_in_2_s(
    net: Net, anna: Memocast, ben: Memocast, opus: Path
) -> None:
    memo = anna.add(opus, title=TITLE)
    link = anna.run("share", memo, "--page", net.site.url).out.strip()
    wait_for("the web session", lambda: serving(anna) == 1)
    before = anna.seeder()
    os.kill(web(anna)["session_pid"], signal.SIGSEGV)
    began = time.monotonic()
    wait_for(
        "the next one",
        lambda: serving(anna) == 1 and web(anna)["session_pid"] != before["web"]["session_pid"],
    )
    # A promise of the contract, and the machine may be busy: 2 s for it, the rest for us to look.
    assert time.monotonic() - began < 2 + 1
    after = anna.seeder()
    assert (after["pid"], after["session_pid"]) == (before["pid"], before["session_pid"])
    assert (after["crashes"], after["web"]["crashes"]) == (0, 1)
    assert after["web"]["last_crash"]["how"] == "SIGSEGV"
    wait_whole(net.visit(link), TITLE)
    copy = ben.run("fetch", link, "--peer", address_of(anna)).out.strip()
    assert_same_memo(anna, memo, ben, copy)
    # The seeder's report of the tab may be a moment behind the tab.
    line = "browsers: 1 connected; 1 memo shared over WebRTC"
    wait_for("the report", lambda: line in anna.run("status").lines)
    told = anna.run("status").out
    assert re.search("^browsers: restarted 1 time, last 20.*: SIGSEGV$", told, re.MULTILINE)


@pytest.mark.long
def test_status_tells_browsers_from_other_peers_and_counts_what_they_took(
    net: Net, anna: Memocast, opus: Path
) -> None:
    memo = anna.add(opus, title=TITLE)
    link = anna.run("share", memo, "--page", net.site.url).out.strip()
    tab = net.visit(link)
    wait_whole(tab, TITLE)

    def row() -> Any:
        return anna.run("status", "--json").json["memos"][0]

    wait_for("the browser's copy", lambda: row()["copies_ever"] == 1)
    wait_for("the report", lambda: row()["copies"] == 1)
    assert (row()["peers"], row()["browsers"]) == (1, 1)
    # A copy is counted at once, the bytes of its last moment with the next tally.
    size = anna.show(memo)["bytes"]
    wait_for("the bytes it took", lambda: row()["uploaded"] >= size)
    assert anna.seeder()["reach"]["trackers"] == {net.tracker.url: "ok"}
    wait_for("the copy to have stayed", lambda: row()["safe_to_close"])
    tab.goto("about:blank")
    wait_for("the tab to be gone, which says so", lambda: row()["peers"] == 0)


@pytest.mark.full
@pytest.mark.long
def test_the_latest_memos_are_offered_within_the_limit_of_descriptors(
    net: Net, anna: Memocast, opus: Path
) -> None:
    ids = [anna.add(opus, title=f"Memo {number}") for number in range(6)]
    links = anna.run("share", *ids, "--page", net.site.url, "--no-seed").lines
    # 100 are the session's own, and each memo takes up to 21: room for 3 of the 6.
    started = anna.shell("ulimit -n 165; python -P -m memocast seed --background")
    assert started.out == ""
    wait_for("the web session", lambda: serving(anna) == 3)
    assert "browsers: 0 connected; the last 3 of 6 memos shared" in anna.run("status").out
    wait_whole(net.visit(links[5]), "Memo 5")
    anna.run("share", ids[0])  # once more, and so it is the latest
    wait_whole(net.visit(links[0]), "Memo 0")
    assert serving(anna) == 3


def test_it_follows_the_library(net: Net, anna: Memocast, opus: Path) -> None:
    ids = [anna.add(opus, title=f"Memo {number}") for number in range(2)]
    anna.run("share", *ids)
    wait_for("both", lambda: serving(anna) == 2)
    anna.run("remove", ids[0], "--yes")
    wait_for("the removal", lambda: serving(anna) == 1)
    anna.audio(ids[1]).write_bytes(b"changed")
    anna.run("edit", ids[1], "--title", "Changed")
    wait_for("the damage", lambda: serving(anna) == 0)


def test_seed_with_memos_offers_browsers_only_those(net: Net, anna: Memocast, opus: Path) -> None:
    ids = [anna.add(opus, title=f"Memo {number}") for number in range(3)]
    anna.run("share", *ids, "--no-seed")
    with running(anna.start("seed", ids[1])):
        wait_for("the web session", lambda: serving(anna) == 1)
        anna.stop()


def test_webrtc_can_be_turned_off(net: Net, anna: Memocast, ben: Memocast, opus: Path) -> None:
    anna = anna.with_(MEMOCAST_WEBRTC="false")
    memo = anna.add(opus, title=TITLE)
    shared = anna.run("share", memo, "--page", net.site.url)
    assert "no browser can find this" in shared.err
    assert anna.seeder()["for_browsers"] is False
    assert anna.seeder()["web"] is None
    link = shared.out.strip()
    off = ben.with_(MEMOCAST_WEBRTC="false")
    missed = off.run("fetch", link, "--timeout", "1", expect=6)
    assert net.tracker.url not in missed.err
    copy = ben.run("fetch", link, "--peer", address_of(anna)).out.strip()
    assert_same_memo(anna, memo, ben, copy)
    anna.stop()


def test_without_a_tracker_for_browsers_there_is_no_web_session(anna: Memocast, opus: Path) -> None:
    anna.environment["MEMOCAST_TRACKERS"] = ""
    anna.run("share", anna.add(opus, title=TITLE), "--direct")
    assert anna.seeder()["for_browsers"] is False


@pytest.mark.full
def test_a_tracker_that_restarts_is_found_again(net: Net, anna: Memocast, opus: Path) -> None:
    tracker = WebTracker(net.here)
    anna.environment["MEMOCAST_TRACKERS"] = tracker.url
    memo = anna.add(opus, title=TITLE)
    link = anna.run("share", memo, "--page", net.site.url).out.strip()
    wait_whole(net.visit(link), TITLE)
    tracker.close()
    again = WebTracker(net.here, tracker.port)
    try:
        assert seeding(anna) == 1
        info_hash = anna.show(memo)["info_hash"]
        wait_for("it to be told again", lambda: f"{info_hash}" in " ".join(again.heard), 60)
        net.tidy()
        wait_whole(net.visit(link), TITLE)
    finally:
        anna.stop()
        again.close()


@pytest.mark.long
def test_doctor_asks_trackers_for_browsers_and_the_stun_server(net: Net, anna: Memocast) -> None:
    missing = f"ws://{net.here.address}:9"
    user = anna.with_(MEMOCAST_TRACKERS=f"{net.tracker.url} {missing}")
    found = {
        finding["check"]: finding for finding in user.run("doctor", "--json", expect=None).json
    }
    assert found[f"tracker {net.tracker.url}"]["detail"] == "answers"
    assert found[f"tracker {missing}"]["ok"] is False
    assert "no STUN server" in found["browsers"]["detail"]
    silent = user.with_(MEMOCAST_STUN_SERVER=f"{net.here.address}:9")
    found = {
        finding["check"]: finding for finding in silent.run("doctor", "--json", expect=None).json
    }
    assert "does not answer" in found["browsers"]["detail"]
    assert "'stun_server'" in found["browsers"]["fix"]
