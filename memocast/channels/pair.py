"""Pairing: sync between the user's own devices.

All devices have the key of one signed item in the DHT, which leads to their
state as a channel's item leads to its feed (`PairPages`). A device that finds
changes there merges them with its own, and publishes the result if it differs.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from typing import TYPE_CHECKING

from memocast.channels.pair_disputes import Disputes
from memocast.channels.pair_missing import MissingMemos
from memocast.channels.pair_pages import Found, PairPages, Part
from memocast.channels.time_limit import OutOfTime
from memocast.errors import (
    LibraryError,
    MemocastError,
    NoSuchMemo,
    Refused,
    SwarmTimeout,
    WrongKey,
)
from memocast.fetching.fetch import Adopted, FetchRequest, fetch
from memocast.fetching.progress import Checking, Decrypting, Reading
from memocast.formats import age, link, mutable_item
from memocast.formats.channel import ChannelLink
from memocast.formats.memo import ID_PATTERN, new_id
from memocast.formats.replica import ReplicaEntry, bucket, to_bytes
from memocast.formats.replica_entries import Reasons, Root, spoken_description, spoken_title
from memocast.library.sharing import ShareRequest, share

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from memocast.channels.republish import Republisher
    from memocast.channels.sync_events import News
    from memocast.fetching.progress import Stage
    from memocast.formats.channel import Channel
    from memocast.formats.mutable_item import SignedItem
    from memocast.library.library import Library
    from memocast.library.tables.replicas import Change, Room
    from memocast.settings import Settings

SALT = b"memocast pair"
PREFIX = "memocast-pair:"
_MAX_SIZE = 2**50
_ENOUGH_FAILURES = 3
"""Memos in a row that time out before the other devices are taken to be off."""

_PATIENCE = 3
"""Syncs that wait for the state another device published, before this device replaces it.

That device publishes again when it is back and finds its changes missing.
"""

_UNREACHED = "unreached"


def new_secret() -> str:
    """Return a new secret for devices to share, in one line."""
    return PREFIX + age.new_key()


def meeting_place(secret: str) -> tuple[ChannelLink, bytes]:
    """Return the item that devices with this secret share, and its private key. Raises WrongKey."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    text = secret.strip()
    key = text[len(PREFIX) :].upper() if text.lower().startswith(PREFIX) else ""
    try:
        age.identity(key)
    except Refused as error:
        raise WrongKey(
            "the secret is damaged or truncated",
            hint=f"copy the whole line that 'memocast pair' printed; it begins with {PREFIX}",
        ) from error
    seed = HKDF(hashes.SHA256(), 32, None, SALT).derive(key.encode())
    return ChannelLink(mutable_item.public_key(seed), SALT, age_identity=key), seed


def secret_of(pair: Channel) -> str:
    """Return the secret, for another device."""
    return PREFIX + pair.link.age_identity


def end(library: Library) -> bool:
    """Unpair, and forget everything kept for the other devices; return whether it was paired."""
    pair = library.channels.pair()

    def forget() -> None:
        with library.atomically():
            if pair:
                library.feed_pages.forget(pair)
                library.channels.remove(pair)
            library.replicas.forget()
            library.shares.unpair()

    library.freeing(forget)
    return pair is not None


