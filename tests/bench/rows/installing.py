"""What installing takes: disk, time, and other people's packages."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench import peers
from bench.contest import Failed, Outcome, Unavailable, seconds
from bench.world import PYTHON

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from bench.world import World

TITLE = "Installing"
PEERS = (
    peers.MEMOCAST
    | peers.TORF
    | peers.WORMHOLE
    | peers.WEBTORRENT
    | peers.ARIA2
    | peers.TRANSMISSION
    | peers.MKTORRENT
)

_REPOSITORY = Path(__file__).parents[3]
_SIMULATED = "apt only simulates, so that this machine stays as it is"


@dataclass(frozen=True)
class _Installed:
    """`size` in bytes, with all dependencies; `dependencies`: how many; `taken` in seconds."""

    size: int
    dependencies: int
    taken: float | None = None


def measure(world: World) -> list[Outcome]:
    """Each in a place of its own, with nothing there before; once."""
    ways: dict[str, Callable[[], _Installed]] = {
        "memocast, pip": lambda: _by_pip(world, str(_REPOSITORY)),
        "torf-cli, pip": lambda: _by_pip(world, "torf-cli"),
        "magic-wormhole, pip": lambda: _by_pip(world, "magic-wormhole"),
        "webtorrent-cli, npm": lambda: _by_npm(world),
        "aria2, Debian": lambda: _by_apt("aria2"),
        "transmission-cli, Debian": lambda: _by_apt("transmission-cli"),
        "mktorrent, Debian": lambda: _by_apt("mktorrent"),
        "magic-wormhole, Debian": lambda: _by_apt("magic-wormhole"),
    }
    found: dict[str, _Installed] = {}
    absent: dict[str, str] = {}
    for name, way in ways.items():
        try:
            found[name] = way()
        except (Failed, Unavailable) as reason:
            absent[name] = str(reason)
    sizes = {name: [installed.size / 1e6] for name, installed in found.items()}
    times = {name: [one.taken] for name, one in found.items() if one.taken is not None}
    counts = {name: [float(installed.dependencies)] for name, installed in found.items()}
    untimed = {name: _SIMULATED for name in found if name not in times}
    return [
        Outcome("Disk", "MB", sizes, absent=absent, notes=_size_notes()),
        Outcome("Time", "s", times, absent=absent | untimed, notes=_TIME_NOTES),
        Outcome("Dependencies, and theirs", "packages", counts, absent=absent),
    ]


_TIME_NOTES = [
    "pip and npm with empty caches, from the registry that this machine is set to; memocast is"
    " built from its source, as 'pipx install .' does"
]


def _size_notes() -> list[str]:
    notes = [
        "pip: the growth of a virtual environment; npm: the folder; Debian: the installed sizes of"
        " the package and of all it depends on, without what it recommends and what a minimal"
        " Debian has"
    ]
    beside = {
        "what memocast takes from Debian besides, libportaudio2": "libportaudio2",
        "the Python that pip's need": "python3-venv",
        "the Node that npm's needs": "nodejs",
    }
    for what, package in beside.items():
        try:
            needed = _by_apt(package)
        except (Failed, Unavailable) as reason:
            notes.append(f"not in these figures: {what} ({reason})")
        else:
            size = f"{needed.size / 1e6:.1f} MB in {needed.dependencies + 1} Debian packages"
            notes.append(f"not in these figures: {what}: {size}")
    return notes


def _by_pip(world: World, requirement: str) -> _Installed:
    with world.scratch() as folder:
        seconds([PYTHON, "-m", "venv", folder / "venv"], _own_environment())
        size, packages = _bytes(folder), _distributions(folder)
        pip = [folder / "venv" / "bin" / "python", "-m", "pip", "--disable-pip-version-check"]
        install = ["install", "--quiet", "--no-cache-dir", requirement]
        taken = seconds([*pip, *install], _own_environment(), cwd=folder)
        # One of the new ones is what was asked for.
        new = _distributions(folder) - packages - 1
        return _Installed(_bytes(folder) - size, new, taken)


def _distributions(folder: Path) -> int:
    return sum(1 for _ in folder.rglob("site-packages/*.dist-info"))


def _by_npm(world: World) -> _Installed:
    version = _first_word(peers.WEBTORRENT["webtorrent-cli"])
    with world.scratch() as folder, world.scratch() as cache:
        options = ["--silent", "--ignore-scripts", "--no-audit", "--no-fund", "--cache", cache]
        requirement = f"webtorrent-cli@{version}"
        command = ["npm", "install", *options, "--prefix", folder, requirement]
        taken = seconds(command, _own_environment(), cwd=folder)
        lock = json.loads((folder / "node_modules" / ".package-lock.json").read_text())
        return _Installed(_bytes(folder), len(lock["packages"]) - 1, taken)


def _first_word(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{command[0]} does not start: {error}") from error
    if done.returncode or not done.stdout.split():
        raise Unavailable(f"{command[0]} does not start on this machine")
    return done.stdout.split()[0]


def _own_environment() -> dict[str, str]:
    """This machine's own: where packages come from is its user's choice."""
    return dict(os.environ)


def _bytes(folder: Path) -> int:
    paths = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return sum(path.stat().st_size for path in paths)


def _by_apt(package: str) -> _Installed:
    if not shutil.which("apt-get"):
        raise Unavailable("this system has no apt")
    bare = _with_dependencies(_minimal())
    needed = _with_dependencies([*_minimal(), package]) - bare
    if package not in needed:
        raise Unavailable(f"Debian here has no package {package}")
    shown = _output("apt-cache", "show", "--no-all-versions", *sorted(needed))
    kibibytes = sum(
        int(line.split()[1]) for line in shown.splitlines() if line.startswith("Installed-Size:")
    )
    return _Installed(kibibytes * 1024, len(needed) - 1)


def _minimal() -> list[str]:
    """What every Debian has: the packages of priority 'required', and apt."""
    names = ["apt"]
    name = ""
    for line in _output("apt-cache", "dumpavail").splitlines():
        key, _, value = line.partition(": ")
        if key == "Package":
            name = value
        elif (key, value) == ("Priority", "required"):
            names.append(name)
    return sorted(set(names))


def _with_dependencies(packages: Collection[str]) -> set[str]:
    """Those and all that they depend on, as if nothing were installed."""
    nothing = ["-o", "Dir::State::status=/dev/null"]
    install = ["install", "--simulate", "--yes", "--no-install-recommends", *packages]
    lines = _output("apt-get", *nothing, *install).splitlines()
    return {line.split()[1].partition(":")[0] for line in lines if line.startswith("Inst ")}


def _output(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["nothing said"])[-1]
        raise Unavailable(f"{command[0]} {command[1]}: {last}")
    return done.stdout
