"""The shape of the package: who may import whom, what is public, what never escapes."""

from __future__ import annotations

import ast
import functools
import graphlib
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

import memocast
from memocast import errors

PACKAGE = Path(memocast.__file__).parent


@functools.cache
def modules() -> dict[str, ast.Module]:
    """Every module of ours, by its name below memocast."""
    return {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts): ast.parse(path.read_text())
        for path in sorted(PACKAGE.rglob("*.py"))
    }


class Package(NamedTuple):
    """A row: a package or a module of the root, what it holds, and what of ours it imports."""

    name: str
    holds: str
    imports: str


# docs/make_architecture.py draws the picture in docs/design.md from these rows. Each imports
# rows above it only, and what it names is what it imports, no less and no more.
PACKAGES = [
    Package("errors", "every failure, with its exit code", ""),
    Package("version", "the version of this release", ""),
    Package("processes", "starting memocast from memocast; limits, and life under them", "errors"),
    Package("text", "what of a stranger's text may reach a terminal or a file name", ""),
    Package("random_access", "seeking in a file that is not one", ""),
    Package("files", "writing, hashing and locking files", ""),
    Package("network", "which addresses are public, and connections to those", "errors"),
    Package(
        "formats", "what travels: memos, links, torrents, feeds, keys", "errors files network text"
    ),
    Package("settings", "what a user can change", "errors formats text"),
    Package(
        "audio",
        "microphone, speaker, and all between a file and its samples",
        "errors formats processes random_access text",
    ),
    Package(
        "bittorrent",
        "libtorrent, the DHT, STUN",
        "errors formats network settings version",
    ),
    Package(
        "library",
        "the folder and the database that hold the memos",
        "audio errors files formats processes settings",
    ),
    Package("webpage", "the listening page", "errors files formats settings"),
    Package(
        "fetching",
        "from a link to a memo in the library",
        "audio bittorrent errors files formats library random_access settings",
    ),
    Package(
        "seeding",
        "the seeder: a supervisor and its workers",
        "bittorrent errors files formats library processes settings version",
    ),
    Package(
        "doctor",
        "what is wrong with library, machine and network",
        "audio bittorrent errors formats library processes settings",
    ),
    Package(
        "podcasts",
        "RSS and Atom, in both directions",
        "bittorrent errors fetching files formats library network processes settings text version",
    ),
    Package(
        "channels",
        "publishing, following, and pairing one's own devices",
        "bittorrent errors fetching files formats library podcasts processes settings text",
    ),
    Package(
        "cli",
        "the commands, and what a terminal shows",
        "audio bittorrent channels doctor errors fetching files formats library podcasts processes"
        " seeding settings text version webpage",
    ),
    Package(
        "api",
        "what `import memocast` can do",
        "channels errors fetching formats library seeding settings",
    ),
    Package("__init__", "the names that it gives", "api errors formats library settings version"),
    Package("__main__", "what `memocast` runs", "cli processes"),
]

LIBRARIES = {
    "typer": "cli",
    "rich": "cli",
    "segno": "cli",
    "platformdirs": "library settings",
    "libtorrent": "bittorrent formats",
    "feedparser": "podcasts",
    "pyrage": "formats",
    "cryptography": "channels formats",
    "sounddevice": "audio",
    "soundfile": "audio",
    "av": "audio",
    "mutagen": "audio",
    "numpy": "audio",
    "landlock": "processes",
}
"""Every foreign library, and the packages that know it."""


