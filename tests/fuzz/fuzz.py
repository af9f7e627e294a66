"""Fuzz what strangers send, with atheris.

    pip install -e '.[fuzz]'
    python tests/fuzz/fuzz.py --list
    python tests/fuzz/fuzz.py --target podcasts --minutes 10
    python tests/fuzz/fuzz.py --all --minutes 60 --jobs 2 --folder DIR
    python tests/fuzz/fuzz.py --table --folder DIR
    python tests/fuzz/fuzz.py --target podcasts --replay FILE

Every exception but memocast's documented errors is a finding. With --folder, what was done stays
there, and the same command goes on where it was stopped. Sends nothing from this machine.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from fuzz import figures, registry  # noqa: E402
from fuzz.campaign import Campaign, InUse  # noqa: E402

INTERRUPTED = 130


def main() -> int:
    """Run what the arguments say; return 1 if there are findings."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = list(registry.ENTRIES)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--target", action="append", choices=names, help="a harness; repeatable")
    what.add_argument("--all", action="store_true", help="all harnesses, in turn")
    what.add_argument("--list", action="store_true", help="name them")
    what.add_argument("--table", action="store_true", help="print the figures in --folder")
    parser.add_argument("--minutes", type=float, default=10, help="for each, in all")
    parser.add_argument("--jobs", type=int, default=1, help="how many at a time")
    parser.add_argument("--folder", type=Path, help="keep corpus, figures and findings here")
    parser.add_argument("--replay", type=Path, help="run one input, and show what comes of it")
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(names))
        return 0
    if arguments.replay:
        return _replay(arguments.target[0], arguments.replay)
    if arguments.table and not arguments.folder:
        parser.error("--table needs --folder")
    # Even if it began in the background of a shell, which has it ignore Ctrl-C.
    for signal_ in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signal_, signal.default_int_handler)
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="memocast-fuzz-"))
    chosen = arguments.target or names
    code = 0
    if not arguments.table:
        code = _run(folder, chosen, arguments.minutes * 60, arguments.jobs)
    folders = [folder / name for name in chosen if (folder / name).exists()]
    print(figures.table(folders))
    found = [path for each in folders for path in figures.findings(each)]
    for path in found:
        print(f"finding: {path}", file=sys.stderr)
    if not arguments.folder and not found:
        shutil.rmtree(folder)
    return code or bool(found)


def _run(folder: Path, chosen: list[str], seconds: float, jobs: int) -> int:
    try:
        return 0 if Campaign(folder).run(chosen, seconds, jobs) else 1
    except InUse:
        print(f"{folder} is in use", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"stopped; the same command goes on in {folder}", file=sys.stderr)
        return INTERRUPTED


def _replay(name: str, file: Path) -> int:
    from fuzz.harness import remove_work_folder

    data = file.read_bytes()
    try:
        print(": ".join(registry.harness(name).run(data)))
    finally:
        remove_work_folder()
    return 0


if __name__ == "__main__":
    sys.exit(main())
