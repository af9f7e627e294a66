"""A stranger who seeds to the listening page, and a tab that notes what runs there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import libtorrent as lt
import pytest

from helpers.bare_session import bare_session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Page

    from helpers.browser import Net


SCRIPT = "<img src=x onerror=alert(1)><script>alert(2)</script>\u202eevil\x1b[2J"


@dataclass
class Stranger:
    """A libtorrent session for browsers that seeds whatever the test gives it."""

    net: Net
    folder: Path
    session: lt.session

    def seed(self, files: dict[str, bytes | int], name: str = "", key: Any = None) -> str:
        """Seed these files, an int being so many zero bytes; return the link."""
        for path, content in files.items():
            target = self.folder / name / path
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as file:
                if isinstance(content, int):
                    file.truncate(content)
                else:
                    file.write(content)
        entries = [
            lt.create_file_entry(
                f"{name}/{path}" if name else path, (self.folder / name / path).stat().st_size
            )
            for path in files
        ]
        creator = lt.create_torrent(entries, 1 << 18, lt.create_torrent.v1_only)
        lt.set_piece_hashes(creator, str(self.folder), lambda _: None)
        document: Any = creator.generate()
        if key is not None:
            document[b"info"][b"memocast"] = key
        torrent = lt.load_torrent_buffer(lt.bencode(document))
        torrent.save_path = str(self.folder)
        torrent.trackers = [self.net.tracker.url]
        torrent.flags |= lt.torrent_flags.seed_mode
        torrent.flags &= ~(lt.torrent_flags.paused | lt.torrent_flags.auto_managed)
        with self.net.here.entered():
            self.session.add_torrent(torrent)
        return (
            f"{self.net.site.url}#magnet:?xt=urn:btih:{torrent.info_hashes.v1}"
            f"&tr={self.net.tracker.url}"
        )


@pytest.fixture
def stranger(net: Net, tmp_path: Path) -> Iterator[Stranger]:
    with net.here.entered():
        session = bare_session(allow_multiple_connections_per_ip=False)
    yield Stranger(net, tmp_path / "stranger", session)
    del session


def guarded(net: Net) -> Page:
    """A tab that notes when a script of somebody else's runs, or would if it could."""
    tab = net.context().new_page()
    tab.add_init_script(
        "window.violations = [];"
        " document.addEventListener('securitypolicyviolation',"
        " event => violations.push(event.violatedDirective))"
    )
    tab.on("dialog", lambda _: pytest.fail("a script ran"))
    return tab
