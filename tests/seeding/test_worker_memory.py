"""What the seeder remembers of what is past: as little as it needs, however long it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memocast.bittorrent import events
from memocast.library.seeder_report import Uploads, WorkerReport
from memocast.seeding.classic_worker import ClassicWorker
from memocast.seeding.webrtc_worker import WebRtcWorker
from memocast.seeding.worker_state import WorkerState
from memocast.settings import Settings

if TYPE_CHECKING:
    from memocast.library.library import Library

ALONE = Settings(
    trackers=(), dht=False, lsd=False, port_mapping=False, stun_server="", listen=("127.0.0.1:0",)
)


def test_uploads_of_what_is_no_longer_seeded_are_forgotten_and_others_kept() -> None:
    worker = WorkerState("a worker", [])
    for number in range(100):
        worker.uploads[f"torrent {number}"] = Uploads(peers=number)
    worker.hear(WorkerReport(torrents={"torrent 7": Uploads(peers=7), "new": Uploads()}))
    assert worker.uploads == {"torrent 7": Uploads(peers=7)}


def test_a_machine_that_had_many_addresses_is_asked_of_the_last_ones_only(
    library: Library,
) -> None:
    told: list[Any] = []
    worker = ClassicWorker(library, ALONE, told.append)
    for number in range(2_000):
        worker.take(events.Listening("", f"10.{number >> 8}.{number & 255}.1", 7000))
    worker.take(events.Listening("", "127.0.0.1", 7000))
    assert len(told) == 2_001
    assert len(worker._listening) <= 100
    assert worker.report().reach.listening == ["127.0.0.1:7000"]
    worker.session.close()


def test_the_worker_for_browsers_forgets_when_it_announced_what_is_withdrawn(
    library: Library,
) -> None:
    worker = WebRtcWorker(library, ALONE, lambda _: None)
    worker._called = {f"torrent {number}": 1.0 for number in range(100)}
    worker.tick(100.0)
    assert worker._called == {}
    worker.session.close()
