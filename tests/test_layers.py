"""The shape of the package: who may import whom, what is public, what never escapes."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import memocast
from memocast import errors

PACKAGE = Path(memocast.__file__).parent
MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts): ast.parse(path.read_text())
    for path in sorted(PACKAGE.rglob("*.py"))
}

# Each layer may import those after it, and its own.
LAYERS = [
    ["cli", "__main__"],
    ["publishing", "following", "pairing", "episodes", "rss", "podcast_source"],
    ["seeder", "webseeder", "supervisor", "fetcher", "sharer", "meeting", "pull", "registry"],
    ["arrival"],
    ["doctor", "background", "service", "pages"],
    ["session", "child", "connectivity", "rounds"],
    ["offers", "finding", "sources"],
    [
        "crowd",
        "offer",
        "stages",
        "gate",
        "recovery",
        "repair",
        "audit",
        "swarm",
        "webswarm",
        "recorder",
        "microphone",
        "player",
    ],
    ["library", "identity", "opening"],
    [
        "shares",
        "seedables",
        "channels",
        "feed_pages",
        "folders",
        "feeds",
        "listed",
        "replicas",
        "disputes",
        "missing",
        "catalog",
        "download",
        "presence",
        "devices",
        "events",
        "transfer",
        "tags",
    ],
    ["removals", "incoming"],
    ["database", "backups"],
    ["failures"],
    ["schema"],
    ["encoder"],
    ["opus"],
    ["streaming"],
    ["keyfile"],
    ["channel", "entries", "dht"],
    ["examining"],
    ["audio"],
    ["link", "decoder", "tempo", "tuning"],
    ["container", "growing", "parts", "uniform"],
    ["chunks"],
    ["share"],
    ["torrent"],
    ["description"],
    ["sealing", "draft", "peaks"],
    ["reading", "earlier"],
    ["podcast"],
    ["feed", "signed", "replica"],
    ["magnet"],
    ["memo", "settings"],
    ["addresses"],
    ["trackers"],
    [
        "text",
        "documents",
        "program",
        "ports",
        "files",
        "sockets",
        "stun",
        "plain",
        "web",
        "krpc",
        "limited",
        "random_access",
        "tagging",
    ],
    ["errors", "version", "__init__"],
]
ALLOWED = {
    "typer": {"cli"},
    "rich": {"cli"},
    "segno": {"cli"},
    "libtorrent": {"swarm", "transfer", "tuning", "download", "events", "torrent", "dht", "krpc"},
    "cryptography": {"signed", "pairing"},
    "feedparser": {"podcast"},
    "sounddevice": {"devices"},
    "soundfile": {"decoder", "encoder", "streaming"},
    "av": {"decoder", "uniform", "opus"},
    "mutagen": {"audio", "container", "tagging"},
    "pyrage": {"sealing"},
    "platformdirs": {"cli", "settings"},
}


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


def layer(module: str) -> int:
    first = module.split(".")[0]
    return next(number for number, names in enumerate(LAYERS) if first in names)


@pytest.mark.parametrize("module", MODULES)
def test_dependencies_point_one_way(module: str) -> None:
    if module == "__init__":
        return  # it only gives names to what is public
    ours = {name.split(".")[0] for name in MODULES}
    for name in imported(MODULES[module]):
        package, _, rest = name.partition(".")
        target = rest.split(".")[0]
        if package == "memocast" and target in ours:
            assert layer(target) >= layer(module), f"{module} imports {name}"


@pytest.mark.parametrize("library", ALLOWED)
def test_only_its_own_room_knows_a_library(library: str) -> None:
    users = {
        module.split(".")[0]
        for module, tree in MODULES.items()
        if any(name.split(".")[0] == library for name in imported(tree))
    }
    assert users == ALLOWED[library]


def test_only_the_command_line_prints_or_exits() -> None:
    for module, tree in MODULES.items():
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
    assert sorted(memocast.__all__) == ["Library", "Link", "Memo", "MemocastError", "__version__"]


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
        "WrongKey": 7,
        "LibraryError": 8,
        "DamagedLibrary": 8,
        "Interrupted": 130,
    }


def test_no_module_is_too_long_to_read() -> None:
    lengths = {path.name: len(path.read_text().splitlines()) for path in PACKAGE.rglob("*.py")}
    assert {name: length for name, length in lengths.items() if length > 350} == {}
