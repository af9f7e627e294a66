"""Libraries of any number of memos, as memocast itself would have filled them."""

from __future__ import annotations

import contextlib
import random
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from unittest import mock

from memocast.audio.examine import examine
from memocast.formats.memo import new_id
from memocast.library import sharing
from memocast.library.draft import Draft, NewMemo
from memocast.library.library import Library

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.world import World
    from memocast.formats.memo import Memo

RARE = "zeppelin"
"""A word that three memos have, however many there are."""

COMMON = "monday"
"""A word that nine memos in ten have."""

_RARE_MEMOS = 3
_AUDIO_BYTES = 2_048
_FIRST = datetime(2023, 1, 1, tzinfo=UTC)
_BETWEEN = timedelta(minutes=5)
_SYLLABLES = ("ba", "den", "fi", "gor", "hu", "ja", "kel", "mi", "nar", "qua", "ri", "sen", "xi")
_VOCABULARY = 4_000


def filled(world: World, size: int, shared: int = 0) -> Path:
    """A library of `size` memos, the newest `shared` of them shared; made once in a row.

    It is for reading: a row that changes it takes a `copy`.
    """
    root = world.folder / "libraries" / f"{size}-{shared}"
    if not root.exists():
        root.parent.mkdir(exist_ok=True)
        fill(root, world.opus(_AUDIO_BYTES), size, shared)
    return root


def copy(library: Path, target: Path) -> Path:
    """A library of its own with the same memos; the audio is not written twice.

    Memocast never writes into an audio file, so a link to it does.
    """
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(0o700)
    for path in library.iterdir():
        links = ["--link"] if path.name in ("memos", "sealed") else ["--reflink=auto"]
        # Times too: they tell whether a file is the one that was taken in, and a copy is due.
        subprocess.run(["cp", "-a", *links, path, target], check=True)
    return target


def fill(root: Path, sound_file: Path, size: int, shared: int) -> None:
    """Make a library of `size` memos in `root`, each with that sound, the newest ones shared."""
    sound = examine(sound_file)
    content = sound_file.read_bytes()
    words = _Words()
    apart = size // _RARE_MEMOS or 1
    library = Library(root)
    memos: list[Memo] = []
    with contextlib.closing(library), one_transaction(library):
        for number, id_ in enumerate(_ids(size)):
            draft = Draft(
                id_,
                words.title(),
                words.description(rare=number % apart == apart // 2),
                _FIRST + number * _BETWEEN,
                sound.format,
                "recorded",
            )
            (library.audio_folder / f"{id_}.{sound.format}").write_bytes(content)
            memos.append(library.restore(NewMemo(draft, sound.duration, sound.peaks)))
        wish = sharing.ShareRequest("public", "public")
        for memo in memos[size - shared :]:
            sharing.share(library, memo, wish, lambda _: None)
    # As every command that changes something does; else the first one measured would do it.
    with contextlib.closing(Library(root)) as library:
        library.back_up()


@contextlib.contextmanager
def one_transaction(library: Library) -> Iterator[None]:
    """The library's own code, without an fsync for each memo."""
    with library.atomically(), mock.patch("os.fsync"):
        yield


def _ids(count: int) -> set[str]:
    ids: set[str] = set()
    while len(ids) < count:
        ids.add(new_id())
    return ids


class _Words:
    """Titles and descriptions in which some words are frequent and most are rare, as in speech."""

    def __init__(self) -> None:
        self._random = random.Random(2023)
        self._known = [self._word() for _ in range(_VOCABULARY)]
        self._weights = [1 / rank for rank in range(1, _VOCABULARY + 1)]

    def title(self) -> str:
        return self._some(2, 6).capitalize()

    def description(self, *, rare: bool) -> str:
        words = [self._some(0, 40)]
        if self._random.random() < 0.9:
            words.append(COMMON)
        if rare:
            words.append(RARE)
        return " ".join(words)

    def _some(self, least: int, most: int) -> str:
        count = self._random.randint(least, most)
        return " ".join(self._random.choices(self._known, self._weights, k=count))

    def _word(self) -> str:
        return "".join(self._random.choices(_SYLLABLES, k=self._random.randint(1, 4)))
