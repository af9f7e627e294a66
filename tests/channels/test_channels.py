"""Channels on a private DHT: publish, follow, receive, whoever of them is still there."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from helpers.channel_commands import create, publish
from helpers.dht_network import ForgetfulDht
from helpers.full_or_short import scaled
from helpers.shared_memo import sha256
from helpers.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from helpers.memocast_user import Memocast
    from helpers.sound_card import SoundCard


def titles(user: Memocast, *options: str) -> set[str]:
    """Those of the user's memos."""
    return {memo["title"] for memo in user.run("list", "--json", *options).json}


def offered(user: Memocast) -> set[str]:
    """The ids of the memos that the user's seeder offers, or would."""
    return {memo["id"] for memo in user.run("status", "--json").json["memos"]}


@pytest.mark.long
def test_what_is_published_reaches_who_follows(
    someone: Callable[..., Memocast], opus: Path
) -> None:
    anna, ben = someone("anna"), someone("ben")
    link = create(anna)
    assert link.startswith("magnet:?xs=urn:btpk:")
    assert "&s=6d656d6f63617374&dn=Anna%27s%20notes" in link
    (memo,) = publish(anna, opus, "The first")
    followed = ben.run("follow", link)
    assert followed.out == ""
    assert "you now follow 'Anna's notes'" in followed.err
    synced = ben.run("sync")
    assert synced.err.splitlines()[-1] == "memocast: 'Anna's notes': 1 new memo"
    (got,) = synced.out.splitlines()
    assert sha256(ben.audio(got)) == sha256(anna.audio(memo))
    shown = ben.show(got)
    assert (shown["title"], shown["channel"], shown["heard"]) == (
        "The first",
        "Anna's notes",
        False,
    )
    again = ben.run("sync")
    assert (again.out, again.err) == ("", "memocast: 'Anna's notes': 0 new memos\n")

    # Two publications in quick succession, of which a follower may see the second only.
    publish(anna, opus, "The second")
    publish(anna, opus, "The third")
    assert len(ben.run("sync").out.split()) == 2
    assert titles(ben, "--channel", "Anna's notes") == {"The first", "The second", "The third"}
    (row,) = ben.run("following", "--json").json
    assert (row["items"], row["memos"], row["unheard"], row["problem"]) == (3, 3, 3, None)

    # A link of the past to the newest page, in somebody's browser, leads somewhere for a while.
    pages = {page.name for page in (anna.library / "feeds").iterdir()}
    assert len(pages) == 3
    assert anna.run("channel", "show", "Anna's notes", "--json").json["feed"] in pages

    # What is taken back is gone from the channel, and stays with whoever has it.
    assert anna.run("channel", "retract", memo).out == ""
    ben.run("sync")
    assert titles(ben, "--channel", "Anna's notes") == {"The second", "The third"}
    assert titles(ben) == {"The first", "The second", "The third"}
    assert "memo" in anna.run("channel", "retract", memo, expect=1).err

    # A memo that the follower has removed does not come again.
    ben.run("remove", ben.run("list", "third").out.split("\t")[0], "--yes")
    assert ben.run("sync").out == ""


@pytest.mark.long
def test_a_channel_outlives_its_author_and_the_memory_of_the_dht(
    someone: Callable[..., Memocast], opus: Path, tmp_path: Path
) -> None:
    with ForgetfulDht(tmp_path) as nodes:
        anna, ben, carla = (
            someone(name, MEMOCAST_DHT_BOOTSTRAP=nodes.bootstrap)
            for name in ("anna", "ben", "carla")
        )
        link = create(anna)
        publish(anna, opus, *(f"Number {number}" for number in range(3)))
        ben.run("follow", link)
        ben.run("sync")
        ben.run("seed", "--background")
        anna.stop()
        shutil.rmtree(anna.library)
        nodes.advance(hours=1)
        assert nodes.knows(link)
        nodes.advance(hours=3)
        wait_for("the nodes to forget it", lambda: not nodes.knows(link))
        carla.run("follow", link)
        in_vain = carla.run("sync", "--timeout", "3", expect=6)
        assert "the channel 'Anna's notes' was not found in the DHT" in in_vain.err
        assert "hint: its owner or a follower has to be online" in in_vain.err
        ben.run("sync")
        assert nodes.knows(link)
        assert len(carla.run("sync").out.split()) == 3
        assert titles(carla) == {"Number 0", "Number 1", "Number 2"}


def test_a_follower_who_was_off_catches_up_with_many_publications(
    someone: Callable[..., Memocast], opus: Path
) -> None:
    anna, ben = someone("anna"), someone("ben")
    ben.run("follow", create(anna))
    many = scaled(10, 4)
    for number in range(many):
        publish(anna, opus, f"Number {number}")
    came = ben.run("sync").out.split()
    assert [ben.show(memo)["title"] for memo in came] == [f"Number {n}" for n in range(many)]


