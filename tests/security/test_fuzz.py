"""The fuzzing targets over their seeds and over random bytes, so that they keep in step."""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz import seeds, targets
from helpers.full_or_short import scaled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SEEDS = seeds.inputs()
NUMBERS = st.integers(0, len(targets.TARGETS) - 1)


@pytest.fixture(autouse=True, scope="module")
def empty_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A link may be the name of a file: there is none."""
    folder = tmp_path_factory.mktemp("around") / "empty"
    folder.mkdir()
    with contextlib.chdir(folder):
        yield folder


def test_every_target_accepts_some_seeds_and_refuses_others() -> None:
    counts = Counter(targets.run(data) for data in SEEDS)
    for name in targets.TARGETS:
        accepted = counts.pop((name, "accepted"))
        assert accepted >= 3
        assert any(target == name for target, _ in counts)


anything = settings(max_examples=scaled(500, 100))


@anything
@given(NUMBERS, st.binary(max_size=300))
def test_any_bytes_are_taken_or_refused(number: int, data: bytes) -> None:
    targets.run(bytes([number]) + data)


@anything
@given(st.sampled_from(SEEDS), st.data())
def test_a_seed_with_a_few_bytes_changed_is_taken_or_refused(
    seed: bytes, data: st.DataObject
) -> None:
    begin = data.draw(st.integers(0, len(seed)))
    end = data.draw(st.integers(begin, min(begin + 8, len(seed))))
    targets.run(seed[:begin] + data.draw(st.binary(max_size=8)) + seed[end:])


def test_no_name_leads_out_of_the_empty_folder(empty_folder: Path) -> None:
    (empty_folder.parent / "outside.torrent").mkdir()
    for text in ("../outside.torrent", " /dev/zero", "/dev/zero", "a/../../outside.torrent"):
        assert targets.run(b"\0" + text.encode()) == ("link", "skipped")


def test_a_mistake_of_ours_is_not_mistaken_for_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "EXPECTED_CODES", {2, 7})
    with pytest.raises(AssertionError, match="NotALink"):
        targets.run(b"\0not a link")
