"""Earlier: what `rss` wrote into a folder the last time, as the feed that is there now says.

Others may be able to write in that folder, so the feed is read in a process with limits.
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree as Xml

from memocast import limited_process
from memocast.podcasts.parser import PODCAST_NAMESPACES

if TYPE_CHECKING:
    from pathlib import Path

_PODCAST = f"{{{PODCAST_NAMESPACES[0]}}}"
_PURPOSE = "memocast-channel"
_SECONDS = 20
"""Of one core. A feed of 10,000 items takes less than one."""


def entries(path: Path, identity: str) -> dict[str, tuple[str, str]] | None:
    """Each item's file and its integrity, by the item's id. None: it is not that channel's feed.

    Raises OSError.
    """
    if not path.is_file():
        return None
    with path.open("rb") as file:
        try:
            said = limited_process.run(__name__, identity.encode(), _SECONDS, file)
        except limited_process.Exceeded:
            return None
    return None if said is None else {id_: (name, digest) for id_, (name, digest) in said.items()}


def mark(channel: Xml.Element, identity: str) -> None:
    """Say in the feed that is being written whose it is."""
    Xml.SubElement(channel, f"{_PODCAST}txt", purpose=_PURPOSE).text = identity


def answer(given: bytes, file: IO[bytes]) -> dict[str, tuple[str, str]] | None:
    """What `entries` is told by the process with limits."""
    try:
        root = Xml.parse(file).getroot()  # noqa: S314
    except Xml.ParseError:
        return None
    marks = root.findall(f"channel/{_PODCAST}txt[@purpose='{_PURPOSE}']")
    if [found.text for found in marks] != [given.decode()]:
        return None
    found = {}
    for item in root.findall("channel/item"):
        address = item.find("enclosure")
        integrity = item.find(f"{_PODCAST}alternateEnclosure/{_PODCAST}integrity")
        if address is not None and integrity is not None:
            name = unquote(urlsplit(address.get("url", "")).path.rpartition("/")[2])
            if name and "/" not in name and "\0" not in name:
                found[item.findtext("guid", "")] = (name, integrity.get("value", ""))
    return found
