"""Counts as people say them: 1 clip, 2 clips."""

from __future__ import annotations


def counted(number: int, one: str, many: str = "") -> str:
    """The number and the words for one thing or for several: `many`, or `one` with an s."""
    return f"{number} {one if number == 1 else many or f'{one}s'}"
