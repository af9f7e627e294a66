"""Who is the seeder: the one that holds the lock, and nobody who only looks at it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from memocast.files import lock
from memocast.library.seeder_lock import SeederLock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def seeder(tmp_path: Path) -> Iterator[SeederLock]:
    """A seeder of a library, which has claimed it."""
    found = SeederLock(tmp_path)
    assert found.claim()
    yield found
    found.release()


def test_there_is_one_seeder(seeder: SeederLock, tmp_path: Path) -> None:
    other = SeederLock(tmp_path)
    assert other.is_running()
    assert not other.claim()
    seeder.release()
    assert not other.is_running()
    assert other.claim()
    other.release()


def test_somebody_who_only_asks_is_no_seeder(tmp_path: Path) -> None:
    asking = lock(tmp_path / "seeder.lock", shared=True)
    assert asking is not None
    assert not SeederLock(tmp_path).is_running()
    os.close(asking)


def test_who_asks_for_a_moment_keeps_nobody_from_seeding(tmp_path: Path) -> None:
    seeder = SeederLock(tmp_path)
    assert not seeder.is_running()
    assert seeder.claim()
    seeder.release()


def test_the_report_of_a_killed_seeder_is_not_taken_for_the_next_ones(tmp_path: Path) -> None:
    killed = SeederLock(tmp_path)
    assert killed.claim()
    os.close(killed.descriptor)  # as the system does
    assert (tmp_path / "seeder.json").exists()
    assert not SeederLock(tmp_path).is_running()
    assert not (tmp_path / "seeder.json").exists()


def test_only_a_stop_changes_the_time_of_the_last_one(tmp_path: Path) -> None:
    seeder = SeederLock(tmp_path)
    before = seeder.last_stop()
    assert seeder.claim()
    seeder.leave()
    seeder.release()
    assert not seeder.is_running()
    assert seeder.last_stop() == before
    assert not SeederLock(tmp_path).stop()
    assert seeder.last_stop() > before
