"""`share --to` and `identity`: memos sealed to somebody."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from helpers.private_memos import SAID, share
from helpers.programs import needs
from helpers.shared_memo import info_hash, sha256
from memocast.formats.age import new_key, recipient_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from helpers.memocast_user import Memocast


def test_a_memo_for_somebodys_identity_opens_for_them_alone_and_the_link_has_no_key(
    anna: Memocast, ben: Memocast, memocast: Callable[..., Memocast], memo: str
) -> None:
    identity = ben.run("identity")
    assert identity.out.startswith("age1")
    assert ben.run("identity").out == identity.out
    assert (ben.library / "identity.txt").stat().st_mode & 0o777 == 0o600
    link = share(anna, memo, "--to", identity.out.strip())
    assert "x.age" not in link
    assert share(anna, memo, "--to", identity.out.strip()) == link
    carla = memocast("carla")
    assert "has no key" in carla.run("fetch", link, expect=7).err
    carla.run("identity")
    assert "this key does not open it" in carla.run("fetch", link, expect=7).err
    ben.run("fetch", link)
    assert sha256(ben.audio()) == sha256(anna.audio(memo))
    assert ben.show()["title"] == SAID
    assert info_hash(share(ben, "latest")) == info_hash(link)


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_a_memo_for_an_ssh_key(
    anna: Memocast, ben: Memocast, memo: str, tmp_path: Path, kind: str
) -> None:
    private = tmp_path / "id"
    bits = ["-b", "2048"] if kind == "rsa" else []
    command = [needs("ssh-keygen"), "-q", "-t", kind, *bits, "-N", "", "-f", str(private)]
    subprocess.run(command, check=True)
    people = tmp_path / "people"
    public = private.with_suffix(".pub").read_text()
    people.write_text(f"# who may listen\n{public}\n{recipient_of(new_key())}\n")
    link = share(anna, memo, "--to", str(people))
    recipients = anna.show(memo)["shares"][0]["recipients"]
    assert len(recipients) == 2
    assert " ".join(public.split()[:2]) in recipients
    ben.run("fetch", link, "--identity", str(private))
    assert sha256(ben.audio()) == sha256(anna.audio(memo))


PANICS = "ssh-rsa AAAAB3NzaC1yc2EAAAADAAAAAABBQQCNbbQLsNbU4VEOhiDEzaIkhuzKH+fjiqR8BTfcFj3GNPPN"
"""An RSA key that is cut off, about which pyrage panics."""


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--to", "age1nonsense"], "'age1nonsense' is not a recipient"),
        (["--to", "/nowhere"], "'/nowhere' is neither a recipient nor a file"),
        (["--to", "ssh-dss AAAA"], "'ssh-dss AAAA' is not a recipient"),
        (["--to", PANICS], f"'{PANICS[:20]}"),
        (["--to", "# nobody\n# at all"], "there is no recipient in '# nobody"),
        (["--private", "--public"], "choose only one of --private, --public and --to"),
    ],
)
def test_recipients_that_are_none_are_refused(
    anna: Memocast, memo: str, options: list[str], said: str
) -> None:
    result = anna.run("share", memo, *options, expect=2)
    assert said in result.err
    assert anna.show(memo)["shares"] == []


@pytest.mark.parametrize("content", [None, "", "# only a comment\n", "nonsense\n", "-----BEGIN X"])
def test_an_identity_file_that_is_none_is_refused(
    ben: Memocast, tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "identity"
    if content is not None:
        path.write_text(content)
    result = ben.run("fetch", "ab" * 20, "--identity", str(path), expect=2)
    assert "hint: " in result.err
