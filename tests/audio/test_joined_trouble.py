"""Joined files as no program makes them: odd tags, no lengths, parts that differ too much."""

from __future__ import annotations

import struct
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from helpers.bounded_run import MOST_MEMORY
from helpers.full_or_short import scaled
from helpers.hostile.lying_audio import movie, opus_of_one_packet, repaged
from helpers.tones import LISTEN, PLAIN, SLACK, Tone, heard, mp3, pitch
from memocast.audio.decoder import blocks
from memocast.audio.examine import confirm, examine
from memocast.audio.joined_files import parts
from memocast.errors import Refused

if TYPE_CHECKING:
    from pathlib import Path


def tag(length: int, content: bytes = b"") -> bytes:
    """An ID3v2 tag that claims so many bytes, with zeros behind what it has."""
    claimed = bytes(length >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\4\0\0" + claimed + content.ljust(min(length, 1_000), b"\0")


APE = b"APETAGEX\xd0\7\0\0\x20\0\0\0" + bytes(16)
TWO, ONE, BARE = mp3(440, 2), mp3(880, 1), mp3(440, 2, 44_100, *PLAIN)

ODD_MP3: dict[str, tuple[Tone | bytes, ...]] = {
    "a tag behind it": (TWO, tag(500)),
    "two tags behind it": (tag(100), TWO, tag(500), tag(100)),
    "a tag and zeros behind it": (TWO, tag(500), bytes(700)),
    "text behind it": (TWO, tag(500), b"made by hand\n"),
    "tags between": (tag(50), TWO, tag(50), ONE),
    "a tag between that claims all that is left": (TWO, tag(0x0FFF_FFFF, b"\0" * 60), ONE),
    "a line feed before it": (tag(100), b"\n", TWO),
    "a tag of another kind before it": (tag(100), APE, TWO),
    "a tag of another kind between": (TWO, tag(100), APE, ONE),
    "a line feed before frames that tell no length": (tag(100), b"\n", BARE, tag(50), ONE),
}


@pytest.mark.parametrize("name", ODD_MP3)
def test_what_programs_leave_around_mp3_is_no_part_of_it(name: str, tmp_path: Path) -> None:
    pieces = ODD_MP3[name]
    path = tmp_path / "odd.mp3"
    path.write_bytes(
        b"".join(piece if isinstance(piece, bytes) else piece.content() for piece in pieces)
    )
    seconds = sum(piece.seconds for piece in pieces if isinstance(piece, Tone))
    assert examine(path).duration / 1000 == pytest.approx(seconds, abs=SLACK)


@pytest.mark.parametrize("start", [1.5, 3.5, 0.0, 2.5, 6.0][: scaled(5, 2)])
@pytest.mark.parametrize("name", ["flac", "webm"])
def test_playing_begins_anywhere_in_parts_that_do_not_say_how_long_they_last(
    name: str, start: float, tmp_path: Path
) -> None:
    options = ["-f", name, "-c:a", {"flac": "flac", "webm": "libopus"}[name]]
    if name == "webm":
        options += ["-live", "1"]
    content = b""
    for hertz, seconds in ((440, 2), (880, 3), (660, 2)):
        sine = f"sine=frequency={hertz}:duration={seconds}:sample_rate=48000"
        command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", sine, *options, "pipe:1"]
        content += subprocess.run(command, check=True, capture_output=True).stdout
    path = tmp_path / "joined"
    path.write_bytes(content)
    rate, samples = heard(blocks(path, name, start))
    assert len(samples) / rate == pytest.approx(7 - start, abs=SLACK)
    hertz = 440 if start < 1.5 else 880 if start < 4 else 660
    begin = round((0.6 if start == 1.5 else 0.1) * rate)
    assert pitch(samples[begin : begin + rate // 3], rate) == pytest.approx(hertz, abs=5)


def of_rate(rate: int) -> bytes:
    """A second of Vorbis that claims another rate."""
    return repaged(
        Tone("ogg", "libvorbis").content(),
        lambda head: head[:12] + rate.to_bytes(4, "little") + head[16:],
    )


@pytest.mark.parametrize(
    ("first", "second"), [(768_000, 7_000), (768_000, 1), (1, 768_000)][: scaled(3, 1)]
)
def test_parts_whose_rates_are_too_far_apart_are_refused(
    first: int, second: int, tmp_path: Path
) -> None:
    path = tmp_path / "unlike.ogg"
    path.write_bytes(of_rate(first) + of_rate(second))
    with pytest.raises(Refused, match="cannot be joined"):
        examine(path)
    assert_neither_heard_nor_much_memory(path)


def test_more_channels_than_recorders_have_are_joined_at_one_rate_only(tmp_path: Path) -> None:
    path = tmp_path / "channels.wav"
    one, same, other = (
        Tone("wav", "pcm_s16le", 440, 1.0, rate, 16) for rate in (48_000, 48_000, 44_100)
    )
    path.write_bytes(one.content() + same.content())
    assert examine(path).duration == 2_000
    path.write_bytes(one.content() + other.content())
    with pytest.raises(Refused, match="16 channels"):
        examine(path)


def test_rates_that_recorders_have_are_joined(tmp_path: Path) -> None:
    path = tmp_path / "far.wav"
    slow, fast = (Tone("wav", "pcm_s16le", 440, 1.0, rate) for rate in (8_000, 192_000))
    for first, second in ((slow, fast), (fast, slow)):
        path.write_bytes(first.content() + second.content())
        rate, samples = heard(blocks(path, "wav"))
        assert (rate, len(samples) / rate) == (first.rate, pytest.approx(2.0, abs=0.01))


@pytest.mark.full
def test_a_packet_that_is_as_large_as_its_file_is_never_all_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "one.opus"
    with path.open("wb") as file:
        opus_of_one_packet(file, 300 << 20)
    assert_neither_heard_nor_much_memory(path)
    code = "import sys, memocast.audio.examine as a, pathlib; a.examine(pathlib.Path(sys.argv[1]))"
    command = [sys.executable, "-c", f"{code}; {LISTEN.splitlines()[-1]}", path]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode or int(done.stdout) < MOST_MEMORY
    assert not done.returncode or "Refused" in done.stderr


def assert_neither_heard_nor_much_memory(path: Path) -> None:
    """While it arrives, in a process of its own."""
    listening = [sys.executable, "-c", LISTEN, path, "0"]
    said, memory = subprocess.check_output(listening, text=True).split()
    assert said == "refused"
    assert int(memory) < MOST_MEMORY


def test_a_box_that_ends_behind_every_file_is_the_last_one(tmp_path: Path) -> None:
    path = tmp_path / "box.m4a"
    content = movie(4_096)
    for length in (2**63 - 1, 2**63, 2**64 - 1):
        path.write_bytes(content + b"\0\0\0\1free" + length.to_bytes(8) + content)
        with path.open("rb") as file:
            assert len(parts("box", file, "m4a")) == 1


@pytest.mark.parametrize(
    "chunks",
    [
        {b"fmt ": 0xFFFF_FFFF},
        {b"LIST": 0x7FFF_0000, b"fmt ": 16},
        {b"fmt ": 16, b"cue ": 9_999},
    ],
)
def test_a_wav_with_a_chunk_longer_than_itself_is_decoded_or_refused(
    chunks: dict[bytes, int], tmp_path: Path
) -> None:
    sound = struct.pack("<HHIIHH", 1, 1, 8_000, 16_000, 2, 16)
    body = b"".join(name + struct.pack("<I", length) + sound for name, length in chunks.items())
    file = tmp_path / "odd.wav"
    file.write_bytes(b"RIFF" + struct.pack("<I", len(body) + 4) + b"WAVE" + body)
    with pytest.raises(Refused):
        confirm(file, 60, b"\1")
