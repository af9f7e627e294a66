"""Files that were joined with `cat`, and those of killed recorders: all of their sound counts."""

from __future__ import annotations

import sqlite3
import struct
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from helpers.bounded_run import MOST_MEMORY
from helpers.full_or_short import scaled
from helpers.hostile.lying_audio import code_books
from helpers.tones import LISTEN, PLAIN, SLACK, Tone, heard, mp3, opus, pitch, vorbis
from helpers.waiting import wait_for
from memocast.audio.decoder import blocks
from memocast.audio.examine import examine
from memocast.audio.joined_files import MOST_PARTS
from memocast.errors import NoSound, Refused
from memocast.fetching.growing_audio import stream
from memocast.fetching.growing_file import GrowingFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from helpers.memocast_user import Memocast


OLD_TAG = ("-write_id3v1", "1", "-metadata", "title=Old")

JOINED: dict[str, tuple[str, tuple[Tone, ...]]] = {
    "opus, as phones send it": ("opus", (opus(440, 3, rate=16_000), opus(880, 2, rate=16_000))),
    "opus of other rates": ("opus", (opus(440), opus(880, rate=16_000), opus(660, rate=8_000))),
    "opus, mono and stereo": ("opus", (opus(440), opus(880, channels=2))),
    "opus, the same twice": ("opus", (opus(440), opus(440))),
    "vorbis of other rates": ("ogg", (vorbis(440, rate=44_100), vorbis(880, 2, rate=22_050))),
    "vorbis, stereo and mono": ("ogg", (vorbis(440, channels=2), vorbis(880))),
    "opus, then vorbis": ("opus", (opus(440), vorbis(880, rate=44_100))),
    "vorbis, then opus": ("ogg", (vorbis(440, rate=44_100), opus(880))),
    "mp3 with lengths": ("mp3", (mp3(440), mp3(880, 2), mp3(660))),
    "mp3, the first with a length": ("mp3", (mp3(440), mp3(880, 2, 44_100, *PLAIN))),
    "mp3, the second with a length": ("mp3", (mp3(440, 1, 44_100, *PLAIN), mp3(880, 2))),
    "mp3 without lengths": ("mp3", (mp3(440, 1, 44_100, *PLAIN), mp3(880, 2, 44_100, *PLAIN))),
    "mp3 of other rates": ("mp3", (mp3(440), mp3(880, 2, 22_050))),
    "mp3 of other rates without lengths": (
        "mp3",
        (mp3(440, 1, 44_100, *PLAIN), mp3(880, 2, 16_000, *PLAIN)),
    ),
    "mp3 with old tags between": ("mp3", (mp3(440, 1, 44_100, *OLD_TAG), mp3(880, 2))),
    "wav": ("wav", (Tone("wav", "pcm_s16le", 440), Tone("wav", "pcm_s16le", 880, 2))),
    "wav of other rates": (
        "wav",
        (Tone("wav", "pcm_s16le", 440), Tone("wav", "pcm_f32le", 880, 2, 16_000, 2)),
    ),
    "aiff": ("aiff", (Tone("aiff", "pcm_s16be", 440), Tone("aiff", "pcm_s16be", 880, 2))),
    "flac": ("flac", (Tone("flac", "flac", 440), Tone("flac", "flac", 880, 2, 44_100))),
    "m4a": ("m4a", (Tone("ipod", "aac", 440), Tone("ipod", "aac", 880, 2))),
    "m4a in fragments": ("m4a", (Tone("mp4", "aac", 440), Tone("mp4", "aac", 880, 2))),
    "webm": ("webm", (Tone("webm", "libopus", 440), Tone("webm", "libopus", 880, 2))),
}


def assert_has(tones: Iterable[Tone], rate: int, samples: NDArray[np.float32]) -> None:
    """Each tone is there, one behind the other."""
    at = 0.0
    for tone in tones:
        begin, end = round((at + 0.3) * rate), round((at + tone.seconds - 0.3) * rate)
        assert pitch(samples[begin:end], rate) == pytest.approx(tone.hertz, abs=5)
        at += tone.seconds
    assert len(samples) / rate == pytest.approx(at, abs=SLACK)


@pytest.mark.parametrize("name", list(JOINED)[:: scaled(1, 2)])
def test_all_parts_of_a_joined_file_are_measured_and_played(name: str, tmp_path: Path) -> None:
    format_, tones = JOINED[name]
    path = tmp_path / "joined"
    path.write_bytes(b"".join(tone.content() for tone in tones))
    sound = examine(path)
    seconds = sum(tone.seconds for tone in tones)
    assert sound.format == format_
    assert sound.duration / 1000 == pytest.approx(seconds, abs=SLACK)
    assert sound.peaks.count(0) <= 10, "a part was drawn as silence"
    assert_has(tones, *heard(blocks(path, format_)))
    # From the middle of the last part on, that alone is played.
    rate, rest = heard(blocks(path, format_, seconds - tones[-1].seconds + 0.5))
    assert len(rest) / rate == pytest.approx(tones[-1].seconds - 0.5, abs=SLACK)
    assert pitch(rest, rate) == pytest.approx(tones[-1].hertz, abs=5)


