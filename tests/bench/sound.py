"""A virtual microphone and speaker, and an ear that says when it first hears something."""

from __future__ import annotations

import array
import contextlib
import os
import shutil
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pytest

from bench.contest import Unavailable
from bench.processes import running, wait_for
from helpers.sound_card import SoundCard, start_sound_card

if TYPE_CHECKING:
    from collections.abc import Iterator

_SILENCE = 32
"""Of 32,768: an encoder's rendering of nothing is below it, and speech far above."""


@contextlib.contextmanager
def sound_card() -> Iterator[SoundCard]:
    """PulseAudio with both, while the block lasts. Raises Unavailable."""
    for program in ("pulseaudio", "pactl"):
        if not shutil.which(program):
            raise Unavailable(f"{program} is not installed")
    with contextlib.ExitStack() as stack:
        # A socket's path is at most 108 characters.
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="mc-pulse-"))
        try:
            card = stack.enter_context(start_sound_card(Path(folder)))
        except pytest.fail.Exception as error:
            raise Unavailable(f"PulseAudio does not start: {error}") from error
        yield card


class Ear:
    """Listens to what the speaker plays, until it has heard something."""

    def __init__(self, sound: IO[bytes]) -> None:
        self.heard = 0.0
        """When the first sound came, by `time.perf_counter`; 0 before that."""
        self._sound = sound
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        while block := self._sound.read(960):
            if max(array.array("h", block[: len(block) // 2 * 2]), default=0) > _SILENCE:
                self.heard = time.perf_counter()
                return

    def close(self) -> None:
        """Wait for its end: it has heard something, or nothing more comes."""
        self._thread.join()


@contextlib.contextmanager
def listening(card: SoundCard) -> Iterator[Ear]:
    """An ear at the speaker that hears whatever is played from now on."""
    here = card.listeners()
    command = ["parec", "--device=vspk.monitor", "--raw", "--format=s16le", "--rate=48000"]
    command += ["--channels=1", "--latency-msec=10"]
    with running(
        command, {**os.environ, **card.environment}, stdout=subprocess.PIPE, bufsize=0
    ) as recorder:
        assert recorder.stdout
        ear = Ear(recorder.stdout)
        try:
            wait_for("the ear", lambda: card.listeners() > here)
            yield ear
        finally:
            recorder.kill()
            ear.close()
