"""What an output is worth: the five verdicts and the outcome that carries one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    ACCEPTED = "accepted"  # everything that can be checked is good
    DEGRADED = "degraded"  # labels are there but incomplete
    UNVERIFIED = "unverified"  # there, but nothing says whether its quality gates passed
    REJECTED = "rejected"  # a quality gate failed
    MISSING = "missing"  # not there, not whole or not readable


# From best to worst: an output of several indexes is worth what its worst index is.
_ORDER = list(Verdict)


@dataclass(frozen=True)
class Outcome:
    """`reasons` say what kept it from being accepted, `doubts` what is worth a look although it was.

    `facts` are numbers and texts for the metadata.
    """

    verdict: Verdict
    reasons: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    stand_in: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)


def worst(outcomes: Sequence[Outcome]) -> Verdict:
    return max((outcome.verdict for outcome in outcomes), key=_ORDER.index)


def named_by_index(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """The outcomes of a clip's augmentation indexes; where there are several, reasons and doubts begin with theirs."""
    if len(outcomes) < 2:
        return list(outcomes)
    return [
        replace(
            outcome,
            reasons=tuple(f"aug{index}: {reason}" for reason in outcome.reasons),
            doubts=tuple(f"aug{index}: {doubt}" for doubt in outcome.doubts),
        )
        for index, outcome in enumerate(outcomes)
    ]
