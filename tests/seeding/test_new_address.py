"""The seeder's machine gets another address: browsers find its memos again."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from helpers.browser import why_no_browser
from helpers.network_namespaces import two_hosts
from helpers.processes import running
from helpers.repository import TESTS
from helpers.waiting import wait_for
from helpers.web_tracker import WebTracker

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from helpers.memocast_user import Memocast

SECONDS = 110
"""Until the connection is given up (30 s), announced again (30 s at most) and asked (10 s)."""


@pytest.mark.long
@pytest.mark.full
@pytest.mark.skipif(bool(why_no_browser()), reason="needs the tracker for browsers")
@pytest.mark.parametrize("address", ["10.73.0.50", "10.73.0.51"])
def test_browsers_find_the_seeder_at_its_new_address(
    memocast: Callable[..., Memocast], opus: Path, tmp_path: Path, address: str
) -> None:
    with two_hosts() as (here, there):
        tracker = WebTracker(there)
        anna = memocast("anna", MEMOCAST_TRACKERS=tracker.url, MEMOCAST_LISTEN="0.0.0.0:0")
        anna.host = here
        try:
            link = anna.run("share", anna.add(opus)).out.strip()
            wait_for("the worker for browsers", lambda: web(anna).get("seeding") == 1)
            worker = web(anna)["session_pid"]
            assert visited(there, link, tmp_path / "before") == 0
            here.unplug()
            here.address = address
            here.plug_in()
            assert visited(there, link, tmp_path / "after") == 0
            assert web(anna)["session_pid"] == worker
            assert web(anna)["crashes"] == 0
            wait_for("both copies to be counted", lambda: copies(anna) == 2)
        finally:
            anna.stop()
            anna.host = None  # which is no more
            tracker.close()


def visited(there: Any, link: str, folder: Path) -> int:
    """How somebody fared who came by WebRTC."""
    command = [sys.executable, "-m", "helpers.soak.browser_peer", link, str(folder)]
    with there.entered():
        process = subprocess.Popen(command, cwd=TESTS, stdin=subprocess.DEVNULL)
    with running(process):
        return process.wait(SECONDS)


def web(user: Memocast) -> Any:
    return (user.seeder() or {}).get("web") or {}


def copies(user: Memocast) -> int:
    return int(user.run("status", "--json").json["memos"][0]["copies_ever"])
