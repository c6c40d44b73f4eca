"""What an output is worth: the five verdicts and the judgement that carries one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from vda_assets.base.cut import cut_lines


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
    """`reasons` say what kept it from being accepted, or that the clip that it labels was not.

    `doubts` are answers that do not fit what was drawn. Both are cut, in length and number: their words come from
    outside. `facts` are numbers and texts for the metadata; `parent_verdict` among them is that of the labelled clip.
    """

    verdict: Verdict
    reasons: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    stand_in: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "reasons", cut_lines(self.reasons))
        object.__setattr__(self, "doubts", cut_lines(self.doubts))


def worst(judgements: Sequence[Judgement]) -> Verdict:
    return worst_verdict(judgement.verdict for judgement in judgements)


def worst_verdict(verdicts: Iterable[Verdict]) -> Verdict:
    return max(verdicts, key=_ORDER.index)


def parent_verdict(judgements: Sequence[Judgement]) -> Verdict | None:
    """What the clip is worth that the judged labels are of; None for what is no label of an augmented clip."""
    return next((Verdict(one.facts["parent_verdict"]) for one in judgements if "parent_verdict" in one.facts), None)


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


def of_labelled_clip(judgement: Judgement, parent: Verdict) -> Judgement:
    """The judgement of labels that says what the clip is worth that they label; their own verdict stays."""
    said = () if parent in (Verdict.ACCEPTED, Verdict.DEGRADED) else (f"the clip that is labelled is {parent}",)
    facts = {**judgement.facts, "parent_verdict": parent.value}
    return replace(judgement, reasons=(*said, *judgement.reasons), facts=facts)


def of_variable_rate(judgement: Judgement) -> Judgement:
    """The judgement of labels of a clip whose frame rate varies: at best degraded. The containers take a frame's number
    by the average rate for its time (auto-labelling 1.0.0), so that times of events drift from the clip's clock."""
    reason = "the clip's frame rate varies: times of events in the labels drift from the clip's clock"
    verdict = worst_verdict([judgement.verdict, Verdict.DEGRADED])
    facts = {**judgement.facts, "variable_frame_rate": True}
    return replace(judgement, verdict=verdict, reasons=(*judgement.reasons, reason), facts=facts)
