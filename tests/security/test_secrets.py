"""Keys of private memos: where they must not appear."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.dht_network import dht_nodes
from helpers.network_namespaces import two_hosts
from helpers.private_memos import key_in
from helpers.processes import running
from helpers.programs import needs
from helpers.shared_memo import info_hash
from helpers.terminal import Terminal
from helpers.trackers import HttpTracker
from helpers.waiting import wait_for
from memocast.errors import Refused
from memocast.formats.age import identity, new_key, recipient_of, seal, unseal
from memocast.text import redacted

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from helpers.memocast_user import Memocast

KEY = new_key()
SEALED = seal(b"What was said.", [recipient_of(KEY)])
TITLE = "Nobody-else-may-read-this"


@given(st.integers(0, len(SEALED) * 8 - 1))
def test_a_flipped_bit_anywhere_in_an_age_file_is_refused(bit: int) -> None:
    tampered = bytearray(SEALED)
    tampered[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Refused):
        unseal(bytes(tampered), [identity(KEY)])


@given(st.integers(0, len(SEALED) - 1))
def test_an_age_file_that_was_cut_anywhere_is_refused(length: int) -> None:
    with pytest.raises(Refused):
        unseal(SEALED[:length], [identity(KEY)])


LINK = f"magnet:?xt=urn:btih:{'ab' * 20}&x.age={KEY}&tr=udp://t"


@pytest.mark.parametrize(
    "text",
    [LINK, quote(LINK, safe=""), quote(quote(LINK, safe=""), safe=""), KEY, KEY.lower(), KEY[:40]],
    ids=["magnet", "page link", "encoded twice", "key", "lower case", "cut off"],
)
def test_a_message_shows_a_key_as_dots(text: str) -> None:
    shown = redacted(f"error: '{text}' is not a link")
    assert "…" in shown
    assert KEY[20:30].lower() not in shown.lower()
    assert shown.endswith("is not a link")


def test_a_message_keeps_what_is_no_key() -> None:
    text = "error: x.pe=1.2.3.4:5 and age1 are no secrets; nor is &x.age= with nothing after it"
    assert redacted(text) == text


def everything_written(user: Memocast) -> bytes:
    """All that is in the library's files, but for its database and the memos themselves."""
    return b"".join(
        path.read_bytes()
        for path in user.library.rglob("*")
        if path.is_file() and path.parts[-2] not in ("backups", "memos") and ".db" not in path.name
    )


def test_processes_reports_logs_and_errors_are_free_of_the_key(
    anna: Memocast, ben: Memocast, opus: Path, tmp_path: Path
) -> None:
    memo = anna.add(opus, title=TITLE)
    link = anna.run("share", memo, "--private", "--direct").out.strip()
    key = key_in(link)
    with running(ben.start("fetch", "-", stdin=subprocess.PIPE)) as process:
        assert process.stdin
        process.stdin.write(f"{link}\n")
        process.stdin.flush()
        listed = subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, text=True)
        assert process.communicate(timeout=60)[0]
    ben.run("seed", "--background")
    assert key not in listed.stdout
    for user in (anna, ben):
        for command in (["status"], ["show", "latest"], ["list"]):
            for options in ([], ["--json"]):
                told = user.run(*command, *options)
                assert key not in told.out + told.err
        assert key.encode() not in everything_written(user)
    broken = [
        ["fetch", link.replace("magnet:?xt=urn:btih:", "magnet:?xt=urn:nothing:")],
        ["fetch", f"https://example.org/#{quote(link.replace('magnet:', 'mag:'), safe='')}"],
        ["fetch", f"{link}0"],
        ["fetch", key],
        ["fetch", link.removeprefix("magnet:?")],
        ["fetch", link.replace("magnet:?", "magnet:?xt=urn:btih:%FF&"), "--nonsense"],
        ["share", link],
        ["show", key],
        ["share", memo, "--to", key],
        ["fetch", "ab" * 20, "--identity", link],
        ["--library", link, "--nonsense"],
        [link],
    ]
    for arguments in broken:
        result = anna.run(*arguments, expect=None)
        assert result.code, arguments
        assert key[20:40] not in result.out + result.err, arguments
    wrapped = "\n".join(link[start : start + 90] for start in range(0, len(link), 90))
    result = ben.run("fetch", "-", "--timeout", "1", stdin=wrapped, expect=None)
    assert result.code
    assert not [part for part in wrapped.splitlines()[-1:] if part[:20] in result.err]
    unreachable = link.replace(info_hash(link), "ab" * 20)
    result = ben.run("fetch", unreachable, "--timeout", "1", expect=6)
    assert key[20:40] not in result.err


def test_a_traceback_that_is_kept_is_free_of_the_key(ben: Memocast) -> None:
    # A mistake of memocast's own, made by a module that lies about what it is.
    (ben.home / "broken").mkdir()
    module = ben.home / "broken" / "libtorrent.py"
    module.write_text(f"raise ValueError('x.age={KEY}')\n")
    process = ben.with_(PYTHONPATH=str(module.parent)).start("fetch", LINK)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "unexpected ValueError: x.age=…" in err
    log = (ben.library / "log" / "crash.log").read_text()
    assert "ValueError: x.age=…" in log
    assert KEY not in err + log


def test_a_link_can_be_pasted_where_nobody_sees_it(
    anna: Memocast, ben: Memocast, memo: str
) -> None:
    link = anna.run("share", memo, "--private", "--direct").out.strip()
    with Terminal(ben) as terminal:
        terminal.begin("memocast fetch")
        terminal.wait_for_text("paste a link")
        terminal.write(f"{link}\n")
        terminal.wait_for_text("fetched 'Grüße")
        terminal.write("\n")
        shown = "".join(terminal.end())
    assert key_in(link)[:20] not in shown
    assert ben.show()["title"]


