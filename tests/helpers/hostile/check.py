"""The one check that all hostile cases go through: a fetch that does no harm."""

from __future__ import annotations

import contextlib
import hashlib
import random
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote

from helpers.bounded_run import run
from helpers.memocast_user import Memocast
from helpers.raw_peer import Address, RawPeer
from helpers.trackers import CannedTracker
from memocast.audio.examine import MAX_DURATION

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from helpers.hostile.case import Case, Offer
    from helpers.memocast_user import Result


_PORT = 6881


_ACTS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)
"""What no stranger may have printed: controls but for tab and line feed, and bidi marks."""


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
