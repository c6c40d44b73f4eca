"""Which of the names that there are was probably meant by one that there is not."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice

# A comparison takes some microseconds, and nobody waits seconds for a suggestion.
_MOST_COMPARED, _LONGEST = 20_000, 200


def likely(name: str, known: Iterable[str]) -> str:
    """`; did you mean X?`, to be put behind what is wrong, and nothing where no name is like it."""
    meant = get_close_matches(name[:_LONGEST], islice(known, _MOST_COMPARED), n=1, cutoff=0.7)
    return f"; did you mean {meant[0]}?" if meant else ""
