"""The tests' own alarm: whatever the page throws and nobody catches fails its test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from helpers.listening_page import until

if TYPE_CHECKING:
    from helpers.browser import Net

ON_THE_PAGE = {
    "a timer": "setTimeout(() => { throw new Error('a timer') })",
    "a rejected promise": "void Promise.reject(new Error('a rejected promise'))",
    "a handler of IndexedDB": """() => {
      indexedDB.open('other', 1).onsuccess = () => { throw new Error('a handler of IndexedDB') }
    }""",
    "a click": """() => {
      document.querySelector('#fetch').onclick = () => { throw new Error('a click') }
      document.querySelector('#fetch').click()
    }""",
}
IN_THE_WORKER = {
    "an event": "setTimeout(() => { throw new Error('an event') })",
    "a rejection": "void Promise.reject(new Error('a rejection'))",
}


def test_what_a_page_throws_is_heard_and_fails_a_test_that_did_not_mean_it(net: Net) -> None:
    tab = net.visit()
    for words, script in ON_THE_PAGE.items():
        with net.uncaught.provoked(words):
            tab.evaluate(script)
    net.uncaught.check()
    for script in ON_THE_PAGE.values():
        tab.evaluate(script)
    with pytest.raises(pytest.fail.Exception) as failed:
        net.uncaught.check()
    assert [words for words in ON_THE_PAGE if words not in str(failed.value)] == []


def test_what_a_service_worker_throws_is_heard_too(net: Net) -> None:
    tab = net.visit()
    until(tab, "navigator.serviceWorker.controller !== null")
    (worker,) = tab.context.service_workers
    for words, script in IN_THE_WORKER.items():
        with net.uncaught.provoked(words):
            worker.evaluate(script)
