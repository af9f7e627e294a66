"""Limits that a shell or the system sets on a process (`ulimit`): what to say if one is too low.

Python and the libraries say it in many ways: MemoryError, an import that fails to map a file, a
thread that cannot start, `EMFILE`. Some C libraries end the process without a word; `crash_watch`
speaks for them.

Needs little itself, because it is used when there is little left.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memocast.errors import MemocastError

_MIB = 1 << 20

_TIGHT = {
    "v": ("RLIMIT_AS", 2048 * _MIB),
    "d": ("RLIMIT_DATA", 512 * _MIB),
    "s": ("RLIMIT_STACK", _MIB),
    "u": ("RLIMIT_NPROC", 256),
    "n": ("RLIMIT_NOFILE", 64),
    "f": ("RLIMIT_FSIZE", 1024 * _MIB),
    "t": ("RLIMIT_CPU", 1 << 31),
}
"""For each letter of `ulimit`: Python's name, and below what it can be too low for a command.

On two cores `doctor` reserves 450 MB of addresses, and 75 MB of data; a process that decodes what
a stranger sent has 280 MB of data.
"""

_NAMES = {
    "v": "memory",
    "d": "memory",
    "s": "the stack",
    "u": "processes and threads",
    "n": "open files",
    "f": "the size of a file",
    "t": "processor time",
}
_ENOUGH = {"n": "1024", "u": "4096"}
"""What the hint proposes; for the others, no limit."""

_WORDS = {
    # glibc's loader, its C library, Boost and libtorrent; and CPython itself.
    "v": (
        "failed to map segment",
        "cannot map zero-fill pages",
        "cannot allocate memory",
        "cannot create shared object descriptor",
        "cannot change memory protections",
        "can't load unicodedata module",
        "out of memory",
        "std::bad_alloc",
    ),
    "n": ("too many open files",),
    "u": ("can't start new thread", "resource temporarily unavailable"),
}
_ERRNOS = {
    errno.EMFILE: "n",
    errno.ENFILE: "n",
    errno.EFBIG: "f",
    errno.ENOMEM: "v",
    errno.EAGAIN: "u",  # of fork; a lock or a socket that would block is handled where it is used
}
_LONGEST_CHAIN = 20
_MAY_COME_FROM_LIMITS = (1, 4, 7, 8)


def cause(error: BaseException) -> tuple[str, str] | None:
    """Return the sentence and the hint for the limit that caused `error`; None if none did."""
    for found in _chain(error):
        letter = _letter_of(found)
        if letter:
            return sentence(letter, full=getattr(found, "errno", None) == errno.ENFILE)
    return None


def hint_for(error: MemocastError) -> str:
    """Return the error's hint, or a better one if a limit caused the error or may have.

    What another process of ours could not do for want of something arrives as another failure.
    """
    found = cause(error)
    if found:
        return found[1]
    suspects = [letter for letter in tight() if letter in "vdsun"]
    if error.exit_code not in _MAY_COME_FROM_LIMITS or not suspects or "ulimit" in error.hint:
        return error.hint
    named = ", ".join(f"{_NAMES[one]} to {_amount(one)} (ulimit -{one})" for one in suspects)
    also = f"this shell limits {named}, which may be the cause"
    return f"{error.hint}; {also}" if error.hint else also


def tight() -> list[str]:
    """Return the letters of `ulimit` whose limits may be too low."""
    return [letter for letter, (_, enough) in _TIGHT.items() if 0 <= limit(letter) < enough]


def limit(letter: str) -> int:
    """Return this process's limit in bytes, seconds or a number; -1 for none."""
    try:
        import resource
    except ImportError:  # not enough memory even for this, or no such system
        return -1
    number = getattr(resource, _TIGHT[letter][0], None)  # macOS lacks some
    if number is None:
        return -1
    soft: int = resource.getrlimit(number)[0]
    return -1 if soft == resource.RLIM_INFINITY else soft


def lacks_descriptors(wanted: int = 4) -> bool:
    """Return whether so many more files cannot be opened: SQLite does not say why it failed."""
    opened: list[int] = []
    try:
        for _ in range(wanted):
            opened.append(os.open(os.devnull, os.O_RDONLY))  # noqa: PERF401 - some stay to close
    except OSError as error:
        return error.errno in (errno.EMFILE, errno.ENFILE)
    finally:
        for descriptor in opened:
            os.close(descriptor)
    return False


def sentence(letter: str, *, full: bool = False) -> tuple[str, str]:
    """Return the sentence and the hint for a limit that is reached, given its letter of `ulimit`.

    `full`: it is the whole system that has no more.
    """
    letter = _tighter(letter)
    if full:
        return (
            "all programs together have too many files open",
            "close some of them; how many one may open says: ulimit -n",
        )
    if limit(letter) < 0:
        if letter in "vd":
            return "the machine has not enough memory", "close other programs and try again"
        if letter == "f":
            return (
                "the file is too large for its disk",
                "use a disk with another file system: FAT32 ends a file at 4 GB",
            )
        return (
            f"the system's limit on {_NAMES[letter]} is reached",
            f"close other programs; see the limits: ulimit -{letter}",
        )
    return (
        f"the limit on {_NAMES[letter]} is too low: {_amount(letter)}",
        f"raise it and try again: ulimit -{letter} {_ENOUGH.get(letter, 'unlimited')}",
    )


def _tighter(letter: str) -> str:
    """Return the limit that is the cause; memory is limited twice, and threads need it too."""
    found = tight()
    if letter in ("v", "u") and letter not in found:
        return next((other for other in "vd" if other in found), letter)
    return letter


def _amount(letter: str) -> str:
    found = limit(letter)
    if letter == "t":
        return f"{found} s"
    if letter in "nu":
        return str(found)
    if found < 1_000_000:
        return f"{found / 1e3:.0f} kB"
    return f"{found / 1e6:.0f} MB" if found < 1_000_000_000 else f"{found / 1e9:.1f} GB"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and those that led to it."""
    found: BaseException | None = error
    for _ in range(_LONGEST_CHAIN):
        if found is None:
            return
        yield found
        found = found.__cause__ or (None if found.__suppress_context__ else found.__context__)


def _letter_of(error: BaseException) -> str:
    """Return the letter of the limit that the error speaks of, or ''."""
    if isinstance(error, MemoryError):
        return "v"
    if isinstance(error, OSError) and error.errno in _ERRNOS:
        return _ERRNOS[error.errno]
    if not isinstance(error, ImportError | OSError | RuntimeError | SyntaxError | SystemError):
        return ""
    if isinstance(error, SystemError) and tight():  # CPython where it did not look after memory
        return "v"
    text = str(error).lower()
    return next((one for one, words in _WORDS.items() if any(word in text for word in words)), "")


def say(found: tuple[str, str]) -> None:
    """Write a sentence and a hint to standard error, as `console.report` does, with nothing else.

    Raises nothing.
    """
    text = f"memocast: error: {found[0]}\nmemocast: hint: {found[1]}\n"
    with contextlib.suppress(AttributeError, OSError, ValueError):
        os.write(sys.stderr.fileno(), text.encode(errors="replace"))
