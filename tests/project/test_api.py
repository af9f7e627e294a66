"""`import memocast`: the examples of docs/library.md, and what they do not show."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import memocast
from helpers.repository import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from helpers.memocast_user import Memocast
    from helpers.sound_card import SoundCard

GUIDE = ROOT / "docs" / "library.md"


@pytest.mark.long
def test_the_examples_of_the_guide_run_one_after_the_other(
    someone: Callable[..., Memocast], sound_card: SoundCard, speech: Path
) -> None:
    user = someone("anna")
    user.environment.update(sound_card.environment)
    (user.home / "story.wav").write_bytes(speech.read_bytes())
    examples = re.findall(r"^```python\n(.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(examples) > 6
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(examples)],
        env=user.environment,
        cwd=user.home,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    story, private, news, failure = done.stdout.splitlines()
    assert "Grandma's story" in story
    assert private.startswith("magnet:?xt=urn:btih:")
    assert "&x.age=AGE-SECRET-KEY-" in private
    assert news == "Grandma's story by Anna's notes"
    assert failure.startswith("5 ")


def test_every_function_is_in_the_guide() -> None:
    guide = GUIDE.read_text()
    for name in memocast.__all__:
        if not name.startswith("_") and name.islower():
            assert f"memocast.{name}(" in guide or f"`{name}" in guide, name
