"""Regular expressions that somebody else wrote: in a call's query, in a spec."""

from __future__ import annotations

import re


def compile_pattern(text: str) -> re.Pattern[str]:
    """The compiled expression; raises ValueError that says what is wrong with it."""
    try:
        return re.compile(text)
    except (re.error, OverflowError, RecursionError, ValueError) as error:
        raise ValueError(f"{text!r} is no regular expression: {error}") from error
