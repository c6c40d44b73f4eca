"""Cron expressions of five fields, as Dagster's scheduler reads them: refused here, not when a schedule is due."""

from __future__ import annotations

import re
from collections.abc import Iterator

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_WEEKDAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
# Name, lowest, highest, and the words that stand for numbers from the lowest on.
_FIELDS: tuple[tuple[str, int, int, list[str]], ...] = (
    ("minute", 0, 59, []),
    ("hour", 0, 23, []),
    ("day of the month", 1, 31, []),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 7, _WEEKDAYS),
)
_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_PART = re.compile(r"(?:\*|(\w+)(?:-(\w+))?)(?:/(\d{1,4}))?", re.ASCII)


def check_cron(text: str) -> str:
    """Returns the text; raises ValueError that names the field when it is no cron expression, or never comes due."""
    fields = text.split()
    if len(fields) != len(_FIELDS):
        raise ValueError("must be a cron expression of five fields, such as '0 2 * * *'")
    _, _, days, months, _ = (set(_values(field, *which)) for field, which in zip(fields, _FIELDS, strict=True))
    # Whatever the day of the week: Dagster refuses it even where that could come due.
    if not any(min(days) <= _DAYS[month - 1] for month in months):
        raise ValueError("never comes due: none of its months has that day")
    return text


def _values(field: str, name: str, lowest: int, highest: int, words: list[str]) -> Iterator[int]:
    for part in field.split(","):
        match = _PART.fullmatch(part)
        first, last, step = match.groups() if match else ("", None, None)
        start = lowest if first is None else _number(first, words, lowest)
        # `5/15` begins at 5 and goes on to the end.
        open_end = first is None or (last is None and step is not None)
        end = highest if open_end else start if last is None else _number(last, words, lowest)
        if not lowest <= start <= end <= highest or step == "0":
            raise ValueError(f"{part!r} is no {name}, which takes *, {lowest} to {highest}, a-b, */n and commas")
        yield from range(start, end + 1, int(step or 1))


def _number(text: str, words: list[str], lowest: int) -> int:
    """The number; -1, which no field takes, for any other text."""
    text = text.lower()
    if text in words:
        return words.index(text) + lowest
    return int(text) if re.fullmatch(r"\d{1,4}", text, re.ASCII) else -1
