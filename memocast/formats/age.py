"""Encryption: age files (https://age-encryption.org/v1), and the keys that open them.

A *key* is an age identity in X25519, as text (`AGE-SECRET-KEY-1…`); a
*recipient* is its public half (`age1…`), or an SSH public key.
"""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from memocast.errors import Refused, UsageError, WrongKey
from memocast.text import shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

MAX_RECIPIENTS = 60
"""As many 4,096-bit SSH keys as fit into the info dictionary."""

_MAX_HEADER = 1 << 16
"""Bytes. A header takes about 100 for each recipient; a longer one is refused."""

_HEADER_END = re.compile(rb"\n--- [A-Za-z0-9+/]{43}\n")
_MAX_KEY_FILE = 1 << 16
_CHUNK = 1 << 16

_RECIPIENTS_HINT = "a recipient is age1…, ssh-ed25519 … or ssh-rsa …, or a file with one per line"

Identity = Any
"""A pyrage object that opens age files."""


def new_key() -> str:
    """Generate a key."""
    import pyrage

    return str(pyrage.x25519.Identity.generate())


def recipient_of(key: str) -> str:
    """Return the public half of a key. Raises Refused when the key is invalid."""
    return str(identity(key).to_public())


def identity(key: str) -> Identity:
    """Return the identity of a key. Raises Refused when it is invalid, for instance cut off."""
    import pyrage

    try:
        with _without_panic():
            return pyrage.x25519.Identity.from_str(key.strip())
    except (pyrage.IdentityError, ValueError) as error:
        raise WrongKey("the key is damaged or cut off", hint="copy the whole link again") from error


def identities_in(path: Path) -> list[Identity]:
    """Return the identities in a file of age keys, or the one in an SSH private key.

    Raises UsageError when none is usable.
    """
    import pyrage

    content = _read(path)
    if b"-----BEGIN" in content[:_CHUNK]:
        try:
            with _without_panic():
                return [pyrage.ssh.Identity.from_buffer(content)]
        except (pyrage.IdentityError, ValueError) as error:
            raise UsageError(
                f"'{path}' is not a usable SSH key: {error}",
                hint="use an Ed25519 or RSA key without a passphrase; to remove it from a copy:"
                " ssh-keygen -p -N '' -f COPY",
            ) from error
    try:
        with _without_panic():
            found = [pyrage.x25519.Identity.from_str(line) for line in _lines(content)]
    except (pyrage.IdentityError, ValueError) as error:
        raise UsageError(
            f"'{path}' is not a file of age identities",
            hint="each line must be AGE-SECRET-KEY-1… or a # comment",
        ) from error
    if not found:
        raise UsageError(f"there is no identity in '{path}'", hint="create one: memocast identity")
    return found


