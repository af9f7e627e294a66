"""Decoder: an audio file → its samples, block by block, decoded in a limited process.

Nothing here reads what is in a file: that happens in `decoder_process`, in a fork that can open
nothing and is gone afterwards. What comes out of it is checked as if it had been taken over.
"""

from __future__ import annotations

import atexit
import errno
import functools
import json
import math
import os
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from memocast.audio.codecs import DEMUXERS
from memocast.audio.decoder_process import HEAD
from memocast.audio.refusals import INCOMING, check, raise_if_refused, takes_too_much
from memocast.formats.untrusted import cut_text
from memocast.processes.limited_process import Exceeded, LimitedProcess, Task

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32] | NDArray[np.int16]

_MODULE = "memocast.audio.decoder_process"

DECODING_SECONDS = 3_600
"""Of CPU time. A day of Opus takes 400 on a fast core."""

_OPENING_SECONDS = 5

SLOWEST_PLAYING = 4
"""Playing a file may take so much less CPU time than the file lasts, beyond that hour."""

_LONGEST_GROWING = 24 * 3600
_LONGEST = float(1 << 32)
"""Seconds that a file can be said to last."""

_SILENT_SECONDS = 60.0
"""The longest time without progress, beside that for reading the file as a whole."""

_SEARCHED_BYTES_PER_SECOND = 16 << 20
"""For large files, in which parts are searched before anything is decoded."""

_MOST_WHY_BYTES = 100


@functools.cache
def file_process() -> LimitedProcess:
    """Return the process that reads audio files for this one: all of them, each in a fork."""
    process = LimitedProcess()
    atexit.register(process.close)
    return process


def load(format_: str = "", *, decodes: bool = True) -> None:
    """Start the process that decodes such a file, while we do something else.

    With `decodes` off, it can only look at containers.
    """
    file_process().load(_MODULE, _preparation(format_) if decodes else "container")


def keep() -> None:
    """Let the process that `load` started stay, for who calls this again and again."""
    file_process().keep()


def blocks(
    path: Path, format_: str, start: float = 0.0, *, torn: bool = False, lasts: float = 0.0
) -> Iterator[tuple[int, Samples]]:
    """Yield (sample rate in Hz, float32 frames of shape (n, channels)) from `start` seconds on.

    Rate and channels are the same in all blocks. With `torn`, an unfinished FLAC file yields
    what can be read. A file that `lasts` many seconds gets more CPU time. Raises Refused, OSError
    when the file cannot be read, and MemocastError when the decoder was stopped.
    """
    asked = {"do": "decode", "start": start, "torn": torn}
    seconds = DECODING_SECONDS + round(lasts / SLOWEST_PLAYING)
    for preparation, again in _attempts(format_):
        with path.open("rb") as file:
            task = _task(file, path, format_, {**asked, "again": again}, preparation, seconds)
            said = yield from _received(path, task)
        if "again" not in said:
            return
    raise takes_too_much(path.name)


def grow(
    start: float,
    *,
    pipe: IO[bytes] | None = None,
    size: int = 0,
    read_at: Callable[[int, int], bytes] | None = None,
) -> Generator[tuple[int, Samples], None, float]:
    """Yield as `blocks` does, from a pipe or from `size` bytes that `read_at` reads.

    Returns the seconds of sound that the file claims. Raises as `blocks` does.
    """
    given = json.dumps({"do": "grow", "start": start, "size": size}).encode()
    seconds = DECODING_SECONDS + _LONGEST_GROWING // SLOWEST_PLAYING
    task = Task(_MODULE, seconds, given, "growing", pipe, math.inf)
    said = yield from _received(Path(INCOMING), task, read_at)
    claimed: Any = said.get("seconds")
    if type(claimed) not in (int, float) or not claimed >= 0:  # perhaps not a number (NaN)
        raise takes_too_much(INCOMING)
    return float(min(claimed, _LONGEST))  # libsndfile may not know it, and says billions


