"""Private links in the listening page: they open in the tab, and their key never leaves it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from helpers.browser import AGE, Net, Site
from helpers.listening_page import card, until, wait_whole
from helpers.private_memos import key_in
from helpers.shared_memo import info_hash, sha256
from helpers.waiting import wait_for
from memocast.formats.age import new_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Page, Route

    from helpers.memocast_user import Memocast

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


@pytest.mark.long
def test_it_plays_while_it_arrives_and_is_complete_when_all_of_it_is_opened(
    net: Net, anna: Memocast, long_memo: Path
) -> None:
    anna = anna.with_(MEMOCAST_UPLOAD_LIMIT="100000")
    magnet = anna.run("share", anna.add(long_memo, title=TITLE), "--private").out.strip()
    tab = net.context().new_page()
    tab.goto(net.site.url)
    until(tab, "navigator.serviceWorker.controller !== null")
    tab.goto(opened(net, magnet))
    found = card(tab, TITLE)
    found.get_by_role("button", name="Play").click()
    until(tab, "document.querySelector('article audio').currentTime > 0.2")
    assert found.get_attribute("data-phase") == "downloading"
    wait_whole(tab, TITLE)
    with tab.expect_download() as saving:
        found.get_by_role("button", name="Save").click()
    assert sha256(saving.value.path()) == sha256(long_memo)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda link: link.replace(key_in(link), new_key()), "does not open this memo."),
        (lambda link: link.partition("&x.age")[0], "encrypted, and the link has no key."),
        (lambda link: link[:-3], "The key in this link is damaged."),
        (lambda link: f"{link}&x.scope=lan", "This memo is shared only on its local network"),
    ],
    ids=["another key", "no key", "cut off", "of a local network"],
)
def test_what_cannot_be_opened_is_said_without_the_key(
    net: Net, magnet: str, change: Callable[[str], str], said: str
) -> None:
    tab = net.visit(opened(net, change(magnet)))
    tab.get_by_text(said).first.wait_for()
    assert "AGE-SECRET-KEY" not in tab.locator("body").inner_text()


def from_cdn(
    net: Net, tmp_path: Path, magnet: str, *, changed: str = "", checks_hashes: bool = True
) -> Page:
    """The page where nobody put age.min.js beside it; the CDN has `changed` in another version."""
    folder = tmp_path / "bare"
    shutil.copytree(net.site.folder, folder)
    (folder / "age.min.js").unlink()
    if not checks_hashes:
        # The import map has the hash of an empty file: this one is let in, as any would be
        # by a browser that checks nothing.
        (folder / "unchecked.js").write_bytes(b"")
    site = Site(net.there, folder)

    def answer(route: Route) -> None:
        name, _, path = route.request.url.partition("/npm/")[2].partition("@")
        if not name:  # of a scope
            scope, _, path = path.partition("@")
            name = f"@{scope}"
        content = (AGE.parent / name / path.partition("/")[2]).read_bytes()
        body = content + b"\nwindow.changed = true" * (path.endswith(changed) and bool(changed))
        headers = {"Content-Type": "application/javascript", "Access-Control-Allow-Origin": "*"}
        route.fulfill(body=body, headers=headers)

    context = net.context()
    context.route("https://cdn.jsdelivr.net/npm/**", answer)
    return net.visit(f"{site.url}#{quote(magnet, safe='')}", context)


def test_the_package_comes_from_a_cdn_where_there_is_no_copy_beside_the_page(
    net: Net, magnet: str, tmp_path: Path
) -> None:
    wait_whole(from_cdn(net, tmp_path, magnet), TITLE)


def test_a_cdn_that_serves_anything_else_is_refused_and_the_memo_stays_sealed(
    net: Net, magnet: str, tmp_path: Path
) -> None:
    tab = from_cdn(net, tmp_path, magnet, changed="dist/index.js")
    tab.get_by_text("the part of this page that opens private memos could not").first.wait_for()
    assert tab.evaluate("window.changed") is None


def test_a_browser_that_checks_no_hashes_gets_nothing_from_a_cdn(
    net: Net, magnet: str, tmp_path: Path
) -> None:
    tab = from_cdn(net, tmp_path, magnet, checks_hashes=False)
    tab.get_by_text("the part of this page that opens private memos could not").first.wait_for()
