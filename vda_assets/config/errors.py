"""What is wrong with assets_cfg/, all of a file at once.

ConfigError
├── BadConfigFile      one file and every problem in it
└── UnknownName        a dataset, deployment, cookbook, flow or output that does not exist; lists those that do
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


class ConfigError(Exception):
    """Every error of this room: it will not work until somebody edits a file or a command."""


class BadConfigFile(ConfigError):
    def __init__(self, path: Path, problems: Iterable[str]) -> None:
        self.path = path
        self.problems = tuple(problems)
        super().__init__("\n".join(f"{path}: {problem}" for problem in self.problems))


class UnknownName(ConfigError):
    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = ", ".join(sorted(known)) or f"there is no {kind} yet"
        super().__init__(f"unknown {kind} {name!r}; choose from: {names}")
