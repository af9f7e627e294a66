"""Private memos: who can listen to what is shared with `--private`, `--to` and `--lan`."""

from __future__ import annotations

import contextlib
import json
import signal
import sqlite3
import subprocess
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import libtorrent as lt
import pytest

from conftest import needs, running, wait_for
from memocast.description import SEALED_BYTES
from memocast.sealing import identity, new_key, recipient_of, seal, unseal
from memocast.settings import Settings
from memocast.swarm import Swarm
from test_hostile import nothing_left, stranger
from trackers import HttpTracker
from transfer import TRAVELS, address_of, bare_session, info_hash, sha256

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Memocast

SAID = "Grüße 🎙 from Anna"
"""The title of the fixture `memo`."""


def key_in(link: str) -> str:
    return parse_qs(urlsplit(link).query)["x.age"][0]


def share(user: Memocast, memo: str, *options: str) -> str:
    return user.run("share", memo, "--direct", *options).out.strip()


@pytest.fixture
def link(anna: Memocast, memo: str) -> str:
    """A private link to Anna's memo, which her seeder answers."""
    return share(anna, memo, "--private")


# -- the link is the key --------------------------------------------------------------


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
    assert "came sealed, and is passed on only as it came" in refused.err
    assert "x.age" not in share(ben, "latest", "--public")


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
        assert "opens nothing without the key" in result.err
        document: Any = lt.bdecode(torrent.read_bytes())
        assert sorted(document[b"info"][b"memocast"]) == [b"sealed", b"v"]
        # The age file itself is a little longer by chance: so it keeps readers from relying on it.
        opened = unseal(document[b"info"][b"memocast"][b"sealed"], [identity(key_in(result.out))])
        lengths.add(len(opened))
    assert lengths == {SEALED_BYTES}


# -- keys that do not fit --------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda key: new_key(), "this key does not open it"),
        (lambda key: key[:-1], "the key is damaged, or was cut off"),
        (lambda key: key[:20], "the key is damaged, or was cut off"),
        (lambda key: "", "the key is damaged, or was cut off"),
        (lambda key: None, "the memo is sealed, and the link has no key"),
    ],
    ids=["another", "last letter", "cut off", "empty", "none"],
)
def test_a_key_that_does_not_fit_opens_nothing_and_is_not_repeated(
    ben: Memocast, link: str, change: Callable[[str], str | None], said: str
) -> None:
    key = key_in(link)
    other = change(key)
    bad = link.replace(f"&x.age={key}", "" if other is None else f"&x.age={other}")
    result = ben.run("fetch", bad, expect=7)
    assert said in result.err
    assert "hint: " in result.err
    assert "AGE-SECRET-KEY-1" not in result.err
    assert nothing_left(ben)
    assert ben.run("fetch", link).out, "with the whole link it is fetched after all"


