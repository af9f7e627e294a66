"""The microphone in the page: without one it says what to do, and it is let go in every end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from helpers.listening_page import until
from helpers.page_recorder import record

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

    from helpers.browser import Net

WATCH = """
const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices)
globalThis.streams = []
navigator.mediaDevices.getUserMedia = async wanted => {
  const stream = await ask(wanted)
  streams.push(stream)
  return stream
}
"""
IS_RELEASED = """streams.length === 1 &&
  streams[0].getTracks().every(track => track.readyState === 'ended')"""

FAILING = {
    "nothing encodes": "MediaRecorder.prototype.start = () => { throw new Error('no encoder') }",
    "no recorder is made": "MediaRecorder.isTypeSupported = () => { throw new Error('none') }",
    "the rates differ": """AudioContext.prototype.createMediaStreamSource =
      () => { throw new Error('other sample-rate') }""",
    "the meter cannot be loaded": """AudioWorklet.prototype.addModule =
      () => Promise.reject(new Error('no meter'))""",
}


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("NotFoundError", "No microphone was found. Connect one, then try again."),
        ("NotAllowedError", "The browser does not let this page use the microphone."),
        ("NotReadableError", "The microphone is in use by another program, or does not work."),
    ],
)
def test_without_a_microphone_it_says_what_to_do(net: Net, error: str, words: str) -> None:
    # Headless Chromium itself finds no microphone; what other reasons look like is told by name.
    tab = net.context().new_page()
    if error != "NotFoundError":
        tab.add_init_script(
            "navigator.mediaDevices.getUserMedia ="
            f" () => Promise.reject(new DOMException('', '{error}'))"
        )
    else:
        tab.context.grant_permissions(["microphone"])
    tab.goto(net.site.url)
    tab.get_by_role("button", name="Record").click()
    tab.locator("#recorder-status", has_text=words).wait_for()
    assert tab.get_by_role("button", name="Record").is_enabled()


def watched(net: Net, profile: BrowserContext, script: str = "") -> Page:
    tab = profile.new_page()
    tab.add_init_script(WATCH + script)
    tab.goto(net.site.url)
    return tab


@pytest.mark.parametrize("script", FAILING.values(), ids=FAILING)
def test_where_recording_cannot_begin_the_microphone_is_let_go(
    net: Net, profile: BrowserContext, script: str
) -> None:
    tab = watched(net, profile, script)
    tab.get_by_role("button", name="Record").click()
    tab.locator("#recorder-status.bad", has_text="This browser cannot record: ").wait_for()
    until(tab, IS_RELEASED)
    assert tab.get_by_role("button", name="Record").is_enabled()


def test_a_recording_that_ends_lets_the_microphone_go(net: Net, profile: BrowserContext) -> None:
    tab = watched(net, profile)
    record(tab, seconds=1)
    assert not tab.evaluate(IS_RELEASED)
    tab.get_by_role("button", name="Stop").click()
    tab.get_by_role("button", name="Share it").wait_for()
    until(tab, IS_RELEASED)


def test_a_recording_that_breaks_off_lets_the_microphone_go_and_is_kept(
    net: Net, profile: BrowserContext
) -> None:
    # What a browser does when the encoder fails: an error, then the end.
    script = """
    const begin = MediaRecorder.prototype.start
    MediaRecorder.prototype.start = function (every) {
      globalThis.breakOff = () => { this.dispatchEvent(new Event('error')); this.stop() }
      begin.call(this, every)
    }"""
    tab = watched(net, profile, script)
    record(tab, seconds=1)
    tab.evaluate("breakOff()")
    tab.get_by_role("button", name="Share it").wait_for()
    until(tab, IS_RELEASED)
