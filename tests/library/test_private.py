"""Private memos: the link is the key, until it is taken back."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import libtorrent as lt
import pytest

from helpers.bare_session import bare_session
from helpers.private_memos import SAID, flipped, key_in, share
from helpers.programs import needs
from helpers.shared_memo import TRAVELS, address_of, info_hash, sha256
from helpers.trackers import HttpTracker
from helpers.waiting import wait_for
from memocast.formats.age import identity, new_key, recipient_of, unseal
from memocast.formats.memo_info import SEALED_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from helpers.memocast_user import Memocast


def test_who_has_the_link_hears_the_memo_and_learns_all_that_belongs_to_it(
    anna: Memocast, ben: Memocast, memo: str, link: str
) -> None:
    assert parse_qs(urlsplit(link).query)["dn"] == ["memo.age"]
    fetched = ben.run("fetch", link)
    assert fetched.err.splitlines()[0] == f"memocast: fetched '{SAID}' (0:05)"
    copy, original = ben.show(fetched.out.strip()), anna.show(memo)
    assert {key: copy[key] for key in TRAVELS} == {key: original[key] for key in TRAVELS}
    assert sha256(ben.audio()) == sha256(anna.audio(memo))
    assert [share["mode"] for share in copy["shares"]] == ["private"]


def test_the_link_stays_the_same_and_a_plain_one_beside_it_reveals_nothing_of_it(
    anna: Memocast, memo: str, link: str
) -> None:
    assert share(anna, memo, "--private") == link
    plain = share(anna, memo, "--public")
    assert info_hash(plain) != info_hash(link)
    assert "x.age" not in plain
    assert share(anna, memo, "--private") == link
    modes = {row["info_hash"]: row["mode"] for row in anna.run("status", "--json").json["memos"]}
    assert modes == {info_hash(link): "private", info_hash(plain): "public"}


def test_a_follower_passes_it_on_sealed_by_the_same_link(
    anna: Memocast, ben: Memocast, memocast: Callable[..., Memocast], memo: str, link: str
) -> None:
    ben.run("fetch", link)
    again = share(ben, "latest")
    assert (info_hash(again), key_in(again)) == (info_hash(link), key_in(link))
    assert key_in(ben.run("share", "--all").out.strip()) == key_in(link)
    assert key_in(ben.run("share", "--all", "--public").out.strip()) == key_in(link)
    anna.stop()
    carla = memocast("carla")
    carla.run("fetch", again)
    assert sha256(carla.audio()) == sha256(anna.audio(memo))
    refused = ben.run("share", "latest", "--to", recipient_of(new_key()), expect=1)
    assert "came sealed, and can be passed on only as it came" in refused.err
    assert "x.age" not in share(ben, "latest", "--public")


@pytest.mark.long
def test_a_stranger_downloads_ciphertext_that_says_nothing_and_age_opens_it(
    anna: Memocast, memo: str, link: str, tmp_path: Path
) -> None:
    bare = f"magnet:?xt=urn:btih:{info_hash(link)}&x.pe={address_of(anna)}"
    with HttpTracker() as tracker:
        anna.stop()
        anna.with_(MEMOCAST_TRACKERS=tracker.url).run("seed", "--background")
        wait_for("the announce", lambda: tracker.announced(info_hash(link)))
        folder = tmp_path / "aria"
        options = ["--seed-time=0", "--enable-dht=false", f"--dir={folder}"]
        command = [needs("aria2c"), *options, f"{bare}&tr={tracker.url}"]
        subprocess.run(command, check=True, timeout=60, capture_output=True)
        metadata = metadata_by(bare, tmp_path)
        anna.stop()
    sealed = (folder / "memo.age").read_bytes()
    audio = anna.audio(memo).read_bytes()
    known = [SAID.encode(), b"two\nlines", b"OggS", b"OpusHead", key_in(link).encode()]
    known += [audio[start : start + 16] for start in range(0, len(audio) - 16, 997)]
    for piece in known:
        assert piece not in sealed
        assert piece not in metadata
    (tmp_path / "key").write_text(key_in(link))
    command = [needs("age"), "-d", "-i", str(tmp_path / "key"), str(folder / "memo.age")]
    assert subprocess.run(command, check=True, capture_output=True).stdout == audio


def metadata_by(magnet: str, folder: Path) -> bytes:
    """The info dictionary, as any peer gets it."""
    session = bare_session()
    settings = lt.parse_magnet_uri(magnet)
    settings.save_path = str(folder)
    handle = session.add_torrent(settings)
    wait_for("the metadata", lambda: handle.status().has_metadata)
    found = handle.torrent_file().info_section()
    del session
    return found


def test_the_sealed_block_is_always_as_long(anna: Memocast, opus: Path) -> None:
    lengths = set()
    for title, about in (("a", ""), ("ü" * 150, "\x01" * 8000)):
        memo = anna.add(opus, title=title, description=about)
        torrent = anna.home / f"{memo}.torrent"
        result = anna.run("share", memo, "--private", "--no-seed", "--torrent", str(torrent))
        assert "is useless without the key" in result.err
        document: Any = lt.bdecode(torrent.read_bytes())
        assert sorted(document[b"info"][b"memocast"]) == [b"sealed", b"v"]
        # The age file itself is a little longer by chance: so it keeps readers from relying on it.
        opened = unseal(document[b"info"][b"memocast"][b"sealed"], [identity(key_in(result.out))])
        lengths.add(len(opened))
    assert lengths == {SEALED_BYTES}


# -- taking it back, and what is set -----------------------------------------------------


def test_unshare_ends_seeding_and_says_what_it_cannot_undo(
    anna: Memocast, ben: Memocast, memo: str, link: str
) -> None:
    plain = share(anna, memo, "--public")
    result = anna.run("unshare", memo)
    assert result.out == ""
    assert "copies that others fetched remain" in result.err
    assert "the same link as before" in result.err
    assert "a new link with a new key" in result.err
    wait_for("the seeder to follow", lambda: anna.seeder()["seeding"] == 0)
    assert list((anna.library / "sealed").iterdir()) == []
    ben.run("fetch", link, "--timeout", "1", expect=6)
    again = anna.run("share", memo, "--direct", "--public")
    assert again.out.strip() == plain
    assert "its link is the same as before" in again.err
    later = share(anna, memo, "--private")
    assert info_hash(later) != info_hash(link)
    assert key_in(later) != key_in(link)
    assert "was not shared" in anna.run("unshare", anna.add(anna.audio(memo))).err


def test_what_was_fetched_and_unshared_is_offered_no_more_until_it_is_shared(
    ben: Memocast, link: str
) -> None:
    ben.run("fetch", link)
    ben.run("seed", "--background")
    wait_for("the memo", lambda: ben.seeder()["seeding"] == 1)
    ben.run("unshare", "latest")
    wait_for("it to be gone", lambda: ben.seeder()["seeding"] == 0)
    assert key_in(share(ben, "latest")) == key_in(link)
    wait_for("it to be back", lambda: ben.seeder()["seeding"] == 1)


def test_what_is_shared_already_is_shared_the_same_way_unless_another_is_asked_for(
    anna: Memocast, memo: str, link: str
) -> None:
    assert share(anna, memo) == link
    assert anna.run("share", "--all", "--direct").out.strip() == link
    public = anna.run("share", memo, "--public")
    assert "with this link anyone can listen" in public.err
    assert share(anna, memo, "--private") == link


def test_private_can_be_the_default_and_public_the_exception(
    memocast: Callable[..., Memocast], opus: Path
) -> None:
    anna = memocast("anna", MEMOCAST_SHARE="private")
    memo = anna.add(opus)
    assert "x.age" in share(anna, memo)
    assert "x.age" not in share(anna, memo, "--public")
    wrong = anna.with_(MEMOCAST_SHARE="nobody").run("list", expect=2)
    assert "use one of: public, private" in wrong.err


def test_removing_a_memo_removes_its_ciphertext(anna: Memocast, memo: str, link: str) -> None:
    assert [path.stem for path in (anna.library / "sealed").iterdir()] == [info_hash(link)]
    anna.run("remove", memo, "--yes")
    assert list((anna.library / "sealed").iterdir()) == []


def test_ciphertext_that_was_changed_on_disk_is_not_seeded(
    anna: Memocast, memo: str, link: str
) -> None:
    path = anna.library / "sealed" / f"{info_hash(link)}.age"
    path.write_bytes(flipped(path.read_bytes(), 500))
    anna.run("edit", memo, "--title", "Other")
    wait_for("the seeder to notice", lambda: anna.seeder()["damaged"] == [memo])
    assert [row["damaged"] for row in anna.run("status", "--json").json["memos"]] == [True]
    findings = {row["check"]: row for row in anna.run("doctor", "--json", expect=None).json}
    assert "1 file is missing or changed in 'sealed'" in findings["sealed files"]["detail"]
