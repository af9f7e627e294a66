"""Recording in the listening page, with a microphone that hears speech."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from helpers.browser import Net, hearing
from helpers.listening_page import card
from helpers.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, BrowserContext, Page


TITLE = "Answer <i>one</i> & ünïcode"


ABOUT = "Said in\na browser"


@pytest.fixture
def microphone(net: Net, speech: Path) -> Iterator[Browser]:
    """A browser whose microphone hears the speech, again and again."""
    browser = net.launch(*hearing(speech))
    yield browser
    browser.close()


@pytest.fixture
def profile(net: Net, microphone: Browser) -> BrowserContext:
    context = net.context(microphone)
    context.grant_permissions(["clipboard-read", "clipboard-write", "microphone"])
    return context


def elapsed(tab: Page) -> float:
    minutes, seconds = tab.locator("#elapsed").inner_text().split(":")
    return 60 * int(minutes) + int(seconds)


def record(tab: Page, title: str = TITLE, about: str = ABOUT, seconds: int = 2) -> None:
    tab.get_by_label("Title", exact=True).first.fill(title)
    tab.get_by_label("Description").first.fill(about)
    tab.get_by_role("button", name="Record").click()
    wait_for("that much sound", lambda: elapsed(tab) >= seconds)


def share(tab: Page, title: str = TITLE) -> Any:
    tab.get_by_role("button", name="Stop").click()
    tab.get_by_role("button", name="Share it").click()
    found = card(tab, title)
    failed = tab.locator("#recorder-status.bad")
    found.or_(failed).first.wait_for()
    assert found.count(), failed.inner_text()
    return found
