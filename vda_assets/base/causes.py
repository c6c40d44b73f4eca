"""Whether two things failed for the same cause."""

from __future__ import annotations

import re


def kind_of(cause: str) -> str:
    """The first line of a reason without its names and numbers: they do not tell causes apart."""
    return re.sub(r"'[^']*'|\S*[\d/]\S*", "", cause.splitlines()[0] if cause else "")
