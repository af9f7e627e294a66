"""What one process holds, others wait for or leave alone."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from helpers.waiting import wait_for
from memocast.files import file_stamp, locked
from memocast.library import staging
from memocast.library.staging import Staging

if TYPE_CHECKING:
    from collections.abc import Callable

    from helpers.memocast_user import Memocast

ACTS: dict[str, Callable[[Staging], object]] = {
    "create": lambda entries: entries.create("recording"),
    "download": lambda entries: entries.download("web-1"),
    "discard items": lambda entries: entries.discard_items([]),
    "look for what was left behind": lambda entries: list(entries.left_behind()),
    "ask whether one is in use": lambda entries: entries.is_in_use(),
}


def is_waited_for(path: Path) -> bool:
    """Whether some process or thread waits for the lock of that file (proc_locks(5))."""
    waiting = [line for line in Path("/proc/locks").read_text().splitlines() if " -> " in line]
    return any(f":{path.stat().st_ino} " in line for line in waiting)


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_who_creates_or_claims_an_entry_waits_for_others_that_do(
    tmp_path: Path, act: Callable[[Staging], object]
) -> None:
    gate = tmp_path / ".gate"
    with locked(gate):
        other = threading.Thread(target=act, args=[Staging(tmp_path)])
        other.start()
        wait_for("it to go on, or to wait", lambda: not other.is_alive() or is_waited_for(gate))
        assert other.is_alive()
    other.join()


def test_an_entry_that_its_owner_discards_just_now_is_not_claimed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = staging.lock

    def lock_too_late(path: Path, **options: bool) -> int | None:
        held = lock(path, **options)
        path.unlink()  # as who discards it does
        return held

    monkeypatch.setattr(staging, "lock", lock_too_late)
    assert Staging(tmp_path).download("web-1") is None


def test_a_copy_of_the_database_is_left_to_the_process_that_makes_it(
    anna: Memocast, opus: Path
) -> None:
    anna.add(opus)
    backups = anna.library / "backups"
    begun = backups / "1.part"
    begun.touch()
    before = file_stamp(backups / "1.db")
    with locked(backups / ".lock"):
        anna.add(opus)
    assert begun.exists()
    assert file_stamp(backups / "1.db") == before
    anna.add(opus)
    assert not begun.exists(), "whoever began it has died"
    assert file_stamp(backups / "1.db") != before
