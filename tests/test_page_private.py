"""Private links in the listening page: they open in the tab, and their key never leaves it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from browser import AGE, Net, until, wait_whole
from conftest import wait_for
from memocast.sealing import new_key
from test_private import key_in
from transfer import info_hash, sha256

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Memocast

TITLE = "Nobody's business"


@pytest.fixture
def anna(net: Net, memocast: Callable[..., Memocast]) -> Memocast:
    return net.user(memocast("anna"))


@pytest.fixture
def magnet(anna: Memocast, opus: Path) -> str:
    """A private link."""
    memo = anna.add(opus, title=TITLE, description="Only for you.")
    return anna.run("share", memo, "--private").out.strip()


def opened(net: Net, magnet: str) -> str:
    return f"{net.site.url}#{quote(magnet, safe='')}"


def test_a_private_link_plays_and_neither_tracker_nor_web_server_hears_the_key(
    net: Net, anna: Memocast, memocast: Callable[..., Memocast], magnet: str
) -> None:
    tab = net.visit(opened(net, magnet))
    said: list[str] = []
    tab.on("console", lambda message: said.append(message.text))
    found = wait_whole(tab, TITLE)
    assert found.locator(".description").inner_text() == "Only for you."
    assert "0:05" in found.locator(".facts").inner_text()
    found.get_by_role("button", name="Play").click()
    until(tab, "document.querySelector('article audio').currentTime > 0.5")
    key = key_in(magnet)
    for heard in (net.site.asked, net.tracker.heard, said):
        assert not [line for line in heard if key.lower() in line.lower() or "x.age" in line]
    # The tab keeps it for others, sealed, and gives the whole link away.
    tab.goto("about:blank")
    anna.stop()
    again = net.visit(context=tab.context)
    wait_whole(again, TITLE)
    wait_for("the tab's announce", lambda: net.tracker.announced(info_hash(magnet)))
    ben = net.user(memocast("ben"))
    ben.run("fetch", magnet)
    assert ben.show()["title"] == TITLE
    assert sha256(ben.audio()) == sha256(anna.audio())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda link: link.replace(key_in(link), new_key()), "does not open this memo."),
        (lambda link: link.partition("&x.age")[0], "sealed, and the link has no key."),
        (lambda link: link[:-3], "The key in this link is damaged."),
        (lambda link: f"{link}&x.scope=lan", "This memo stays on the local network"),
    ],
    ids=["another key", "no key", "cut off", "of a local network"],
)
def test_what_cannot_be_opened_is_said_without_the_key(
    net: Net, magnet: str, change: Callable[[str], str], said: str
) -> None:
    tab = net.visit(opened(net, change(magnet)))
    tab.get_by_text(said).first.wait_for()
    assert "AGE-SECRET-KEY" not in tab.locator("body").inner_text()


def test_without_the_package_it_says_so_and_where_the_memo_can_be_heard(
    net: Net, magnet: str
) -> None:
    (net.site.folder / "age.min.js").unlink()
    try:
        tab = net.context(None, service_workers="block").new_page()
        tab.goto(opened(net, magnet))
        tab.get_by_text(
            "(age.min.js) could not be loaded. In a terminal: memocast"
        ).first.wait_for()
    finally:
        (net.site.folder / "age.min.js").write_bytes(AGE.read_bytes())
