"""What somebody outside may have sent: a good text, damaged where it hurts, as a strategy of hypothesis."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from hypothesis import strategies as st

Edit = Callable[[bytes], bytes]
# Put in the place of a value, or somewhere.
ODD: tuple[bytes, ...] = (
    *(b"", b"null", b"true", b"0", b"-1", b"1e999", b"-1e999", b"NaN", b"Infinity", b"-Infinity", b".inf", b".nan"),
    *(b"9" * 20, b"9" * 5000, b"1" + b"0" * 400, b"1.7e308", b"5e-324", b"-0", b"0x10", b"1:59:59:59", b"1_000"),
    *(b'""', b"[]", b"{}", b"[[]]", b'{"a":{}}', b"[" * 300, b"[" * 40_000, b'{"a":' * 300, b'{"a":' * 20_000),
    *(b'"\\ud800"', b'"\\u0000"', b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"\xed\xa0\x80", b"\xc2\x85"),
    *(
        b'"../../../etc/passwd"',
        b'"/etc/passwd"',
        b'"a/../../b"',
        b'"."',
        b'".."',
        b'"a\\\\b"',
        b'"file:///etc/passwd"',
    ),
    *(
        b'"' + b"x" * 70_000 + b'"',
        b'"' + b"eyJ-" * 20_000 + b'"',
        b'"' + b"://" * 20_000 + b'"',
        b'"%s{0}{{x}}${HOME}"',
    ),
    *(b"&a [*a]", b"*a", b"&a [x, x]", b"<<: *a", b"!!python/object/apply:os.system [id]", b"!!binary x", b"!!set {a}"),
    *(b"!!timestamp x", b"2001-99-99", b"0001-01-01T00:00:00+14:00", b'"0001-01-01T00:00:00+14:00"', b"---", b"..."),
    *(
        b'"9999-12-31T23:59:59-14:00"',
        b'"https://[::1"',
        b'"http://a:99999/"',
        b'"http://\xc3\xa4\xff"',
        b'"bearer eyJh.b.c"',
    ),
)
_VALUE = re.compile(rb'"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|\b(?:true|false|null)\b|(?<=: )[^\s,}\]{\["]+')
# More than the readers of small files take.
_MOST_BYTES = 1_500_000
_SHARE = st.floats(0, 1, allow_nan=False)


def _at(text: bytes, share: float) -> int:
    return int(share * len(text))


def _replace(nth: float, odd: bytes) -> Edit:
    def edit(text: bytes) -> bytes:
        places = list(_VALUE.finditer(text[:200_000]))
        if not places:
            return odd
        place = places[min(int(nth * len(places)), len(places) - 1)]
        return text[: place.start()] + odd + text[place.end() :]

    return edit


def _insert(share: float, odd: bytes) -> Edit:
    return lambda text: text[: _at(text, share)] + odd + text[_at(text, share) :]


def _delete(share: float, length: int) -> Edit:
    return lambda text: text[: _at(text, share)] + text[_at(text, share) + length :]


def _cut(share: float) -> Edit:
    return lambda text: text[: _at(text, share)]


def _flip(share: float, bit: int) -> Edit:
    def edit(text: bytes) -> bytes:
        if not text:
            return text
        place = min(_at(text, share), len(text) - 1)
        return text[:place] + bytes([text[place] ^ 1 << bit]) + text[place + 1 :]

    return edit


def _double_line(share: float, times: int) -> Edit:
    def edit(text: bytes) -> bytes:
        lines = text.splitlines(keepends=True)
        if not lines:
            return text
        number = min(int(share * len(lines)), len(lines) - 1)
        return b"".join([*lines[:number], *[lines[number]] * times, *lines[number + 1 :]])

    return edit


_ODD = st.sampled_from(ODD) | st.binary(max_size=12)
EDITS = st.one_of(
    st.builds(_replace, _SHARE, _ODD),
    st.builds(_replace, _SHARE, _ODD),
    st.builds(_insert, _SHARE, _ODD),
    st.builds(_delete, _SHARE, st.integers(1, 40)),
    st.builds(_cut, _SHARE),
    st.builds(_flip, _SHARE, st.integers(0, 7)),
    st.builds(_double_line, _SHARE, st.sampled_from([2, 3, 2000])),
)


def damaged(seeds: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """One of the seeds with a few edits."""

    def apply(seed: bytes, edits: list[Edit]) -> bytes:
        for edit in edits:
            seed = edit(seed)[:_MOST_BYTES]
        return seed

    return st.builds(apply, st.sampled_from(list(seeds)), st.lists(EDITS, min_size=1, max_size=4))
