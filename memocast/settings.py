"""Settings: defaults, then `config.toml`, then the environment.

An invalid file or variable is an error, not a silent default: a mistyped
`trackers` would otherwise contact the public ones.
"""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from memocast.errors import UsageError
from memocast.formats.addresses import PAGE_URL_HINT, host_and_port, is_node, page_address
from memocast.formats.trackers import MAX_TRACKER_URL, is_tracker
from memocast.text import shortened

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FORMATS = ("opus", "flac", "wav")
SHARE_MODES = ("public", "private")


_MOST = {"disk_floor": 2**50}
"""The largest numbers that settings take, where it is not that of a rate."""

_PREFIX = "MEMOCAST_"
_NOT_SETTINGS = {"MEMOCAST_LIBRARY"}


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user can configure; `docs/formats.md` describes each key.

    Rates are in bytes a second, 0 = unlimited. Port 0 in `listen` means
    the library's own port.
    """

    trackers: tuple[str, ...] = (
        "udp://tracker.opentrackr.org:1337/announce",
        "udp://explodie.org:6969/announce",
        "wss://tracker.openwebtorrent.com",
        "wss://tracker.webtorrent.dev",
        "wss://tracker.btorrent.xyz",
    )
    dht: bool = True
    dht_bootstrap: tuple[str, ...] = (
        "dht.libtorrent.org:25401",
        "router.bittorrent.com:6881",
        "dht.transmissionbt.com:6881",
    )
    lsd: bool = True
    port_mapping: bool = True
    listen: tuple[str, ...] = ("0.0.0.0:0", "[::]:0")
    webrtc: bool = True
    stun_server: str = "stun.l.google.com:19302"
    upload_limit: int = 0
    download_limit: int = 0
    seed_fetched: bool = True
    device: str = ""
    format: str = "opus"
    page_url: str = ""
    autostart: bool = True
    share: str = "public"
    sync_interval: int = 300
    disk_floor: int = 1_000_000_000

    def addresses(self, chosen_port: int) -> list[tuple[str, int]]:
        """Return the IP addresses and ports to listen on, with the library's port in place of 0."""
        pairs = [host_and_port(text) for text in self.listen]
        return [(host, port or chosen_port) for host, port in pairs]

    def on_lan(self) -> Settings:
        """Return settings that announce nothing outside the local network."""
        ports = tuple(f"{text.rpartition(':')[0]}:0" for text in self.listen)
        return replace(self, listen=ports, trackers=(), dht=False, port_mapping=False, webrtc=False)


def config_path() -> Path:
    """Return the path of the user's `config.toml`."""
    import platformdirs

    return platformdirs.user_config_path("memocast", appauthor=False) / "config.toml"


def load(path: Path | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    """Return the settings in force. Raises UsageError naming the bad file, variable or key."""
    path = path or config_path()
    environment = os.environ if environment is None else environment
    settings = _with_file(Settings(), path)
    for variable, text in environment.items():
        if variable.startswith(_PREFIX) and variable not in _NOT_SETTINGS:
            key = variable.removeprefix(_PREFIX).lower()
            _known(key, f"${shortened(variable)}", "environment variable")
            settings = replace(settings, **{key: _from_text(key, text, f"${variable}")})
    return settings


def _with_file(settings: Settings, path: Path) -> Settings:
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return settings
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"cannot read the settings in {path}: {error}", hint="fix the file or move it away"
        ) from error
    import tomllib

    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}", hint="fix that line") from error
    for key, value in document.items():
        _known(key, f"'{shortened(key)}' in {path}", "setting")
        settings = replace(settings, **{key: _checked(key, value, f"'{shortened(key)}' in {path}")})
    return settings


def _known(key: str, where: str, what: str) -> None:
    names = [field.name for field in fields(Settings)]
    if key in names:
        return
    close = difflib.get_close_matches(key, names, n=1)
    hint = f"did you mean '{close[0]}'?" if close else f"the settings are: {', '.join(names)}"
    raise UsageError(f"there is no such {what}: {where}", hint=hint)


def _from_text(key: str, text: str, where: str) -> Any:
    default = getattr(Settings(), key)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UsageError(
            f"{where} is not valid UTF-8", hint="retype it, or set your locale to UTF-8"
        ) from error
    if isinstance(default, bool):
        if text not in ("true", "false"):
            raise UsageError(f"{where} is '{shortened(text)}'", hint="use true or false")
        return text == "true"
    if isinstance(default, int):
        if not (text.isascii() and text.isdigit() and len(text) <= 16):
            raise UsageError(
                f"{where} is '{shortened(text)}'", hint="use a whole number, 0 or more"
            )
        return _checked(key, int(text), where)
    return _checked(key, text.split() if isinstance(default, tuple) else text, where)


def _checked(key: str, value: object, where: str) -> Any:
    default = getattr(Settings(), key)
    if isinstance(default, tuple):
        return _checked_list(key, value, where)
    if type(value) is not type(default):
        kinds = {bool: "true or false", int: "a whole number", str: "text in quotes"}
        raise UsageError(f"{where} has the wrong type", hint=f"use {kinds[type(default)]}")
    most = _MOST.get(key, 2**31 - 1)
    if isinstance(value, int) and not 0 <= value <= most:
        raise UsageError(f"{where} is out of range", hint=f"use 0 (none) to {most}")
    if isinstance(value, str):
        _check_text(key, value, where)
    return value


def _check_text(key: str, value: str, where: str) -> None:
    if key == "format" and value not in FORMATS:
        raise UsageError(
            f"{where} is '{shortened(value)}'", hint=f"use one of: {', '.join(FORMATS)}"
        )
    if key == "share" and value not in SHARE_MODES:
        raise UsageError(
            f"{where} is '{shortened(value)}'", hint=f"use one of: {', '.join(SHARE_MODES)}"
        )
    if key == "stun_server" and value and not is_node(value):
        raise UsageError(
            f"{where} is '{shortened(value)}'", hint="use HOST:PORT, or nothing for none"
        )
    if key == "page_url" and value:
        try:
            page_address(value)
        except ValueError as error:
            raise UsageError(
                f"{where} is '{shortened(value)}', which is not a page's address",
                hint=PAGE_URL_HINT,
            ) from error


def _checked_list(key: str, value: object, where: str) -> tuple[str, ...]:
    if isinstance(value, str) and key == "listen":
        value = [value]
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise UsageError(f"{where} has the wrong type", hint='use a list: ["…", "…"]')
    for item in value:
        if key == "trackers" and not is_tracker(item):
            raise UsageError(
                f"{where} names '{shortened(item)}', which is not a tracker",
                hint="a tracker begins with udp://, http://, https:// or wss://, and has at most"
                f" {MAX_TRACKER_URL} characters",
            )
        if key == "listen":
            try:
                host_and_port(item)
            except ValueError as error:
                raise UsageError(
                    f"{where} names '{shortened(item)}', which is not an address to listen on",
                    hint="use IP:PORT, such as 0.0.0.0:6881 or [::]:6881",
                ) from error
        if key == "dht_bootstrap" and not is_node(item):
            raise UsageError(f"{where} names '{shortened(item)}'", hint="use HOST:PORT")
    if key == "listen" and not value:
        raise UsageError(f"{where} is empty", hint="use IP:PORT, such as 0.0.0.0:6881")
    return tuple(value)
