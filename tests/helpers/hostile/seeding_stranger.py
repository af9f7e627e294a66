"""A stranger who seeds any files, and what a refused memo of theirs leaves behind: nothing."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import libtorrent as lt

from helpers.bare_session import bare_session
from helpers.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from helpers.memocast_user import Memocast


@contextlib.contextmanager
def stranger(
    folder: Path, files: dict[str, bytes], *, key: object = None, name: str | None = None
) -> Iterator[tuple[str, str]]:
    """Seed these files from another client; yield the magnet and the peer's address.

    `name` replaces the torrent's name by bytes that no file system would take.
    """
    source = folder / "stranger"
    for path, content in files.items():
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).write_bytes(content)
    entries = [lt.create_file_entry(path, len(content)) for path, content in files.items()]
    creator = lt.create_torrent(entries, 16_384, lt.create_torrent.v1_only)
    lt.set_piece_hashes(creator, str(source), lambda _: None)
    document: Any = creator.generate()
    if key is not None:
        document[b"info"][b"memocast"] = key
    if name is not None:
        document[b"info"][b"name"] = name.encode(errors="surrogateescape")
    settings = lt.load_torrent_buffer(lt.bencode({b"info": document[b"info"]}))
    settings.save_path = str(source)
    if len(files) == 1:
        settings.renamed_files = {0: next(iter(files))}
    flags = lt.torrent_flags
    settings.flags |= flags.seed_mode | flags.upload_mode
    settings.flags &= ~(flags.paused | flags.auto_managed)
    session = bare_session()
    handle = session.add_torrent(settings)
    wait_for("the stranger", session.listen_port)
    hashes = handle.info_hashes()
    yield f"magnet:?xt=urn:btih:{hashes.v1}", f"127.0.0.1:{session.listen_port()}"
    del session


def nothing_left(ben: Memocast) -> bool:
    names = {path.name for path in (ben.library / "incoming").iterdir()}
    return ben.run("list").out == "" and names == {".gate"}
