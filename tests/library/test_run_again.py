"""Whatever is interrupted can be run again, and completes what was begun, once.

Each command is killed at each of its steps on the disk in turn; `kill_at_steps` says what they are.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from helpers.channel_commands import create
from helpers.full_or_short import FULL, record, scaled
from helpers.kill_at_steps import BACKUP, Commands
from helpers.killed_commands import CASES, ORDINARY, channel, memo, paired
from helpers.library_state import leftovers, let_a_minute_go_by, state
from helpers.mounted_folder import fill, make_room, mounted
from helpers.podcast_feeds import item, rss, titles
from helpers.web_server import Reply, WebServer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from helpers.memocast_user import Memocast


pytestmark = pytest.mark.timeout(scaled(1800, 180))


def words(user: Memocast, command: str) -> list[str]:
    """The command, with the id of the memo in place of each `=TITLE`."""
    return [memo(user, word[1:]) if word[0] == "=" else word for word in command.split()]


def assert_completes(
    user: Memocast,
    *command: str,
    stdin: str = "",
    until: str = BACKUP,
    every: int = 1,
    done: tuple[int, str] = (0, ""),
    name: str = "",
) -> None:
    """Kill the command at each step, or `every` so manyth; run it again, then another.

    What it says, the library and its files must be as if it had never been killed.
    """
    commands = Commands(user)
    steps = commands.steps(*command, stdin=stdin, until=until)[::every]
    expected = state(user)
    assert leftovers(user) == set()
    kills = 0
    wrong = []
    for killed in commands.killed(*command, stdin=stdin, steps=steps):
        kills += 1
        again = killed.again
        is_done = again.code == done[0] and done[1] in again.err
        found = state(user)
        let_a_minute_go_by(user)
        examined = user.run("doctor", "--repair", expect=None)
        is_sound = examined.code == 0 and "rebuilt" not in examined.err
        left = leftovers(user)
        if not (again.code == 0 or is_done) or found != expected or not is_sound or left:
            wrong.append(killed.step)
            print(killed.step, again, found, examined, left, "", sep="\n")
    record(f"killed at each step: {name or command[0]}", kills=kills, wrong=len(wrong))
    assert kills > len(steps) // 2
    assert wrong == []


@pytest.mark.long
@pytest.mark.parametrize("name", CASES if FULL else ORDINARY)
def test_a_command_that_was_killed_at_any_step_completes_when_it_is_run_again(
    anna: Memocast, opus: Path, name: str
) -> None:
    case = CASES[name]
    case.before(anna, opus)
    command = words(anna, case.command)
    until = "" if case.whole else BACKUP
    assert_completes(
        anna, *command, stdin=case.stdin, until=until, every=case.every, done=case.done, name=name
    )


@pytest.mark.full
def test_a_publication_that_was_killed_reaches_followers_once_it_is_run_again(
    someone: Callable[..., Memocast], opus: Path
) -> None:
    anna, ben = someone("anna"), someone("ben")
    ben.run("follow", create(anna, name="Notes"))
    titles = ("Before the page", "While it is put in place", "Before anybody was told")
    ids = [anna.add(opus, title=title) for title in titles]
    alone = Commands(anna.with_(MEMOCAST_DHT="false"))
    steps = alone.steps("channel", "publish", "--no-seed", ids[0])
    alone.put_back()
    on_pages = [step for step in steps if "/incoming/page-" in step.shown]
    folder, placed, done = [step for step in on_pages if step.call.startswith(("mk", "rename"))]
    for title, id_, step in zip(titles, ids, (folder, placed, done), strict=True):
        publish = ("channel", "publish", id_)
        assert Commands(anna).kill(*publish, step=step), step
        again = anna.run(*publish, expect=None)
        assert again.code == 0 or "is already in 'Notes'" in again.err
        assert "DHT nodes hold it" in again.err
        (got,) = ben.run("sync").out.split()
        assert ben.show(got)["title"] == title


def test_what_was_published_while_the_dht_was_out_of_reach_is_told_when_it_is_published_again(
    someone: Callable[..., Memocast], opus: Path
) -> None:
    anna, ben = someone("anna"), someone("ben")
    cut_off = anna.with_(MEMOCAST_DHT_BOOTSTRAP="127.0.0.1:1", MEMOCAST_AUTOSTART="false")
    ben.run("follow", create(anna))
    publish = ("channel", "publish", anna.add(opus, title="Later"))
    first = cut_off.run(*publish)
    assert "no DHT node could be reached" in first.err
    again = anna.run(*publish, expect=1)
    assert "already" in again.err
    assert "DHT nodes hold it" in again.err
    (got,) = ben.run("sync").out.split()
    assert ben.show(got)["title"] == "Later"


@pytest.mark.parametrize(
    "left",
    [
        "UPDATE item SET page = NULL; DELETE FROM page; UPDATE channel SET head = '', seq = -1",
        "UPDATE channel SET seq = -1, value = NULL, signature = NULL",
        "UPDATE item SET page = 'one that nothing leads to'",
    ],
    ids=["an item without a page", "a page that is not signed", "another page"],
)
def test_what_an_older_memocast_left_half_published_is_published(
    anna: Memocast, opus: Path, left: str
) -> None:
    channel(anna, opus)
    publish = ("channel", "publish", "--no-seed", memo(anna, "One"))
    anna.run(*publish)
    expected = state(anna)
    with closing(sqlite3.connect(anna.library / "library.db")) as database:
        database.executescript(left)
    anna.run(*publish)
    assert state(anna) == expected
    assert "already" in anna.run(*publish, expect=1).err


def test_a_pairing_that_an_older_memocast_left_half_ended_is_ended(
    anna: Memocast, opus: Path
) -> None:
    paired(anna, opus)
    assert len(list((anna.library / "sealed").iterdir())) == 3
    with closing(sqlite3.connect(anna.library / "library.db")) as database:
        database.executescript("DELETE FROM channel WHERE kind = 'pair'")
    assert "was not paired" in anna.run("pair", "--end").err
    assert (state(anna)["shares"], state(anna)["replicas"]) == ([], [])
    assert leftovers(anna) == set()


@pytest.mark.full
@pytest.mark.parametrize(
    "name", ["publish privately", "publish", "retract", "share privately"][: scaled(4, 1)]
)
def test_a_command_that_met_a_full_disk_completes_once_there_is_room(
    anna: Memocast, opus: Path, tmp_path: Path, name: str
) -> None:
    case = CASES[name]
    with mounted(tmp_path / "disk", "8m") as disk:
        anna.environment["MEMOCAST_LIBRARY"] = str(disk)
        anna.library = disk
        case.before(anna, opus)
        command = words(anna, case.command)
        commands = Commands(anna)
        anna.run(*command)
        expected = state(anna)
        failures = 0
        for pages in range(0, 200, scaled(1, 5)):
            commands.put_back()
            fill(disk, pages)
            full = anna.run(*command, expect=None)
            make_room(disk)
            if full.code == 0:
                break
            assert (full.code, "the disk is full" in full.err) == (8, True), (pages, full)
            failures += 1
            again = anna.run(*command, expect=None)
            assert again.code == 0 or case.done[1] in again.err, (pages, again)
            assert state(anna) == expected, (pages, again)
            let_a_minute_go_by(anna)
            assert "all present" in anna.run("doctor", "--repair", expect=1).out  # a small disk
            assert leftovers(anna) == set(), pages
        assert failures > 1
        record(f"'{name}' on a disk with ever more room", failures=failures)


@pytest.mark.full
@pytest.mark.long
def test_a_follower_who_was_killed_while_memos_came_and_went_has_each_of_them_once(
    someone: Callable[..., Memocast], opus: Path
) -> None:
    anna, ben = someone("anna"), someone("ben")
    ben.run("follow", create(anna))
    for title in ("Stays", "Goes"):
        anna.run("channel", "publish", anna.add(opus, title=title))
    ben.run("sync")
    anna.run("channel", "retract", memo(anna, "Goes"))
    anna.run("channel", "publish", anna.add(opus, title="Comes"))
    assert_completes(ben, "sync", every=scaled(1, 60), name="sync with a channel")
    shares = {title: stopped for title, _, _, stopped, _ in state(ben)["shares"]}
    assert shares == {"Stays": 0, "Goes": 1, "Comes": 0}


@pytest.mark.full
def test_an_episode_of_a_podcast_comes_once_although_the_sync_was_killed(
    ben: Memocast, server: WebServer, opus: Path
) -> None:
    server.replies |= {"/feed": Reply(rss(item(1, "1.opus"))), "/1.opus": Reply(opus.read_bytes())}
    ben.run("list")
    follow = ("follow", f"{server.url}/feed", "--newest", "3")
    commands = Commands(ben)
    steps = commands.steps(*follow, until=BACKUP)[:: scaled(1, 10)]
    for killed in commands.killed(*follow, steps=steps):
        ben.run("sync")
        assert (killed.again.code, titles(ben)) == (0, ["Episode 1"]), killed.step
    commands.put_back()
    ben.run(*follow)
    assert_completes(ben, "sync", every=scaled(1, 12), name="sync with a podcast")


@pytest.mark.full
@pytest.mark.long
def test_a_device_that_was_killed_while_it_synced_comes_to_the_state_of_the_others(
    someone: Callable[..., Memocast], opus: Path
) -> None:
    phone, laptop = someone("phone"), someone("laptop")
    for title in ("Stays", "Goes"):
        phone.add(opus, title=title)
    laptop.run("pair", "-", stdin=phone.run("pair").out)
    phone.run("sync")
    phone.run("seed", "--background")
    laptop.run("sync")
    phone.run("remove", "--yes", memo(phone, "Goes"))
    phone.run("edit", memo(phone, "Stays"), "--title", "Changed")
    phone.add(opus, title="Comes")
    phone.run("sync")
    assert_completes(laptop, "sync", every=scaled(1, 60), name="sync from a device")
    assert [title for title, _ in state(laptop)["memos"]] == ["Changed", "Comes"]


@pytest.mark.full
def test_a_device_that_was_killed_while_it_published_its_state_publishes_it(
    memocast: Callable[..., Memocast], opus: Path
) -> None:
    phone = memocast("phone", MEMOCAST_DHT="true")  # of which nobody answers
    phone.run("pair")
    phone.add(opus, title="Before")
    phone.run("sync")
    phone.run("edit", "latest", "--title", "Changed")
    phone.add(opus, title="New")
    assert_completes(phone, "sync", every=scaled(1, 12), name="sync to devices")
    (pair,) = state(phone)["channels"]
    assert pair["leads to its newest page"]
