"""Plain text from a stranger's HTML."""

from __future__ import annotations

import re
from html.parser import HTMLParser

MAX_HTML = 1 << 16
"""Characters read of one text; a description may hold far fewer."""

_ENDLESS_NUMBER = re.compile("&#[0-9]{30,};?")
"""A character's number that is none. Python refuses to read one of 4,301 digits."""

_BREAK, _BLOCK = "\0", "\1"
_BLOCKS = {"p", "div", "li", "ul", "ol", "tr", "table", "blockquote", "pre", "hr"} | {
    f"h{level}" for level in range(1, 7)
}
_SILENT = {"script", "style"}


def to_text(html: str) -> str:
    """Return the text of `html`, with a line for each block and after each <br>."""
    reader = _Reader()
    reader.feed(_ENDLESS_NUMBER.sub("\N{REPLACEMENT CHARACTER}", html[:MAX_HTML]))
    reader.close()
    text = re.sub(r"\s+", " ", "".join(reader.parts))
    text = re.sub(rf" ?{_BLOCK}[ {_BLOCK}]*", _BREAK, text)
    return "\n".join(line.strip() for line in text.split(_BREAK)).strip()


class _Reader(HTMLParser):
    """Collects text in `parts`, with marks where lines end."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._is_silent = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        """Note an opening tag."""
        self._is_silent = tag in _SILENT
        self._mark(tag)

    def handle_endtag(self, tag: str) -> None:
        """Note a closing tag."""
        self._is_silent = False
        self._mark(tag)

    def _mark(self, tag: str) -> None:
        if tag == "br":
            self.parts.append(_BREAK)
        elif tag in _BLOCKS:
            self.parts.append(_BLOCK)

    def parse_marked_section(self, i: int, report: bool = True) -> int:
        """Skip `<![…`; before Python 3.14, the parser ends at an unknown one."""
        try:
            return super().parse_marked_section(i, report)
        except AssertionError:
            return self.parse_bogus_comment(i, report)

    def handle_data(self, data: str) -> None:
        """Collect text between tags."""
        if not self._is_silent:
            self.parts.append(data.replace(_BREAK, "").replace(_BLOCK, ""))
