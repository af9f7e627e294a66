"""Plain: the text of somebody else's HTML, and nothing that is no text."""

from __future__ import annotations

import re
from html.parser import HTMLParser

MAX_HTML = 1 << 16
"""Characters that are read of one text; what a description may hold is much shorter."""

_BREAK, _BLOCK = "\0", "\1"
_BLOCKS = {"p", "div", "li", "ul", "ol", "tr", "table", "blockquote", "pre", "hr"} | {
    f"h{level}" for level in range(1, 7)
}
_SILENT = {"script", "style"}


def to_text(html: str) -> str:
    """Its text; a block is a line of its own, and so is what comes after a <br>."""
    reader = _Reader()
    reader.feed(html[:MAX_HTML])
    reader.close()
    text = re.sub(r"\s+", " ", "".join(reader.parts))
    text = re.sub(rf" ?{_BLOCK}[ {_BLOCK}]*", _BREAK, text)
    return "\n".join(line.strip() for line in text.split(_BREAK)).strip()


class _Reader(HTMLParser):
    """Gathers text in `parts`, with marks where lines end."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._is_silent = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        """A tag opens."""
        self._is_silent = tag in _SILENT
        self._mark(tag)

    def handle_endtag(self, tag: str) -> None:
        """A tag closes."""
        self._is_silent = False
        self._mark(tag)

    def _mark(self, tag: str) -> None:
        if tag == "br":
            self.parts.append(_BREAK)
        elif tag in _BLOCKS:
            self.parts.append(_BLOCK)

    def handle_data(self, data: str) -> None:
        """Text between tags."""
        if not self._is_silent:
            self.parts.append(data.replace(_BREAK, "").replace(_BLOCK, ""))
