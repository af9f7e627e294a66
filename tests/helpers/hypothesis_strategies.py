"""Inputs for property tests: all that is valid of a kind, and more that is not."""

from __future__ import annotations

from hypothesis import strategies as st

from memocast.formats.trackers import TRACKER_SCHEMES, is_tracker

ANY_TEXT = st.text(st.characters())
"""Half characters included, as command lines and file names that are not UTF-8 have them."""

_DEVICES = ["CON", "nul", "COM¹", "conin$", "lpt9"]
_ODDITIES = [
    *("CON", "aux.txt", "memo", ".", "..", " ", "/", "\\", ":", "~"),
    *("\u202e", "\x1b[31m", "\n", "\t", "\0", "\u2028", "\u200d", "\xad", "e\u0301", "\u0338"),
    *("😀", "👩\u200d🚒", "ﬁ", "\ud800", "\udcff", "\U000f0000", "opus", "\u037e", "x" * 110),
]

_pieces = st.sampled_from(_ODDITIES) | ANY_TEXT
TITLES = st.one_of(
    st.lists(_pieces, max_size=8).map("".join),
    st.builds(
        "{}{}.{}".format, st.sampled_from(_DEVICES), st.sampled_from(["", " ", "\xad"]), _pieces
    ),
    # About as long as a title or a file name may be, with something else at the end.
    st.builds(
        lambda size, end: "x" * size + end + "y",
        st.sampled_from([*range(111, 117), *range(297, 301)]),
        st.sampled_from([" ", ".", "\n", "é", "😀", "\xad", ""]),
    ),
)
"""What somebody may want to call a memo or a file, and what nobody should."""

TRACKERS = st.builds(
    str.__add__,
    st.sampled_from(TRACKER_SCHEMES),
    st.text(max_size=290).map(lambda text: "".join(filter(str.isprintable, text.split()))),
).filter(is_tracker)
"""Trackers that may be written into links, without white space."""

PEERS = st.tuples(st.ip_addresses().map(str), st.integers(0, 65_535))
