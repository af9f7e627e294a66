"""`export --tags` of what strangers made: tagged or refused within seconds, and nothing is left."""

from __future__ import annotations

import contextlib
import io
import os
import re
import signal
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import mutagen
import pytest
from mutagen.ogg import OggPage

from helpers.bounded_run import MOST_MEMORY, family, run
from helpers.full_or_short import scaled
from helpers.hostile.audio import converted
from helpers.hostile.case import voice
from helpers.kept_memo import keep
from helpers.processes import running
from helpers.waiting import wait_for
from memocast.audio import tags
from memocast.errors import MemocastError

if TYPE_CHECKING:
    from collections.abc import Callable

    from helpers.memocast_user import Memocast
    from memocast.library.library import Library


def synchsafe(number: int) -> bytes:
    """28 bits in four bytes, as ID3v2.4 writes sizes."""
    return bytes(number >> shift & 127 for shift in (21, 14, 7, 0))


def squeezed(megabytes: int) -> bytes:
    """So many megabytes of zeros, as zlib has them in a thousandth."""
    deflate = zlib.compressobj(9)
    return b"".join(deflate.compress(bytes(1 << 20)) for _ in range(megabytes)) + deflate.flush()


def id3(frames: bytes, version: int = 4, flags: int = 0) -> bytes:
    return b"ID3" + bytes([version, 0, flags]) + synchsafe(len(frames)) + frames


def frame(name: bytes, body: bytes) -> bytes:
    return name + synchsafe(len(body)) + b"\0\0" + body


def bomb(name: bytes = b"TXXX", megabytes: int = 20) -> bytes:
    """A frame of ID3v2.4, compressed."""
    body = synchsafe(megabytes << 20 & 0xFFFFFFF) + squeezed(megabytes)
    return name + synchsafe(len(body)) + b"\0\x09" + body


def older_bomb() -> bytes:
    """The same in ID3v2.3."""
    body = struct.pack(">I", 20 << 20) + squeezed(20)
    return b"TXXX" + struct.pack(">I", len(body)) + b"\0\x80" + body


def chapters(depth: int) -> bytes:
    """A chapter in a chapter in a chapter…"""
    frames = b""
    for _ in range(depth):
        frames = frame(b"CHAP", b"e\0" + bytes(16) + frames)
    return frames


def mp3() -> bytes:
    return voice("MP3", "MPEG_LAYER_III")


def riff(tag: bytes) -> bytes:
    plain = voice("WAV", "PCM_16")
    body = plain[8:] + b"id3 " + struct.pack("<I", len(tag)) + tag + b"\0" * (len(tag) & 1)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def aiff(tag: bytes) -> bytes:
    plain = voice("AIFF", "PCM_16")
    body = plain[8:] + b"ID3 " + struct.pack(">I", len(tag)) + tag + b"\0" * (len(tag) & 1)
    return b"FORM" + struct.pack(">I", len(body)) + body


def comments(number: int, claimed: int | None = None) -> bytes:
    """Vorbis comments: a vendor, how many there are said to be, and so many."""
    each = [b"A%d=b" % one for one in range(number)]
    count = number if claimed is None else claimed
    lines = b"".join(struct.pack("<I", len(one)) + one for one in each)
    return struct.pack("<I", 3) + b"ven" + struct.pack("<I", count) + lines


def flac(*blocks: tuple[int, bytes], lie: int | None = None) -> bytes:
    """A FLAC with these blocks of metadata, the last of which may be said to be longer."""
    plain = voice()
    made = plain[:4] + b"\0" + plain[5:42]  # STREAMINFO, which is not the last block now
    for number, (kind, body) in enumerate(blocks):
        is_last = number == len(blocks) - 1
        size = lie if lie and is_last else len(body)
        made += bytes([kind | 128 * is_last]) + size.to_bytes(3, "big") + body
    return made + plain[plain.index(b"\xff\xf8") :]


def picture(size: int, claimed: int) -> bytes:
    head = struct.pack(">II", 3, 9) + b"image/png" + struct.pack(">IIIIII", 0, 1, 1, 1, 1, claimed)
    return head + bytes(size)


def opus(packet: bytes) -> bytes:
    """An Ogg Opus with another packet of comments."""
    file = io.BytesIO(voice("OGG", "OPUS"))
    head, _, *sound = iter(lambda: _page(file), None)
    tags = OggPage.from_packets([b"OpusTags" + packet], sequence=1)
    pages = [head, *tags, *sound]
    for number, page in enumerate(pages):
        page.serial, page.sequence = head.serial, number
    return b"".join(page.write() for page in pages)


