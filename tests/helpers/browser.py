"""A real browser at one end of a cable, and at the other a tracker that it can talk to.

WebRTC gathers no loopback candidates, so the browser runs on a machine of its
own: a network namespace, as in `network_namespaces`.
"""

from __future__ import annotations

import contextlib
import functools
import http.server
import os
import shutil
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from helpers.network_namespaces import two_hosts
from helpers.uncaught_errors import Uncaught
from helpers.waiting import DEADLINE
from helpers.web_tracker import WEB, WebTracker
from memocast.settings import Settings
from memocast.webpage import export

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from pathlib import Path

    from playwright.sync_api import Browser, BrowserContext, Page, Playwright

    from helpers.memocast_user import Memocast
    from helpers.network_namespaces import Host

WEBTORRENT = WEB / "node_modules" / "webtorrent" / "dist" / "webtorrent.min.js"
AGE = WEB / "node_modules" / "age.min.js"

BROWSER = os.environ.get("MEMOCAST_BROWSER", "chromium-headless-shell")
"""Chromium's engine without its windows, which take half of the time; .ci/full has all of it."""

CHROMIUM = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
)


def why_no_browser() -> str:
    """What is missing for these tests, or nothing."""
    programs = [name for name in (BROWSER, "node") if not shutil.which(name)]
    if not (WEBTORRENT.exists() and AGE.exists()):
        programs.append("the npm packages of tests/web")
    return f"NOT INSTALLED: {', '.join(programs)}; see .ci/browser" if programs else ""


class Site:
    """A static web server, on a host's loopback, that notes what it was asked."""

    def __init__(self, host: Host, folder: Path) -> None:
        self.folder = folder
        self.asked: list[str] = []
        site = self

        class Handler(http.server.SimpleHTTPRequestHandler):
            def log_message(self, template: str, *values: Any) -> None:
                site.asked.append(template % values)

        with host.entered():
            self._server = http.server.ThreadingHTTPServer(
                ("127.0.0.1", 0), functools.partial(Handler, directory=str(folder))
            )
        self._server.daemon_threads = True
        self.url = f"http://localhost:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        """Go offline."""
        self._server.shutdown()
        self._server.server_close()


@dataclass
class Net:
    """Two hosts: on `here` memocast and the tracker, on `there` the browser and a web server."""

    here: Host
    there: Host
    tracker: WebTracker
    site: Site
    playwright: Playwright
    browser: Browser
    uncaught: Uncaught
    """The errors of all pages: whatever is in it when a test is over fails the test."""
    _contexts: list[BrowserContext] = field(default_factory=list)

    def user(self, user: Memocast, *trackers: str) -> Memocast:
        """Put somebody's machine on this net, with these trackers or the net's own."""
        user.host = self.here
        user.environment |= {
            "MEMOCAST_LISTEN": f"{self.here.address}:0",
            "MEMOCAST_TRACKERS": " ".join(trackers or [self.tracker.url]),
        }
        return user

    def launch(self, *arguments: str) -> Browser:
        """Another browser, with more arguments."""
        with self.there.entered():
            return _launch(self.playwright, self.uncaught, arguments)

    def living_in(self, folder: Path, sound: Path) -> BrowserContext:
        """A profile that outlives its browser, with a microphone that hears the sound."""
        with self.there.entered():
            context = self.playwright.chromium.launch_persistent_context(
                folder,
                executable_path=shutil.which(BROWSER),
                args=[*CHROMIUM, *hearing(sound)],
            )
        self.uncaught.watch(context)
        self._contexts.append(context)
        return context

    def visit(self, url: str = "", context: BrowserContext | None = None) -> Page:
        """Open a URL, or the page without a link, in a tab of a new profile or of `context`."""
        tab = (context or self.context()).new_page()
        tab.goto(url or self.site.url)
        return tab

    def context(self, browser: Browser | None = None, **options: Any) -> BrowserContext:
        """A new profile, which ends with the test."""
        context = (browser or self.browser).new_context(**options)
        context.set_default_timeout(DEADLINE * 1000)
        self._contexts.append(context)
        return context

    def texts(self) -> Iterator[str]:
        """What the tabs show that are open."""
        for context in self._contexts:
            for tab in context.pages:
                with contextlib.suppress(Exception):  # a tab that the test crashed
                    yield tab.inner_text("body", timeout=1000)

    def tidy(self) -> None:
        """Close the tabs of a test that is over."""
        while self._contexts:
            with contextlib.suppress(Exception):  # a browser that the test killed
                self._contexts.pop().close()


def hearing(sound: Path) -> tuple[str, ...]:
    """Arguments of a browser whose microphone hears the WAV, again and again."""
    return (
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={sound}",
    )


def _launch(playwright: Playwright, uncaught: Uncaught, arguments: Sequence[str] = ()) -> Browser:
    browser = playwright.chromium.launch(
        executable_path=shutil.which(BROWSER), args=[*CHROMIUM, *arguments]
    )
    browser.on("context", uncaught.watch)
    return browser


@pytest.fixture(scope="session")
def whole_net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
    """One for all tests of a process."""
    if reason := why_no_browser():
        pytest.skip(reason)
    with open_net(tmp_path_factory.mktemp("net") / "site") as net:
        yield net


@contextlib.contextmanager
def open_net(folder: Path) -> Iterator[Net]:
    """A net for as long as the block lasts, with the page in `folder`."""
    from playwright.sync_api import sync_playwright

    with two_hosts() as (here, there), contextlib.ExitStack() as closing:
        there.route_by(here)
        tracker = WebTracker(here)
        closing.callback(tracker.close)
        host_page(folder, tracker)
        site = Site(there, folder)
        closing.callback(site.close)
        with there.entered():
            playwright = sync_playwright().start()
            closing.callback(playwright.stop)
            uncaught = Uncaught()
            browser = _launch(playwright, uncaught)
            closing.callback(browser.close)
        yield Net(here, there, tracker, site, playwright, browser, uncaught)


@pytest.fixture
def net(whole_net: Net) -> Iterator[Net]:
    """The net, with no tab open yet."""
    heard_before = len(whole_net.tracker.heard)
    yield whole_net
    # pytest shows these where the test failed.
    print("The tracker heard:", *whole_net.tracker.heard[heard_before:], sep="\n  ")
    for text in whole_net.texts():
        print("A tab said:", text, sep="\n")
    whole_net.tidy()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """A test has failed, too, when a page of its threw what nobody caught, up to its end."""
    yield
    if net := getattr(item, "funcargs", {}).get("net"):
        net.tidy()
        net.uncaught.check()


def host_page(folder: Path, tracker: WebTracker) -> None:
    """What somebody does who hosts the page: write it out, with what others wrote beside it."""
    export.write(folder, Settings(trackers=(tracker.url,), stun_server=""))
    shutil.copy(WEBTORRENT, folder)
    shutil.copy(AGE, folder)
    shutil.copy(WEB / "plain.html", folder)