class Pairing:
    """Syncs the library with its paired devices."""

    def __init__(
        self, library: Library, settings: Settings, republisher: Republisher, timeout: float
    ) -> None:
        self._library = library
        self._settings = settings
        self._republisher = republisher
        self._timeout = timeout

    def sync(
        self,
        pair: Channel,
        news: News,
        notify: Callable[[Stage], None],
        arrived: Callable[[str], None],
        tell: Callable[[int], None],
    ) -> None:
        """Merge changes made on the other devices with those made here, and fetch new memos.

        Calls `tell` with the number of bytes encrypted so far, of memos that are new here.
        Raises MemocastError; memos that could not be fetched are problems in the news.
        """
        replicas = self._library.replicas
        changes = replicas.collect()
        self._seal_what_is_new(pair, tell)
        notify(Reading())
        item, _ = self._republisher.refresh(pair)
        pages = PairPages(
            self._library,
            self._settings,
            self._republisher,
            pair,
            self._timeout,
            lambda done: notify(Reading(done)),
        )
        disputes = Disputes(replicas)
        root, is_overdue = self._heard(pages, item, changes, disputes, news)
        state = replicas.state()
        parts = _parts(state)
        differing = _differing(root, parts, disputes)
        if differing or (is_overdue and parts):
            try:
                pages.publish(root, parts)
            except Refused as error:
                news.problems.append(error)
            else:
                for theirs, ours in differing:
                    disputes.answer(theirs, ours)
        self._apply(state, news)
        self._fetch(pair, state, news, notify, arrived)

    def _heard(
        self,
        pages: PairPages,
        item: SignedItem | None,
        changes: Collection[Change],
        disputes: Disputes,
        news: News,
    ) -> tuple[Root, bool]:
        """Merge what another device published; return its root, and whether to give up on it."""
        if item is None:
            return pages.held(), False
        replicas = self._library.replicas
        room: Room | None = None
        left_out = Reasons()

        def merge(found: Found) -> None:
            nonlocal room
            room = room or replicas.room()
            reasons = found.reasons
            if refused := replicas.merge(found.entries.values(), changes, room):
                reasons["entries beyond the limit"] += refused
            # Where this is not accepted unchanged, this device publishes its own version.
            if (not found.is_whole or reasons) and disputes.begin(found.id):
                left_out.update(reasons)

        try:
            root = pages.take(item.value, merge)
        except SwarmTimeout as error:  # the next sync gets it, or a newer one
            news.problems.append(error)
            times = replicas.recall(_UNREACHED).get(item.value.hex(), 0) + 1
            replicas.remember(_UNREACHED, {item.value.hex(): times})
            return pages.held(), times >= _PATIENCE
        finally:
            if left_out:
                news.problems.append(_left_out(left_out))
        return root, False

    # -- audio -----------------------------------------------------------------------

    def _seal_what_is_new(self, pair: Channel, tell: Callable[[int], None]) -> None:
        """Make a link for the other devices to each memo that has none."""
        replicas = self._library.replicas
        state = replicas.state()
        for key, id_ in replicas.memos().items():
            if state[key].link:
                continue
            with contextlib.suppress(NoSuchMemo):  # its audio is missing, which 'doctor' reports
                memo = self._library.get(id_)
                plain = next(
                    (
                        found
                        for found in self._library.shares.of(memo)
                        if found.arrived and not found.sealed
                    ),
                    None,
                )
                recipient = age.recipient_of(pair.link.age_identity)
                request = ShareRequest("addressed", "addressed", (recipient,), paired=True)
                found = plain or share(self._library, memo, request, tell)
                replicas.lead_to(key, found.link(self._settings.trackers))

    def _fetch(
        self,
        pair: Channel,
        state: Mapping[str, ReplicaEntry],
        news: News,
        notify: Callable[[Stage], None],
        arrived: Callable[[str], None],
    ) -> None:
        missing = MissingMemos(self._library.replicas, state)
        failures = 0
        reached: Stage | None = None

        def watch(stage: Stage) -> None:
            nonlocal reached
            reached = stage
            notify(stage)

        for entry in missing.in_turn():
            try:
                memo = self._adopt(pair, entry, watch)
            except LibraryError:
                raise
            except MemocastError as error:
                news.problems.append(error)
                missing.note(entry, error)
                failures += isinstance(error, SwarmTimeout)
                if failures == _ENOUGH_FAILURES:
                    return
                continue
            except OutOfTime as over:
                missing.note(entry, SwarmTimeout("its time was over"))
                # What is here already would be decrypted and checked anew: that needs more time.
                over.is_kept = not isinstance(reached, Decrypting | Checking)
                over.is_of_item = over.is_kept
                raise
            failures = 0
            news.memos.append(memo)
            arrived(memo)

    def _adopt(self, pair: Channel, entry: ReplicaEntry, notify: Callable[[Stage], None]) -> str:
        """Fetch the entry's audio; return the id of its memo."""
        (where,) = link.parse(entry.link)
        has_id = re.fullmatch(ID_PATTERN, entry.key)
        adopted = Adopted(
            id=entry.key if has_id and not self._is_taken(entry.key) else new_id(),
            origin="added" if entry.origin == "added" else "recorded",
            recipient=age.recipient_of(pair.link.age_identity),
        )
        identities = [age.identity(pair.link.age_identity)]
        request = FetchRequest(
            where, self._timeout, _MAX_SIZE, identities, adopted=adopted if has_id else None
        )
        memo = fetch(self._library, self._settings, request, notify).memo
        self._library.edit(memo, entry.title, entry.description)
        self._library.replicas.settle(entry.key, memo.id)
        return memo.id

    def _is_taken(self, id_: str) -> bool:
        """Return whether a memo of another entry has that id."""
        try:
            self._library.get(id_)
        except NoSuchMemo:
            return False
        return True

    def _apply(self, state: Mapping[str, ReplicaEntry], news: News) -> None:
        """Apply to this library's memos what was changed elsewhere."""
        for key, id_ in self._library.replicas.memos().items():
            entry = state[key]
            try:
                memo = self._library.get(id_)
            except NoSuchMemo:
                continue
            if not entry.is_alive:
                self._library.remove(memo)
                self._library.replicas.settle(key, None)
                news.removed += 1
            elif (spoken_title(memo.title), spoken_description(memo.description)) != (
                entry.title,
                entry.description,
            ):
                self._library.edit(memo, entry.title, entry.description)
                news.changed += 1


def _parts(state: Mapping[str, ReplicaEntry]) -> dict[str, Part]:
    """Divide the state into parts; the same state gives the same digests."""
    groups: dict[str, list[ReplicaEntry]] = {}
    for key, entry in state.items():
        groups.setdefault(bucket(key), []).append(entry)
    contents = {name: to_bytes(entries) for name, entries in sorted(groups.items())}
    return {
        name: Part(hashlib.sha256(content).hexdigest(), content)
        for name, content in contents.items()
    }


def _differing(root: Root, parts: Mapping[str, Part], disputes: Disputes) -> list[tuple[str, str]]:
    """Return the digests, theirs and ours, of parts whose published version differs from ours."""
    found = []
    for name in sorted({*root, *parts}):
        theirs = root[name][0] if name in root else ""
        ours = parts[name].digest if name in parts else ""
        if theirs != ours and not disputes.is_settled(theirs, ours):
            found.append((theirs, ours))
    return found


def _left_out(reasons: Reasons) -> Refused:
    """Report entries that were left out. The reasons are our words, never the other device's."""
    said = ", ".join(f"{reason} ({count})" for reason, count in reasons.most_common())
    return Refused(
        f"left out of another device's state: {said}",
        hint="upgrade memocast on all your devices; if you lost one, pair the others again:"
        " memocast pair --end",
    )