def recipients(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the recipients in `texts`, sorted, each once; a text may name a file of them.

    Raises UsageError.
    """
    found: dict[str, None] = {}
    for text in texts:
        is_given = _looks_like_recipient(text)
        lines = _lines(text.encode(errors="replace") if is_given else _read(_file(text)))
        if not lines:
            where = shortened(text, 40) if is_given else text
            raise UsageError(f"there is no recipient in '{where}'", hint=_RECIPIENTS_HINT)
        for line in lines:
            recipient = _without_comment(line)
            _recipient(recipient)
            found[recipient] = None
    if len(found) > MAX_RECIPIENTS:
        raise UsageError(
            f"{len(found)} recipients are too many; a link takes {MAX_RECIPIENTS}",
            hint="share it several times, each time to some of them",
        )
    return tuple(sorted(found))


def _looks_like_recipient(text: str) -> bool:
    return "\n" in text.strip() or text.strip().startswith(("age1", "ssh-"))


def _file(text: str) -> Path:
    try:
        is_file = Path(text).is_file()
    except (OSError, ValueError):
        is_file = False
    if not is_file:
        raise UsageError(
            f"'{shortened(text, 40)}' is neither a recipient nor a file", hint=_RECIPIENTS_HINT
        )
    return Path(text)


def _without_comment(line: str) -> str:
    """Return the line without what follows an SSH public key: its owner's name is private."""
    return " ".join(line.split()[:2])


def _recipient(text: str) -> Any:
    import pyrage

    is_ssh = text.startswith("ssh-")
    kind = pyrage.ssh.Recipient if is_ssh else pyrage.x25519.Recipient
    try:
        if is_ssh:
            _check_ssh(text)
        with _without_panic():
            return kind.from_str(text)
    except (pyrage.RecipientError, ValueError) as error:
        raise UsageError(
            f"'{shortened(text, 40)}' is not a recipient", hint=_RECIPIENTS_HINT
        ) from error


def _check_ssh(text: str) -> None:
    """Raise ValueError unless it is an SSH public key: pyrage panics about some that are none."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_ssh_public_key

    try:
        load_ssh_public_key(text.encode())
    except UnsupportedAlgorithm as error:
        raise ValueError(str(error)) from error


@contextlib.contextmanager
def _without_panic() -> Iterator[None]:
    """Raise ValueError in place of a panic of pyrage, which is written in Rust.

    Its PanicException is no Exception, and there is no module to import it from.
    """
    try:
        yield
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise ValueError(str(error)) from error


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_KEY_FILE + 1)
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or "no such file"
        raise UsageError(f"cannot read '{path}': {said}", hint="check the file's name") from error
    if len(content) > _MAX_KEY_FILE:
        raise UsageError(f"'{path}' is too large for a key file", hint="check the file's name")
    return content


def _lines(content: bytes) -> list[str]:
    """Return the lines of a file that are neither empty nor comments."""
    lines = (line.strip() for line in content.decode(errors="replace").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


# -- encrypting and decrypting -------------------------------------------------------


def seal(content: bytes, to: Sequence[str]) -> bytes:
    """Encrypt `content` as an age file that each of the recipients `to` can open."""
    import pyrage

    return bytes(pyrage.encrypt(content, [_recipient(text) for text in to]))


def seal_file(
    source: Path, target: Path, to: Sequence[str], tell: Callable[[int], None] = lambda _: None
) -> None:
    """Encrypt `source` as the age file `target`; `tell` gets the bytes read so far. Raises OSError.

    The same content never gives the same age file twice.
    """
    import pyrage

    with source.open("rb") as plain, target.open("xb") as sealed:
        source_file, target_file = _Told(plain, tell), _Guarded(sealed)
        try:
            pyrage.encrypt_io(source_file, target_file, [_recipient(text) for text in to])
        except Exception as error:
            raise source_file.failure or target_file.failure or error from None


def unseal(sealed: bytes, identities: Sequence[Identity]) -> bytes:
    """Decrypt an age file in memory. Raises Refused."""
    plain = io.BytesIO()
    _unseal(io.BytesIO(sealed), plain, identities)
    return plain.getvalue()


def unseal_file(
    source: Path,
    target: Path,
    identities: Sequence[Identity],
    tell: Callable[[int], None] = lambda _: None,
) -> None:
    """Decrypt the age file `source` to `target`; `tell` gets the bytes read so far.

    Raises OSError, and Refused when no identity opens it or it is damaged;
    then there is no `target`.
    """
    with source.open("rb") as sealed:
        try:
            with target.open("xb") as plain:
                _unseal(sealed, plain, identities, tell)
        except BaseException:
            target.unlink(missing_ok=True)
            raise


def _unseal(
    source: BinaryIO,
    target: BinaryIO,
    identities: Sequence[Identity],
    tell: Callable[[int], None] = lambda _: None,
) -> None:
    import pyrage

    # age reads a header until it ends, without a limit on memory.
    if not _HEADER_END.search(source.read(_MAX_HEADER)):
        raise _damaged()
    source.seek(0)
    read, written = _Told(source, tell), _Guarded(target)
    try:
        with _without_panic():
            pyrage.decrypt_io(read, written, list(identities))
    except (pyrage.DecryptError, OSError, ValueError) as error:
        # pyrage drops the errno of our files' errors and the type of KeyboardInterrupt.
        if failure := read.failure or written.failure:
            raise failure from None
        if "No matching keys" in str(error):
            raise WrongKey(
                "this key does not open it",
                hint="ask for the link again; for a memo sealed to you, name your identity:"
                " --identity FILE",
            ) from error
        raise _damaged() from error


def _damaged() -> Refused:
    return Refused(
        "the encrypted file is damaged or truncated", hint="ask the sender to share it again"
    )


class _Told:
    """A file that reports how many bytes were read, and keeps the error of a failed read."""

    def __init__(self, file: BinaryIO, tell: Callable[[int], None]) -> None:
        self._file = file
        self._tell = tell
        self._count = 0
        self.failure: BaseException | None = None

    def read(self, size: int = -1) -> bytes:
        try:
            chunk = self._file.read(size)
            self._count += len(chunk)
            self._tell(self._count)
        except BaseException as error:
            self.failure = error
            raise
        return chunk


class _Guarded:
    """A file that keeps the error of a failed write."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.failure: BaseException | None = None

    def write(self, content: bytes) -> int:
        try:
            return self._file.write(content)
        except BaseException as error:
            self.failure = error
            raise

    def flush(self) -> None:
        self._file.flush()