def flipped(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


@pytest.mark.parametrize("where", ["first chunk", "cut", "not age"])
def test_ciphertext_that_was_tampered_with_is_refused_and_nothing_is_kept(
    ben: Memocast, opus: Path, tmp_path: Path, where: str
) -> None:
    key = new_key()
    sealed = seal(opus.read_bytes(), [recipient_of(key)])
    tampered = {
        "first chunk": flipped(sealed, 400),
        "cut": sealed[:-100],
        "not age": opus.read_bytes(),
    }[where]
    said = b'{"title": "WA=="}'.ljust(SEALED_BYTES)
    ours = {b"v": 1, b"sealed": seal(said, [recipient_of(key)])}
    with stranger(tmp_path, {"memo.age": tampered}, key=ours) as (bare, peer):
        result = ben.run("fetch", f"{bare}&x.age={key}", "--peer", peer, expect=7)
    assert "memocast: error: " in result.err
    assert nothing_left(ben)


@pytest.mark.parametrize(
    "block",
    [b"garbage", b"age-encryption.org/v1\n" + b"-> X25519 " * 4000, None],
    ids=["garbage", "endless header", "no JSON"],
)
def test_a_sealed_block_that_is_garbage_is_refused_before_a_byte_of_audio(
    ben: Memocast, opus: Path, tmp_path: Path, block: bytes | None
) -> None:
    key = new_key()
    to = [recipient_of(key)]
    ours = {b"v": 1, b"sealed": seal(b"[" * 9000, to) if block is None else block}
    with stranger(tmp_path, {"memo.age": seal(opus.read_bytes(), to)}, key=ours) as (bare, peer):
        ben.run("fetch", f"{bare}&x.age={key}", "--peer", peer, expect=7)
    assert nothing_left(ben)


def test_nonsense_in_a_sealed_block_is_dropped_and_the_audio_fetched(
    ben: Memocast, opus: Path, tmp_path: Path
) -> None:
    key = new_key()
    said = b'{"title": 5, "description": "*", "created": true, "duration": 1e400, "peaks": "AA=="}'
    ours = {b"v": 1, b"sealed": seal(said, [recipient_of(key)])}
    content = seal(opus.read_bytes(), [recipient_of(key)])
    with stranger(tmp_path, {"memo.age": content}, key=ours) as (bare, peer):
        memo = ben.show(ben.run("fetch", f"{bare}&x.age={key}", "--peer", peer).out.strip())
    assert (memo["title"], memo["description"], memo["peaks"]) == ("memo", "", [0])
    assert memo["duration"] > 1


def in_the_clear(user: Memocast, audio: bytes) -> list[Path]:
    """Files of the library that hold this audio, or a part of it."""
    return [
        path
        for path in user.library.rglob("*")
        if path.is_file() and audio[2000:2064] in path.read_bytes()
    ]


def test_an_interrupted_fetch_leaves_ciphertext_only_and_goes_on_from_there(
    anna: Memocast, ben: Memocast, speech: Path
) -> None:
    slow = anna.with_(MEMOCAST_UPLOAD_LIMIT="200000")
    memo = anna.add(speech)
    link = slow.run("share", memo, "--private", "--direct").out.strip()
    audio = speech.read_bytes()
    with running(ben.start("fetch", link)) as process:
        part = ben.library / "incoming" / f"download-{info_hash(link)}" / "audio"
        wait_for("half of it", lambda: part.exists() and part.stat().st_blocks * 512 > 200_000)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    assert in_the_clear(ben, audio) == []
    anna.stop()
    anna.run("seed", "--background")
    memo = ben.run("fetch", link).out.strip()
    assert in_the_clear(ben, audio) == [ben.audio(memo)]


def test_a_fetch_that_cannot_write_its_row_leaves_ciphertext_only_and_goes_on_from_there(
    anna: Memocast, ben: Memocast, speech: Path
) -> None:
    link = share(anna, anna.add(speech), "--private")
    ben.run("list")
    with contextlib.closing(sqlite3.connect(ben.library / "library.db")) as database:
        database.execute(
            "CREATE TRIGGER full BEFORE INSERT ON torrent BEGIN SELECT raise(ABORT, 'no'); END"
        )
        ben.run("fetch", link, expect=8)
        assert in_the_clear(ben, speech.read_bytes()) == []
        database.execute("DROP TRIGGER full")
    anna.stop()
    memo = ben.run("fetch", link).out.strip()
    assert in_the_clear(ben, speech.read_bytes()) == [ben.audio(memo)]


def test_a_fetch_that_died_between_ciphertext_and_row_is_finished_by_the_next(
    anna: Memocast, ben: Memocast, memo: str, link: str
) -> None:
    # As SIGKILL leaves it in the middle of `keep`: both files in place, and no row.
    ben.run("fetch", link)
    other = link.replace(key_in(link), new_key())
    assert "in the library already" in ben.run("fetch", other, expect=7).err
    found = ben.show()
    entry = ben.library / "incoming" / f"download-{info_hash(link)}"
    entry.mkdir()
    names = ("id", "title", "description", "format", "origin")
    created = int(datetime.fromisoformat(found["created"]).timestamp())
    facts = {name: found[name] for name in names} | {"created": created}
    (entry / "entry.json").write_text(json.dumps({**facts, "sealed": info_hash(link)}))
    with contextlib.closing(sqlite3.connect(ben.library / "library.db")) as database:
        database.executescript("DELETE FROM torrent; DELETE FROM memo")
    again = ben.show(ben.run("fetch", link).out.strip())
    assert again["shares"][0]["info_hash"] == info_hash(link)
    assert [path.name for path in (ben.library / "memos").iterdir()] == [f"{again['id']}.opus"]
    assert sha256(ben.audio()) == sha256(anna.audio(memo))
    assert ben.run("doctor", "--json", expect=None).json[2]["ok"]


# -- sealed to somebody ----------------------------------------------------------------


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


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--to", "age1nonsense"], "'age1nonsense' is no recipient"),
        (["--to", "/nowhere"], "'/nowhere' is no recipient, and no file"),
        (["--to", "ssh-dss AAAA"], "'ssh-dss AAAA' is no recipient"),
        (["--private", "--public"], "of --private, --public and --to only one can be given"),
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


# -- taking it back, and what is set -----------------------------------------------------


def test_unshare_ends_seeding_and_says_what_it_cannot_undo(
    anna: Memocast, ben: Memocast, memo: str, link: str
) -> None:
    plain = share(anna, memo, "--public")
    result = anna.run("unshare", memo)
    assert result.out == ""
    assert "copies that others fetched stay theirs" in result.err
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
    assert "with this link everybody can listen" in public.err
    assert share(anna, memo, "--private") == link


def test_after_unshare_a_memo_can_be_kept_to_the_lan_and_let_out_again(
    anna: Memocast, memo: str
) -> None:
    for options in ([], ["--lan"], []):
        link = anna.run("share", memo, "--no-seed", *options).out.strip()
        assert ("x.scope=lan" in link) == bool(options)
        anna.run("unshare", memo)


@pytest.mark.parametrize(
    "options", [["--lan", "--torrent", "memo.torrent"], ["--lan", "--page", "https://a.b/"]]
)
def test_what_a_lan_link_cannot_be_is_refused(
    anna: Memocast, memo: str, options: list[str]
) -> None:
    assert "--lan is for a magnet link" in anna.run("share", memo, *options, expect=2).err


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
    assert "1 file is in 'sealed' gone or changed" in findings["sealed files"]["detail"]


# -- on the local network only -----------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "blocked"),
    [
        ("8.8.8.8", 1),
        ("172.32.0.1", 1),
        ("100.64.0.1", 1),
        ("2606:4700::1", 1),
        ("::ffff:8.8.8.8", 1),
        ("192.168.1.7", 0),
        ("172.31.255.255", 0),
        ("10.0.0.1", 0),
        ("169.254.3.4", 0),
        ("fe80::1", 0),
        ("fd12::1", 0),
    ],
)
def test_the_session_for_the_lan_is_deaf_to_addresses_that_routers_pass_on(
    address: str, blocked: int
) -> None:
    settings = Settings(lsd=False).on_lan()
    swarm = Swarm.classic(settings, [("127.0.0.1", 0)], exact_port=False, lan=True)
    assert swarm._session.get_ip_filter().access(address) == blocked
    swarm.close()