def _page(file: io.BytesIO) -> OggPage | None:
    try:
        return OggPage(file)
    except EOFError:
        return None


def box(name: bytes, body: bytes, claimed: int | None = None) -> bytes:
    return struct.pack(">I", len(body) + 8 if claimed is None else claimed) + name + body


def m4a(inside: bytes) -> bytes:
    """What is enough of an MP4 to look for tags in."""
    return box(b"ftyp", b"M4A \0\0\0\0") + box(b"moov", box(b"udta", inside)) + box(b"mdat", b"")


def boxes(depth: int) -> bytes:
    content = b""
    for _ in range(depth):
        content = box(b"udta", content)
    return content


HOSTILE: dict[str, Callable[[], bytes]] = {
    "compressed.mp3": lambda: id3(bomb()) + mp3(),
    "compressed-v3.mp3": lambda: id3(older_bomb(), 3) + mp3(),
    "many-compressed.mp3": lambda: id3(bomb(b"GEOB", 100) * 20) + mp3(),
    "picture-of-250-MB.mp3": lambda: id3(bomb(b"APIC", 250)) + mp3(),
    "300,000-frames.mp3": lambda: id3(frame(b"TXXX", b"\0a\0b\0") * 300_000) + mp3(),
    "unsynchronised.mp3": lambda: id3(b"\xff\0" * (2 << 20), 4, 0x80) + mp3(),
    "size-lies.mp3": lambda: b"ID3\x04\0\x80\x7f\x7f\x7f\x7f" + mp3(),
    "chapters-in-chapters.mp3": lambda: id3(chapters(3_000)) + mp3(),
    "compressed.wav": lambda: riff(id3(bomb())),
    "compressed.aiff": lambda: aiff(id3(bomb())),
    "compressed-first.flac": lambda: id3(bomb()) + voice(),
    "million-comments.flac": lambda: flac((4, comments(1_000_000)), (1, b"")),
    "count-lies.flac": lambda: flac((4, comments(1, 2**32 - 1)), (1, b"")),
    "picture-lies.flac": lambda: flac((6, picture(10, 2**32 - 1)), (1, b"")),
    "block-lies.flac": lambda: flac((6, picture(10, 10)), lie=2**24 - 1),
    "count-lies.opus": lambda: opus(comments(1, 2**32 - 1)),
    "vendor-lies.opus": lambda: opus(b"\xff\xff\xff\xff"),
    "300,000-comments.opus": lambda: opus(comments(300_000)),
    "boxes-in-boxes.m4a": lambda: m4a(boxes(5_000)),
    "box-lies.m4a": lambda: m4a(
        box(b"meta", bytes(4) + box(b"ilst", box(b"\xa9nam", b"x", 2**31 - 1)))
    ),
    "box-of-no-size.m4a": lambda: m4a(box(b"meta", bytes(4) + box(b"ilst", b"", 0))),
    "box-of-64-bits.m4a": lambda: m4a(struct.pack(">I", 1) + b"meta" + b"\xff" * 8),
}
"""Files whose tags are made to do harm, by their names."""


def kept(user: Memocast, name: str, content: bytes) -> str:
    """A memo with that file, which need not get past the decoders that there are today."""
    format_ = name.rpartition(".")[2]
    good = user.home / f"good.{format_}"
    good.write_bytes(GOOD[format_]())
    memo = user.add(good)
    good.unlink()
    assert user.audio(memo).suffix == f".{format_}"
    user.audio(memo).write_bytes(content)
    return memo


GOOD: dict[str, Callable[[], bytes]] = {
    "mp3": mp3,
    "wav": lambda: voice("WAV", "PCM_16"),
    "aiff": lambda: voice("AIFF", "PCM_16"),
    "flac": voice,
    "opus": lambda: voice("OGG", "OPUS"),
    "m4a": lambda: converted("mp4", "aac"),
}


