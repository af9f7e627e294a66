"""`doctor`: what would stop recording or sharing, each with its fix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from helpers.trackers import HttpTracker

if TYPE_CHECKING:
    from pathlib import Path

    from helpers.memocast_user import Memocast


def findings(user: Memocast, code: int) -> dict[str, Any]:
    return {
        found["check"].partition(" ")[0]: found
        for found in user.run("doctor", "--json", expect=code).json
    }


def test_all_is_well(speaking_anna: Memocast, opus: Path) -> None:
    with HttpTracker() as tracker:
        user = speaking_anna.with_(MEMOCAST_TRACKERS=tracker.url)
        user.add(opus)
        user.run("share", "latest")
        found = findings(user, 0)
        user.stop()
    assert all(finding["ok"] for finding in found.values())
    assert all(finding["fix"] == "" for finding in found.values())
    assert set(found) == {
        "microphone",
        "speaker",
        "library",
        "audio",
        "seeder",
        "listening",
        "port",
        "dht",
        "tracker",
        "browsers",
    }
    assert found["tracker"]["detail"] == "answers"
    assert found["seeder"]["detail"].startswith("running, pid ")
    assert found["port"]["detail"] == "turned off"


@pytest.mark.long
def test_everything_that_is_wrong_comes_with_its_fix(anna: Memocast, opus: Path) -> None:
    user = anna.with_(
        PULSE_SERVER="unix:/nonexistent",
        MEMOCAST_TRACKERS="http://127.0.0.1:9/announce",
        MEMOCAST_DHT="true",
        MEMOCAST_PORT_MAPPING="true",
    )
    memo = user.add(opus)
    user.run("share", memo, "--no-seed")
    (user.library / "memos" / "stray.opus").write_bytes(b"x")
    found = findings(user, 1)
    wrong = {name for name, finding in found.items() if not finding["ok"]}
    assert wrong == {"microphone", "speaker", "unknown", "seeder", "dht", "tracker", "port"}
    assert all(found[name]["fix"] for name in wrong)
    assert found["seeder"]["fix"] == "memocast seed --background"
    assert "stray.opus" in found["unknown"]["detail"]
    offline = user.with_(MEMOCAST_TRACKERS="", MEMOCAST_DHT="false", MEMOCAST_PORT_MAPPING="false")
    lines = offline.run("doctor", expect=1).lines
    assert any(line.startswith("problem\tmicrophone\tno microphone found\t") for line in lines)


def test_doctor_changes_nothing(anna: Memocast, opus: Path) -> None:
    anna.add(opus)
    before = anna.snapshot()
    anna.run("doctor", expect=None)
    assert anna.snapshot() == before
