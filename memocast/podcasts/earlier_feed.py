"""The feed that `channel rss` wrote into a folder before, read back.

Other users may be able to write in that folder, so the feed is read in a limited process.
"""

from __future__ import annotations

import codecs
import io
from typing import IO, TYPE_CHECKING
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree as Xml

from memocast.files import open_regular
from memocast.formats.untrusted import is_broken
from memocast.podcasts.parser import PODCAST_NAMESPACES
from memocast.processes import limited_process, sandbox

if TYPE_CHECKING:
    from pathlib import Path

_PODCAST = f"{{{PODCAST_NAMESPACES[0]}}}"
_PURPOSE = "memocast-channel"
_SECONDS = 20
"""CPU time. A feed of 10,000 items takes less than one second."""

_JSON_BYTES = 64 << 20


def entries(path: Path, identity: str) -> dict[str, tuple[str, str]] | None:
    """Return each item's file name and integrity, by the item's id.

    None if the file is not that channel's feed. Raises OSError.
    """
    try:
        file = open_regular(path)
    except FileNotFoundError:  # a link that leads nowhere
        return None
    if file is None:
        return None
    with file:
        try:
            said = limited_process.run(
                __name__, identity.encode(), _SECONDS, file, json_bytes=_JSON_BYTES
            )
        except limited_process.Exceeded:
            return None
    if not isinstance(said, dict) or not all(map(_is_entry, said.values())):
        return None
    return {id_: (name, digest) for id_, (name, digest) in said.items()}


def _is_entry(said: object) -> bool:
    """Return whether a fork that may have been taken over sent a name and a digest."""
    if not isinstance(said, list) or [type(part) for part in said] != [str, str]:
        return False
    return _is_name(said[0]) and not is_broken(said[1])


def _is_name(name: str) -> bool:
    """Return whether it names a file in the feed's own folder."""
    return name not in ("", ".", "..") and "/" not in name and not is_broken(name)


def mark(channel: Xml.Element, identity: str) -> None:
    """Write the channel's identity into its feed."""
    Xml.SubElement(channel, f"{_PODCAST}txt", purpose=_PURPOSE).text = identity


def prepare(_what: str) -> None:
    """Import all that reading a feed of ours needs, by reading an empty one."""
    sandbox.load()
    codecs.lookup("ascii")
    answer(b"", io.BytesIO(b'<?xml version="1.0" encoding="utf-8"?><rss/>'))


def answer(given: bytes, file: IO[bytes]) -> dict[str, tuple[str, str]] | None:
    """Compute the result of `entries`, in the limited process."""
    try:
        root = Xml.parse(file).getroot()  # noqa: S314
    except (Xml.ParseError, ValueError, LookupError):  # the last two for its encoding
        return None
    marks = root.findall(f"channel/{_PODCAST}txt[@purpose='{_PURPOSE}']")
    if [found.text for found in marks] != [given.decode()]:
        return None
    found = {}
    for item in root.findall("channel/item"):
        address = item.find("enclosure")
        integrity = item.find(f"{_PODCAST}alternateEnclosure/{_PODCAST}integrity")
        if address is not None and integrity is not None:
            try:
                name = unquote(urlsplit(address.get("url", "")).path.rpartition("/")[2])
            except ValueError:  # not an address that we wrote
                return None
            if _is_name(name):
                found[item.findtext("guid", "")] = (name, integrity.get("value", ""))
    return found
