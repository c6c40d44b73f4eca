"""All clips of a report together: it grows with what they say, not with their number."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from vda_assets.base.causes import kind_of
from vda_assets.base.cut import cut
from vda_assets.flows.stages import OUTPUTS, Output
from vda_assets.reports.facts import ACCEPTED, VERDICTS, ClipFacts, LabelCounts, OutputFacts

OTHERS = "…"
# Texts from outside must not let a page grow without end: what is beyond these is counted together.
_MOST_CAUSES, _MOST_VALUES, _MOST_CLASSES = 200, 100, 100
_NAMED_CLIPS, _TOLD_DOUBTS = 20, 200
_Key = TypeVar("_Key", bound=Hashable)
_Kept = TypeVar("_Kept")


@dataclass
class Share:
    """How many augmented clips a value was drawn for, and how many of them are of accepted clips."""

    drawn: int = 0
    accepted: int = 0


@dataclass
class Cause:
    """Outputs that came to one state for the same cause; `reason` is the first one's, not all `clips` are named."""

    state: str
    reason: str
    outputs: Counter[Output] = field(default_factory=Counter)
    clips: list[str] = field(default_factory=list)
    count: int = 0


@dataclass
class LabelTally:
    """`scenes` were counted of `outputs` clips' labels; `unknown` labels say nothing of what they hold."""

    outputs: int = 0
    unknown: int = 0
    scenes: int = 0
    frames: int = 0
    frames_with_objects: int = 0
    objects: Counter[str] = field(default_factory=Counter)
    clips_with: Counter[str] = field(default_factory=Counter)

    def add(self, counts: LabelCounts) -> None:
        self.outputs += 1
        self.scenes += counts.scenes
        self.frames += counts.frames
        self.frames_with_objects += counts.frames_with_objects
        for kind, count in counts.objects.items():
            named = _kept(self.objects, kind, most=_MOST_CLASSES, others=OTHERS)
            self.objects[named] += count
            self.clips_with[named] += 1


@dataclass
class Taken:
    """`gpu_seconds` is None where no output says any; `costs` are by currency."""

    gpu_seconds: float | None = None
    costs: dict[str, float] = field(default_factory=dict)

    def add(self, gpu_seconds: float | None, costs: Mapping[str, float]) -> None:
        if gpu_seconds is not None:
            self.gpu_seconds = (self.gpu_seconds or 0.0) + gpu_seconds
        for currency, cost in costs.items():
            self.costs[currency] = self.costs.get(currency, 0.0) + cost


@dataclass
class Summary:
    """`add` is told each clip, and each `further` augmentation of one, once."""

    clips: int = 0
    further: int = 0
    verdicts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(VERDICTS, 0))
    states: dict[Output, Counter[str]] = field(default_factory=lambda: {output: Counter() for output in OUTPUTS})
    variables: dict[str, dict[str, Share]] = field(default_factory=lambda: defaultdict(dict))
    labels: dict[Output, LabelTally] = field(default_factory=dict)
    doubts: list[tuple[str, str]] = field(default_factory=list)
    doubted: int = 0
    stand_ins: int = 0
    taken: dict[Output, Taken] = field(default_factory=lambda: {output: Taken() for output in OUTPUTS})
    _causes: dict[tuple[str, str], Cause] = field(default_factory=dict)

    def add(self, clip: ClipFacts) -> None:
        self.clips += clip.further is None
        self.further += clip.further is not None
        self.verdicts[clip.verdict] += 1
        for variant in clip.variants:
            self._add_values(variant.values, is_accepted=clip.verdict == ACCEPTED)
        for output, one in clip.outputs.items():
            self.states[output][one.state] += 1
            self.taken[output].add(one.gpu_seconds, {} if one.cost is None else {one.currency: one.cost})
            self._add_labels(output, one)
            if one.reason and one.state != ACCEPTED:
                self._add_cause(clip.path, output, one)
        self.stand_ins += clip.stand_in
        self.doubted += bool(clip.doubts)
        self.doubts += [(clip.path, doubt) for doubt in clip.doubts][: _TOLD_DOUBTS - len(self.doubts)]

    @property
    def causes(self) -> list[Cause]:
        """What failed before what is there, an early stage before those that wait for it, then the most frequent."""
        return sorted(self._causes.values(), key=_place_of)

    @property
    def total(self) -> Taken:
        total = Taken()
        for one in self.taken.values():
            total.add(one.gpu_seconds, one.costs)
        return total

    def _add_values(self, values: Mapping[str, str], *, is_accepted: bool) -> None:
        for variable, value in values.items():
            shares = self.variables[_kept(self.variables, variable, most=_MOST_VALUES, others=OTHERS)]
            share = shares.setdefault(_kept(shares, value, most=_MOST_VALUES, others=OTHERS), Share())
            share.drawn += 1
            share.accepted += is_accepted

    def _add_labels(self, output: Output, one: OutputFacts) -> None:
        if one.labels:
            self.labels.setdefault(output, LabelTally()).add(one.labels)
        elif output.endswith("_labels") and one.state in VERDICTS[:4]:
            self.labels.setdefault(output, LabelTally()).unknown += 1

    def _add_cause(self, clip: str, output: Output, one: OutputFacts) -> None:
        alike = _kept(self._causes, (one.state, kind_of(one.reason)), most=_MOST_CAUSES, others=(one.state, OTHERS))
        reason = "other causes" if alike[1] == OTHERS else cut(one.reason)
        cause = self._causes.setdefault(alike, Cause(one.state, reason))
        cause.count += 1
        cause.outputs[output] += 1
        if len(cause.clips) < _NAMED_CLIPS and clip not in cause.clips:
            cause.clips.append(clip)


def _place_of(cause: Cause) -> tuple[int, int, int, str]:
    worth = VERDICTS.index(cause.state) if cause.state in VERDICTS else -1
    return -worth, min(map(OUTPUTS.index, cause.outputs)), -cause.count, cause.reason


def _kept(kept: Mapping[_Key, _Kept], key: _Key, *, most: int, others: _Key) -> _Key:
    """The key, or the one that stands for all that came when there were too many."""
    return key if key in kept or len(kept) < most else others