def lasts(path: Path, format_: str, claimed: int) -> bool:
    """Return what `measure.lasts` does for this file. Raises Refused and OSError."""
    asked = {"do": "lasts", "claimed": claimed}
    preparation = "wav" if format_ == "wav" else "container"
    said = _told(path, format_, asked, preparation, _OPENING_SECONDS, lambda _: None)
    return said.get("lasts") is True


def measured(
    path: Path, format_: str, progress: Callable[[float], None], limit: float
) -> dict[str, Any]:
    """Return the `duration` in milliseconds and the `peaks` in hex of this file, not checked yet.

    `progress` and `limit` are as in `measure.measure`. Raises Refused and OSError.
    """

    def tell(seconds: object) -> None:
        if type(seconds) in (int, float) and 0 <= seconds <= _LONGEST:  # type: ignore[operator]
            progress(seconds)  # type: ignore[arg-type]

    asked = {"do": "measure", "limit": None if limit == math.inf else limit}
    for preparation, again in _attempts(format_):
        asked["again"] = again
        said = _told(path, format_, asked, preparation, DECODING_SECONDS, tell)
        if "again" not in said:
            return said
    raise takes_too_much(path.name)


def _preparation(format_: str) -> str:
    return "ffmpeg" if format_ in DEMUXERS else "sndfile"


def _attempts(format_: str) -> Iterator[tuple[str, bool]]:
    """Yield what to import: less first, since importing FFmpeg takes time and few files need it."""
    yield _preparation(format_), False
    yield "ffmpeg", True


def _task(
    file: IO[bytes],
    path: Path,
    format_: str,
    asked: dict[str, Any],
    preparation: str,
    seconds: int,
) -> Task:
    """Return the task to do what is asked with that open file, with more time for a large one."""
    given = json.dumps({"name": path.name, "format": format_, **asked}).encode()
    more = os.fstat(file.fileno()).st_size // _SEARCHED_BYTES_PER_SECOND
    return Task(_MODULE, seconds + more, given, preparation, file, _SILENT_SECONDS + more)


def _told(
    path: Path,
    format_: str,
    asked: dict[str, Any],
    preparation: str,
    seconds: int,
    tell: Callable[[Any], object],
) -> dict[str, Any]:
    """Return what is said of the file, unless it is refused."""
    with path.open("rb") as file:
        try:
            said = file_process().ask(_task(file, path, format_, asked, preparation, seconds), tell)
        except Exceeded:
            raise takes_too_much(path.name) from None
    return _checked(path, said)


def _received(
    path: Path, task: Task, read_at: Callable[[int, int], bytes] | None = None
) -> Generator[tuple[int, Samples], None, dict[str, Any]]:
    """Yield the blocks that come, and return what is said at the end, unless it is refused."""
    import numpy as np

    name = path.name
    first: bytes | None = None
    messages = file_process().blocks(task, read_at)
    try:
        while True:
            try:
                content = next(messages)
            except StopIteration as done:
                said = _checked(path, done.value)
                if first and "again" in said:  # rate and channels could change then
                    raise takes_too_much(name) from None
                return said
            head, samples = content[: HEAD.size], memoryview(content)[HEAD.size :]
            first = first or head
            if len(head) < HEAD.size or head != first:
                raise takes_too_much(name)
            rate, channels = HEAD.unpack(head)
            check(name, rate, channels)
            if not samples or samples.nbytes % (4 * channels):
                raise takes_too_much(name)
            yield rate, np.frombuffer(samples, np.float32).reshape(-1, channels)
    except Exceeded:
        raise takes_too_much(name) from None
    finally:
        messages.close()


def _checked(path: Path, said: Any) -> dict[str, Any]:
    """Return what is said at the end; raise the error if it is one. It is a stranger's word."""
    if not isinstance(said, dict):
        raise takes_too_much(path.name)
    raise_if_refused(said)
    if "errno" in said:
        number = said["errno"]
        if number in (errno.EMFILE, errno.ENFILE):  # it was to open something, and may not
            raise takes_too_much(path.name)
        is_number = isinstance(number, int) and number in errno.errorcode
        why = cut_text(said.get("why"), _MOST_WHY_BYTES)
        raise OSError(number if is_number else errno.EIO, why, str(path))
    return said
