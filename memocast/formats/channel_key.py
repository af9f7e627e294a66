"""Key files: a channel's link and its private key in PEM, which give the right to publish."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from memocast.errors import MemocastError, UsageError
from memocast.formats import age, mutable_item
from memocast.formats import channel as channels

if TYPE_CHECKING:
    from memocast.formats.channel import Channel, ChannelLink

_HINT = "use a file written by 'memocast channel export'; check the name"


def to_text(channel: Channel) -> str:
    """Return the key file's text: a comment with the channel's link, then PKCS #8 (RFC 8410)."""
    heading = f"# The right to publish to this channel.\n# {channel.link}\n"
    return heading + mutable_item.to_pem(channel.secret)


def from_text(text: str) -> tuple[ChannelLink, bytes]:
    """Parse the channel's link and private key. Raises UsageError when it is not a key file."""
    found = re.search(r"^# (magnet:\?\S+)$", text, re.MULTILINE)
    begin = text.find("-----BEGIN")
    if not found or begin < 0:
        raise UsageError("this is not a channel key file", hint=_HINT)
    try:
        link = channels.parse(found[1])
        if link.age_identity:
            age.identity(link.age_identity)
        secret = mutable_item.from_pem(text[begin:])
    except MemocastError as error:
        raise UsageError("the channel key file is damaged", hint=_HINT) from error
    if mutable_item.public_key(secret) != link.public_key:
        raise UsageError("the key in the file belongs to another channel", hint=_HINT)
    return link, secret
