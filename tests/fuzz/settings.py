"""The settings: a file's bytes, and variables of the environment."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from fuzz import changes
from fuzz.harness import Harness, Target, work_folder
from memocast.formats.addresses import host_and_port, page_address
from memocast.formats.trackers import is_tracker
from memocast.settings import FORMATS, SHARE_MODES, Settings, load

if TYPE_CHECKING:
    from collections.abc import Mapping


_NAMES = tuple(field.name for field in fields(Settings))


def file(data: bytes) -> str:
    """A `config.toml`."""
    return _taken(data, {})


def variables(data: bytes) -> str:
    """Variables, one a line, as the environment has them."""
    lines = (line.partition(b"=") for line in data.split(b"\n") if b"\0" not in line)
    said = {
        f"MEMOCAST_{name.decode(errors='surrogateescape')}": text.decode(errors="surrogateescape")
        for name, _, text in lines
    }
    return _taken(b"", said)


def both(data: bytes) -> str:
    """A file, and behind a line of its own the variables, which prevail."""
    content, _, rest = data.partition(b"\n---\n")
    names = [line.partition(b"=")[0] for line in rest.split(b"\n")]
    known = [name for name in names if name.decode(errors="replace").lower() in _NAMES]
    if names != known:
        return "skipped"
    said = {
        f"MEMOCAST_{name.decode()}": text.decode(errors="surrogateescape")
        for name, _, text in (line.partition(b"=") for line in rest.split(b"\n"))
        if b"\0" not in text
    }
    return _taken(content, said)


def _taken(content: bytes, said: Mapping[str, str]) -> str:
    path = work_folder() / "config.toml"
    path.write_bytes(content)
    found = load(path, said)
    check_settings(found)
    # The same, as variables: these say all that a file can, but for white space within a word.
    again = {f"MEMOCAST_{name.upper()}": _as_variable(getattr(found, name)) for name in _NAMES}
    if all("\0" not in text and text == text.strip() for text in again.values()) and not any(
        len(word.split()) != 1 for name in _NAMES for word in _words(getattr(found, name))
    ):
        path.write_bytes(b"")
        assert load(path, again) == found
    return "accepted" if content or said else "accepted, empty"


def _words(value: object) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else ()


def _as_variable(value: object) -> str:
    if isinstance(value, tuple):
        return " ".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def check_settings(found: Settings) -> None:
    """Each has the type of its default, and the values of docs/formats.md."""
    for name in _NAMES:
        value = getattr(found, name)
        assert type(value) is type(getattr(Settings(), name))
        for text in value if isinstance(value, tuple) else (str(value),):
            text.encode()
        if isinstance(value, int):
            assert 0 <= value < 2**31
    assert all(map(is_tracker, found.trackers))
    assert found.listen
    for host, port in found.addresses(7):
        assert 0 < port <= 65_535
        host_and_port(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
    for node in (*found.dht_bootstrap, *([found.stun_server] if found.stun_server else [])):
        host, _, port = node.rpartition(":")
        assert host
        assert int(port) <= 65_535
        assert not set(node) & set(", \0\n\t")
    assert found.format in FORMATS
    assert found.share in SHARE_MODES
    assert not found.page_url or page_address(found.page_url) == found.page_url
    lan = found.on_lan()
    check = lan.addresses(7)
    assert [host for host, _ in check] == [host for host, _ in found.addresses(7)]


# -- inputs --------------------------------------------------------------------------

_GOOD = """# what I want
trackers = ["udp://t.example:1/announce", "wss://w.example"]
dht = false
dht_bootstrap = ["router.example:6881"]
listen = "[::1]:0"
upload_limit = 100_000
sync_interval = 0
device = "Microphone ☂"
format = 'flac'
share = "private"
stun_server = ""
page_url = "https://page.example/listen/"
"""


def files() -> list[bytes]:
    """Files, good and bad."""
    bad = [
        *('trackers = "udp://x"', "trackers = [1]", "trackers = ['ftp://x']", "dht = 1"),
        *("listen = []", 'listen = ["x:1"]', "upload_limit = -1", "upload_limit = true"),
        *("upload_limit = 1.5", "sync_interval = 99999999999", "format = 'mp3'", "share = 'x'"),
        *("page_url = 'javascript:x'", "stun_server = 'x'", "dht_bootstrap = ['a,b:1']"),
        *("[trackers]", "tracker = []", "dht = 2026-11-23", "dht.x = true", "a = 'b", "\ufeff"),
        *("device = '\x1b[31m'", 'device = "\\u0000"', 'device = "\\uD800"', "x = " + "[" * 2_000),
        *("upload_limit = " + "9" * 5_000, "dht = true\ndht = true", "listen = ['[::1%x]:1']"),
        *("stun_server = 'x\\ty:1'", "page_url = 'http://[/'", 'page_url = "http://h/\\n"'),
    ]
    return [_GOOD.encode(), *(text.encode() for text in bad), b"device = '\xff'", b""]


def environments() -> list[bytes]:
    """Environments."""
    good = (
        "TRACKERS=udp://t.example:1 wss://w.example\nDHT=false\nLISTEN=127.0.0.1:0 [::1]:7\n"
        "UPLOAD_LIMIT=5\nDEVICE=a b\nFORMAT=wav\nDHT_BOOTSTRAP=\nSTUN_SERVER=\nPAGE_URL="
    )
    bad = [
        *("DHT=yes", "UPLOAD_LIMIT=-1", "UPLOAD_LIMIT=٣", "UPLOAD_LIMIT=99999999999", "TRACKER=x"),
        *("LISTEN=", "LISTEN=0.0.0.0", "FORMAT=", "SHARE=PUBLIC", "dht=true", "LIBRARY=/x", "="),
    ]
    return [good.encode(), *(text.encode() for text in bad), b"DEVICE=\xff", b"\xff=x", b""]


def of_both() -> list[bytes]:
    """Files and environments."""
    return [_GOOD.encode() + b"\n---\n" + first for first in environments()]


in_words = changes.one_of(changes.in_fields, changes.in_lines)

HARNESS = Harness(
    {
        "file": Target(file, files, changes.one_of(changes.in_toml, changes.in_lines)),
        "variables": Target(variables, environments, in_words),
        "both": Target(both, of_both, in_words),
    },
    codes=frozenset({2}),
    tokens=(*_NAMES, *(name.upper() for name in _NAMES), *FORMATS, *SHARE_MODES, "true", "false"),
)
