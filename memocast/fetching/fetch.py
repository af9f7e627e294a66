"""Fetching a link's memo into the library, in stages reported to the caller."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from memocast.audio import decoder, examine
from memocast.bittorrent.download import STAGED_NAME, Metadata, finished_torrent, open_torrent
from memocast.errors import MissingDecoder, Refused, WrongKey
from memocast.fetching.acceptance import approve, refuse_feed_page
from memocast.fetching.decrypt import Decryptor, check_key
from memocast.fetching.downloader import Downloader, own_addresses
from memocast.fetching.growing_file import GrowingFile
from memocast.fetching.progress import Checking, Decrypting, Preview, Stage, Waiting
from memocast.formats.age import identity
from memocast.formats.memo import now, title_from_file
from memocast.formats.share import Share
from memocast.library.draft import NewMemo
from memocast.library.staging import SEALED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memocast.formats.age import Identity
    from memocast.formats.link import Link
    from memocast.formats.memo import Memo, Origin
    from memocast.formats.memo_info import Description
    from memocast.library.library import Library
    from memocast.library.staging import StagingEntry
    from memocast.settings import Settings

DEFAULT_TIMEOUT = 120.0
DEFAULT_MAX_SIZE = 2 << 30
_POLL_SECONDS = 0.1

Listen = Callable[[GrowingFile, Preview], None]


@dataclass(frozen=True, slots=True)
class Fetched:
    """The memo; `downloaded` is False when the library already had it."""

    memo: Memo
    downloaded: bool


@dataclass(frozen=True, slots=True)
class Adopted:
    """The id and origin that a memo from another of the user's devices keeps.

    `recipient` is the age recipient that the paired devices seal it to.
    """

    id: str
    origin: Origin
    recipient: str


@dataclass(frozen=True, slots=True)
class FetchRequest:
    """What to fetch: `timeout` in seconds without progress, `max_size` in bytes.

    A sealed memo is opened with the link's key or one of the `identities`. Any other can be
    played while it arrives: `listen` is called with it as soon as its metadata is known.
    `item` is the number of the feed's item that it comes from, None for what the user asked for.
    Unless `inside`, nothing in the link may lead inside the user's network, by address or by name.
    """

    link: Link
    timeout: float = DEFAULT_TIMEOUT
    max_size: int = DEFAULT_MAX_SIZE
    identities: Sequence[Identity] = ()
    listen: Listen | None = None
    adopted: Adopted | None = None
    item: int | None = None
    inside: bool = True


def fetch(
    library: Library,
    settings: Settings,
    request: FetchRequest,
    notify: Callable[[Stage], None] = lambda _: None,
) -> Fetched:
    """Fetch the link's memo into the library.

    Raises NotALink, SwarmTimeout, Refused, LibraryError. If it ends early, the
    partial download stays in `incoming/` for the next fetch of the same link.
    """
    link = open_torrent(request.link)
    if not request.inside:
        link = link.outside()
    if link.age_identity:
        identity(link.age_identity)  # refuse a damaged key before anything else
    if link.lan:
        settings = settings.on_lan()
    entry: StagingEntry | None = None
    while entry is None:
        with library.translated():
            entry = library.staging.download(link.info_hashes[0], request.item)
        memo = library.shares.memo(link.info_hashes)
        if memo:
            if entry:  # made just now, or left by a fetch that died after its last step
                entry.discard()
            check_key(library.shares.of(memo), link)
            return Fetched(memo, downloaded=False)
        if entry is None:
            notify(Waiting())
            time.sleep(_POLL_SECONDS)
    decoder.load(decodes=False)

    def moved(stage: Stage) -> None:
        decoder.keep()  # started anew, it would begin only when all bytes are here
        notify(stage)

    try:
        run = _Fetch(library, settings, replace(request, link=link), moved, entry)
    except BaseException:
        entry.release()
        raise
    with run:
        return run.result()


class _Fetch:
    """One fetch, from its entry in `incoming/` to the memo."""

    def __init__(
        self,
        library: Library,
        settings: Settings,
        request: FetchRequest,
        notify: Callable[[Stage], None],
        entry: StagingEntry,
    ) -> None:
        self._library = library
        self._request = request
        self._link = request.link
        self._notify = notify
        self._entry = entry
        self._decryptor = Decryptor(request.link, request.identities, entry.folder)
        self._growing: GrowingFile | None = None
        self._downloader = Downloader(
            library,
            request.link,
            settings,
            self._addresses(settings),
            entry.folder,
            request.timeout,
            notify,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if self._growing and kind is not None:
            self._growing.end()
        # Closing writes the data that libtorrent still holds, so look at the entry after it.
        self._downloader.sessions.close(done=kind is None)
        self._entry.hide()
        refused = kind is not None and issubclass(kind, Refused)
        later = kind is not None and issubclass(kind, (MissingDecoder, WrongKey))
        if (refused and not later) or not self._downloader.resume_path.exists():
            self._entry.discard()
        self._entry.release()

    def result(self) -> Fetched:
        self._library.recover(self._entry)
        self._restage()
        metadata = self._downloader.metadata()
        memo = self._library.shares.memo(metadata.info_hashes)
        if memo:  # known by its other hash
            self._entry.discard()
            return Fetched(memo, downloaded=False)
        refuse_feed_page(metadata)
        said = self._decryptor.description(metadata)
        self._approve(metadata, said)
        self._downloader.save_resume_data()
        self._downloader.complete(self._growing)
        return Fetched(self._keep(metadata, said), downloaded=True)

    # -- stages ----------------------------------------------------------------

    def _approve(self, metadata: Metadata, said: Description) -> None:
        with self._library.translated():
            approve(metadata, self._request.max_size, self._entry.folder / STAGED_NAME)
        title = said.title or title_from_file(metadata.name)
        preview = Preview(title, metadata.size, said.duration, said.peaks or b"")
        self._notify(preview)
        if not (said.duration and said.peaks):
            suffix = metadata.name.rpartition(".")[2].lower()
            decoder.load(suffix)  # a guess; the first bytes decide
        if self._request.listen and metadata.sealed is None:
            want = self._downloader.sessions.want
            self._growing = GrowingFile(metadata.size, metadata.piece_length, want)
            self._request.listen(self._growing, preview)

    def _keep(self, metadata: Metadata, said: Description) -> Memo:
        staged = self._entry.folder / STAGED_NAME
        if self._growing:
            self._growing.settle(staged)
        is_sealed = metadata.sealed is not None
        plain = staged
        if is_sealed:
            with self._library.translated():
                plain = self._decryptor.decrypt(staged, lambda size: self._notify(Decrypting(size)))
        # The session still runs: the peers that sent us the audio see a complete copy for a while.
        with self._library.translated():
            sound = examine.confirm(
                plain, said.duration, said.peaks, lambda at: self._notify(Checking(at))
            )
        resume = self._downloader.save_resume_data()
        draft = self._library.draft(
            said.title or title_from_file(metadata.name),
            said.description or "",
            sound.format,
            "fetched",
        )
        draft = replace(draft, created=said.created or now())
        adopted = self._request.adopted if is_sealed else None
        if adopted:
            draft = replace(draft, id=adopted.id, origin=adopted.origin)
        share = Share(
            finished_torrent(resume, self._link),
            mode=("private" if self._link.age_identity else "addressed") if is_sealed else "public",
            age_identity=self._link.age_identity.upper(),
            recipients=(adopted.recipient,) if adopted else (),
            lan=self._link.lan,
            arrived=not adopted,
            paired=bool(adopted),
        )
        self._downloader.sessions.drop()
        with self._library.translated():
            self._entry.note({**draft.to_facts(), SEALED: share.info_hash if is_sealed else None})
            # A torrent can mark its file as a program, and libtorrent obeys.
            staged.chmod(staged.stat().st_mode & ~0o111)
            plain.rename(self._entry.audio(draft.format))
        age_file = staged if is_sealed else None
        new = NewMemo(draft, sound.duration, sound.peaks, share=share, age_file=age_file)
        return self._library.keep(self._entry, new)

    def _addresses(self, settings: Settings) -> list[tuple[str, int]]:
        # Peers that still hold a connection to a killed fetch refuse another from the same port:
        # over uTP they take 5 s to notice that it is dead, and a minute if it was idle.
        return own_addresses(self._library, settings, avoided=self._entry.was_left_behind)

    def _restage(self) -> None:
        """Rename audio that an interrupted `keep` had already moved back to its download name."""
        with self._library.translated():
            info_hash = self._entry.facts().get(SEALED)
            staged = self._entry.folder / STAGED_NAME
            if info_hash:
                for path in self._entry.folder.glob("audio.*"):  # it can be decrypted again
                    path.unlink()
            else:
                self._entry.restage(staged)
            if info_hash in self._link.info_hashes and not staged.exists():
                with contextlib.suppress(FileNotFoundError):
                    self._library.shares.age_file(info_hash).rename(staged)
