"""Texts from outside that are stored or shown: one short line each, and not too many of them."""

from __future__ import annotations

from collections.abc import Iterable

CHARACTERS = 300
LINES = 20


def cut(text: object, *, characters: int = CHARACTERS) -> str:
    """The text in one printable line of at most so many characters; `…` stands for what is left out."""
    # Ten times as much is looked at: a text of 50 MB is not turned over to be thrown away.
    head = str(text)[: 10 * characters]
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in head).split())
    return line if len(line) <= characters else f"{line[: characters - 1]}…"


def cut_lines(texts: Iterable[object], *, lines: int = LINES) -> tuple[str, ...]:
    """At most so many cut texts; the last one counts those that are left out."""
    every = list(texts)
    if len(every) <= lines:
        return tuple(map(cut, every))
    return (*map(cut, every[: lines - 1]), f"… and {len(every) - lines + 1} more")
