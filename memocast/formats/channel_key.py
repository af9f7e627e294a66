"""Key files: the right to publish to a channel, as a file: its link, and a private key in PEM."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from memocast.errors import MemocastError, UsageError
from memocast.formats import channel as channels
from memocast.formats import mutable_item

if TYPE_CHECKING:
    from memocast.formats.channel import Channel, ChannelLink

_HINT = "it is what 'memocast channel export' wrote; check the file's name"


def to_text(channel: Channel) -> str:
    """What the file holds: a comment with the channel's link, then PKCS #8 (RFC 8410)."""
    heading = f"# The right to publish to this channel.\n# {channel.link}\n"
    return heading + mutable_item.to_pem(channel.secret)


def from_text(text: str) -> tuple[ChannelLink, bytes]:
    """The channel's link and private key. Raises UsageError when the file is none of ours."""
    found = re.search(r"^# (magnet:\?\S+)$", text, re.MULTILINE)
    begin = text.find("-----BEGIN")
    if not found or begin < 0:
        raise UsageError("this is no file of a channel's key", hint=_HINT)
    try:
        link = channels.parse(found[1])
        secret = mutable_item.from_pem(text[begin:])
    except MemocastError as error:
        raise UsageError("the file of the channel's key is damaged", hint=_HINT) from error
    if mutable_item.public_key(secret) != link.public_key:
        raise UsageError("the key in the file is another channel's", hint=_HINT)
    return link, secret
