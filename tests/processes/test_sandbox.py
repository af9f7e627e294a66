"""What reads strangers' data can open nothing, change nothing and reach nobody."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from memocast.processes import limited_process, sandbox

if TYPE_CHECKING:
    from pathlib import Path

CLOSED = """
import os, socket
TROUBLE
from memocast.processes import sandbox

def prepare(what):
    sandbox.load()

def tried(deed, *arguments):
    try:
        deed(*arguments)
    except (OSError, PermissionError) as error:
        return type(error).__name__
    return "done"

def answer(given, file):
    path = given.decode()
    file.read()
    return {
        "open": tried(open, path), "list": tried(os.listdir, "/"), "pipe": tried(os.pipe),
        "connect": tried(socket.socket), "copy": tried(os.dup, 0), "write": tried(file.write, b"x"),
        "delete": tried(os.unlink, path), "rename": tried(os.rename, path, path + "2"),
        "cut": tried(os.truncate, path, 0), "folder": tried(os.mkdir, path + "3"),
        "link": tried(os.symlink, path, path + "4"), "fork": tried(forked),
    } | ({"run": tried(os.execv, "/bin/true", ["true"])} if has_landlock() else {})

def has_landlock():
    try:
        import landlock
        return landlock.landlock_abi_version() > 0
    except Exception:
        return False

def forked():
    os.setresuid(65534, 65534, 65534)  # root may always
    if not os.fork():
        os._exit(0)
"""


FAILS_ONCE = """
try:
    os.close(os.open(__file__ + ".failed", os.O_CREAT | os.O_EXCL))
except FileExistsError:
    pass
else:
    raise OSError(24, "Too many open files")
"""


@pytest.mark.parametrize("trouble", ["", FAILS_ONCE], ids=["loaded", "loaded in the fork"])
def test_a_decoder_can_open_nothing_and_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    (tmp_path / "closed.py").write_text(CLOSED.replace("TROUBLE", trouble))
    other = tmp_path / "precious"
    other.write_bytes(b"precious")
    with other.open("rb") as file:
        given = os.fsencode(other)
        done = limited_process.run("closed", given, 5, file)
    assert isinstance(done, dict)
    unnamed = {"open", "list", "pipe", "connect", "copy", "write", "fork"}
    everywhere = {deed for deed in done if deed in unnamed}
    landlock = pytest.importorskip("landlock")
    try:
        landlock.landlock_abi_version()
    except Exception:  # a kernel without it
        done = {deed: done[deed] for deed in everywhere}
    assert {deed for deed, how in done.items() if how == "done"} == set(), done
    assert other.read_bytes() == b"precious"


def test_what_reads_strangers_data_gives_up_names_of_files() -> None:
    """All but what reads a container, which would take longer for it; that is Python alone."""
    for module, what in (
        ("memocast.podcasts.parser_process", ""),
        ("memocast.podcasts.earlier_feed", ""),
        ("memocast.audio.tag_process", "mp3"),
        ("memocast.audio.decoder_process", "sndfile"),
    ):
        code = f"import sys; from {module} import prepare; prepare({what!r})"
        code += "; sys.exit('landlock' not in sys.modules)"
        pytest.importorskip("landlock")
        subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("release", ["6.12.41+deb13-amd64", "6.18.39+rpt-rpi-v8", "4.19", ""])
def test_a_kernel_without_landlock_refuses_nothing(
    monkeypatch: pytest.MonkeyPatch, release: str
) -> None:
    plumbing = pytest.importorskip("landlock.plumbing")
    monkeypatch.setattr(plumbing.platform, "release", lambda: release)
    monkeypatch.setattr(plumbing.ctypes, "get_errno", lambda: errno.EOPNOTSUPP)
    sandbox.load()
    sandbox.give_up_names()
