"""What pages and their service workers throw and nobody catches: it fails the test.

Chromium reports exceptions, promises that were rejected, and what is thrown in the handlers of
events, those of IndexedDB and of workers among them. Of a service worker it tells playwright
only what is written to the console.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from helpers.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import BrowserContext, ConsoleMessage, WebError, Worker

MARK = "Nobody caught:"
TELL = f"""() => {{
  for (const kind of ['error', 'unhandledrejection']) {{
    addEventListener(kind, event => {{
      const thrown = event.error ?? event.reason ?? event.message
      console.error('{MARK}', String(thrown?.stack ?? thrown))
    }})
  }}
}}"""


WEBTORRENTS_OWN = "Cannot read properties of null (reading 'removeListener')"
"""webtorrent lets go of a peer, and then hears that its connection failed: it harms nothing."""


class Uncaught:
    """The errors of all browsers of a net, until the test that they belong to is over."""

    def __init__(self) -> None:
        self._heard: list[str] = []
        self._contexts: list[BrowserContext] = []

    def watch(self, context: BrowserContext) -> None:
        """Hear of whatever is thrown in the tabs and service workers of a profile."""
        self._contexts.append(context)
        context.on("close", self._forget)
        context.on("weberror", self._of_page)
        context.on("serviceworker", self._listen_to)
        context.on("console", self._of_worker)

    def _forget(self, context: BrowserContext) -> None:
        self._contexts.remove(context)

    def _of_page(self, error: WebError) -> None:
        if WEBTORRENTS_OWN in error.error.message and "webtorrent.min.js" in str(error.error.stack):
            return
        self._heard.append(f"{error.error.name}: {error.error.message}\n{error.error.stack}")

    def _listen_to(self, worker: Worker) -> None:
        with contextlib.suppress(Exception):  # it is gone again
            worker.evaluate(TELL)

    def _of_worker(self, message: ConsoleMessage) -> None:
        if message.worker and message.text.startswith(MARK):
            self._heard.append(f"in the service worker: {message.text.removeprefix(MARK)}")

    def _settle(self) -> None:
        """Have playwright pass on what the tabs have said so far."""
        for context in list(self._contexts):
            for target in [*context.pages, *context.service_workers]:
                with contextlib.suppress(Exception):  # a tab that the test crashed
                    target.evaluate("0")

    @contextlib.contextmanager
    def provoked(self, words: str) -> Iterator[None]:
        """What is done in the block makes a page throw an error with these words, on purpose."""
        yield

        def found() -> str | None:
            self._settle()
            return next((error for error in self._heard if words in error), None)

        self._heard.remove(wait_for(f"an error that says {words!r}", found))

    def check(self) -> None:
        """Fail when anything was thrown since the last time."""
        self._settle()
        heard, self._heard = self._heard, []
        if heard:
            pytest.fail("nobody caught what a page threw:\n" + "\n".join(heard), pytrace=False)
