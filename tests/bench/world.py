"""Where the benchmark happens: a folder of its own, processes that talk to nobody else."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.private_settings import PRIVATE

if TYPE_CHECKING:
    from collections.abc import Iterator

PYTHON = sys.executable
MEMOCAST = str(Path(sys.executable).with_name("memocast"))


@dataclass(frozen=True)
class World:
    """What the rows are given. `quick` is for trying the benchmark itself."""

    folder: Path
    quick: bool

    def rounds(self, full: int) -> int:
        """How many rounds this run does of a row that takes `full` of them."""
        return min(full, 3) if self.quick else full

    def environment(self, library: Path | None = None, **changes: str) -> dict[str, str]:
        """For a process: nothing of the user's, and nothing that leaves this machine."""
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        chosen = {"MEMOCAST_LIBRARY": str(library)} if library else {}
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "LANG": "C.UTF-8",
            **chosen,
            **PRIVATE,
            **changes,
        }

    def output(self, library: Path, *arguments: str, **changes: str) -> str:
        """What memocast prints, for preparing a row."""
        return subprocess.run(
            [MEMOCAST, *arguments],
            env=self.environment(library, **changes),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        ).stdout.strip()

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """An empty folder, for as long as the block lasts."""
        path = Path(tempfile.mkdtemp(dir=self.folder))
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    @cached_property
    def speech(self) -> Path:
        """Half a minute of speech, 48 kHz, mono, 16 bit: WAV."""
        spoken = self.folder / "spoken.wav"
        text = "The quick brown fox jumps over the lazy dog, and tells of it in a voice memo. " * 6
        subprocess.run(["espeak-ng", "-w", spoken, text], check=True)
        path = self.folder / "speech.wav"
        convert = ["ffmpeg", "-v", "error", "-i", spoken, "-ar", "48000", "-ac", "1", path]
        subprocess.run(convert, check=True)
        return path

    def wav(self, size: int) -> Path:
        """That speech, again and again, in a WAV file of about `size` bytes."""
        path = self.folder / f"{size}.wav"
        if not path.exists():
            length = size / (2 * 48_000)
            loop = ["-stream_loop", "-1", "-i", self.speech, "-t", f"{length}", "-c", "copy"]
            subprocess.run(["ffmpeg", "-v", "error", *loop, path], check=True)
        return path

    def opus(self, size: int) -> Path:
        """That speech, again and again, in an Opus file of about `size` bytes."""
        path = self.folder / f"{size}.opus"
        if not path.exists():
            length = size * 8 / 46_000
            loop = ["-stream_loop", "-1", "-i", self.speech, "-t", f"{length}"]
            coded = ["-c:a", "libopus", "-b:a", "46k", "-vbr", "off"]
            subprocess.run(["ffmpeg", "-v", "error", *loop, *coded, path], check=True)
        return path
