"""Of all tests here that make sessions in their own process."""

from __future__ import annotations

from typing import Any

import pytest

from memocast.bittorrent import left_sessions

_ever: list[list[Any]] = []
"""Sessions that were left, whose end could take for ever."""


@pytest.fixture(autouse=True)
def _own_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take no session that another test left, perhaps on a machine that is gone."""
    _ever.append([])
    monkeypatch.setattr(left_sessions, "_left", _ever[-1])
