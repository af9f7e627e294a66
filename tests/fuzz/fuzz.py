"""Fuzz links, .torrent files and info dictionaries with atheris.

    pip install -e '.[fuzz]'
    python tests/fuzz/fuzz.py -runs=1000000

Every exception but memocast's own errors ends it, with the input in a file
`crash-…`. It works in an empty folder of its own, so that no text can name a
file, and sends nothing.
"""

from __future__ import annotations

import argparse
import atexit
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import atheris
import libtorrent as lt

with atheris.instrument_imports(include=["memocast"]):
    import targets

import seeds

SEEDS = seeds.inputs()
TEXT = 0
"""The target whose inputs are not bencoded."""

TOKENS = [
    *("magnet:?xt=urn:btih:", "&xt=urn:btmh:1220", "&tr=udp://", "&x.pe=", "&dn=", "?seeds=", "#"),
    *("https://", "%25", "[::1]:", "8:memocast", "5:title", "11:description", "7:created"),
    *("8:duration", "5:peaks", "12:piece layers", "9:file tree", "12:meta version", "4:info"),
]
BEGINNINGS = (
    f"magnet:?xt=urn:btih:{seeds.V1}&".encode(),
    f"magnet:?xt=urn:btmh:1220{seeds.V2}&".encode(),
    f"http://h/?seeds=magnet:?xt=urn:btih:{seeds.V1}%26".encode(),
    f"https://h/#magnet%3A?xt=urn:btih:{seeds.V1}%26".encode(),
)
NUMBERS = (-(2**63), -1, 0, 1, 199, 16_384, 10**11, 10**11 + 1, 2**31, 2**62, 2**63 - 1)


def mutated(data: bytes, max_size: int, seed: int) -> bytes:
    """Change bytes anywhere, or what they say: lengths of strings seldom survive the former."""
    chance = random.Random(seed)
    if chance.random() < 0.3:
        data = chance.choice(SEEDS)  # or links, the cheapest, would be nearly all
    is_text = not data or data[0] % len(targets.TARGETS) == TEXT
    if not is_text and chance.random() < 0.8:
        try:
            value: Any = lt.bdecode(data[1:])
            changed = data[:1] + lt.bencode(with_change(value, chance))
        except RuntimeError:
            pass
        else:
            return changed[:max_size]
    changed = bytes(atheris.Mutate(data, max_size))
    if is_text and chance.random() < 0.4:
        # Few texts would still be a link after several changes.
        text = changed[1:].partition(b"&")[2] or changed[1:]
        changed = bytes([TEXT]) + chance.choice(BEGINNINGS) + text
    return changed[:max_size]


def with_change(value: Any, chance: random.Random) -> Any:
    """The value with one thing in it changed, at any depth."""
    if chance.random() < 0.05:
        return chance.choice([0, b"", [], {}, [value], {b"memocast": value}])
    if isinstance(value, bytes):
        return bytes(atheris.Mutate(value, len(value) + 64))
    if isinstance(value, int):
        return chance.choice(NUMBERS)
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    if not keys:
        return {b"title": b"t"} if isinstance(value, dict) else [b"t"]
    key = chance.choice(keys)
    if chance.random() < 0.05:
        del value[key]
    elif isinstance(value, dict) and chance.random() < 0.05:
        value[bytes(atheris.Mutate(key, len(key) + 8))] = value.pop(key)
    else:
        value[key] = with_change(value[key], chance)
    return value


def main() -> None:
    """Run the inputs, then say how they fared."""
    parser = argparse.ArgumentParser(description="Other arguments go to libFuzzer.")
    parser.add_argument("-runs", type=int, default=1_000_000, help="how many inputs")
    arguments, others = parser.parse_known_args()
    began = time.monotonic()
    counts: Counter[tuple[str, str]] = Counter()

    def report() -> None:
        print(f"{counts.total():,} inputs in {time.monotonic() - began:.0f} s")
        for (target, outcome), count in sorted(counts.items()):
            print(f"  {target}: {outcome}: {count:,}", flush=True)
        shutil.rmtree(work)

    def run(data: bytes) -> None:
        counts[targets.run(data)] += 1
        if counts.total() == arguments.runs:
            report()
            os._exit(0)  # libFuzzer would end the process without a word of ours

    here = Path.cwd()
    work = Path(tempfile.mkdtemp(prefix="memocast-fuzz-"))
    (work / "empty").mkdir()
    (work / "seeds").mkdir()
    for number, data in enumerate(SEEDS):
        (work / "seeds" / str(number)).write_bytes(data)
    (work / "tokens").write_text("".join(f'"{token}"\n' for token in TOKENS))
    os.chdir(work / "empty")
    atexit.register(report)
    options = ["-verbosity=0", f"-dict={work / 'tokens'}", f"-artifact_prefix={here}/"]
    atheris.Setup(
        [sys.argv[0], *options, *others, str(work / "seeds")], run, custom_mutator=mutated
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main()
