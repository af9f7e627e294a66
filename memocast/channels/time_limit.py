"""A limit on how long something may take, enforced wherever it happens to be."""

from __future__ import annotations

import contextlib
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class OutOfTime(KeyboardInterrupt):
    """The time is over. Like Ctrl-C, it ends what runs.

    Whoever was interrupted says whether it `is_kept`, so that the next sync goes on from there;
    and whether it was one memo (`is_of_item`), whose try was noted, or the source as a whole.
    """

    is_kept = False
    is_of_item = False


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise OutOfTime in the block, which must be in the main thread, after `seconds`."""

    def end(_number: int, _frame: object) -> None:
        raise OutOfTime

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
