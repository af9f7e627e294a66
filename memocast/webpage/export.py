"""Writes the listening page to a folder, for hosting."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from memocast.errors import MemocastError, UsageError
from memocast.files import open_regular, write_atomically
from memocast.formats.trackers import web_trackers

if TYPE_CHECKING:
    from memocast.settings import Settings

SOURCE = Path(__file__).with_name("static")
WEBTORRENT = "2.8.5"
"""The version of the npm package whose `dist/webtorrent.min.js` belongs beside the page."""

_SETTINGS = "settings.json"
_MARK = '<meta name="generator" content="memocast page">'
_HEAD_BYTES = 1 << 16
"""Bytes of a page to search; the mark is in the first thousand."""


def write(folder: Path, settings: Settings, *, force: bool = False) -> list[Path]:
    """Write the page to `folder`, which is created; return the files. An older copy is replaced.

    The page gets the WebSocket trackers and the STUN server of `settings`.
    Raises MemocastError, and UsageError when there is another page, unless `force`.
    """
    index = folder / "index.html"
    try:
        if folder.exists() and not folder.is_dir():
            raise UsageError(f"'{folder}' is not a folder", hint="name a folder for the page")
        if not force and os.path.lexists(index) and not _is_ours(index):
            raise UsageError(
                f"'{index}' is another page",
                hint="name an empty folder, or replace it with --force",
            )
        folder.mkdir(parents=True, exist_ok=True)
        written = []
        for source in sorted(SOURCE.iterdir()):
            content = _settings(settings) if source.name == _SETTINGS else source.read_bytes()
            write_atomically(folder / source.name, content)
            written.append(folder / source.name)
    except OSError as error:
        raise MemocastError(
            f"cannot write the page to '{folder}': {error.strerror}",
            hint="check the folder's owner and the free space",
        ) from error
    return written


def _is_ours(index: Path) -> bool:
    try:
        file = open_regular(index)
    except FileNotFoundError:  # a link that leads nowhere
        return False
    if file is None:
        return False
    with file:
        return _MARK.encode() in file.read(_HEAD_BYTES)


def _settings(settings: Settings) -> bytes:
    chosen = {"trackers": web_trackers(settings.trackers), "stun": settings.stun_server}
    return (json.dumps(chosen, indent=2) + "\n").encode()
