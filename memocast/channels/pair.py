"""Pairing: the user's own devices, which bring each other up to date.

They meet at a signed item of the DHT, as followers of a channel do, whose key
all of them have (`PairPages`). Who finds changes there merges them with its own,
and publishes what comes out unless that was known already.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from typing import TYPE_CHECKING

from memocast.channels.pair_disputes import Disputes
from memocast.channels.pair_missing import MissingMemos
from memocast.channels.pair_pages import Found, PairPages, Part
from memocast.errors import (
    LibraryError,
    MemocastError,
    NoSuchMemo,
    Refused,
    SwarmTimeout,
    WrongKey,
)
from memocast.fetching.fetch import Adopted, FetchRequest, fetch
from memocast.formats import age, link, mutable_item
from memocast.formats.channel import ChannelLink
from memocast.formats.memo import ID_PATTERN, new_id
from memocast.formats.replica import ReplicaEntry, bucket, to_bytes
from memocast.formats.replica_entries import Reasons, Root, spoken_description, spoken_title
from memocast.library.sharing import ShareRequest, share

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from memocast.channels.follow import News
    from memocast.channels.republish import Republisher
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
"""So many memos in a row that nobody sent: the others are off."""

_PATIENCE = 3
"""So often what another device published is waited for in vain, before it is published over.

It publishes again when it is back, and finds that what it knows is not there.
"""

_UNREACHED = "unreached"


def new_secret() -> str:
    """A secret for devices to share, in one line."""
    return PREFIX + age.new_key()


def meeting_place(secret: str) -> tuple[ChannelLink, bytes]:
    """Where devices with this secret meet, and the private key to write there. Raises WrongKey."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    text = secret.strip()
    key = text[len(PREFIX) :].upper() if text.lower().startswith(PREFIX) else ""
    try:
        age.identity(key)
    except Refused as error:
        raise WrongKey(
            "the secret is damaged, or was cut off",
            hint=f"copy the whole line that 'memocast pair' printed; it begins with {PREFIX}",
        ) from error
    seed = HKDF(hashes.SHA256(), 32, None, SALT).derive(key.encode())
    return ChannelLink(mutable_item.public_key(seed), SALT, age_identity=key), seed


def secret_of(pair: Channel) -> str:
    """The secret, to give to one more device."""
    return PREFIX + pair.link.age_identity


def end(library: Library) -> bool:
    """Be paired no more, and forget all that was for the other devices; whether it was paired."""
    pair = library.channels.pair()
    with library.atomically():
        if pair:
            library.feed_pages.forget(pair)
            library.channels.remove(pair)
        library.replicas.forget()
        library.shares.unpair()
    return pair is not None


