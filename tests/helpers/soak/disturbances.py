"""What befalls a seeder besides its peers. After each, somebody new must be able to fetch."""

from __future__ import annotations

import contextlib
import signal
import time
from typing import TYPE_CHECKING, Any

from helpers.full_or_short import pause
from helpers.raw_peer import Wire
from helpers.soak import bad_moods, peers
from helpers.waiting import wait_for

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from helpers.soak.memos import Shared
    from helpers.soak.world import World

SECONDS = 30.0
"""In which a fetch must be done after anything. libtorrent looks for new addresses of the machine
every few seconds, and a worker that crashed twice in a minute waits for some."""

Found = dict[str, Any]


def network(world: World, chances: random.Random) -> Found:
    """The cable is pulled while peers are being served, and they are gone when it is back."""
    ghosts = [peers.greeted(world, chances) for _ in range(3)]
    for ghost in ghosts:
        peers.ask(ghost)
    what = chances.choice(("cable", "cable and address", "another address"))
    world.here.unplug(keep_address=what == "cable")
    if what == "another address":
        world.here.address = f"10.73.0.{chances.randrange(10, 250)}"
    for ghost in ghosts:
        ghost._socket.close()  # which the seeder is never told
    pause(chances.uniform(0.1, 2))
    world.plug_in()
    return {"what": what, **_fetched(world, world.memos.any(chances))}


def trackers(world: World, chances: random.Random) -> Found:
    """All trackers go mad while a memo is shared; then they are well, and found to be."""
    moods = chances.choice(list(bad_moods.HTTP)), chances.choice(list(bad_moods.UDP))
    of_web = chances.choice(list(bad_moods.HTTP))
    world.http.mood, world.udp.mood = bad_moods.HTTP[moods[0]], bad_moods.UDP[moods[1]]
    world.web.mood = bad_moods.HTTP[of_web]
    try:
        during = _fetched(world, world.memos.add())
    finally:
        world.http.mood = world.udp.mood = None
    shared = world.memos.add()
    wait_for(
        "an announce",
        lambda: all(one.announced(shared.info_hash) for one in (world.http, world.udp)),
        SECONDS,
    )
    after = _fetched(world, shared, by_tracker=True)
    world.memos.tidy()
    return {"moods": [*moods, of_web], "during": during["fetched_s"], **after}


def library(world: World, chances: random.Random) -> Found:
    """A memo is shared, withdrawn or changed; what is withdrawn is soon refused to peers."""
    what = chances.choice(("share", "unshare", "unshare and share", "remove", "edit"))
    if what == "share" or len(world.memos.shared) < 4:
        world.memos.add()
    elif what == "edit":
        shared = world.memos.any(chances)
        world.anna.run("edit", shared.id, "--title", f"Edited {chances.random()}")
    else:
        shared = world.memos.withdraw(chances, remove=what == "remove")
        wait_for("it to be refused", lambda: not _has(world, chances, shared), SECONDS)
        if what == "unshare and share":
            world.memos.share_again(shared)
        else:
            world.anna.run("remove", shared.id, "--yes", expect=None)  # it takes room
    world.memos.tidy()
    return {"what": what, **_fetched(world, world.memos.any(chances))}


def disk(world: World, chances: random.Random) -> Found:
    """The disk is full: nothing can be added, and fetched all the same; then there is room."""
    ballast = world.anna.library / "ballast"
    try:
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
            while file.write(bytes(1 << 16)):
                pass
        full = world.anna.run("add", str(world.memos.file), "--title", "No room", expect=None)
        assert full.code, "there was room"
        assert "memocast: error: " in full.err, full.err
        during = _fetched(world, world.memos.any(chances))
        pause(chances.uniform(0, 2))
    finally:
        ballast.unlink(missing_ok=True)
    shared = world.memos.add()
    world.memos.tidy()
    return {"during": during["fetched_s"], **_fetched(world, shared)}


def stop(world: World, chances: random.Random) -> Found:
    """The machine sleeps, or one process hangs, while peers connect."""
    names = ["classic", "web", "lan", "supervisor"]
    workers = chances.choice((names, ["classic"], ["web"], ["supervisor"]))
    world.seeder.signal(signal.SIGSTOP, workers)
    try:
        for _ in range(5):
            peers.half_open(world, chances)
        pause(chances.uniform(0.5, 3))
    finally:
        world.seeder.signal(signal.SIGCONT, workers)
    return {"what": workers, **_fetched(world, world.memos.any(chances))}


def _kill(worker: str) -> Callable[[World, random.Random], Found]:
    def kill(world: World, chances: random.Random) -> Found:
        how = chances.choice((signal.SIGKILL, signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT))
        began = time.monotonic()
        world.seeder.kill(worker, how)
        back = round(time.monotonic() - began, 2)
        if worker == "lan":
            wait_for("the memo for the local network", lambda: _has_on_lan(world), SECONDS)
        return {"what": how.name, "back_s": back, **_fetched(world, world.memos.any(chances))}

    return kill


def kill_seeder(world: World, chances: random.Random) -> Found:
    """The supervisor is killed; its workers end by themselves, and another seeder begins."""
    world.seeder.kill_all()
    world.seeder.start()
    return _fetched(world, world.memos.any(chances))


KINDS: dict[str, Callable[[World, random.Random], Found]] = {
    "network": network,
    "trackers": trackers,
    "library": library,
    "disk": disk,
    "stop": stop,
    "kill web": _kill("web"),
    "kill classic": _kill("classic"),
    "kill lan": _kill("lan"),
    "kill seeder": kill_seeder,
}


def _fetched(world: World, shared: Shared, *, by_tracker: bool = False) -> Found:
    """Have somebody fetch it who has never had it; in how many seconds that was done."""
    host, port = world.address
    where = [] if by_tracker else ["--peer", f"{host}:{port}"]
    began = time.monotonic()
    deadline = began + SECONDS
    done = None
    while done is None or done.code == 6:
        left = deadline - time.monotonic()
        assert left > 0, f"no fetch within {SECONDS:g} s: {done}"
        done = world.ben.run(
            *("fetch", shared.link, *where, "--timeout", f"{left:.0f}s"), expect=None
        )
    assert done.code == 0, done
    seconds = round(time.monotonic() - began, 2)
    world.ben.run("remove", done.out.strip(), "--yes")
    return {"fetched_s": seconds}


def _has(world: World, chances: random.Random, shared: Shared) -> bool:
    with Wire.to(world.address, world.somewhere(chances)) as wire:
        return wire.greet(bytes.fromhex(shared.info_hash))


def _has_on_lan(world: World) -> bool:
    """Whether the worker for the local network has its memo for a neighbour."""
    lan = world.seeder.report().get("lan") or {}
    for where in lan.get("reach", {}).get("listening", ()):
        host, _, port = where.rpartition(":")
        if host == world.here.address:
            with contextlib.suppress(OSError):
                wire = Wire.to((host, int(port)), world.there.address)
                with wire:
                    return wire.greet(bytes.fromhex(world.memos.lan.info_hash))
    return False
