"""The fuzzing harnesses over their seeds and some changes to these, so that they keep in step."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import signal
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz import figures, registry, sound_seeds
from fuzz.harness import plainly, remove_work_folder
from helpers.full_or_short import FULL, chances, scaled
from helpers.repository import TESTS
from helpers.waiting import wait_for
from memocast.formats import untrusted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FAST = [name for name in registry.ENTRIES if name != "decoding"]
"""The other one starts a process for each input."""


@pytest.fixture(autouse=True, scope="module")
def empty_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A link or a recipient may be the name of a file: there is none."""
    folder = tmp_path_factory.mktemp("around") / "empty"
    folder.mkdir()
    with contextlib.chdir(folder):
        yield folder


@pytest.fixture(autouse=True, scope="session")
def work_folder() -> Iterator[None]:
    """Harnesses keep libraries in theirs, and a worker may come back to this module later."""
    yield
    remove_work_folder()


@pytest.mark.parametrize("name", FAST)
def test_every_target_accepts_some_seeds_and_refuses_others(name: str) -> None:
    harness = registry.harness(name)
    counts = Counter(harness.run(data) for data in harness.seeds)
    for target in harness.targets:
        assert counts.pop((target, "accepted")) >= 1
        assert any(chosen == target for chosen, _ in counts) or target == "tags"


def test_real_decoders_take_some_seeds_and_refuse_others() -> None:
    harness = registry.harness("decoding")
    found = sound_seeds.files()
    chosen = [found["opus"], found["mp3"], found["wav"][:200], b""]
    outcomes = [harness.run(b"\0" + content) for content in chosen]
    assert [outcome for _, outcome in outcomes] == ["accepted", "accepted", "Refused", "NoSound"]
    for data in harness.seeds if FULL else ():
        harness.run(data)


@pytest.mark.parametrize("name", FAST)
def test_a_seed_with_a_few_changes_is_taken_or_refused(name: str) -> None:
    harness = registry.harness(name)
    chance = chances()
    mutate = plainly(chance)
    for data in chance.choices(harness.seeds, k=scaled(3_000, 30)):
        changed = harness.changed(data, harness.most_bytes, chance, mutate)
        assert len(changed) <= harness.most_bytes
        harness.run(changed)


@settings(max_examples=scaled(500, 20))
@given(st.sampled_from(FAST), st.binary(max_size=300))
def test_any_bytes_are_taken_or_refused(name: str, data: bytes) -> None:
    registry.harness(name).run(data)


def test_no_name_leads_out_of_the_empty_folder(empty_folder: Path) -> None:
    (empty_folder.parent / "outside.torrent").mkdir()
    for text in ("../outside.torrent", " /dev/zero", "/dev/zero", "a/../../outside.torrent"):
        assert registry.harness("links").run(b"\0" + text.encode()) == ("link", "skipped")
        assert registry.harness("keys").run(b"\3" + text.encode()) == ("recipients", "skipped")


def test_a_mistake_of_ours_is_not_mistaken_for_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    harness = dataclasses.replace(registry.harness("links"), codes=frozenset({2, 7}))
    with pytest.raises(AssertionError, match="NotALink"):
        harness.run(b"\0not a link")
    # A bound that is gone.
    monkeypatch.setattr(
        untrusted, "cut_text", lambda value, _limit: value if isinstance(value, str) else ""
    )
    feeds = registry.harness("feeds")
    with pytest.raises(AssertionError):
        list(map(feeds.run, feeds.seeds))


@pytest.mark.skipif(
    not FULL or not importlib.util.find_spec("atheris"), reason="in full, with the extra 'fuzz'"
)
def test_a_run_that_was_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    command = [sys.executable, str(TESTS / "fuzz" / "fuzz.py"), "--folder", str(tmp_path)]
    asked = [*command, "--target", "settings", "--target", "dht", "--jobs", "2"]
    first = subprocess.Popen([*asked, "--minutes", "10"], start_new_session=True)
    folders = [tmp_path / "settings", tmp_path / "dht"]
    wait_for("figures", lambda: all(figures.read(folder).inputs for folder in folders))
    first.send_signal(signal.SIGKILL)
    first.wait()
    before = [figures.read(folder) for folder in folders]
    minutes = str(max(found.seconds for found in before) / 60 + 0.05)
    done = subprocess.run([*asked, "--minutes", minutes], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for folder, found in zip(folders, before, strict=True):
        after = figures.read(folder)
        assert after.inputs > found.inputs
        assert after.inputs == sum(after.outcomes.values())
        assert float(minutes) * 60 <= after.seconds < float(minutes) * 60 + 20
        assert after.edges > 0
        assert list((folder / "corpus").iterdir())
        assert f"| {folder.name} |" in done.stdout
    again = subprocess.run([*command, "--table"], capture_output=True, text=True)
    assert again.stdout.splitlines()[0] == done.stdout.splitlines()[0]
