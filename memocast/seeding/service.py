"""The seeder as a user service that the system starts at boot.

On Linux a systemd user unit (systemd.service(5), systemd.unit(5)), on macOS a
launchd agent (launchd.plist(5)). Each library has its own service.
"""

from __future__ import annotations

import hashlib
import os
import plistlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from memocast.errors import MemocastError, UsageError
from memocast.files import write_atomically
from memocast.processes.self_command import command

if TYPE_CHECKING:
    from collections.abc import Callable

_UNIT = """\
[Unit]
Description=memocast seeder of {description}
# What keeps it from starting, such as a port in use, may pass.
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart={command}
Restart=on-failure
RestartSec=5
# The seeder stops its own workers.
KillMode=mixed
NoNewPrivileges=yes

[Install]
WantedBy=default.target
"""


def install(root: Path, tell: Callable[[str], None]) -> None:
    """Install a service that seeds the library in `root`; `tell` reports what was done.

    Raises MemocastError when the system has no service manager that we know.
    """
    if sys.platform == "darwin":
        _install_agent(root, tell)
    else:
        _install_unit(root, tell)


def uninstall(root: Path, tell: Callable[[str], None]) -> None:
    """Remove the service, and stop the seeder that it started."""
    path = agent_path(root) if sys.platform == "darwin" else unit_path(root)
    if not path.exists():
        tell("no service is installed for this library")
        return
    if sys.platform == "darwin":
        _run("launchctl", "bootout", f"gui/{os.getuid()}", str(path))
    else:
        _run("systemctl", "--user", "stop", path.name)
        _run("systemctl", "--user", "disable", path.name)
    path.unlink(missing_ok=True)
    if sys.platform != "darwin":
        _run("systemctl", "--user", "daemon-reload")
    tell(f"removed {path}")


def unit_path(root: Path) -> Path:
    """Return the path of the systemd unit for the library in `root`."""
    base = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return base / "systemd" / "user" / f"memocast-{_name(root)}.service"


def agent_path(root: Path) -> Path:
    """Return the path of the launchd agent for the library in `root`."""
    return Path.home() / "Library" / "LaunchAgents" / f"{_label(root)}.plist"


def unit(root: Path) -> str:
    """Return the text of the systemd unit."""
    _refuse_unprintable(root)
    return _UNIT.format(
        description=str(root).replace("%", "%%"),
        command=" ".join(_quoted(word) for word in command(root, "seed")),
    )


def agent(root: Path) -> bytes:
    """Return the property list of the launchd agent."""
    _refuse_unprintable(root)
    return plistlib.dumps(
        {
            "Label": _label(root),
            "ProgramArguments": command(root, "seed"),
            "RunAtLoad": True,
            "KeepAlive": {"SuccessfulExit": False},
            "StandardErrorPath": str(root / "log" / "seeder.log"),
            "ProcessType": "Background",
        }
    )


def _install_unit(root: Path, tell: Callable[[str], None]) -> None:
    if not shutil.which("systemctl"):
        raise MemocastError(
            "this system has no systemd",
            hint="have your system run this at boot: " + " ".join(command(root, "seed")),
        )
    path = unit_path(root)
    _write(path, unit(root).encode())
    _run("systemctl", "--user", "daemon-reload")
    problem = _run("systemctl", "--user", "enable", path.name)
    if problem:
        raise MemocastError(
            f"systemd rejected {path}: {problem}", hint="see 'systemctl --user status'"
        )
    tell(f"installed {path}")
    problem = _run("systemctl", "--user", "restart", path.name)
    if problem:
        tell("it starts at your next login; until then: memocast seed --background")
    elif _run("loginctl", "enable-linger"):
        tell("the seeder is running, and starts whenever you log in")
        tell("to start it before you log in: sudo loginctl enable-linger $USER")
    else:
        tell("the seeder is running, and starts at every boot")


def _install_agent(root: Path, tell: Callable[[str], None]) -> None:
    path = agent_path(root)
    _write(path, agent(root))
    domain = f"gui/{os.getuid()}"
    _run("launchctl", "bootout", domain, str(path))  # an earlier one
    problem = _run("launchctl", "bootstrap", domain, str(path))
    if problem:
        raise MemocastError(
            f"launchd rejected {path}: {problem}", hint="log out and in, then try again"
        )
    tell(f"installed {path}; the seeder is running, and starts whenever you log in")


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
    except OSError as error:
        raise MemocastError(
            f"cannot write {path}: {error.strerror}", hint="check the folder's permissions"
        ) from error


def _run(*arguments: str) -> str:
    """Run a command; return what went wrong, or an empty string."""
    try:
        done = subprocess.run(
            arguments, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0:
        return ""
    said = done.stderr.decode(errors="replace").strip().splitlines()
    return said[-1] if said else f"exit code {done.returncode}"


def _refuse_unprintable(root: Path) -> None:
    if not str(root).isprintable():
        raise UsageError(
            "the library's path holds a character that a service cannot have",
            hint="move the library to a folder with a plain name",
        )


def _quoted(word: str) -> str:
    """Return one word of ExecStart=, with specifiers, variables, quotes and backslashes escaped."""
    for char, escaped in (("\\", "\\\\"), ('"', '\\"'), ("%", "%%"), ("$", "$$")):
        word = word.replace(char, escaped)
    return f'"{word}"'


def _name(root: Path) -> str:
    return hashlib.sha256(os.fsencode(root)).hexdigest()[:8]


def _label(root: Path) -> str:
    return f"memocast.seeder.{_name(root)}"
