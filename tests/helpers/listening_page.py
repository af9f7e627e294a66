"""What a test looks at in a tab with the listening page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from helpers.waiting import DEADLINE, wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Page


def until(tab: Page, condition: str, seconds: float = DEADLINE) -> None:
    """Wait until that is true on the page, whose policy forbids playwright's own way to wait."""
    wait_for(condition, lambda: tab.evaluate(condition), seconds)


def card(tab: Page, title: str) -> Any:
    """The card of the memo with that title."""
    return tab.locator("article", has=tab.get_by_role("heading", name=title, exact=True))


def wait_whole(tab: Page, title: str, seconds: float = DEADLINE) -> Any:
    """Wait until that memo is complete; return its card."""
    found = card(tab, title)
    found.locator(".status", has_text="Complete").wait_for(timeout=seconds * 1000)
    return found