class Pairing:
    """Brings the library up to its paired devices, and them up to it."""

    def __init__(
        self, library: Library, settings: Settings, registry: Republisher, timeout: float
    ) -> None:
        self._library = library
        self._settings = settings
        self._registry = registry
        self._timeout = timeout

    def sync(
        self,
        pair: Channel,
        news: News,
        notify: Callable[[Stage], None],
        arrived: Callable[[str], None],
        tell: Callable[[int], None],
    ) -> None:
        """Merge what the others have changed with what was changed here.

        `tell` how many bytes are sealed, of what is new here. Raises MemocastError; what could
        not be fetched is in the news.
        """
        replicas = self._library.replicas
        changes = replicas.collect()
        self._seal_what_is_new(pair, tell)
        item, _ = self._registry.refresh(pair)
        meeting = PairPages(self._library, self._settings, self._registry, pair, self._timeout)
        disputes = Disputes(replicas)
        root, is_overdue = self._heard(meeting, item, changes, disputes, news)
        state = replicas.state()
        parts = _parts(state)
        differing = _differing(root, parts, disputes)
        if differing or (is_overdue and parts):
            try:
                meeting.publish(root, parts)
            except Refused as error:
                news.problems.append(error)
            else:
                for theirs, ours in differing:
                    disputes.answer(theirs, ours)
        self._apply(state, news)
        self._fetch(pair, state, news, notify, arrived)

    def _heard(
        self,
        meeting: PairPages,
        item: SignedItem | None,
        changes: Collection[Change],
        disputes: Disputes,
        news: News,
    ) -> tuple[Root, bool]:
        """Merge what another device published; its root, and whether to wait for it no more."""
        if item is None:
            return meeting.held(), False
        replicas = self._library.replicas
        room: Room | None = None
        left_out = Reasons()

        def merge(found: Found) -> None:
            nonlocal room
            room = room or replicas.room()
            reasons = found.reasons
            if refused := replicas.merge(found.entries.values(), changes, room):
                reasons["more than there is room for"] += refused
            # What is not taken as it is said, or not at all, is published otherwise from here.
            if (not found.is_whole or reasons) and disputes.begin(found.id):
                left_out.update(reasons)

        try:
            root = meeting.take(item.value, merge)
        except SwarmTimeout as error:  # it comes with the next sync, or a newer one does
            news.problems.append(error)
            times = replicas.recall(_UNREACHED).get(item.value.hex(), 0) + 1
            replicas.remember(_UNREACHED, {item.value.hex(): times})
            return meeting.held(), times >= _PATIENCE
        finally:
            if left_out:
                news.problems.append(_left_out(left_out))
        return root, False

    # -- audio -----------------------------------------------------------------------

    def _seal_what_is_new(self, pair: Channel, tell: Callable[[int], None]) -> None:
        """Give each memo that has none a link for the other devices."""
        replicas = self._library.replicas
        state = replicas.state()
        for key, id_ in replicas.memos().items():
            if state[key].link:
                continue
            with contextlib.suppress(NoSuchMemo):  # its audio is gone; 'doctor' tells
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
                wish = ShareRequest("addressed", "addressed", (recipient,), paired=True)
                found = plain or share(self._library, memo, wish, tell)
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
        for entry in missing.in_turn():
            try:
                memo = self._adopt(pair, entry, notify)
            except LibraryError:
                raise
            except MemocastError as error:
                news.problems.append(error)
                missing.note(entry, error)
                failures += isinstance(error, SwarmTimeout)
                if failures == _ENOUGH_FAILURES:
                    return
                continue
            failures = 0
            news.memos.append(memo)
            arrived(memo)

    def _adopt(self, pair: Channel, entry: ReplicaEntry, notify: Callable[[Stage], None]) -> str:
        """Fetch the entry's audio; the id of its memo."""
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
        """Whether a memo of another entry has that id."""
        try:
            self._library.get(id_)
        except NoSuchMemo:
            return False
        return True

    def _apply(self, state: Mapping[str, ReplicaEntry], news: News) -> None:
        """Do here what was done to memos elsewhere."""
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
    """The state, divided; the same state gives the same digests."""
    groups: dict[str, list[ReplicaEntry]] = {}
    for key, entry in state.items():
        groups.setdefault(bucket(key), []).append(entry)
    contents = {name: to_bytes(entries) for name, entries in sorted(groups.items())}
    return {
        name: Part(hashlib.sha256(content).hexdigest(), content)
        for name, content in contents.items()
    }


def _differing(root: Root, parts: Mapping[str, Part], disputes: Disputes) -> list[tuple[str, str]]:
    """The parts that are published otherwise than they are here: the digests of both."""
    found = []
    for name in sorted({*root, *parts}):
        theirs = root[name][0] if name in root else ""
        ours = parts[name].digest if name in parts else ""
        if theirs != ours and not disputes.is_settled(theirs, ours):
            found.append((theirs, ours))
    return found


def _left_out(reasons: Reasons) -> Refused:
    """What is told of entries that were left out. The words are ours, none of the device's."""
    said = ", ".join(f"{reason} ({count})" for reason, count in reasons.most_common())
    return Refused(
        f"of what another device says, this was left out: {said}",
        hint="upgrade memocast on all of your devices; if one of them was lost, pair the others"
        " anew: memocast pair --end",
    )
