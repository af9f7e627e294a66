"""Settings: defaults, config.toml, the environment; a typing error is never a silent default."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

import pytest

from memocast.errors import UsageError
from memocast.settings import Settings, load

if TYPE_CHECKING:
    from pathlib import Path

    from helpers.memocast_user import Memocast


def settings(tmp_path: Path, text: str = "", **environment: str) -> Settings:
    (tmp_path / "config.toml").write_text(text)
    return load(tmp_path / "config.toml", environment)


def test_on_a_local_network_nobody_outside_is_asked_or_told() -> None:
    settings = Settings(trackers=("udp://t",), listen=("0.0.0.0:6881", "[::]:0")).on_lan()
    assert settings.trackers == ()
    assert not (settings.dht or settings.port_mapping or settings.webrtc)
    assert settings.lsd
    assert settings.listen == ("0.0.0.0:0", "[::]:0"), "the other session has the named port"


def test_defaults_file_environment_each_goes_over_the_one_before(tmp_path: Path) -> None:
    assert load(tmp_path / "none.toml", {}) == Settings()
    text = 'dht = false\nupload_limit = 1000\nlisten = "127.0.0.1:7000"\ntrackers = []\n'
    found = settings(tmp_path, text, MEMOCAST_UPLOAD_LIMIT="5", MEMOCAST_LIBRARY="/x")
    assert (found.dht, found.upload_limit, found.trackers) == (False, 5, ())
    assert found.addresses(1) == [("127.0.0.1", 7000)]


def test_lists_are_separated_by_white_space_and_empty_means_none(tmp_path: Path) -> None:
    found = settings(
        tmp_path,
        MEMOCAST_TRACKERS="udp://a.example:1  http://b.example/announce",
        MEMOCAST_DHT_BOOTSTRAP="",
        MEMOCAST_LISTEN="0.0.0.0:0 [::1]:9",
    )
    assert found.trackers == ("udp://a.example:1", "http://b.example/announce")
    assert found.dht_bootstrap == ()
    assert found.addresses(50_000) == [("0.0.0.0", 50_000), ("::1", 9)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("trackres = []", "did you mean 'trackers'?"),
        ("dht = 'yes'", "use true or false"),
        ("upload_limit = true", "use a whole number"),
        ("upload_limit = -1", "use 0 (none) to 2147483647"),
        ("upload_limit = 1.5", "use a whole number"),
        ("trackers = 'udp://a'", 'use a list: ["…", "…"]'),
        ("trackers = ['example.org']", "a tracker begins with udp://"),
        ("listen = ['localhost:1']", "use IP:PORT"),
        ("listen = []", "use IP:PORT"),
        ("listen = ['127.0.0.1:99999']", "use IP:PORT"),
        ("format = 'mp3'", "use one of: opus, flac, wav"),
        ("dht_bootstrap = ['example.org']", "use HOST:PORT"),
        ("dht_bootstrap = ['6881']", "use HOST:PORT"),
        ("dht_bootstrap = [':6881']", "use HOST:PORT"),
        ("dht_bootstrap = ['example.org:²']", "use HOST:PORT"),
        ("dht_bootstrap = ['example.org:65536']", "use HOST:PORT"),
        ("dht_bootstrap = ['a.example:1,b.example:1']", "use HOST:PORT"),
        ('trackers = ["udp://a\\nb"]', "a tracker begins with udp://"),
        (f"trackers = ['udp://{'x' * 300}']", "at most 300 characters"),
        ("dht = ", "fix that line"),
    ],
)
def test_a_mistake_in_the_file_is_named_with_its_remedy(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(UsageError) as caught:
        settings(tmp_path, text)
    assert str(tmp_path / "config.toml") in caught.value.message
    assert said in caught.value.hint


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MEMOCAST_DTH", "true"),
        ("MEMOCAST_DHT", "yes"),
        ("MEMOCAST_UPLOAD_LIMIT", "lots"),
        ("MEMOCAST_TRACKERS", "example.org"),
        ("MEMOCAST_LISTEN", "6881"),
        ("MEMOCAST_TRACKERS", "udp://\udcff.example"),
        ("MEMOCAST_DEVICE", "\udcff"),
    ],
)
def test_a_mistake_in_the_environment_is_named(tmp_path: Path, variable: str, value: str) -> None:
    with pytest.raises(UsageError) as caught:
        settings(tmp_path, **{variable: value})
    assert f"${variable}" in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("options", "name", "said"),
    [
        ([], "", "$MEMOCAST_LIBRARY is empty"),
        ([], " \t", "$MEMOCAST_LIBRARY is empty"),
        (["--library", ""], "there", "--library is empty"),
        (["--library", " "], "there", "--library is empty"),
        ([], "there\nelsewhere", "$MEMOCAST_LIBRARY contains a line break"),
        (["--library", "\x1bthere"], "there", "--library contains a line break"),
        (["--library", "~nobody-of-that-name/x"], "there", "'~nobody-of-that-name/x'"),
    ],
)
def test_a_library_that_is_not_named_is_not_the_default(
    anna: Memocast, options: list[str], name: str, said: str
) -> None:
    user = anna.with_(MEMOCAST_LIBRARY=name)
    before = sorted(anna.home.rglob("*"))
    result = user.run(*options, "list", expect=2)
    message, hint = result.err.splitlines()
    assert message.startswith(f"memocast: error: {said}")
    assert hint.startswith("memocast: hint: ")
    completed = user.with_(
        _MEMOCAST_COMPLETE="complete_bash", COMP_WORDS="memocast show ", COMP_CWORD="2"
    ).shell("python -m memocast")
    assert completed.err == ""
    assert sorted(anna.home.rglob("*")) == before, "nothing was made anywhere"


def test_a_library_can_be_named_in_every_usual_way(anna: Memocast) -> None:
    (anna.home / "a b").mkdir()
    for name, place in (
        ("a b/relative", "a b/relative"),
        ("~/of the user", "of the user"),
        (str(anna.home / "full"), "full"),
    ):
        anna.with_(MEMOCAST_LIBRARY=name).run("list")
        assert (anna.home / place / "library.db").exists()
    odd = anna.home / "two\nlines"
    (anna.home / "full").rename(odd)
    anna.with_(MEMOCAST_LIBRARY=str(odd)).run("list")  # one that is there goes on


def test_a_file_or_a_folder_that_is_gone_is_no_place_for_a_library(anna: Memocast) -> None:
    (anna.home / "file").write_text("x")
    for name in ("file", "file/library", "~/file"):
        result = anna.with_(MEMOCAST_LIBRARY=name).run("list", expect=8)
        assert f"'{anna.home / 'file'}' is not a folder" in result.err
        assert "--library DIR" in result.err
    script = 'mkdir gone; cd gone; rmdir "$PWD"; MEMOCAST_LIBRARY=relative python -Pm memocast list'
    result = anna.shell(script, expect=2)
    assert "the current folder no longer exists" in result.err


def test_an_empty_variable_is_nothing_for_texts_and_lists_and_a_mistake_for_the_rest(
    tmp_path: Path,
) -> None:
    may_be_empty = {"trackers", "dht_bootstrap", "stun_server", "device", "page_url"}
    for key in (field.name for field in fields(Settings)):
        given = {f"MEMOCAST_{key.upper()}": ""}
        if key in may_be_empty:
            assert not getattr(settings(tmp_path, **given), key)
            continue
        with pytest.raises(UsageError) as caught:
            settings(tmp_path, **given)
        assert f"$MEMOCAST_{key.upper()} is " in caught.value.message
        assert caught.value.hint


def test_a_config_file_with_a_typo_stops_every_command_before_it_does_anything(
    anna: Memocast,
) -> None:
    folder = anna.home / ".config" / "memocast"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text('trackres = ["udp://a.example:1"]\n')
    for command in (["list"], ["record"], ["share", "latest"], ["seed"], ["fetch", "ab" * 20]):
        result = anna.run(*command, expect=2)
        assert result.out == ""
        assert "there is no such setting: 'trackres' in " in result.err
        assert "hint: did you mean 'trackers'?" in result.err
    assert not anna.library.exists()


def test_rate_limits_hold_on_loopback_too(anna: Memocast, ben: Memocast, flac: Path) -> None:
    import time

    memo = anna.add(flac)
    size = anna.show(memo)["bytes"]
    slow = anna.with_(MEMOCAST_UPLOAD_LIMIT=str(size // 2))
    link = slow.run("share", memo, "--direct").out.strip()
    began = time.monotonic()
    ben.run("fetch", link)
    # Unlimited it takes half a second; at this limit it cannot take less than one.
    assert time.monotonic() - began > 1


LONG = "x" * 9_000


@pytest.mark.parametrize(
    "text",
    [f"{LONG} = 1", f"format = '{LONG}'", f"trackers = ['{LONG}']", f"listen = '{LONG}'"],
)
def test_a_mistake_of_any_length_is_told_in_a_sentence(tmp_path: Path, text: str) -> None:
    for given in ({"text": text}, {"MEMOCAST_STUN_SERVER": LONG}, {f"MEMOCAST_{LONG}": "1"}):
        with pytest.raises(UsageError) as caught:
            settings(tmp_path, **given)
        assert len(caught.value.message) - len(str(tmp_path)) < 200
