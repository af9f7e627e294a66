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
from typing import IO, TYPE_CHECKING, Any

from memocast.audio.decoder_process import HEAD
from memocast.audio.refusals import check, raise_if_refused, takes_too_much
from memocast.processes.limited_process import Exceeded, LimitedProcess, Task

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

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
_SILENT_SECONDS = 60.0
"""The longest time without progress."""

_MEDIA = ("mp3", "m4a", "webm", "mka")
"""Formats for FFmpeg."""


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


def blocks(
    path: Path, format_: str, start: float = 0.0, *, torn: bool = False, lasts: float = 0.0
) -> Iterator[tuple[int, Samples]]:
    """Yield (sample rate in Hz, float32 frames of shape (n, channels)) from `start` seconds on.

    Rate and channels are the same in all blocks. With `torn`, an unfinished FLAC file yields
    what can be read. A file that `lasts` many seconds gets more CPU time. Raises Refused, and
    MemocastError when the decoder was stopped.
    """
    asked = {"do": "decode", "start": start, "torn": torn}
    seconds = DECODING_SECONDS + round(lasts / SLOWEST_PLAYING)
    for preparation, again in _attempts(format_):
        with path.open("rb") as file:
            given = _given(path.name, format_, {**asked, "again": again})
            task = Task(_MODULE, seconds, given, preparation, file, _SILENT_SECONDS)
            said = yield from _received(path.name, task)
        if "again" not in said:
            return


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
    said = yield from _received("the incoming audio", task, read_at)
    try:
        return max(0.0, float(said["seconds"]))
    except (KeyError, TypeError, ValueError):
        raise takes_too_much("the incoming audio") from None


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
        if isinstance(seconds, int | float):
            progress(seconds)

    asked = {"do": "measure", "limit": None if limit == math.inf else limit}
    said: dict[str, Any] = {}
    for preparation, again in _attempts(format_):
        asked["again"] = again
        said = _told(path, format_, asked, preparation, DECODING_SECONDS, tell)
        if "again" not in said:
            break
    return said


def _preparation(format_: str) -> str:
    return "ffmpeg" if format_ in _MEDIA else "sndfile"


def _attempts(format_: str) -> Iterator[tuple[str, bool]]:
    """Yield what to import: less first, since importing FFmpeg takes time and few files need it."""
    yield _preparation(format_), False
    yield "ffmpeg", True


def _given(name: str, format_: str, asked: dict[str, Any]) -> bytes:
    return json.dumps({"name": name, "format": format_, **asked}).encode()


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
        given = _given(path.name, format_, asked)
        task = Task(_MODULE, seconds, given, preparation, file, _SILENT_SECONDS)
        try:
            said = file_process().ask(task, tell)
        except Exceeded:
            raise takes_too_much(path.name) from None
    found: dict[str, Any] = _unrefused(path.name, said)
    if "errno" in found:
        number = found["errno"]
        if number in (errno.EMFILE, errno.ENFILE):  # it was to open something, and may not
            raise takes_too_much(path.name)
        is_number = isinstance(number, int) and number in errno.errorcode
        raise OSError(number if is_number else errno.EIO, str(found.get("why"))[:100], str(path))
    return found


def _received(
    name: str, task: Task, read_at: Callable[[int, int], bytes] | None = None
) -> Generator[tuple[int, Samples], None, dict[str, Any]]:
    """Yield the blocks that come, and return what is said at the end, unless it is refused."""
    import numpy as np

    first: bytes | None = None
    messages = file_process().blocks(task, read_at)
    try:
        while True:
            try:
                content = next(messages)
            except StopIteration as done:
                return _unrefused(name, done.value)
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


def _unrefused(name: str, said: Any) -> dict[str, Any]:
    """Return what is said at the end; raise the refusal if it is one. It is a stranger's word."""
    if not isinstance(said, dict):
        raise takes_too_much(name)
    raise_if_refused(said)
    return said
