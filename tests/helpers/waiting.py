"""Waiting for an event instead of a time."""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


DEADLINE = 60.0
"""Seconds that anything a test waits for may take on a slow machine.

A page that found nobody asks again after a quarter of a minute, and then after half of one.
"""


def wait_for(what: str, probe: Callable[[], Any], seconds: float = DEADLINE) -> Any:
    """The first true value of `probe`, asked again and again until the deadline.

    One that takes long is asked less often: what is waited for needs the processor, too.
    """
    deadline = time.monotonic() + seconds
    while (asked := time.monotonic()) < deadline:
        found = probe()
        if found:
            return found
        select.select([], [], [], max(0.02, 3 * (time.monotonic() - asked)))
    pytest.fail(f"waited {seconds:g} s in vain for {what}")
