"""Recording a memo; after a failure, as much of it as reached the disk."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from memocast.audio import recording_file
from memocast.audio.examine import examine
from memocast.audio.microphone import Microphone
from memocast.audio.recorder import Captured, Recorder
from memocast.errors import Interrupted, LibraryError, MemocastError, NoSound, UsageError
from memocast.formats.memo import checked_description, checked_title, title_from_time
from memocast.library.draft import NewMemo
from memocast.settings import FORMATS

if TYPE_CHECKING:
    from memocast.formats.memo import Memo
    from memocast.library.library import Library

_NO_SOUND = 0
"""The peak of complete silence: the microphone is muted, or it is the wrong one."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A finished recording. `failure` is the error that ended it, if one did.

    `is_silent`: it holds no sound. `lost`: milliseconds of sound that did not arrive.
    """

    memo: Memo
    is_silent: bool
    lost: int
    failure: MemocastError | None = None


class Recording:
    """A recording in progress, from `start` to `keep` or `discard`.

    A crash loses nothing that has reached the disk: the next command makes a memo of it.
    """

    def __init__(
        self,
        library: Library,
        title: str | None = None,
        description: str = "",
        *,
        format_: str = "opus",
        device: str = "",
        limit: float | None = None,
    ) -> None:
        """Prepare a recording with that `title`, or one from the time, of at most `limit` seconds.

        Raises UsageError and LibraryError.
        """
        self._library = library
        self._device = device
        self._limit = limit
        checked_description(description)
        draft = library.draft("untitled", description, checked_format(format_), "recorded")
        title = title_from_time(draft.created) if title is None else checked_title(title)
        self._draft = replace(draft, title=title)
        with library.translated():
            self._entry = library.staging.create("recording")
        self._path = self._entry.audio(draft.format)

    def start(self) -> Recorder:
        """Open the microphone and start recording. Raises DeviceError and LibraryError."""
        try:
            with self._library.translated():
                self._entry.note(self._draft.to_facts())
                self._entry.set_room_aside()
                microphone = Microphone(self._device)
                self._recorder = Recorder(self._path, self._draft.format, microphone, self._limit)
            self._recorder.start()
        except BaseException:
            self._entry.discard()
            raise
        return self._recorder

    def stop(self) -> Captured:
        """Close the microphone and the file, even after a failure."""
        return self._recorder.stop()

    def discard(self) -> None:
        """Delete the stopped recording."""
        self._entry.discard()

    def keep(self, captured: Captured, failure: MemocastError | None = None) -> Recorded:
        """Make a memo of the sound `captured` before any `failure`.

        Raises the failure, or Interrupted, when there is no sound to keep.
        """
        try:
            self._recorder.check_writing()  # the last writes can fill the disk
        except LibraryError as error:
            failure = failure or error
        if isinstance(failure, LibraryError):
            captured = self._salvaged(captured)
        if not captured.duration:
            self._entry.discard()
            raise failure or Interrupted("it ended before any sound arrived; nothing was kept")
        new = NewMemo(self._draft, captured.duration, captured.peaks, captured.lost)
        memo = self._library.keep(self._entry, new)
        is_silent = max(captured.peaks, default=0) <= _NO_SOUND
        return Recorded(memo, is_silent, captured.lost, failure)

    def _salvaged(self, captured: Captured) -> Captured:
        """Repair and return the part that reached the disk before writing failed."""
        with self._library.translated():
            try:
                recording_file.salvage(self._path, self._draft.format)
                sound = examine(self._path, limit=math.inf)
            except NoSound:
                return replace(captured, duration=0)
        return replace(captured, duration=sound.duration, peaks=sound.peaks)


def checked_format(name: str) -> str:
    """Return `name` if it is a format to record in. Raises UsageError."""
    if name not in FORMATS:
        raise UsageError(f"there is no format '{name}'", hint=f"use one of: {', '.join(FORMATS)}")
    return name
