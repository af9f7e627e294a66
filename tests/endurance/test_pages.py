"""The listening page, opened again and again by people who stay and by browsers that die."""

from __future__ import annotations

import os
import shutil
import signal
import statistics
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from helpers.full_or_short import chances, pause, record, scaled
from helpers.listening_page import card, until
from helpers.processes import is_running
from helpers.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Browser, Page

    from helpers.browser import Net
    from helpers.memocast_user import Memocast

pytestmark = pytest.mark.timeout(scaled(3600, 300))

TITLE = "Again and again"
TABS = 3
PATIENCE = 90.0
"""Seconds. Who comes from the address of a browser that died waits until it is believed dead, for
half a minute, and perhaps half a one more for another tab that believes so."""

WATCH = """
  window.seen = {}
  new MutationObserver(() => {
    const card = document.querySelector('article')
    const button = card?.querySelector('.play')
    if (!button) return
    if (!button.hidden && !seen.clicked) {
      seen.clicked = performance.now()
      card.querySelector('audio').onplaying = () => { seen.sound ??= performance.now() }
      button.click()
    }
    if (card.dataset.phase === 'whole') seen.whole ??= performance.now()
  }).observe(document, { subtree: true, childList: true, attributes: true })
"""
"""Clicks Play as soon as somebody could, and notes what happens when, from the page's start."""

PLAIN = """source => new Promise(resolve => {
  const audio = new Audio(source)
  audio.onplaying = () => resolve(performance.now())
  audio.play()
})"""


@pytest.fixture(scope="session")
def megabyte(speech: Path) -> Path:
    """Three minutes of speech as Opus: about 1 MB."""
    path = speech.with_name("megabyte.opus")
    source = ["-stream_loop", "35", "-i", speech]
    subprocess.run(["ffmpeg", "-v", "error", *source, "-c:a", "libopus", path], check=True)
    return path


def shared(net: Net, user: Memocast, audio: Path) -> str:
    link = user.run("share", user.add(audio, title=TITLE), "--page", net.site.url).out.strip()
    wait_for("the web session", lambda: web(user).get("seeding") == 1)
    return link


def web(user: Memocast) -> Any:
    return (user.seeder() or {}).get("web") or {}


def die(browser: Browser) -> None:
    """Kill a browser with all its tabs, which say nothing to anybody."""
    for process in browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")[
        "processInfo"
    ]:
        if process["type"] == "browser":
            os.kill(process["id"], signal.SIGKILL)
            wait_for("its end", lambda pid=process["id"]: not is_running(pid))


def resources(pid: int) -> tuple[int, int]:
    """Descriptors of a process, and kilobytes of its memory."""
    status = Path(f"/proc/{pid}/status").read_text()
    descriptors = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return descriptors, int(status.partition("VmRSS:")[2].split()[0])


@pytest.mark.full
@pytest.mark.long
def test_people_who_wait_are_served_whatever_becomes_of_others_at_their_address(
    net: Net, memocast: Callable[..., Memocast], megabyte: Path
) -> None:
    random = chances()
    anna = net.user(memocast("anna"))
    link = shared(net, anna, megabyte)
    seeder = web(anna)["session_pid"]
    browsers = [net.launch() for _ in range(TABS)]
    waited: list[float] = []
    used: list[tuple[int, int]] = []
    killed = 0
    rounds = scaled(67, 1)
    for _ in range(rounds):
        # Half of all die, at any moment before or after they are complete.
        doomed = {number for number in range(TABS) if random.random() < 0.5}
        tabs: list[Page] = []
        began = time.monotonic()
        for browser in browsers:
            tab = browser.new_context().new_page()
            tab.goto(link)
            tabs.append(tab)
        for number in doomed:
            pause(random.random())
            die(browsers[number])
            browsers[number] = net.launch()
            killed += 1
        for number, tab in enumerate(tabs):
            if number not in doomed:
                text = card(tab, TITLE).locator(".status", has_text="Complete")
                text.wait_for(timeout=PATIENCE * 1000)
                waited.append(time.monotonic() - began)
        for number, tab in enumerate(tabs):
            if number not in doomed:
                tab.goto("about:blank")  # it says goodbye
                tab.context.close()
        used.append(resources(seeder))
    for browser in browsers:
        browser.close()
    assert web(anna)["session_pid"] == seeder
    assert web(anna)["crashes"] == 0
    # Offers that nobody has taken yet hold some of each, more or fewer at a given moment.
    settled, end = used[len(used) // 3], used[-1]
    assert end[0] < settled[0] + 60
    assert end[1] < settled[1] + 30_000
    record(
        "pages",
        loads=rounds * TABS,
        killed=killed,
        served=len(waited),
        median_s=round(statistics.median(waited), 1) if waited else None,
        worst_s=round(max(waited, default=0), 1),
        descriptors=[used[0][0], settled[0], end[0]],
        memory_kb=[used[0][1], settled[1], end[1]],
    )


@pytest.mark.full
def test_a_page_sounds_soon(net: Net, memocast: Callable[..., Memocast], megabyte: Path) -> None:
    """How long from opening the link to the first sound and to the whole, for 1 MB.

    Beside it: the same file from a web server, played by the browser itself.
    """
    anna = net.user(memocast("anna"))
    link = shared(net, anna, megabyte)
    shutil.copy(megabyte, net.site.folder / "megabyte.opus")
    sound, whole, plain = [], [], []
    for _ in range(20):
        tab = net.context().new_page()
        tab.add_init_script(WATCH)
        tab.goto(link)
        until(tab, "seen.sound > 0 && seen.whole > 0")
        seen = tab.evaluate("seen")
        sound.append(seen["sound"])
        whole.append(seen["whole"])
        tab.goto(f"{net.site.url}plain.html")
        plain.append(tab.evaluate(PLAIN, f"{net.site.url}megabyte.opus"))
        net.tidy()
    record(
        "page times",
        loads=len(sound),
        bytes=megabyte.stat().st_size,
        first_sound_ms=round(statistics.median(sound)),
        whole_ms=round(statistics.median(whole)),
        web_server_first_sound_ms=round(statistics.median(plain)),
        ratio=round(statistics.median(sound) / statistics.median(plain), 1),
    )
    assert sound, "each was heard"


@pytest.mark.full
@pytest.mark.long
def test_a_web_session_that_dies_while_pages_load_does_not_keep_them_from_their_memo(
    net: Net, memocast: Callable[..., Memocast], megabyte: Path
) -> None:
    anna = net.user(memocast("anna"))
    slow = anna.with_(MEMOCAST_UPLOAD_LIMIT="400000")
    link = shared(net, slow, megabyte)
    deaths = scaled(10, 1)
    for death in range(deaths):
        tab = net.visit(link)
        until(tab, "document.querySelector('progress')?.value > 0.05", PATIENCE)
        crashed = web(anna)["session_pid"]
        os.kill(crashed, signal.SIGSEGV)
        began = time.monotonic()
        wait_for("the next", lambda before=crashed: web(anna)["session_pid"] not in (None, before))
        took = time.monotonic() - began
        assert took < 2 + 1, "2 s, and the machine may be busy"
        text = card(tab, TITLE).locator(".status", has_text="Complete")
        text.wait_for(timeout=PATIENCE * 1000)
        record("web session killed", death=death, back_after_s=round(took, 2))
        tab.goto("about:blank")
        net.tidy()
    wait_for("the count", lambda: web(anna)["crashes"] == deaths)
    assert anna.seeder()["crashes"] == 0
