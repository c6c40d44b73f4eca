"""What is wrong with assets_cfg/, all of a file at once.

ConfigError
├── BadConfigFile      one file and every problem in it
└── UnknownName        a dataset, deployment, cookbook, flow or output that does not exist; lists those that do
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from vda_assets.base.counted import counted
from vda_assets.base.likely import likely

_MOST_PROBLEMS = 50
_LONGEST_PROBLEM = 600
_SECRET_IN_URL = re.compile(r"(?<=://)[^\s'\"]*@|(?<=://)([^\s'\"?]*)\?[^\s'\"]*")


class ConfigError(Exception):
    """Every error of this room: it will not work until somebody edits a file or a command."""


class BadConfigFile(ConfigError):
    """`problems` hold no credentials of a URL, and are cut off where they grow into a list of their own."""

    def __init__(self, path: Path, problems: Iterable[str]) -> None:
        self.path = path
        told = [_cut(_SECRET_IN_URL.sub(r"\1…", _cut(problem, 20_000)), _LONGEST_PROBLEM) for problem in problems]
        more = [f"and {counted(len(told) - _MOST_PROBLEMS, 'more problem')}"] if len(told) > _MOST_PROBLEMS else []
        self.problems = (*told[:_MOST_PROBLEMS], *more)
        super().__init__("\n".join(f"{path}: {problem}" for problem in self.problems))


def _cut(problem: str, length: int) -> str:
    """The problem's beginning and end when it is longer than that."""
    half = length // 2
    return problem if len(problem) <= length else f"{problem[:half]} … {problem[-half:]}"


class UnknownName(ConfigError):
    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        known = sorted(known)
        names = ", ".join(known) or f"there is no {kind} yet"
        super().__init__(f"unknown {kind} {name!r}; choose from: {names}{likely(name, known)}")
