"""Regular expressions that somebody else wrote, in a call's query or a spec: one may take for ever on one short text.

    python -m vda_assets.embedded.service.patterns

While Python's `re` matches, no other thread runs and no signal is handled. So a process of its own matches, and a timer
of that process ends it.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence

_COMPUTING_SECONDS = 2.0
_PATIENCE_SECONDS = 60.0


def compile_pattern(text: str) -> re.Pattern[str]:
    """The compiled expression; raises ValueError that says what is wrong with it."""
    try:
        return re.compile(text)
    except (re.error, OverflowError, RecursionError, ValueError) as error:
        raise ValueError(f"{text!r} is no regular expression: {error}") from error


def matching(pattern: str, texts: Sequence[str], *, anywhere: bool) -> list[str]:
    """The texts that match at their beginning, or `anywhere`. Raises ValueError for a pattern that takes too long."""
    if not texts:
        return []
    command = [sys.executable, "-m", __name__]
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    given = json.dumps({"pattern": pattern, "texts": list(texts), "anywhere": anywhere})
    try:
        ended = subprocess.run(
            command, input=given.encode(), capture_output=True, env=environment, timeout=_PATIENCE_SECONDS, check=True
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        raise ValueError(f"{pattern!r} takes too long to match") from None
    return [text for text, matches in zip(texts, json.loads(ended.stdout), strict=True) if matches]


def _main() -> None:
    signal.setitimer(signal.ITIMER_VIRTUAL, _COMPUTING_SECONDS)
    given = json.load(sys.stdin)
    pattern = re.compile(given["pattern"])
    look = pattern.search if given["anywhere"] else pattern.match
    sys.stdout.write(json.dumps([look(text) is not None for text in given["texts"]]))


if __name__ == "__main__":
    _main()
