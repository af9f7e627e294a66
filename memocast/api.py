"""The functions of `import memocast`, which do what the commands do.

They use the user's settings, as `memocast.settings.load` returns them, unless `settings` is
given. Failures raise MemocastError, which has a `message`, a `hint` and an `exit_code`.
docs/library.md has examples.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from memocast.fetching.progress import Stage
    from memocast.formats.channel import Channel
    from memocast.formats.memo import Memo
    from memocast.formats.share import Mode
    from memocast.library.library import Library
    from memocast.library.opening import Purpose
    from memocast.settings import Settings

_POLL_SECONDS = 0.05


def open_library(folder: Path | str | None = None, *, purpose: Purpose = "change") -> Library:
    """Open the library in `folder`, creating it if necessary; default: the commands' library.

    Unfinished recordings of a crash become memos first. Close the library when you are done.
    Where it cannot be written, `purpose` says what will do: to "read" it, or on a full disk to
    "free" space. Raises LibraryError.
    """
    from memocast.library.location import library_root
    from memocast.library.location import open_library as open_

    return open_(library_root(None if folder is None else str(folder)), purpose=purpose)


def record(
    library: Library,
    seconds: float,
    title: str | None = None,
    description: str = "",
    *,
    format_: str = "opus",
    device: str = "",
    until: Callable[[], bool] = lambda: False,
) -> Memo:
    """Record for `seconds`, until `until()` is true, or until Ctrl-C, and keep the recording.

    `device` is a microphone's number or name, empty for the default one. Raises DeviceError,
    and Interrupted when no sound was recorded.
    """
    from memocast.errors import MemocastError
    from memocast.library.recording import Recording

    recording = Recording(
        library, title, description, format_=format_, device=device, limit=seconds
    )
    recorder = recording.start()
    failure: MemocastError | None = None
    try:
        while not recorder.is_finished() and not until():
            time.sleep(_POLL_SECONDS)
    except KeyboardInterrupt:
        pass
    except MemocastError as error:
        failure = error
    finally:
        captured = recording.stop()
    return recording.keep(captured, failure).memo


def add(
    library: Library, audio: Path | str | IO[bytes], title: str | None = None, description: str = ""
) -> Memo:
    """Add an audio file, or the content of an open file, to the library, byte for byte."""
    from memocast.library.importing import add_file, add_stream

    if isinstance(audio, Path | str):
        return add_file(library, Path(audio), title, description)
    return add_stream(library, audio, title or "untitled", description, name="the stream")


def edit(
    library: Library, memo: Memo, *, title: str | None = None, description: str | None = None
) -> Memo:
    """Change the fields that are not None; links already given out do not change."""
    from memocast.formats.memo import checked_description, checked_title

    return library.edit(
        memo,
        None if title is None else checked_title(title),
        None if description is None else checked_description(description),
    )


def share(
    library: Library,
    memo: Memo,
    mode: Mode | None = None,
    *,
    recipients: Sequence[str] = (),
    lan: bool = False,
    settings: Settings | None = None,
) -> str:
    """Share the memo and return its magnet link, which works while a seeder runs.

    `mode` is public, private, or addressed to `recipients` (age1…, ssh-…); None means as the
    memo was shared before, or as the settings say. `lan` limits it to the local network.
    """
    from memocast.formats import age
    from memocast.library.sharing import ShareRequest, default_mode
    from memocast.library.sharing import share as share_

    settings = settings or _settings()
    if recipients:
        mode = "addressed"
    request = ShareRequest(mode, default_mode(settings), age.recipients(list(recipients)), lan=lan)
    return share_(library, memo, request).link(settings.trackers)


def start_seeder(library: Library) -> int:
    """Start a seeder in the background unless one is running; return its pid."""
    from memocast.seeding.background import start_seeder as start

    return start(library.root)


def stop_seeder(library: Library) -> bool:
    """Stop the library's seeder; return False if none was running."""
    from memocast.library.seeder_lock import SeederLock

    return SeederLock(library.root).stop()


