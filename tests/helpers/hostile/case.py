"""The corpus of hostile cases: what a case is, and the one checker that all of them go through.

The cases themselves are the tables in `names`, `metadata`, `text`, `links`, `audio`
and `headers`; `test_strangers` runs them.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import random
import re
import select
import threading
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import libtorrent as lt
import numpy as np
import soundfile

from helpers.memocast_user import Memocast, Result
from helpers.raw_peer import BLOCK, Address, RawPeer
from helpers.trackers import CannedTracker
from memocast.audio.examine import MAX_DURATION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


MOST_MEMORY = 300 << 10
"""kB that a process may have used at its peak."""

SECONDS = 30.0
"""After which a command hangs."""

_PORT = 6881
_ACTS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)
"""What no stranger may have printed: controls but for tab and line feed, and bidi marks."""


HERE = b"here come many bytes"


@dataclass(frozen=True, slots=True)
class Offer:
    """What a stranger holds out.

    `link` is what gets pasted, or `lines` what comes by standard input;
    without either it is the magnet of `info`, which a raw peer serves with
    `audio`. `torrent` is the content of a .torrent file. `tracker` is all that
    an HTTP tracker, named in the magnet, ever answers.
    """

    info: bytes = b""
    audio: bytes = b""
    link: str | bytes = ""
    lines: bytes = b""
    torrent: bytes = b""
    info_hash: bytes = b""
    metadata_size: int | None = None
    piece_length: int = BLOCK
    tracker: bytes = b""
    corrupt: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """A name, how `fetch` must end, and what makes the offer in an empty folder.

    `title` is what `list` must show of a fetched memo, `says` a pattern for
    stderr. With `kept`, the contract keeps the download for another try.
    """

    name: str
    code: int
    make: Callable[[Path], Offer]
    title: str | None = None
    says: str = ""
    kept: bool = False
    options: tuple[str, ...] = ()


@functools.cache
def voice(container: str = "FLAC", subtype: str | None = None, seconds: float = 0.3) -> bytes:
    """Something honest to listen to, small and always the same."""
    samples = np.random.default_rng(7).integers(-9_000, 9_000, round(seconds * 8_000), np.int16)
    file = io.BytesIO()
    soundfile.write(file, samples, 8_000, format=container, subtype=subtype)
    return file.getvalue()


def info(
    audio: bytes | None = None, changes: dict[bytes, Any] | None = None, *, piece: int = BLOCK
) -> bytes:
    """The info dictionary of one file, with `changes`; a value of None takes a key away."""
    audio = voice() if audio is None else audio
    hashes = [hashlib.sha1(audio[at : at + piece]) for at in range(0, len(audio), piece)]
    document: dict[bytes, Any] = {
        b"name": b"voice.flac",
        b"length": len(audio),
        b"piece length": piece,
        b"pieces": b"".join(digest.digest() for digest in hashes),
    } | (changes or {})
    return lt.bencode({key: value for key, value in document.items() if value is not None})


def offer(changes: dict[bytes, Any] | None = None, audio: bytes | None = None) -> Offer:
    """An honest offer but for these changes of the info dictionary."""
    audio = voice() if audio is None else audio
    return Offer(info(audio, changes), audio)


def raw(bencoded: bytes) -> tuple[int, ...]:
    """Bytes that `lt.bencode` puts in as they are."""
    return tuple(bencoded)


def spliced(held: Offer, bencoded: bytes) -> Offer:
    """The offer with these bytes where its info dictionary has the string `HERE`."""
    return replace(held, info=held.info.replace(lt.bencode(HERE), bencoded))


def torrent_file(fields: dict[bytes, Any], audio: bytes | None = None) -> Offer:
    """An honest .torrent file but for these fields outside the info dictionary."""
    audio = voice() if audio is None else audio
    content = lt.bencode({b"info": raw(info(audio)), **fields})
    return Offer(info(audio), audio, torrent=content)


# -- the checker -----------------------------------------------------------------


def check(case: Case, folder: Path) -> None:
    """Fetch what the stranger offers, as Ben would, and prove that it did no harm."""
    scratch = folder / "scratch"
    scratch.mkdir()
    ben, listener = victim(folder)
    held = case.make(scratch)
    before = files(folder)
    with standing(held, scratch, listener) as (words, lines):
        fetched = run(ben, "fetch", *words, *case.options, stdin=lines, scratch=folder)
    assert fetched.code == case.code, fetched
    assert re.search(case.says, fetched.err), fetched
    results = [fetched]
    if case.code:
        assert "memocast: error: " in fetched.err
        assert "memocast: hint: " in fetched.err
        assert fetched.out == ""
    else:
        assert re.fullmatch(r"[0-9a-hjkmnp-tv-z]{8}\n", fetched.out)
        results += [run(ben, command, scratch=folder) for command in ("show latest", "list")]
        assert [result.code for result in results] == [0, 0, 0], results
        _, created, seconds, _, title = results[-1].out.rstrip("\n").split("\t")
        assert "1970" < created < f"{datetime.now(UTC) + timedelta(days=2):%F}"
        assert float(seconds) <= MAX_DURATION
        assert case.title in (None, title)
    for result in results:
        assert_harmless(result)
    # Of all that is in Ben's home, around it and in $TMPDIR, only the library is new.
    assert files(folder) - before <= {"ben/library/"}
    assert list((folder / "tmp").iterdir()) == []
    assert_tidy(ben, held, case)


def victim(folder: Path) -> tuple[Memocast, Address]:
    """Ben, with an address of his own, so that a stranger knows where to dial."""
    (folder / "tmp").mkdir()
    host = "127." + ".".join(str(random.randint(1, 254)) for _ in range(3))
    ben = Memocast(
        folder / "ben",
        TMPDIR=str(folder / "tmp"),
        MEMOCAST_LISTEN=f"{host}:{_PORT}",
        # Python is laxer in C.UTF-8 than in the locale of any language.
        PYTHONIOENCODING="utf-8:strict",
    )
    return ben, (host, _PORT)


def assert_harmless(result: Result) -> None:
    for text in (result.out, result.err):
        assert not _ACTS.search(text), ascii(text)
        assert len(text) < 20_000, "a stranger filled the screen"
    assert "Traceback" not in result.err
    assert "memocast: error: unexpected" not in result.err
    assert "Warning" not in result.err


def assert_tidy(ben: Memocast, held: Offer, case: Case) -> None:
    """The library holds the memo or nothing, and no part of what was refused."""
    audio = [path.read_bytes() for path in (ben.library / "memos").glob("*")]
    assert audio == ([] if case.code else [held.audio])
    assert not (ben.library / "log" / "crash.log").exists()
    incoming = {path.name for path in (ben.library / "incoming").glob("*")}
    assert ({name for name in incoming if name != ".gate"} != set()) == case.kept
    executable = [path for path in ben.library.rglob("*") if path.is_file() and _runs(path)]
    assert executable == []
    assert not [path for path in ben.library.rglob("*") if path.is_symlink()]


def _runs(path: Path) -> bool:
    return bool(path.stat().st_mode & 0o111)


def files(folder: Path) -> set[str]:
    """All that is there, without what is in the library."""
    found = set()
    for path in folder.rglob("*"):
        name = f"{path.relative_to(folder)}{'/' * path.is_dir()}"
        if not re.match("ben/library/.|output", name):
            found.add(name)
    return found


@contextlib.contextmanager
def standing(
    held: Offer, scratch: Path, listener: Address
) -> Iterator[tuple[list[str | bytes], bytes]]:
    """Serve what is offered while the block lasts; yield what to paste, and what to pipe."""
    with contextlib.ExitStack() as stack:
        digest = held.info_hash or hashlib.sha1(held.info).digest()
        if held.info:
            peer = RawPeer(
                digest,
                held.info,
                held.audio,
                held.piece_length,
                held.metadata_size,
                corrupt=held.corrupt,
            )
            stack.enter_context(peer).dial(*listener)
        magnet = f"magnet:?xt=urn:btih:{digest.hex()}"
        if held.tracker:
            tracker = stack.enter_context(CannedTracker(held.tracker))
            magnet += f"&tr={quote(tracker.url, safe='')}"
        if held.torrent:
            (scratch / "offer.torrent").write_bytes(held.torrent)
            yield [str(scratch / "offer.torrent")], b""
            (scratch / "offer.torrent").unlink()
        elif held.lines:
            yield ["-"], held.lines
        else:
            yield [held.link or magnet], b""


def run(
    ben: Memocast, command: str, *words: str | bytes, scratch: Path, stdin: bytes = b""
) -> Result:
    """Run a command to its end, and see that it neither hangs nor takes much memory."""
    (scratch / "output.in").write_bytes(stdin)
    names = [scratch / f"output.{stream}" for stream in ("in", "out", "err")]
    with names[0].open("rb") as given, names[1].open("wb") as out, names[2].open("wb") as err:
        process = ben.start(*command.split(), *words, stdin=given, stdout=out, stderr=err)  # type: ignore[arg-type]
        alarm = threading.Timer(SECONDS, process.kill)
        alarm.start()
        # The peak of this very program and of those that it starts: what `wait4` tells begins at
        # what the tests' own process had when it started it.
        peak = 0
        while process.poll() is None:
            peak = max(peak, *map(high_water, family(process.pid)))
            select.select([], [], [], 0.01)
        alarm.cancel()
    assert process.returncode >= 0, f"{command} hung or was killed: {process.returncode}"
    assert 0 < peak < MOST_MEMORY, f"{command} took {peak:,} kB"
    return Result(process.returncode, names[1].read_text(), names[2].read_text())


def family(pid: int) -> list[int]:
    """The process, and those that its main thread started."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        children = []
    return [pid, *(found for child in children for found in family(int(child)))]


def high_water(pid: int) -> int:
    """The most memory that the process has had, in kB; 0 when it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    found = re.search(r"VmHWM:\s*(\d+)", status)
    return int(found[1]) if found else 0


def named(cases: list[Case], prefix: str) -> list[Case]:
    """The cases with their subject in front of their names."""
    return [replace(case, name=f"{prefix}-{case.name}") for case in cases]
