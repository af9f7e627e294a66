"""How much of the disk is left alone by what comes in without being asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memocast.errors import BelowDiskFloor
from memocast.library.tables.room import free_bytes

if TYPE_CHECKING:
    from pathlib import Path


class DiskFloor:
    """The setting `disk_floor`, in bytes, on the disk of the library in `root`."""

    def __init__(self, root: Path, floor: int) -> None:
        self._root = root
        self.floor = floor

    @property
    def free(self) -> int:
        """The bytes that are left for this user. Raises OSError."""
        return free_bytes(self._root)

    @property
    def room(self) -> int:
        """The bytes that may still be fetched; 0 or less when the floor is reached."""
        return self.free - self.floor

    @property
    def said(self) -> str:
        """In words, how much is free and how much has to stay free. Raises OSError."""
        free, left = (f"{size / 1e9:.1f} GB" for size in (self.free, self.floor))
        return f"the disk has {free} free, of which memocast leaves {left}"

    @property
    def is_reached(self) -> bool:
        """Whether nothing more may be fetched. Raises OSError."""
        return not self.has_room(0)

    def has_room(self, size: int) -> bool:
        """Return whether so many bytes more may be fetched. Raises OSError."""
        return not self.floor or self.room > size

    def check(self) -> None:
        """Raise BelowDiskFloor when the floor is reached."""
        if self.is_reached:
            raise BelowDiskFloor
