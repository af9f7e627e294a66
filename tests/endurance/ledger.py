"""What workers were told that a library holds: begun operations, and acknowledged ones.

An operation in flight when its worker was killed may have happened or not;
one that was acknowledged has.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

Operation = dict[str, Any]


class Ledger:
    """The operations of all workers; those on one field of one memo are in their true order."""

    def __init__(self) -> None:
        self.acknowledged: Counter[str] = Counter()
        self.in_flight = 0
        self._added: dict[str, Operation] = {}
        self._perhaps: set[str] = set()  # marks of adds that nobody saw return
        self._values: dict[tuple[str, str], list[str]] = {}
        self._hashes: dict[str, set[str]] = {}
        self._maybe_shared: set[str] = set()
        self.removed: set[str] = set()
        self.maybe_removed: set[str] = set()

    def expect(self, memo: str, title: str, description: str) -> None:
        """A memo that was there before the workers were."""
        self._added[description] = {"id": memo, "mark": description}
        self._values[memo, "title"] = [title]
        self._values[memo, "description"] = [description]

    def take(self, lines: list[Operation]) -> None:
        """What one worker said, from its start to its end."""
        begun: Operation | None = None
        for line in lines:
            if "begun" in line:
                begun = line["begun"]
            else:
                begun = None
                self._done(line["done"])
        if begun:
            self.in_flight += 1
            self._begun(begun)

    def _done(self, operation: Operation) -> None:
        self.acknowledged[operation["op"]] += 1
        match operation:
            case {"op": "add", "id": memo, "mark": mark, "title": title}:
                self._added[mark] = operation
                self._values[memo, "title"] = [title]
                self._values[memo, "description"] = [mark]
            case {"op": "edit", "id": memo, "field": field, "text": text}:
                self._values[memo, field] = [text]
            case {"op": "share", "id": memo, "info_hash": info_hash}:
                self._hashes.setdefault(memo, set()).add(info_hash)
            case {"op": "remove", "id": memo}:
                self.removed.add(memo)

    def _begun(self, operation: Operation) -> None:
        match operation:
            case {"op": "add", "mark": mark}:
                self._perhaps.add(mark)
            case {"op": "edit", "id": memo, "field": field, "text": text}:
                self._values[memo, field].append(text)
            case {"op": "share", "id": memo}:
                self._maybe_shared.add(memo)
            case {"op": "remove", "id": memo}:
                self.maybe_removed.add(memo)

    def compare(self, listed: list[dict[str, Any]], digests: dict[str, str]) -> int:
        """Fail unless the library is what was acknowledged; return how many adds were in flight
        and are there nevertheless. `digests`: the SHA-256 of each memo's audio by its id."""
        found = {memo["id"]: memo for memo in listed}
        assert len(found) == len(listed), "an id is listed twice"
        expected = {operation["id"]: operation for operation in self._added.values()}
        missing = expected.keys() - found.keys() - self.removed - self.maybe_removed
        assert not missing, f"acknowledged and gone: {[expected[memo] for memo in missing]}"
        assert not self.removed & found.keys(), "removed and still there"
        marks = Counter(found[memo]["description"] for memo in found.keys() - expected.keys())
        assert marks.keys() <= self._perhaps, "nobody added these, or twice"
        assert set(marks.values()) <= {1}, "added twice"
        for memo in expected.keys() & found.keys():
            self._compare(memo, found[memo], expected[memo], digests[memo])
        return len(marks)

    def _compare(self, memo: str, found: dict[str, Any], expected: Operation, digest: str) -> None:
        for field in ("title", "description"):
            assert found[field] in self._values[memo, field], (found, self._values[memo, field])
        assert expected.get("sha256", digest) == digest, f"the audio of {memo} is another's"
        hashes = self._hashes.get(memo, set())
        assert len(hashes) <= 1, f"{memo} was given out under two links"
        if hashes:
            assert found["shared"], f"the share of {memo} is lost"
            assert {found["info_hash"]} == hashes
        else:
            assert not found["shared"] or memo in self._maybe_shared