def test_without_a_link_and_a_terminal_commands_say_what_they_take(ben: Memocast) -> None:
    assert "name a link to fetch" in ben.run("fetch", expect=2).err
    assert "name what to follow" in ben.run("follow", expect=2).err
    assert "no link was given" in ben.run("follow", "-", stdin="\n", expect=2).err


def channel_link(user: Memocast) -> str:
    return user.run("channel", "create", "Secret", "--private").out.strip()


def memo_link(_: Memocast) -> str:
    return f"magnet:?xt=urn:btih:{'ab' * 20}&x.age={KEY}"


def pairing_secret(user: Memocast) -> str:
    return user.run("pair").out.strip()


@pytest.mark.parametrize(
    ("make", "command", "options", "code"),
    [
        (pairing_secret, "pair", [], 0),
        (channel_link, "follow", [], 0),
        (memo_link, "fetch", ["--timeout", "0.1"], 6),
        (lambda user: quote(memo_link(user), safe=""), "fetch", ["--timeout", "0.1"], None),
    ],
    ids=["pair", "follow", "fetch", "fetch what is encoded"],
)
def test_a_secret_as_an_argument_works_with_a_warning_and_by_standard_input_without(
    anna: Memocast,
    memocast: Callable[..., Memocast],
    make: Callable[[Memocast], str],
    command: str,
    options: list[str],
    code: int | None,
) -> None:
    secret = make(anna)
    ben, carla = memocast("ben"), memocast("carla")
    seen = ben.run(command, secret, *options, expect=code)
    # A link with a key is warned of where somebody reads it, on a terminal.
    assert (f"next time: memocast {command} -" in seen.err) == (command == "pair")
    unseen = carla.run(command, "-", *options, stdin=f"{secret}\n", expect=code)
    assert "next time" not in unseen.err
    assert (unseen.code, unseen.out.replace("carla", "ben")) == (seen.code, seen.out)
    for result in (seen, unseen):
        assert KEY[20:40] not in result.out + result.err


def test_what_is_public_is_no_reason_to_warn(anna: Memocast, ben: Memocast) -> None:
    link = anna.run("channel", "create", "Open").out.strip()
    assert "next time" not in ben.run("follow", link).err
    assert "next time" not in ben.run("fetch", "AB" * 20, "--timeout", "0.1", expect=6).err
    upper = f"magnet:?xt=urn:btih:{'ABCDEFGH' * 4}"
    assert "next time" not in ben.run("fetch", upper, "--timeout", "0.1", expect=6).err


@pytest.mark.parametrize(
    ("make", "line", "asked", "done"),
    [
        (pairing_secret, "memocast pair -", "paste the secret", "paired;"),
        (channel_link, "memocast follow", "paste the channel's link", "you now follow 'Secret'"),
        (channel_link, "memocast follow -", "paste the channel's link", "you now follow 'Secret'"),
    ],
)
def test_a_secret_can_be_pasted_where_nobody_sees_it(
    anna: Memocast,
    ben: Memocast,
    make: Callable[[Memocast], str],
    line: str,
    asked: str,
    done: str,
) -> None:
    secret = make(anna)
    key = secret[secret.index("AGE-SECRET-KEY-") :][20:40]
    with Terminal(ben, columns=200) as terminal:
        terminal.begin(line)
        terminal.wait_for_text(asked)
        listed = subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, text=True)
        terminal.write(f"{secret}\n")
        terminal.wait_for_text(done)
        shown = "".join(terminal.end())
    assert key not in listed.stdout + shown


@pytest.mark.long
def test_neither_key_nor_title_is_seen_on_the_wire(
    memocast: Callable[..., Memocast], opus: Path, tmp_path: Path
) -> None:
    # On a machine of its own, where no other test talks.
    with two_hosts() as (host, _), host.entered(), HttpTracker() as tracker:
        nodes, addresses = dht_nodes(3)
        anna, ben = (
            memocast(
                name,
                MEMOCAST_TRACKERS=tracker.url,
                MEMOCAST_DHT="true",
                MEMOCAST_DHT_BOOTSTRAP=addresses[0],
                MEMOCAST_LISTEN=f"127.0.{number}.1:0",
            )
            for name, number in (("anna", 41), ("ben", 42))
        )
        memo = anna.add(opus, title=TITLE)
        capture = tmp_path / "wire.pcapng"
        # The kernel drops what nobody reads in time: a large buffer, and no look at it meanwhile.
        command = [needs("tshark"), "-q", "-n", "-i", "lo", "-B", "64", "-w", str(capture)]
        with running(subprocess.Popen(command, stderr=subprocess.PIPE, text=True)) as sniffer:
            assert sniffer.stderr
            wait_for("tshark", lambda: "Capturing" in sniffer.stderr.readline())  # type: ignore[union-attr]
            wait_for("its file", capture.exists)
            link = anna.run("share", memo, "--private").out.strip()
            wait_for("the announce", lambda: tracker.announced(info_hash(link)))
            wait_for("the DHT", lambda: anna.seeder()["reach"]["dht_nodes"])
            ben.run("fetch", link)
            anna.stop()
            sniffer.terminate()
            sniffer.wait(30)
        del nodes
    seen = capture.read_bytes()
    assert bytes.fromhex(info_hash(link)) in seen, "metadata and handshakes were captured"
    key = key_in(link).encode()
    audio = anna.audio(memo).read_bytes()
    for secret in (key, key.lower(), key[20:40], TITLE.encode(), TITLE.encode().hex().encode()):
        assert secret not in seen
    assert audio[1000:1016] not in seen
