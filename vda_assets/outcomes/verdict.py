"""What an output is worth: the five verdicts and the judgement that carries one."""

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
class Judgement:
    """`reasons` say what kept it from being accepted, `doubts` what is worth a look although it was.

    `facts` are numbers and texts for the metadata.
    """

    verdict: Verdict
    reasons: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    stand_in: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)


def worst(judgements: Sequence[Judgement]) -> Verdict:
    return max((judgement.verdict for judgement in judgements), key=_ORDER.index)


def named_by_index(judgements: Sequence[Judgement]) -> list[Judgement]:
    """A clip's judgements by augmentation index; where there are several, reasons and doubts begin with theirs."""
    if len(judgements) < 2:
        return list(judgements)
    return [
        replace(
            judgement,
            reasons=tuple(f"aug{index}: {reason}" for reason in judgement.reasons),
            doubts=tuple(f"aug{index}: {doubt}" for doubt in judgement.doubts),
        )
        for index, judgement in enumerate(judgements)
    ]
