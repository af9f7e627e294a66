"""What paired devices say of their memos: good entries, bad ones, and odd ones that are good."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

from memocast.formats.replica import EditStamp, ReplicaEntry

NOW = 1_800_000_000_000
MAGNET = "magnet:?xt=urn:btih:" + "ab" * 20
ENCODED = "magnet%3A%3Fxt%3Durn%3Abtih%3A"
GOOD = ReplicaEntry(
    "aaaaaaaa", "Good", EditStamp(5, 0, "b"), "two\nlines", EditStamp(5, 0, "b"), link=MAGNET
)
LAST = replace(GOOD, key="az" * 4)


def said(**changes: Any) -> dict[str, Any]:
    return {**asdict(GOOD), "key": "abababab", **changes}


def part(*bad: Any) -> bytes:
    """A part with these in the middle; text is put in as it is."""
    texts = [text if isinstance(text, str) else json.dumps(text) for text in bad]
    entries = [json.dumps(asdict(GOOD)), *texts, json.dumps(asdict(LAST))]
    content = '{"v": 1, "memos": [' + ", ".join(entries) + "]}"
    return content.encode(errors="surrogatepass")


BAD = {
    "no key": said(key=""),
    "a key of another kind": said(key=7),
    "a key that is a path": said(key="../../aa"),
    "a key with half a character": said(key="a\ud800aaaaaa"),
    "a key with a zero": said(key="aaaaaaa\0"),
    "a key in capitals": said(key="a" + "F" * 39),
    "a key of another part": said(key="bbbbbbbb"),
    "a link to two memos": said(link=f"https://x.example/#{ENCODED}{'a' * 40}&{ENCODED}{'b' * 40}"),
    "text instead of a link": said(link="hello"),
    "a path instead of a link": said(link="/etc/passwd"),
    "an info-hash instead of a link": said(link="ab" * 20),
    "a magnet that names nothing": said(link="magnet:?dn=x"),
    "a link to zeros": said(link="magnet:?xt=urn:btih:" + "0" * 40),
    "a channel's link": said(link="magnet:?xs=urn:btpk:" + "a" * 64),
    "a link with a key": said(link=MAGNET + "&x.age=AGE-SECRET-KEY-1"),
    "a link with half a character": said(link=MAGNET + "&dn=\udcff"),
    "a link with a line end": said(link=MAGNET + "\n"),
    "an empty title": said(title=" \t"),
    "a title that is too long": said(title="x" * 301),
    "a title that acts on a terminal": said(title="\x1b]0;x\x07"),
    "a title in two lines": said(title="two\nlines"),
    "a title with a control of C1": said(title="\x9b2J"),
    "a title with half a character": said(title="\ud800"),
    "a title with a zero": said(title="a\0b"),
    "a title of bytes that are no text": json.dumps(said(title="TITLE")).replace("TITLE", "\udcff"),
    "a title that is a list": said(title=["x"]),
    "no title": {name: value for name, value in said().items() if name != "title"},
    "a description that is too long": said(description="é" * 4_001),
    "a description with half a character": said(description="\ud800"),
    "a description with a zero": said(description="\0"),
    "no moment": said(title_at=None),
    "half a moment": said(title_at=[1, 2]),
    "a moment of before": said(removed_at=[-1, 0, ""]),
    "a moment of words": said(removed_at=["1", 0, ""]),
    "a moment between": said(removed_at=[1.5, 0, ""]),
    "a moment that is no number": json.dumps(said(removed_at=[0, 0, ""])).replace("[0", "[NaN"),
    "a moment that is infinite": json.dumps(said(removed_at=[0, 0, ""])).replace("[0", "[1e999"),
    "a turn that is true": said(removed_at=[1, True, ""]),
    "a device with a control character": said(title_at=[1, 0, "\x1b[2J"]),
    "a device with half a character": said(title_at=[1, 0, "\ud800"]),
    "a device with a long name": said(title_at=[1, 0, "x" * 33]),
    "a device that is a number": said(title_at=[1, 0, 7]),
    "a size below nothing": said(size=-1),
    "a size of more than there is": said(size=2**64),
    "a size of 5,000 digits": json.dumps(said(size=0)).replace(
        '"size": 0', '"size": ' + "9" * 5000
    ),
    "a length that is a word": said(duration="1"),
    "a date of before": said(created=-1),
    "an origin of its own": said(origin="stolen"),
    "an origin that is a list": said(origin=["added"]),
    "a number": 7,
    "nothing": None,
    "a list": [said()],
    "a word": '"entry"',
    "no JSON": "{key: 7}",
    "nested without an end in sight": "[" * 50_000 + "]" * 50_000,
    "an entry with something nested": json.dumps(said())[:-1]
    + ', "x": '
    + "[" * 9**4
    + "]" * 9**4
    + "}",
    "more than an entry ever is": said(x="x" * (1 << 17)),
    "an entry twice in one place": json.dumps(said()) + json.dumps(said()),
}

ODD = {
    "a field that we do not know": said(later=[{"x": [1]}]),
    "a title with spaces around": said(title=" x "),
    "a title from right to left": said(title="\u200fשלום"),
    "a description that a terminal would obey": said(description="\x1b[2J\r\n\t"),
    "a memo that came by a link of version 1": said(key="ab" * 20),
    "a memo that came by a link of version 2": said(key="ab" * 32),
    "no link yet": said(link=""),
    "a link of version 2": said(link="magnet:?xt=urn:btmh:1220" + "ab" * 32 + "&dn=x"),
    "a link for the local network": said(link=MAGNET + "&dn=%F0%9F%99%82&x.scope=lan"),
    "a device without a name": said(title_at=[1, 0, ""]),
}
