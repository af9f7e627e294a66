"""One of many processes that use a library at once; test_library_under_load.py starts them.

    python worker.py api|cli NAME SEED COMMON FIELD

It adds, edits, shares, lists and removes until its standard input ends. Every
operation is announced on standard output before it is begun and acknowledged
after it has returned, a line of JSON each. It changes only memos that it added
itself, and FIELD of the memo COMMON, whose other field is another worker's.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import select
import subprocess
import sys
import wave
from pathlib import Path
from typing import Any, Protocol

from helpers.shared_memo import info_hash
from memocast.formats import torrent
from memocast.formats.share import Share
from memocast.library.importing import add_file
from memocast.library.library import Library
from memocast.library.recovery import adopt

ROOT = Path(os.environ["MEMOCAST_LIBRARY"])


class User(Protocol):
    """The two ways to use a library."""

    def add(self, path: Path, title: str, description: str) -> str: ...
    def edit(self, memo: str, field: str, text: str) -> None: ...
    def share(self, memo: str) -> str: ...
    def remove(self, memo: str) -> None: ...
    def list(self) -> list[dict[str, Any]]: ...


class ByApi:
    """As the commands do it, but with one Library for as long as the process lives."""

    def __init__(self) -> None:
        self.library = Library(ROOT)
        adopt(self.library, lambda _: None)

    def add(self, path: Path, title: str, description: str) -> str:
        return add_file(self.library, path, title, description).id

    def edit(self, memo: str, field: str, text: str) -> None:
        found = self.library.get(memo)
        title, description = (text, None) if field == "title" else (None, text)
        self.library.edit(found, title, description)

    def share(self, memo: str) -> str:
        found = self.library.get(memo)
        known = self.library.shares.of(found)
        if known:
            return self.library.shares.share_again(known[0]).info_hash
        made = torrent.make(found, self.library.path(found))
        return self.library.shares.add(found, Share(made, shared=True)).info_hash

    def remove(self, memo: str) -> None:
        self.library.remove(self.library.get(memo))

    def list(self) -> list[dict[str, Any]]:
        return [memo.to_json() for memo in self.library.memos()]


class ByCommand:
    """The real commands, each in a process of its own."""

    def add(self, path: Path, title: str, description: str) -> str:
        return self._run("add", str(path), "--title", title, "-d", description).strip()

    def edit(self, memo: str, field: str, text: str) -> None:
        self._run("edit", memo, f"--{field}", text)

    def share(self, memo: str) -> str:
        return info_hash(self._run("share", memo, "--no-seed").strip())

    def remove(self, memo: str) -> None:
        self._run("remove", memo, "--yes")

    def list(self) -> list[dict[str, Any]]:
        return list(json.loads(self._run("list", "--json")))

    @staticmethod
    def _run(*arguments: str) -> str:
        return subprocess.run(
            [sys.executable, "-m", "memocast", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout


class Worker:
    """Does one thing after the other, and knows what the library must hold of its own."""

    def __init__(self, user: User, name: str, seed: int, common: str, field: str) -> None:
        self._user = user
        self._name = name
        self._random = random.Random(seed)
        self._common = (common, field)
        self._file = Path(f"{name}.wav")
        self._mine: dict[str, dict[str, str]] = {}
        self._count = 0

    def work(self) -> None:
        kinds = [self._add, self._edit, self._edit_common, self._share, self._list, self._remove]
        while not select.select([sys.stdin], [], [], 0)[0]:
            (kind,) = self._random.choices(kinds, [30, 20, 15, 15, 10, 10])
            self._count += 1
            kind()

    def _add(self) -> None:
        with wave.open(str(self._file), "wb") as sound:
            sound.setparams((1, 2, 8_000, 0, "NONE", ""))
            sound.writeframes(self._random.randbytes(4_000))
        mark = f"{self._name} #{self._count}"
        digest = hashlib.sha256(self._file.read_bytes()).hexdigest()
        operation = {"op": "add", "mark": mark, "sha256": digest, "title": f"{mark} new"}
        begin(operation)
        memo = self._user.add(self._file, operation["title"], mark)
        done({**operation, "id": memo})
        self._mine[memo] = {"description": mark, "title": operation["title"]}

    def _edit(self) -> None:
        if memo := self._any():
            self._change(memo, "title")
            self._mine[memo]["title"] = self._text()

    def _edit_common(self) -> None:
        self._change(*self._common)

    def _change(self, memo: str, field: str) -> None:
        operation = {"op": "edit", "id": memo, "field": field, "text": self._text()}
        begin(operation)
        self._user.edit(memo, field, operation["text"])
        done(operation)

    def _text(self) -> str:
        return f"{self._name} edit {self._count}"

    def _share(self) -> None:
        memo = self._random.choice([self._common[0], *self._mine])
        operation = {"op": "share", "id": memo}
        begin(operation)
        done({**operation, "info_hash": self._user.share(memo)})

    def _list(self) -> None:
        begin({"op": "list"})
        listed = self._user.list()
        ids = [memo["id"] for memo in listed]
        assert len(ids) == len(set(ids)), "a memo is listed twice"
        held = {
            memo["id"]: {key: memo[key] for key in ("description", "title")}
            for memo in listed
            if memo["description"].startswith(f"{self._name} #")
        }
        assert held == self._mine, f"{held} is not {self._mine}"
        done({"op": "list"})

    def _remove(self) -> None:
        if memo := self._any():
            operation = {"op": "remove", "id": memo}
            begin(operation)
            self._user.remove(memo)
            del self._mine[memo]
            done(operation)

    def _any(self) -> str | None:
        return self._random.choice(list(self._mine)) if self._mine else None


def begin(operation: dict[str, Any]) -> None:
    tell({"begun": operation})


def done(operation: dict[str, Any]) -> None:
    tell({"done": operation})


def tell(line: dict[str, Any]) -> None:
    # One write, so that no kill leaves a part of a line.
    os.write(1, json.dumps(line).encode() + b"\n")


if __name__ == "__main__":
    how, name_, seed_, common_, field_ = sys.argv[1:]
    Worker(ByApi() if how == "api" else ByCommand(), name_, int(seed_), common_, field_).work()
