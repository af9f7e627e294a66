"""For pytest, while the suite runs under coverage: which test is running, and how long it took."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import coverage
import pytest

from mutation.reach import CURRENT, SECONDS

if TYPE_CHECKING:
    from collections.abc import Generator


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Note the test's lines and those of the processes that it starts under its name."""
    os.environ[CURRENT] = item.nodeid
    current = coverage.Coverage.current()
    if current:
        current.switch_context(item.nodeid)
    began = time.monotonic()
    try:
        return (yield)
    finally:
        with Path(os.environ[SECONDS]).open("a") as file:
            file.write(json.dumps([item.nodeid, round(time.monotonic() - began, 2)]) + "\n")
        os.environ.pop(CURRENT)
