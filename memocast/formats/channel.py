"""Channel: a public key that people follow, and the link that holds it (BEP 46)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from memocast.errors import NotALink, UsageError
from memocast.formats import mutable_item
from memocast.formats.feed import NAME_MAX_BYTES
from memocast.formats.magnet import Magnet, is_channel
from memocast.formats.magnet import parse as parse_magnet
from memocast.text import cut

if TYPE_CHECKING:
    from collections.abc import Iterable

SALT = b"memocast"
"""The salt of channels made here: their owner's key may have other items in the DHT."""

DEFAULT_NEWEST = 10
"""How many of a channel's newest memos a follower gets by default."""

_HINT = "a channel link begins with magnet:?xs=urn:btpk:; copy the whole link, in quotes"


@dataclass(frozen=True, slots=True)
class ChannelLink:
    """A link to a channel: its key and salt, and the age identity of a private channel."""

    public_key: bytes
    salt: bytes = SALT
    name: str = ""
    trackers: tuple[str, ...] = ()
    age_identity: str = field(default="", repr=False)

    def __str__(self) -> str:
        """The magnet link."""
        return str(
            Magnet(
                public_key=self.public_key,
                salt=self.salt.hex(),
                name=self.name,
                trackers=self.trackers,
                age_identity=self.age_identity,
            )
        )


@dataclass(frozen=True, slots=True)
class FollowLimits:
    """Which memos a follower fetches from a channel; 0 means no limit.

    The `newest` memos, none larger than `max_size` bytes, each kept for `keep_days`.
    """

    newest: int = DEFAULT_NEWEST
    max_size: int = 0
    keep_days: int = 0


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel in a library: the user's own, with a `secret`, or one that is followed.

    A followed podcast has no key but a `source`: the URL or file of its feed. `kind` is "pair" for
    what the user's own devices share.

    `head` is the info-hash of the newest known page. `seq` is the version of the signed item.
    `checked`, in unix seconds, is when the DHT was last asked; `problem` is what went wrong then.
    """

    number: int
    link: ChannelLink
    name: str
    secret: bytes = field(default=b"", repr=False)
    source: str = ""
    kind: str = "channel"
    head: str = ""
    seq: int = -1
    checked: int = 0
    problem: str = ""
    limits: FollowLimits = FollowLimits()

    @property
    def is_own(self) -> bool:
        """Whether the user may publish there."""
        return bool(self.secret)

    @property
    def is_private(self) -> bool:
        """Whether its feed and memos are encrypted."""
        return bool(self.link.age_identity)

    def feed_link(self, trackers: Iterable[str]) -> str:
        """Return the magnet of the newest page, with these trackers too; empty if none is known."""
        if not self.head:
            return ""
        known = tuple(dict.fromkeys([*trackers, *self.link.trackers]))
        identity = self.link.age_identity
        return str(Magnet(self.head, name=self.name, trackers=known, age_identity=identity))


def parse(text: str) -> ChannelLink:
    """Parse the link of a channel. Raises NotALink."""
    text = text.strip()
    if not is_channel(text):
        is_memo = text[:8].lower() == "magnet:?" and "xt=urn:bt" in text.lower()
        raise NotALink(
            "this is a memo link, not a channel link" if is_memo else "this is not a channel link",
            hint=f"fetch it: memocast fetch {_shown(text)}" if is_memo else _HINT,
        )
    found = parse_magnet(text)
    if not found.public_key:
        raise NotALink("the channel link is damaged or cut off", hint=_HINT)
    return ChannelLink(
        found.public_key,
        _salt(found.salt),
        cut(found.name.strip(), NAME_MAX_BYTES).strip(),
        found.trackers,
        found.age_identity.upper(),
    )


def _salt(value: str) -> bytes:
    try:
        salt = bytes.fromhex(value)
    except ValueError as error:
        raise NotALink("the channel link is damaged", hint=_HINT) from error
    if len(salt) > mutable_item.MAX_SALT_BYTES:
        raise NotALink("the channel link is damaged", hint=_HINT)
    return salt


def _shown(link: str) -> str:
    return f"'{link}'" if len(link) < 100 and "'" not in link else "LINK"


def checked_name(name: str) -> str:
    """Return `name` without surrounding space. Raises UsageError when it is empty or too long."""
    name = name.strip()
    if not name:
        raise UsageError("the channel's name is empty", hint="give it one: memocast channel create")
    try:
        size = len(name.encode())
    except UnicodeEncodeError as error:
        raise UsageError("the channel's name is not valid UTF-8", hint="retype it") from error
    if size > NAME_MAX_BYTES:
        raise UsageError(
            f"the channel's name takes {size} bytes",
            hint=f"a name holds at most {NAME_MAX_BYTES} bytes of UTF-8",
        )
    return name
