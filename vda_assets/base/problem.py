"""What is wrong with a file that can be read: one value per finding."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    ERROR = "error"  # it cannot be used so
    WARNING = "warning"  # it can be used, but is less than was asked for


@dataclass(frozen=True)
class Problem:
    """`file` is the path as its reader knows it; `message` begins with the key where there is one."""

    severity: Severity
    file: str
    message: str

    def __str__(self) -> str:
        return f"{self.severity}: {self.file}: {self.message}"
