"""The result of something that failed alone, while the rest goes on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Failed:
    """`reason` is a sentence for people: what failed, why, and what to do.

    `is_own` is False when the cause lies elsewhere and may be gone the next time.
    """

    reason: str
    is_own: bool = True