@pytest.mark.parametrize("start", [0.0, 1.5][: scaled(2, 1)])
@pytest.mark.parametrize("name", [name for name in JOINED if JOINED[name][0] in ("opus", "ogg")])
def test_all_streams_of_an_ogg_are_heard_while_it_arrives(
    name: str, start: float, tmp_path: Path
) -> None:
    tones = JOINED[name][1]
    content = b"".join(tone.content() for tone in tones)
    growing = GrowingFile(len(content), 4_096, lambda _: None)

    def arrive() -> None:
        for at in range(0, len(content), 4_096):
            growing.arrived(at // 4_096, content[at : at + 4_096])

    threading.Thread(target=arrive).start()
    rate, samples = heard(stream(growing.open, start))
    seconds = sum(tone.seconds for tone in tones)
    assert len(samples) / rate == pytest.approx(seconds - start, abs=0.05)
    assert pitch(samples[-rate // 2 :], rate) == pytest.approx(tones[-1].hertz, abs=5)
    wait_for("the end of the pump", lambda: "pump" not in {t.name for t in threading.enumerate()})


def test_who_stops_listening_in_the_first_stream_leaves_nothing_open(tmp_path: Path) -> None:
    content = b"".join(opus(440, 20).content() for _ in range(3))
    growing = GrowingFile(len(content), 4_096, lambda _: None)
    for at in range(0, len(content), 4_096):
        growing.arrived(at // 4_096, content[at : at + 4_096])
    listening = stream(growing.open)
    next(listening)
    listening.close()
    wait_for("the end of the pump", lambda: "pump" not in {t.name for t in threading.enumerate()})


@pytest.mark.parametrize("start", [0.0, 0.5])
@pytest.mark.parametrize("is_first", [True, False])
def test_headers_that_take_gigabytes_are_not_listened_to(
    is_first: bool, start: float, tmp_path: Path
) -> None:
    path = tmp_path / "hostile.ogg"
    path.write_bytes((b"" if is_first else opus(440).content()) + code_books())
    listening = [sys.executable, "-c", LISTEN, path, str(start)]
    said, memory = subprocess.check_output(listening, text=True).split()
    assert said == "refused"
    assert int(memory) < MOST_MEMORY


def test_a_joined_voice_note_travels_with_its_true_length(
    anna: Memocast, ben: Memocast, tmp_path: Path
) -> None:
    _, tones = JOINED["opus, as phones send it"]
    path = tmp_path / "joined.opus"
    path.write_bytes(b"".join(tone.content() for tone in tones))
    added = anna.run("add", str(path))
    assert added.err == ""
    sent = anna.show()
    assert sent["duration"] == pytest.approx(5.0, abs=0.05)
    link = anna.run("share", "latest", "--direct").out.strip()
    ben.run("fetch", link)
    came = ben.show()
    assert (came["duration"], came["peaks"]) == (sent["duration"], sent["peaks"])
    assert ben.audio().read_bytes() == path.read_bytes()


def test_what_an_older_memocast_took_for_three_seconds_arrives_as_five(
    anna: Memocast, ben: Memocast, tmp_path: Path
) -> None:
    """Its sender had measured the first part, and both parts have the same serial number."""
    part = opus(440, 2.5).content()
    path = tmp_path / "joined.opus"
    path.write_bytes(part * 2)
    anna.add(path)
    with sqlite3.connect(anna.library / "library.db") as database:
        database.execute("UPDATE memo SET duration = 2500, peaks = ?", (b"\x07" * 200,))
    ben.run("fetch", anna.run("share", "latest", "--direct").out.strip())
    came = ben.show()
    assert came["duration"] == pytest.approx(5.0, abs=0.05)
    assert set(came["peaks"]) != {7}


def test_no_word_of_a_decoder_reaches_the_terminal(anna: Memocast, tmp_path: Path) -> None:
    for number, name in enumerate(name for name in JOINED if name.startswith("mp3")):
        path = tmp_path / f"joined-{number}.mp3"
        path.write_bytes(b"".join(tone.content() for tone in JOINED[name][1]))
        assert anna.run("add", str(path)).err == ""


def test_a_part_that_cannot_be_decoded_is_not_passed_over(tmp_path: Path) -> None:
    voice, flac = opus(440).content(), Tone("ogg", "flac", 880).content()
    cut = mp3(440).content() + mp3(880, 2).content()[:-8_000]
    wav = Tone("wav", "pcm_s16le", 440).content()
    for number, content in enumerate((voice + flac, cut, wav + wav[:-8_000])):
        path = tmp_path / str(number)
        path.write_bytes(content)
        with pytest.raises(Refused):
            examine(path)


def test_more_parts_than_anybody_joins_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "many.wav"
    path.write_bytes(Tone("wav", "pcm_s16le", 440, 0.01).content() * (MOST_PARTS + 1))
    with pytest.raises(Refused, match="joined from more than"):
        examine(path)


# -- recorders that were killed ----------------------------------------------------


def lengths(content: bytes, riff: int | None, data: int, name: bytes = b"data") -> bytes:
    """The WAV or AIFF with these lengths in its header."""
    order = ">" if content.startswith(b"FORM") else "<"
    at = content.find(name) + 4
    content = content[:at] + struct.pack(order + "I", data) + content[at + 4 :]
    return content if riff is None else content[:4] + struct.pack(order + "I", riff) + content[8:]


def padded(content: bytes) -> bytes:
    """The WAV with its samples from byte 4,096 on, as Apple's recorders align them."""
    at = content.find(b"data")
    filler = 4_096 - 8 - at - 8
    return content[:at] + b"FLLR" + struct.pack("<I", filler) + bytes(filler) + content[at:]


def rf64(content: bytes) -> bytes:
    """An RF64 (EBU Tech 3306) whose lengths were never filled in."""
    sizes = b"ds64" + struct.pack("<IQQQI", 28, 0, 0, 0, 0)
    unknown = lengths(content, 2**32 - 1, 2**32 - 1)
    return b"RF64" + unknown[4:12] + sizes + unknown[12:]


KILLED: dict[str, Callable[[bytes, bytes], bytes]] = {
    "no length of the data": lambda wav, _: lengths(wav, None, 0),
    "no lengths": lambda wav, _: lengths(wav, 0, 0),
    "a RIFF of 36 bytes": lambda wav, _: lengths(wav, 36, 0),
    "samples from byte 4,096 on": lambda wav, _: lengths(padded(wav), 4_088, 0),
    "lengths of a while ago": lambda wav, _: lengths(wav, 44_036, 44_000),
    "a length of the data of a while ago": lambda wav, _: lengths(wav, 0, 44_000),
    "64 bits of nothing": lambda wav, _: rf64(wav),
    "aiff without lengths": lambda _, aiff: lengths(aiff, 0, 0, b"SSND"),
    "aiff with the length of its head": lambda _, aiff: lengths(aiff, 46, 8, b"SSND"),
}


@pytest.mark.parametrize("name", KILLED)
def test_a_recording_whose_recorder_was_killed_is_all_there(name: str, tmp_path: Path) -> None:
    tone = Tone("wav", "pcm_s16le", 440, 3)
    path = tmp_path / "killed"
    path.write_bytes(KILLED[name](tone.content(), Tone("aiff", "pcm_s16be", 440, 3).content()))
    assert examine(path).duration == pytest.approx(3_000, abs=1)
    assert_has([tone], *heard(blocks(path, examine(path).format)))


def test_a_killed_recording_travels_as_it_is_and_with_its_length(
    anna: Memocast, ben: Memocast, tmp_path: Path
) -> None:
    path = tmp_path / "killed.wav"
    path.write_bytes(lengths(padded(Tone("wav", "pcm_s16le", 440, 3).content()), 4_088, 0))
    anna.add(path)
    ben.run("fetch", anna.run("share", "latest", "--direct").out.strip())
    assert ben.show()["duration"] == anna.show()["duration"] == 3.0
    assert ben.audio().read_bytes() == path.read_bytes()


def test_what_follows_the_samples_is_not_taken_for_sound(tmp_path: Path) -> None:
    wav = Tone("wav", "pcm_s16le", 440).content()
    chunk = b"LIST" + struct.pack("<I", 12) + b"INFOwords..."[:12]
    odd = b"note" + struct.pack("<I", 3) + b"odd\0"
    for number, behind in enumerate(
        (chunk, odd + chunk, b"PK\3\4" + bytes(99), b"TAG" + bytes(125))
    ):
        path = tmp_path / str(number)
        path.write_bytes(wav + behind)
        assert examine(path).duration == 1_000


def test_a_wav_of_nothing_but_chunks_holds_no_sound(tmp_path: Path) -> None:
    wav = Tone("wav", "pcm_s16le", 440).content()
    chunk = b"LIST" + struct.pack("<I", 4) + b"INFO"
    head = lengths(wav[: wav.find(b"data") + 8], None, 0) + chunk
    path = tmp_path / "empty.wav"
    path.write_bytes(head[:4] + struct.pack("<I", len(head) - 8) + head[8:])
    with pytest.raises(NoSound):
        examine(path)