def fetch(
    library: Library,
    link: str,
    *,
    timeout: float = 120.0,
    max_size: int = 2 << 30,
    peers: Iterable[tuple[str, int]] = (),
    notify: Callable[[Stage], None] = lambda _: None,
    settings: Settings | None = None,
) -> list[Memo]:
    """Fetch the memos of a link into the library: one, or all of a share URL.

    `timeout` is in seconds without progress, `max_size` in bytes. `peers` are IP addresses and
    ports to ask as well. `notify` is called with each stage. Raises NotALink, SwarmTimeout and
    Refused.
    """
    from dataclasses import replace

    from memocast.fetching.fetch import FetchRequest
    from memocast.fetching.fetch import fetch as fetch_
    from memocast.formats.link import parse
    from memocast.library.identity import identities

    settings = settings or _settings()
    known = identities(library.root, None)
    memos = []
    for found in parse(link):
        where = replace(found, peers=(*found.peers, *peers))
        request = FetchRequest(where, timeout, max_size, known)
        memos.append(fetch_(library, settings, request, notify).memo)
    return memos


def create_channel(
    library: Library, name: str, *, private: bool = False, settings: Settings | None = None
) -> Channel:
    """Create a channel; others follow it by `str(channel.link)`."""
    from memocast.channels.publish import create_channel as create

    return create(library, name, (settings or _settings()).trackers, private=private)


def publish(
    library: Library, channel: Channel, memos: Iterable[Memo], *, settings: Settings | None = None
) -> list[str]:
    """Publish memos to your own channel, announce it on the DHT, and return the memos' links.

    Memos already published there are not published again.
    """
    from memocast.channels.publish import Publisher

    settings = settings or _settings()
    publisher = Publisher(library, settings, channel)
    publisher.catch_up()
    items = [(memo, publisher.offer(memo)) for memo in memos]
    fresh = [(memo, item) for memo, item in items if not publisher.has(item)]
    if fresh:
        publisher.publish(fresh)
    if items and settings.dht:
        publisher.announce()
    return [item.link for _, item in items]


def follow(
    library: Library,
    source: str,
    *,
    newest: int | None = None,
    max_size: int | None = None,
    keep_days: int | None = None,
) -> Channel:
    """Follow a channel's link, or the URL or file of a podcast's feed.

    Takes the `newest` memos, none larger than `max_size` bytes, and keeps each for `keep_days`;
    0 means no limit. `sync` fetches new memos, and so does a running seeder.
    """
    from memocast.channels import subscribe

    return subscribe.follow(library, source, newest, max_size, keep_days).channel


def sync(
    library: Library,
    channel: Channel,
    *,
    timeout: float = 30.0,
    notify: Callable[[Stage], None] = lambda _: None,
    settings: Settings | None = None,
) -> list[Memo]:
    """Fetch and return the new memos of a channel that you follow.

    Raises the first error if nothing could be fetched.
    """
    from memocast.channels.follow import Follower
    from memocast.channels.republish import Republisher
    from memocast.channels.source_sync import held_back
    from memocast.channels.sync_events import News
    from memocast.errors import NoSuchMemo

    settings = settings or _settings()
    news = News()
    follower = Follower(library, settings, Republisher(library, settings), timeout)
    follower.sync(channel, news, notify)
    if news.held:
        news.problems.append(held_back(library, settings, news.held))
    if news.problems and not news.memos:
        raise news.problems[0]
    memos = []
    for id_ in news.memos:
        with contextlib.suppress(NoSuchMemo):  # it was removed just now
            memos.append(library.get(id_))
    return memos


def play(library: Library, memo: Memo, *, device: str = "") -> None:
    """Play the memo to its end or until Ctrl-C. `device` is a speaker's number or name."""
    from memocast.library.playing import start_playing

    player = start_playing(library, memo, device)
    try:
        while not player.wait(_POLL_SECONDS):
            pass
    finally:
        player.stop()


def _settings() -> Settings:
    from memocast.settings import load

    return load()