@pytest.mark.long
def test_the_running_seeder_brings_what_is_new_by_itself(
    someone: Callable[..., Memocast], opus: Path
) -> None:
    anna, ben = someone("anna"), someone("ben", MEMOCAST_SYNC_INTERVAL="1")
    link = create(anna)
    publish(anna, opus, "The first")
    ben.run("seed", "--background")
    ben.run("follow", link)
    wait_for("the first memo", lambda: titles(ben) == {"The first"})
    publish(anna, opus, "The second")
    wait_for("the second", lambda: titles(ben) == {"The first", "The second"})
    assert ben.run("seed", "--stop").err == "memocast: the seeder has stopped\n"
    assert "error" not in (ben.library / "log" / "seeder.log").read_text()


def test_a_private_channel_is_opened_by_its_link_only(
    someone: Callable[..., Memocast], opus: Path
) -> None:
    anna, ben, carla = someone("anna"), someone("ben"), someone("carla")
    link = create(anna, "--private")
    assert "&x.age=AGE-SECRET-KEY-1" in link
    (memo,) = publish(anna, opus, "Between us")
    for file in [*(anna.library / "feeds").iterdir(), *(anna.library / "sealed").iterdir()]:
        assert file.read_bytes().startswith(b"age-encryption.org/v1")
    assert b"Between us" not in b"".join(
        path.read_bytes() for path in (anna.library / "feeds").iterdir()
    )
    ben.run("follow", link)
    (got,) = ben.run("sync").out.split()
    assert sha256(ben.audio(got)) == sha256(anna.audio(memo))
    assert ben.show(got)["title"] == "Between us"
    carla.run("follow", link.partition("&x.age=")[0])
    refused = carla.run("sync", expect=7)
    assert "memocast: error: " in refused.err
    assert titles(carla) == set()
    damaged = carla.run("follow", link[:-20], expect=7)
    assert "the key is damaged or cut off" in damaged.err


def test_the_right_to_publish_moves_by_a_file(
    someone: Callable[..., Memocast], opus: Path, tmp_path: Path
) -> None:
    anna, laptop, ben = someone("anna"), someone("laptop"), someone("ben")
    link = create(anna)
    publish(anna, opus, "From the desk")
    key = tmp_path / "anna.key"
    exported = anna.run("channel", "export", "Anna's notes", str(key))
    assert exported.out == ""
    assert "keep it secret" in exported.err
    assert key.stat().st_mode & 0o777 == 0o600
    openssl = ["openssl", "pkey", "-in", str(key), "-noout", "-text"]
    shown = subprocess.run(openssl, check=True, capture_output=True, text=True).stdout
    assert "ED25519" in shown.upper()
    assert "exists" in anna.run("channel", "export", "Anna's notes", str(key), expect=2).err

    assert laptop.run("channel", "import", str(key)).out.strip() == link
    publish(laptop, opus, "From the laptop")
    publish(anna, opus, "From the desk again")
    ben.run("follow", link)
    ben.run("sync")
    assert titles(ben) == {"From the desk", "From the laptop", "From the desk again"}

    again = laptop.run("channel", "import", str(key), expect=2)
    assert "'Anna's notes' is already here" in again.err
    good = key.read_text()
    for wrong in (good[:-60], good.replace("&dn", "&x.age=AGE-SECRET-KEY-1Q%26x&dn")):
        key.write_text(wrong)
        assert "damaged" in ben.run("channel", "import", str(key), expect=2).err
    key.write_text("nothing")
    assert "not a channel key file" in ben.run("channel", "import", str(key), expect=2).err


def test_a_follower_takes_no_more_than_was_asked_for(
    someone: Callable[..., Memocast], opus: Path, flac: Path
) -> None:
    anna, ben = someone("anna"), someone("ben")
    link = create(anna)
    publish(anna, opus, "Old", "Older")
    publish(anna, flac, "Large")
    publish(anna, opus, "Newest")
    limit = opus.stat().st_size + 1
    ben.run("follow", link, "--newest", "2", "--max-size", str(limit), "--keep-days", "30")
    synced = ben.run("sync", expect=7)
    assert f"'Large' is {flac.stat().st_size:,} bytes, more than the limit" in synced.err
    assert titles(ben) == {"Newest"}
    shown = ben.run("channel", "show", "Anna's notes", "--json").json
    assert [item["title"] for item in shown["published"]] == ["Newest", "Large", "Older", "Old"]
    ben.run("follow", "Anna's notes", "--newest", "0", "--max-size", "0")
    ben.run("sync")
    assert titles(ben) == {"Old", "Older", "Large", "Newest"}
    with sqlite3.connect(ben.library / "library.db") as database:
        long_ago = int(time.time()) - 31 * 24 * 3600
        database.execute("UPDATE item SET arrived = ? WHERE title LIKE 'Old%'", (long_ago,))
    database.close()
    assert "2 removed" in ben.run("sync").err
    assert titles(ben) == {"Large", "Newest"}
    ben.run("unfollow", "Anna's notes")
    assert ben.run("following").out == ""
    assert titles(ben) == {"Large", "Newest"}


