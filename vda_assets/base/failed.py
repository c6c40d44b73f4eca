"""The result of something that failed alone, while the rest goes on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Failed:
    """`reason` is a sentence for people: what failed, why, and what to do."""

    reason: str
