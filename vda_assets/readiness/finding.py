"""What a check found before anything is submitted, and the one thing that a person must provide, if any."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    READY = "ready"
    NOTE = "note"
    # What is not there, and what a run makes by itself before it submits anything.
    COLD = "cold"
    BLOCKING = "blocking"


@dataclass(frozen=True)
class Finding:
    subject: str
    level: Level
    message: str


def ready(subject: str, message: str) -> Finding:
    return Finding(subject, Level.READY, message)


def note(subject: str, message: str) -> Finding:
    return Finding(subject, Level.NOTE, message)


def cold(subject: str, message: str) -> Finding:
    return Finding(subject, Level.COLD, message)


def blocking(subject: str, message: str) -> Finding:
    return Finding(subject, Level.BLOCKING, message)


class NotReady(Exception):
    """Nothing can be submitted until somebody acts; its text is one question that names all that is missing."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(finding for finding in findings if finding.level is Level.BLOCKING)
        wanted = list(dict.fromkeys(finding.message for finding in self.findings))
        several = "".join(f"\n  {number}. {message}" for number, message in enumerate(wanted, 1))
        super().__init__(f"USER_INPUT_REQUIRED: {wanted[0] if len(wanted) == 1 else f'{len(wanted)} things:{several}'}")


def require(findings: Iterable[Finding]) -> None:
    """Raises NotReady when one of the findings blocks."""
    findings = tuple(findings)
    if any(finding.level is Level.BLOCKING for finding in findings):
        raise NotReady(findings)
