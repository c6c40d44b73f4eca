"""What is wrong with a label scene that can be read: one value per finding."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    ERROR = "error"  # the labels are wrong or missing
    WARNING = "warning"  # the labels can be used, but are less than was asked for


@dataclass(frozen=True)
class SceneProblem:
    """`file` is the path inside the scene, or the scene's folder as a whole (`.`)."""

    severity: Severity
    file: str
    message: str
