"""Processes with many connections raise their limit of open files."""

from __future__ import annotations

import io
import resource
import sys
from typing import TYPE_CHECKING, Any

import pytest

from memocast.cli.commands import sync
from memocast.processes.descriptor_limit import raise_descriptor_limit

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def hard() -> Iterator[int]:
    """How far the limit can be raised; it is 256 now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    yield hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def limit() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def test_the_limit_is_raised_as_far_as_allowed(hard: int) -> None:
    most = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    assert raise_descriptor_limit() == limit() == most
    assert raise_descriptor_limit() == most


@pytest.mark.usefixtures("hard")
def test_a_worker_of_sync_raises_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    nothing: Any = None
    sync._work(nothing, nothing)
    assert limit() > 256
