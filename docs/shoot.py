"""Take the screenshots of the listening page again, into this folder: python docs/shoot.py

As the tests do it: real memocast, real Chromium, two network namespaces. Run as
root after .ci/check has installed what it takes.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS.parent / "tests"))

from helpers.browser import Net, hearing, open_net  # noqa: E402
from helpers.listening_page import card, until  # noqa: E402
from helpers.memocast_user import Memocast  # noqa: E402

if TYPE_CHECKING:
    from playwright.sync_api import Page

TITLE = "Ideas for Monday"
ABOUT = "Three things before the meeting, and a question for you at the end."
SAID = "Good morning. Before we meet on Monday, here are three things that I would like to try."
NOBODY = "magnet:?xt=urn:btih:" + "ab" * 20 + "&dn=A%20memo%20of%20long%20ago.opus&tr="
SIZE: dict[str, Any] = {"width": 640, "height": 520}


def main() -> None:
    """Make them all."""
    with contextlib.ExitStack() as closing:
        folder = Path(closing.enter_context(tempfile.TemporaryDirectory()))
        wav = folder / "said.wav"
        subprocess.run(["espeak-ng", "-s", "140", "-w", wav, SAID * 6], check=True)
        net = closing.enter_context(open_net(folder / "site"))
        anna = net.user(Memocast(folder / "anna"))
        closing.callback(anna.stop)
        link = shared(anna, net, wav)
        for name, url in (
            ("empty", ""),
            ("waiting", f"{net.site.url}#{NOBODY}{net.tracker.url}"),
            ("error", f"{net.site.url}#magnet%3A%3Fxt%3Durn%3Abtih%3Aab12"),
        ):
            tab = net.visit(url, net.context(viewport=SIZE))
            until(tab, "!document.querySelector('main').hidden")
            shoot(tab, name)
        phone = {"viewport": {"width": 390, "height": 780}, "is_mobile": True}
        for name, options in (
            ("playing", {"viewport": SIZE}),
            ("phone", phone),
            ("phone-dark", {**phone, "color_scheme": "dark"}),
        ):
            play(net, link, name, **options)
        record(net, wav)
        net.tidy()


def shared(anna: Memocast, net: Net, wav: Path) -> str:
    """A memo, slow enough to be seen on its way."""
    anna.environment["MEMOCAST_UPLOAD_LIMIT"] = "150000"
    memo = anna.run("add", str(wav), "--title", TITLE, "-d", ABOUT).out.strip()
    return anna.run("share", memo, "--page", net.site.url).out.strip()


def play(net: Net, link: str, name: str, **options: Any) -> None:
    """The page while it plays what is still on its way."""
    context = net.context(**options)
    tab = net.visit(context=context)
    until(tab, "navigator.serviceWorker.controller !== null")
    tab.goto(link)
    card(tab, TITLE).get_by_role("button", name="Play").click()
    until(tab, "document.querySelector('article audio').currentTime > 6")
    tab.mouse.move(0, 0)
    shoot(tab, name)


def record(net: Net, wav: Path) -> None:
    """The page while an answer is recorded."""
    browser = net.launch(*hearing(wav))
    tab = net.visit(context=net.context(browser, viewport=SIZE))
    tab.get_by_label("Title", exact=True).first.fill("Re: Ideas for Monday")
    tab.get_by_label("Description").first.fill("The second one, please.")
    tab.get_by_role("button", name="Record").click()
    until(tab, "document.querySelector('#elapsed').textContent === '0:07'")
    until(tab, "document.querySelector('#level').value > 80")
    shoot(tab, "recording")
    browser.close()


def shoot(tab: Page, name: str) -> None:
    """Take one, and say so."""
    tab.screenshot(path=DOCS / f"page-{name}.png")
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} page-{name}.png\n")


if __name__ == "__main__":
    main()
