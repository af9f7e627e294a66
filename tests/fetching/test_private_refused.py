"""Private memos that do not open, or not at once: nothing is kept in the clear."""

from __future__ import annotations

import contextlib
import json
import signal
import sqlite3
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from helpers.hostile.seeding_stranger import nothing_left, stranger
from helpers.private_memos import flipped, in_the_clear, key_in, share
from helpers.processes import running
from helpers.shared_memo import info_hash, sha256
from helpers.waiting import wait_for
from memocast.formats.age import new_key, recipient_of, seal
from memocast.formats.memo_info import SEALED_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from helpers.memocast_user import Memocast


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda key: new_key(), "this key does not open it"),
        (lambda key: key[:-1], "the key is damaged or cut off"),
        (lambda key: key[:20], "the key is damaged or cut off"),
        (lambda key: "", "the key is damaged or cut off"),
        (lambda key: None, "the memo is sealed, and the link has no key"),
    ],
    ids=["another", "last letter", "cut off", "empty", "none"],
)
def test_a_key_that_does_not_fit_opens_nothing_and_is_not_repeated(
    ben: Memocast, link: str, change: Callable[[str], str | None], said: str
) -> None:
    key = key_in(link)
    other = change(key)
    bad = link.replace(f"&x.age={key}", "" if other is None else f"&x.age={other}")
    result = ben.run("fetch", bad, expect=7)
    assert said in result.err
    assert "hint: " in result.err
    assert "AGE-SECRET-KEY-1" not in result.err
    assert nothing_left(ben)
    assert ben.run("fetch", link).out, "with the whole link it is fetched after all"


@pytest.mark.parametrize("where", ["first chunk", "cut", "not age"])
def test_ciphertext_that_was_tampered_with_is_refused_and_nothing_is_kept(
    ben: Memocast, opus: Path, tmp_path: Path, where: str
) -> None:
    key = new_key()
    sealed = seal(opus.read_bytes(), [recipient_of(key)])
    tampered = {
        "first chunk": flipped(sealed, 400),
        "cut": sealed[:-100],
        "not age": opus.read_bytes(),
    }[where]
    said = b'{"title": "WA=="}'.ljust(SEALED_BYTES)
    ours = {b"v": 1, b"sealed": seal(said, [recipient_of(key)])}
    with stranger(tmp_path, {"memo.age": tampered}, key=ours) as (bare, peer):
        result = ben.run("fetch", f"{bare}&x.age={key}", "--peer", peer, expect=7)
    assert "memocast: error: " in result.err
    assert nothing_left(ben)


@pytest.mark.parametrize(
    "block",
    [b"garbage", b"age-encryption.org/v1\n" + b"-> X25519 " * 4000, None],
    ids=["garbage", "endless header", "no JSON"],
)
def test_a_sealed_block_that_is_garbage_is_refused_before_a_byte_of_audio(
    ben: Memocast, opus: Path, tmp_path: Path, block: bytes | None
) -> None:
    key = new_key()
    to = [recipient_of(key)]
    ours = {b"v": 1, b"sealed": seal(b"[" * 9000, to) if block is None else block}
    with stranger(tmp_path, {"memo.age": seal(opus.read_bytes(), to)}, key=ours) as (bare, peer):
        ben.run("fetch", f"{bare}&x.age={key}", "--peer", peer, expect=7)
    assert nothing_left(ben)


def test_nonsense_in_a_sealed_block_is_dropped_and_the_audio_fetched(
    ben: Memocast, opus: Path, tmp_path: Path
) -> None:
    key = new_key()
    said = b'{"title": 5, "description": "*", "created": true, "duration": 1e400, "peaks": "AA=="}'
    ours = {b"v": 1, b"sealed": seal(said, [recipient_of(key)])}
    content = seal(opus.read_bytes(), [recipient_of(key)])
    with stranger(tmp_path, {"memo.age": content}, key=ours) as (bare, peer):
        memo = ben.show(ben.run("fetch", f"{bare}&x.age={key}", "--peer", peer).out.strip())
    assert (memo["title"], memo["description"], memo["peaks"]) == ("memo", "", [0])
    assert memo["duration"] > 1


def test_an_interrupted_fetch_leaves_ciphertext_only_and_goes_on_from_there(
    anna: Memocast, ben: Memocast, speech: Path
) -> None:
    slow = anna.with_(MEMOCAST_UPLOAD_LIMIT="200000")
    memo = anna.add(speech)
    link = slow.run("share", memo, "--private", "--direct").out.strip()
    audio = speech.read_bytes()
    with running(ben.start("fetch", link)) as process:
        part = ben.library / "incoming" / f"download-{info_hash(link)}" / "audio"
        wait_for("half of it", lambda: part.exists() and part.stat().st_blocks * 512 > 200_000)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    assert in_the_clear(ben, audio) == []
    anna.stop()
    anna.run("seed", "--background")
    memo = ben.run("fetch", link).out.strip()
    assert in_the_clear(ben, audio) == [ben.audio(memo)]


def test_a_fetch_that_cannot_write_its_row_leaves_ciphertext_only_and_goes_on_from_there(
    anna: Memocast, ben: Memocast, speech: Path
) -> None:
    link = share(anna, anna.add(speech), "--private")
    ben.run("list")
    with contextlib.closing(sqlite3.connect(ben.library / "library.db")) as database:
        database.execute(
            "CREATE TRIGGER full BEFORE INSERT ON torrent BEGIN SELECT raise(ABORT, 'no'); END"
        )
        ben.run("fetch", link, expect=8)
        assert in_the_clear(ben, speech.read_bytes()) == []
        database.execute("DROP TRIGGER full")
    anna.stop()
    memo = ben.run("fetch", link).out.strip()
    assert in_the_clear(ben, speech.read_bytes()) == [ben.audio(memo)]


def test_a_fetch_that_died_between_ciphertext_and_row_is_finished_by_the_next(
    anna: Memocast, ben: Memocast, memo: str, link: str
) -> None:
    # As SIGKILL leaves it in the middle of `keep`: both files in place, and no row.
    ben.run("fetch", link)
    other = link.replace(key_in(link), new_key())
    assert "already in the library" in ben.run("fetch", other, expect=7).err
    found = ben.show()
    entry = ben.library / "incoming" / f"download-{info_hash(link)}"
    entry.mkdir()
    names = ("id", "title", "description", "format", "origin")
    created = int(datetime.fromisoformat(found["created"]).timestamp())
    facts = {name: found[name] for name in names} | {"created": created}
    (entry / "entry.json").write_text(json.dumps({**facts, "sealed": info_hash(link)}))
    with contextlib.closing(sqlite3.connect(ben.library / "library.db")) as database:
        database.executescript("DELETE FROM torrent; DELETE FROM memo")
    again = ben.show(ben.run("fetch", link).out.strip())
    assert again["shares"][0]["info_hash"] == info_hash(link)
    assert [path.name for path in (ben.library / "memos").iterdir()] == [f"{again['id']}.opus"]
    assert sha256(ben.audio()) == sha256(anna.audio(memo))
    assert ben.run("doctor", "--json", expect=None).json[2]["ok"]
