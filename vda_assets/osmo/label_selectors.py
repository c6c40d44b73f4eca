"""Label selectors of OSMO's workflow list (6.4): `key=value`, or `key=(a|b)` for several values."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import product

# A value has at most 63 characters, so 32 of them stay far below the 4096 bytes that a selector may have.
MAX_VALUES_PER_SELECTOR = 32


def label_selectors(labels: Mapping[str, str | Collection[str]]) -> Iterator[tuple[str, ...]]:
    """The selectors of each list call that together find every workflow with, per key, one of the values.

    One empty tuple when no label is asked for. Nothing when a key has no values: then no workflow can match.
    """
    return product(*(_selectors(key, values) for key, values in labels.items()))


def _selectors(key: str, values: str | Collection[str]) -> list[str]:
    wanted = [values] if isinstance(values, str) else list(dict.fromkeys(values))
    chunks = [
        wanted[start : start + MAX_VALUES_PER_SELECTOR] for start in range(0, len(wanted), MAX_VALUES_PER_SELECTOR)
    ]
    # The service refuses alternatives of a single value.
    return [f"{key}=({'|'.join(chunk)})" if len(chunk) > 1 else f"{key}={chunk[0]}" for chunk in chunks]