def test_what_is_shared_on_the_lan_is_told_to_no_tracker_by_sender_and_follower(
    memocast: Callable[..., Memocast], opus: Path
) -> None:
    with HttpTracker() as tracker:
        anna = memocast("anna", MEMOCAST_TRACKERS=tracker.url, MEMOCAST_LSD="true")
        ben = memocast("ben", MEMOCAST_TRACKERS=tracker.url, MEMOCAST_LSD="true")
        everywhere = anna.run("share", anna.add(opus, title="For all")).out.strip()
        memo = anna.add(opus, title="For the house")
        link = anna.run("share", memo, "--lan").out.strip()
        assert link.endswith("&x.scope=lan")
        assert "tr=" not in link
        ben.run("fetch", link)
        assert ben.show()["title"] == "For the house"
        ben.run("seed", "--background")
        wait_for("the other memo to be announced", lambda: tracker.announced(info_hash(everywhere)))
        wait_for("Ben's session", lambda: (ben.seeder()["lan"] or {}).get("seeding") == 1)
        assert tracker.announced(info_hash(link)) == set()
        again = anna.run("share", memo)
        assert again.out.strip() == link
        assert "stays on the local network" in again.err
        wide = info_hash(everywhere)
        first = next(row for row in anna.run("status", "--json").json["memos"] if not row["lan"])
        assert first["info_hash"] == wide
        refused = anna.run("share", first["id"], "--lan", expect=1)
        assert "is shared beyond the local network already" in refused.err
        anna.stop()
        ben.stop()