@pytest.mark.parametrize("name", list(HOSTILE)[:: scaled(1, 12)])
def test_hostile_tags_take_neither_long_nor_much_memory_and_leave_no_part(
    anna: Memocast, tmp_path: Path, name: str
) -> None:
    content = HOSTILE[name]()
    memo = kept(anna, name, content)
    out = anna.home / "out"
    out.mkdir()
    # That tells a process that takes too long, or more than 300 MB.
    done = run(anna, f"export {memo} -o out --tags", scratch=tmp_path)
    if done.code == 0:
        (made,) = out.iterdir()
        assert title_of(made) == f"good.{name.rpartition('.')[2]}".rpartition(".")[0]
        return
    assert done.code == 1
    assert re.match("memocast: error: the copy cannot be tagged: .+\n", done.err), done
    assert "memocast: hint: export it without --tags\n" in done.err
    assert len(done.err) < 500
    assert list(out.iterdir()) == []
    anna.run("export", memo, "-o", "out")
    assert [path.read_bytes() for path in out.iterdir()] == [content]


def title_of(path: Path) -> str:
    found = mutagen.File(path).tags
    for name in ("TIT2", "\xa9nam", "title"):
        with contextlib.suppress(KeyError, ValueError):
            return str(found[name][0])
    return ""


@pytest.mark.full
def test_a_bomb_that_was_added_is_refused_tags_and_exported_without(
    anna: Memocast, tmp_path: Path
) -> None:
    (anna.home / "bomb.mp3").write_bytes(HOSTILE["compressed.mp3"]())
    memo = run(anna, "add bomb.mp3", scratch=tmp_path).out.strip()
    done = run(anna, f"export {memo} -o copy.mp3 --tags", scratch=tmp_path)
    assert (done.code, done.out) == (1, "")
    assert "take too much time or memory to read" in done.err
    anna.run("export", memo, "-o", "copy.mp3")
    assert sorted(path.name for path in anna.home.iterdir()) == ["bomb.mp3", "copy.mp3", "library"]


class Answering:
    """A process in which tags are read, and which was taken over: it gives this answer."""

    def __init__(self, answer: object) -> None:
        self._answer = answer

    def ask(self, *_: object) -> object:
        return self._answer


@pytest.mark.parametrize("said", [None, 7, ["x"], {"x": "y"}, "", "x" * 10_000, "\0", " \n"])
def test_tags_that_no_file_has_count_as_none(
    monkeypatch: pytest.MonkeyPatch, opus: Path, said: object
) -> None:
    names = ("title", "comment", "description", "date")
    for answer in (said, dict.fromkeys(names, said)):
        monkeypatch.setattr(tags, "file_process", lambda answer=answer: Answering(answer))
        assert tags.read_tags(opus, "opus") == tags.Tags()


@pytest.mark.parametrize("said", [[], {}, 7, "x" * 10**6, "\ud800", [["problem"]] * 9])
def test_problems_that_are_no_sentence_are_not_shown(
    monkeypatch: pytest.MonkeyPatch, library: Library, opus: Path, said: object
) -> None:
    memo = library.get(keep(library, opus))
    monkeypatch.setattr(tags, "file_process", lambda: Answering({"problem": said}))
    with opus.open("rb") as file, pytest.raises(MemocastError) as failed:
        tags.write_tags(file, memo)
    assert len(failed.value.message.encode()) < 900


def test_ctrl_c_over_a_bomb_leaves_no_process_and_no_part(anna: Memocast) -> None:
    memo = kept(anna, "bomb.mp3", HOSTILE["300,000-frames.mp3"]())
    (anna.home / "out").mkdir()
    with running(anna.start("export", memo, "-o", "out", "--tags")) as process:
        child = wait_for("the process that reads tags", lambda: family(process.pid)[1:])[0]
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "memocast: interrupted\n")
    assert list((anna.home / "out").iterdir()) == []
    wait_for("that process to end", lambda: not Path(f"/proc/{child}").exists())


def test_a_repair_reads_the_tags_of_strangers_within_the_same_limits(tmp_path: Path) -> None:
    path = tmp_path / "pictures.flac"
    size = 2**24 - 1000
    with path.open("wb") as file:
        file.write(flac((4, comments(0)))[:42])
        for _ in range(40):  # 640 MB of pictures, with nothing in them, and nothing on disk
            head = picture(0, size)
            file.write(b"\6" + (len(head) + size).to_bytes(3, "big") + head)
            file.seek(size, os.SEEK_CUR)
        file.write(flac((4, comments(1)), (1, b""))[42:])
    script = rf"""
import pathlib, re, resource
from memocast.audio.tags import read_tags
print(read_tags(pathlib.Path({str(path)!r}), "flac").title)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
print(re.search(r"VmHWM:\s*(\d+)", pathlib.Path("/proc/self/status").read_text())[1])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    title, *peaks = done.stdout.splitlines()
    assert title == "None"
    assert 0 < max(map(int, peaks)) < MOST_MEMORY
