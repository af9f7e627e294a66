"""Keys and age files that are damaged, down to what pyrage does not foresee."""

from __future__ import annotations

import pyrage
import pytest

from memocast.errors import Refused, UsageError, WrongKey
from memocast.formats import age

KEY = age.new_key()
CUT_OFF = "ssh-rsa AAAAB3NzaC1yc2EAAAADAAAAAABBQQCNbbQLsNbU4VEOhiDEzaIkhuzKH+fjiqR8BTfcFj3GNPPN"


def test_a_panic_of_pyrage_is_an_error_like_others(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="out of bounds"), age._without_panic():
        pyrage.ssh.Recipient.from_str(CUT_OFF)
    assert "panicked" in capfd.readouterr().err


def test_a_damaged_ssh_key_is_refused_before_pyrage_panics(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(UsageError, match="is not a recipient"):
        age.recipients([CUT_OFF])
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("texts", [["#\n#"], ["# one\n\n# two"]])
def test_comments_are_no_recipients(texts: list[str]) -> None:
    with pytest.raises(UsageError, match="there is no recipient"):
        age.recipients(texts)


@pytest.mark.parametrize("cut", [0, 1, 50, -1])
def test_an_age_file_that_is_cut_off_is_refused(cut: int) -> None:
    sealed = age.seal(b"content" * 20_000, [age.recipient_of(KEY)])
    assert age.unseal(sealed, [age.identity(KEY)]) == b"content" * 20_000
    with pytest.raises(Refused, match="damaged"):
        age.unseal(sealed[:cut], [age.identity(KEY)])


def test_a_key_of_somebody_else_opens_nothing() -> None:
    sealed = age.seal(b"content", [age.recipient_of(KEY)])
    with pytest.raises(WrongKey, match="does not open it"):
        age.unseal(sealed, [age.identity(age.new_key())])
