"""One's own devices, in step: each of three is a process with a library, and any may be off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from helpers.paired_devices import texts_of
from helpers.qr_reader import read_qr
from helpers.shared_memo import sha256

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from helpers.memocast_user import Memocast


@pytest.mark.long
def test_three_devices_come_to_the_same_library(
    someone: Callable[[str], Memocast], opus: Path, flac: Path, tmp_path: Path
) -> None:
    phone, laptop, desk = someone("phone"), someone("laptop"), someone("desk")
    first = phone.add(opus, title="On the phone")
    secret = phone.run("pair")
    assert secret.out.startswith("memocast-pair:AGE-SECRET-KEY-1")
    again = phone.run("pair", "--qr")
    assert secret.out == again.out, "for one more device"
    assert read_qr(again.err, tmp_path) == secret.out.strip()
    phone.run("sync")
    phone.run("seed", "--background")

    joined = laptop.run("pair", "-", stdin=secret.out)
    assert joined.out == ""
    second = laptop.add(flac, title="On the laptop")
    synced = laptop.run("sync")
    assert synced.out.split() == [first]
    assert synced.err.splitlines()[-1] == "memocast: your devices: 1 new memo"
    assert sha256(laptop.audio(first)) == sha256(phone.audio(first))
    assert laptop.show(first)["origin"] == "added"
    assert laptop.show(first)["shared"] is False
    assert laptop.show(first)["info_hash"] is None
    laptop.run("seed", "--background")

    # Apart from each other: one is renamed here and described there, one removed.
    phone.run("edit", first, "--title", "Renamed on the phone")
    laptop.run("edit", first, "-d", "described on the laptop")
    assert phone.run("sync").out.split() == [second]
    laptop.run("sync")
    phone.run("sync")
    expected = {
        first: ("Renamed on the phone", "described on the laptop"),
        second: ("On the laptop", ""),
    }
    assert texts_of(phone) == texts_of(laptop) == expected

    # The first is off when the second removes a memo, and when a third joins.
    phone.stop()
    laptop.run("remove", first, "--yes")
    assert laptop.run("sync").out == ""
    desk.run("pair", "-", stdin=secret.out)
    assert desk.run("sync").out.split() == [second]
    assert sha256(desk.audio(second)) == sha256(laptop.audio(second))
    desk.run("seed", "--background")
    desk.run("edit", second, "--title", "Renamed on the desk")
    desk.run("sync")
    assert "your devices: 0 new memos, 1 changed\n" in laptop.run("sync").err
    assert "your devices: 0 new memos, 1 changed, 1 removed\n" in phone.run("sync").err
    assert texts_of(phone) == texts_of(laptop) == texts_of(desk)
    assert texts_of(desk) == {second: ("Renamed on the desk", "")}


def test_what_paired_devices_seed_is_sealed(someone: Callable[[str], Memocast], opus: Path) -> None:
    phone = someone("phone")
    memo = phone.add(opus, title="Nobody's business")
    phone.run("pair")
    phone.run("sync")
    for file in [*(phone.library / "feeds").iterdir(), *(phone.library / "sealed").iterdir()]:
        content = file.read_bytes()
        assert content.startswith(b"age-encryption.org/v1")
        assert b"Nobody" not in content
    assert len(list((phone.library / "sealed").iterdir())) == 1
    link = phone.run("share", memo, "--no-seed").out
    assert "x.age" not in link, "it is shared as if it were not paired"
    phone.run("unshare", memo)
    assert len(list((phone.library / "sealed").iterdir())) == 1
    phone.run("pair", "--end")
    assert list((phone.library / "feeds").iterdir()) == []
    assert list((phone.library / "sealed").iterdir()) == []
    assert texts_of(phone) == {memo: ("Nobody's business", "")}


def test_secrets_that_lead_nowhere_are_told_apart(someone: Callable[[str], Memocast]) -> None:
    phone, laptop = someone("phone"), someone("laptop")
    secret = phone.run("pair").out.strip()
    half = secret[:40] + "\udcff" + secret[41:]
    for wrong in (secret[:40], "", "magnet:?xt=urn:btih:" + "0" * 40, secret + "Q", half):
        given = wrong.encode(errors="surrogateescape")
        result = laptop.run("pair", "-", stdin=given, expect=7)
        assert "the secret is damaged or truncated" in result.err
        assert "hint: copy the whole line that 'memocast pair' printed" in result.err
        assert result.out == ""
    with_oneself = phone.run("pair", "-", stdin=secret, expect=2)
    assert "this device is already paired by that secret" in with_oneself.err
    laptop.run("pair")
    other = laptop.run("pair", "-", stdin=secret, expect=2)
    assert "hint: unpair it first: memocast pair --end" in other.err
    laptop.run("pair", "--end")
    assert laptop.run("pair", "-", stdin=secret).out == ""