def imported(tree: ast.AST) -> set[str]:
    """Every module that is imported anywhere in the tree, type checking included."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def run_time_imports(tree: ast.Module) -> set[str]:
    """What is imported when a module runs: not what only type checkers read."""
    body = [node for node in tree.body if not (isinstance(node, ast.If) and is_for_types(node))]
    return imported(ast.Module(body, []))


def is_for_types(node: ast.If) -> bool:
    return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def package_of(module: str) -> str:
    return module.partition(".")[0]


def ours(tree: ast.AST) -> set[str]:
    """The packages of ours that the tree imports."""
    return {
        name.split(".")[1]
        for name in imported(tree)
        if name.startswith("memocast.") and name.split(".")[1] in {row.name for row in PACKAGES}
    }


def test_every_package_has_a_row() -> None:
    assert {package_of(module) for module in modules()} == {row.name for row in PACKAGES}


@pytest.mark.parametrize("row", PACKAGES, ids=lambda row: row.name)
def test_a_package_imports_what_its_row_says(row: Package) -> None:
    used = {
        package: module
        for module, tree in modules().items()
        if package_of(module) == row.name
        for package in ours(tree) - {row.name}
    }
    assert set(used) == set(row.imports.split()), used


def test_imports_run_one_way() -> None:
    names = [row.name for row in PACKAGES]
    for number, row in enumerate(PACKAGES):
        assert set(row.imports.split()) <= set(names[:number]), row.name


def test_no_module_imports_itself_by_way_of_others() -> None:
    names = {f"memocast.{module}" for module in modules()}
    graph = {
        f"memocast.{module}": (run_time_imports(tree) & names) for module, tree in modules().items()
    }
    del graph["memocast.__init__"]  # it only gives names to what is public
    graphlib.TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("library", LIBRARIES)
def test_only_its_packages_know_a_library(library: str) -> None:
    users = {
        package_of(module)
        for module, tree in modules().items()
        if any(name.split(".")[0] == library for name in imported(tree))
    }
    assert users == set(LIBRARIES[library].split())


def test_every_library_has_a_row() -> None:
    used = {name.split(".")[0] for tree in modules().values() for name in imported(tree)}
    assert used - set(sys.stdlib_module_names) - {"memocast"} == set(LIBRARIES)


def test_packages_say_what_they_hold_and_import_nothing() -> None:
    for path in PACKAGE.rglob("__init__.py"):
        if path.parent not in (PACKAGE, PACKAGE / "cli"):
            assert len(ast.parse(path.read_text()).body) == 1, path


def test_only_the_command_line_prints_or_exits() -> None:
    for module, tree in modules().items():
        if module.startswith("cli") or module == "__main__":
            continue
        called = {
            node.func.id
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert not called & {"print", "exit", "input"}, module


def test_heavy_modules_wait_until_a_command_needs_them() -> None:
    code = "import sys, memocast.cli; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    heavy = {"numpy", "soundfile", "sounddevice", "libtorrent", "rich.console", "sqlite3", "av"}
    assert not heavy & set(loaded)


def test_public_names() -> None:
    assert {name for name in memocast.__all__ if name[0].isupper()} == {
        "Channel",
        "Library",
        "Link",
        "Memo",
        "MemocastError",
        "Settings",
    }
    assert all(hasattr(memocast, name) for name in memocast.__all__)


def test_every_error_has_the_exit_code_of_the_contract() -> None:
    codes = {
        name: error.exit_code
        for name, error in vars(errors).items()
        if isinstance(error, type) and issubclass(error, errors.MemocastError)
    }
    assert codes == {
        "MemocastError": 1,
        "UsageError": 2,
        "NoSuchMemo": 3,
        "DeviceError": 4,
        "NotALink": 5,
        "SwarmTimeout": 6,
        "Refused": 7,
        "NoSound": 7,
        "MissingDecoder": 7,
        "TakesTooMuch": 7,
        "WrongKey": 7,
        "LibraryError": 8,
        "Unwritable": 8,
        "NoRoom": 8,
        "ReadOnly": 8,
        "DamagedLibrary": 8,
        "BelowDiskFloor": 8,
        "Interrupted": 130,
    }


def test_no_module_is_too_long_to_read() -> None:
    lengths = {path.name: len(path.read_text().splitlines()) for path in PACKAGE.rglob("*.py")}
    assert {name: length for name, length in lengths.items() if length > 350} == {}