def test_record_publishes_and_what_is_new_is_played(
    someone: Callable[..., Memocast], sound_card: SoundCard
) -> None:
    anna, ben = someone("anna"), someone("ben")
    for user in (anna, ben):
        user.environment.update(sound_card.environment)
    none = anna.run("record", "--publish", "--duration", "1", expect=2)
    assert "hint: make one: memocast channel create NAME" in none.err
    ben.run("follow", create(anna))
    memo, link = anna.run("record", "--publish", "--duration", "1", "Spoken").out.split()
    assert link.startswith("magnet:?xt=urn:btih:")
    assert anna.show(memo)["title"] == "Spoken"
    assert anna.show(memo)["heard"] is True
    (got,) = ben.run("sync").out.split()
    assert ben.run("play", "--new").err == "memocast: 'Spoken' from 'Anna's notes'\n"
    assert ben.show(got)["heard"] is True
    assert ben.run("play", "--new").err == "memocast: nothing new to play\n"
    assert "name a memo to play, or use --new" in ben.run("play", expect=2).err

    # One that its channel took back is offered by nobody any more, although it was heard.
    assert offered(ben) == {got}
    anna.run("channel", "retract", memo)
    ben.run("sync")
    assert offered(ben) == set()
    assert ben.audio(got).exists()


@pytest.mark.full
def test_a_memo_that_was_taken_back_is_still_offered_by_a_follower_who_shares_it(
    someone: Callable[..., Memocast], opus: Path
) -> None:
    anna, ben = someone("anna"), someone("ben")
    ben.run("follow", create(anna))
    (memo,) = publish(anna, opus, "Passed on")
    (got,) = ben.run("sync").out.split()
    ben.run("share", got, "--no-seed")
    anna.run("channel", "retract", memo)
    ben.run("sync")
    assert titles(ben, "--channel", "Anna's notes") == set()
    assert offered(ben) == {got}


@pytest.fixture
def follower(anna: Memocast, ben: Memocast) -> Memocast:
    """Somebody who follows Anna."""
    ben.run("follow", create(anna))
    return ben


MEMO_LINK = "magnet:?xt=urn:btih:" + "0" * 40
CHANNEL_LINK = "magnet:?xs=urn:btpk:" + "0" * 64


@pytest.mark.parametrize(
    ("command", "code", "said", "hint"),
    [
        (["fetch", CHANNEL_LINK], 5, "this is a channel link", "memocast follow LINK"),
        (["follow", MEMO_LINK], 5, "this is a memo link", "memocast fetch"),
        (["follow", CHANNEL_LINK[:-1]], 5, "damaged or cut off", "copy the whole link"),
        (["follow", CHANNEL_LINK + "&s=zz"], 5, "damaged", "copy the whole link"),
        (["follow", "nobody"], 2, "there is no channel 'nobody'", "you have: 'Anna's notes'"),
        (["unfollow", "nobody"], 2, "there is no channel", "you have"),
        (["channel", "create", "Anna's notes"], 2, "already exists", "another name"),
        (["channel", "create", " "], 2, "the channel's name is empty", "give it one"),
        (["channel", "create", "x" * 101], 2, "takes 101 bytes", "at most 100 bytes"),
        (["channel", "publish", "latest"], 2, "you have no channel yet", "channel create"),
        (
            ["channel", "publish", "latest", "--to", "Anna's notes"],
            2,
            "'Anna's notes' is somebody else's channel",
            "make one of your own",
        ),
        (["channel", "retract", "zzz", "--from", "Anna's notes"], 3, "there is no memo", "list"),
        (
            ["channel", "export", "Anna's notes", "k"],
            2,
            "belongs to somebody else",
            "follow it elsewhere",
        ),
        (["channel", "show", "nobody"], 2, "there is no channel", "you have"),
        (["sync", "nobody"], 2, "there is no channel", "you have"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_what_cannot_be_done_is_said_with_the_next_step(
    follower: Memocast, opus: Path, command: list[str], code: int, said: str, hint: str
) -> None:
    follower.add(opus)
    result = follower.run(*command, expect=code)
    assert result.out == ""
    error, *hints = result.err.splitlines()
    assert error.startswith("memocast: error: ")
    assert said in error
    assert any(line.startswith("memocast: hint: ") and hint in line for line in hints)
