"""Any config file and any environment: settings within their bounds, or a usage error."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.full_or_short import scaled
from helpers.hypothesis_strategies import ANY_TEXT, PEERS, TRACKERS
from memocast.errors import UsageError
from memocast.formats.addresses import address, host_and_port
from memocast.formats.trackers import is_tracker
from memocast.settings import FORMATS, Settings, load

if TYPE_CHECKING:
    from pathlib import Path

DEFAULTS = asdict(Settings())
KEYS = list(DEFAULTS)

often = settings(max_examples=scaled(300, 60))
utf_8 = st.text(max_size=40)
hosts = st.from_regex(r"[a-z0-9.-]{1,20}|\[::1\]", fullmatch=True)
nodes = st.builds("{}:{}".format, hosts, st.integers(0, 65_535))
rates = st.integers(0, 2**31 - 1)
valid = st.builds(
    Settings,
    trackers=st.lists(TRACKERS, max_size=3).map(tuple),
    dht=st.booleans(),
    dht_bootstrap=st.lists(nodes, max_size=3).map(tuple),
    lsd=st.booleans(),
    port_mapping=st.booleans(),
    listen=st.lists(PEERS.map(lambda peer: address(*peer)), min_size=1, max_size=3).map(tuple),
    webrtc=st.booleans(),
    stun_server=nodes | st.just(""),
    upload_limit=rates,
    download_limit=rates,
    seed_fetched=st.booleans(),
    device=utf_8,
    format=st.sampled_from(FORMATS),
    page_url=st.builds("https://{}/{}".format, hosts, st.sampled_from(["", "listen/", "?a=b"]))
    | st.just(""),
    autostart=st.booleans(),
)

# Near a valid value, or far from all.
addresses = st.sampled_from(
    [
        *("udp://", "udp://\x1b", "ws://a", "a:1", "a:²", ":1", "a:65536", "a:1,b:2", "a b:1"),
        *("localhost:1", "[fe80::1%eth0]:5", "::1:5", "1.2.3.4:99999", "[::1]:0", "127.1:5"),
    ]
)
words = st.sampled_from(
    ["true", "yes", "-1", "2147483648", "²", "٣", "1e3", "opus", "mp3", " ", ""]
)
scraps = addresses | words
anything = st.recursive(
    st.one_of(scraps, utf_8, st.integers(-(2**70), 2**70), st.floats(), st.booleans(), st.dates()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(utf_8, inner, max_size=2),
    max_leaves=4,
)
near = {
    str: scraps | utf_8,
    int: st.sampled_from([-1, 0, 1, 2**31 - 1, 2**31, True, 1.0]),
    bool: st.sampled_from([True, 0, 1, "true"]),
    tuple: addresses.map(lambda item: [item]) | st.lists(scraps | TRACKERS, max_size=3),
}
pairs = st.one_of(
    *(
        st.tuples(st.sampled_from([key for key in KEYS if type(DEFAULTS[key]) is kind]), values)
        for kind, values in near.items()
    ),
    st.tuples(st.sampled_from(KEYS) | utf_8, anything),
)
documents = st.lists(pairs, max_size=2).map(dict)


def toml(value: Any) -> str:
    """The value as TOML writes it."""
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(char):08x}" for char in value) + '"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{toml(key)} = {toml(item)}' for key, item in value.items())}}}"
    return str(value)


def document(content: dict[str, Any]) -> str:
    return "".join(f"{toml(key)} = {toml(value)}\n" for key, value in content.items())


def as_variable(value: object) -> str:
    """The value as the environment holds it."""
    if isinstance(value, tuple):
        return " ".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("settings") / "config.toml"


def assert_in_range_or_refused(path: Path, environment: dict[str, str]) -> None:
    try:
        found = load(path, environment)
    except UsageError as error:
        assert error.message
        assert error.hint
        return
    for key in KEYS:
        assert type(getattr(found, key)) is type(DEFAULTS[key])
    assert all(is_tracker(url) for url in found.trackers)
    for node in found.dht_bootstrap:
        host, _, port = node.rpartition(":")
        assert host
        assert host.isprintable()
        assert "," not in node
        assert int(port) <= 65_535
    assert found.listen
    for host, port in found.addresses(20_000):
        assert host_and_port(address(host, port)) == (host, port)
        assert port > 0
    assert 0 <= found.upload_limit < 2**31
    assert 0 <= found.download_limit < 2**31
    assert found.format in FORMATS
    for text in (found.device, found.stun_server, found.page_url):
        text.encode()


@given(valid)
def test_what_is_valid_is_taken_from_the_file_and_from_the_environment(
    path: Path, meant: Settings
) -> None:
    path.write_text(document(asdict(meant)), encoding="utf-8")
    assert load(path, {}) == meant
    assert_in_range_or_refused(path, {})
    path.write_bytes(b"")
    variables = {
        f"MEMOCAST_{key.upper()}": as_variable(value) for key, value in asdict(meant).items()
    }
    assert load(path, variables) == meant


@given(valid, valid, st.sets(st.sampled_from(KEYS)))
def test_the_environment_goes_over_the_file_key_by_key(
    path: Path, below: Settings, above: Settings, keys: set[str]
) -> None:
    path.write_text(document(asdict(below)), encoding="utf-8")
    found = load(path, {f"MEMOCAST_{key.upper()}": as_variable(asdict(above)[key]) for key in keys})
    for key in KEYS:
        assert getattr(found, key) == getattr(above if key in keys else below, key)


@often
@given(documents)
def test_any_document_gives_settings_in_range_or_a_hint(
    path: Path, content: dict[str, Any]
) -> None:
    path.write_text(document(content), encoding="utf-8")
    assert_in_range_or_refused(path, {})


@given(st.binary() | st.text().map(str.encode) | st.sampled_from([b"a=" + b"[" * 5_000, b"\xef"]))
def test_any_bytes_in_the_file_give_settings_in_range_or_a_hint(path: Path, text: bytes) -> None:
    path.write_bytes(text)
    assert_in_range_or_refused(path, {})


names = st.sampled_from([f"MEMOCAST_{key.upper()}" for key in KEYS])
bytes_of_another_encoding = st.sampled_from(["\udcff", "udp://\udcff", "\udcff:1"])
environments = st.dictionaries(
    names | ANY_TEXT.map("MEMOCAST_".__add__),
    scraps | bytes_of_another_encoding | ANY_TEXT,
    max_size=3,
)


@often
@given(environments)
def test_any_environment_gives_settings_in_range_or_a_hint(
    path: Path, environment: dict[str, str]
) -> None:
    path.write_bytes(b"")
    assert_in_range_or_refused(path, environment)
