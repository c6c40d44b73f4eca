"""What a report says of one clip: values alone, whoever read them from books and bucket."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from vda_assets.flows.stages import Output
from vda_assets.storage.url import StorageUrl

ACCEPTED, MISSING, FAILED, QUARANTINED = "accepted", "missing", "failed", "quarantined"
# In the order in which pages and tables name them.
VERDICTS = (ACCEPTED, "degraded", "unverified", "rejected", FAILED, QUARANTINED, MISSING)
# A clip is worth what the worst of its outputs is. What failed says more of it than what is not there for that reason.
_WORST_LAST = (ACCEPTED, "degraded", "unverified", "rejected", MISSING, FAILED, QUARANTINED)


@dataclass(frozen=True)
class LabelCounts:
    """What lies in the label scenes of an output of a clip; `objects` counts tracks by class."""

    scenes: int
    frames: int
    frames_with_objects: int
    objects: Mapping[str, int]


@dataclass(frozen=True)
class OutputFacts:
    """`state` is a verdict, `failed`, `quarantined` or `missing`, and `made` of what has no verdict; `at` is when that
    came to be, in UTC. What is not known is None, an unknown text empty."""

    state: str
    reason: str = ""
    at: str = ""
    run_id: str = ""
    gpu_seconds: float | None = None
    cost: float | None = None
    currency: str = ""
    labels: LabelCounts | None = None
    stand_in: bool = False


@dataclass(frozen=True)
class Variant:
    """One augmentation of a clip: what was drawn for it, and what there is to look at. `picture` is a moving picture of
    the comparison, or a still one of both clips where no video could be encoded; `preview` names a small still one
    beside the report, where there is one."""

    index: int
    values: Mapping[str, str]
    augmented: StorageUrl | None = None
    comparison: StorageUrl | None = None
    picture: StorageUrl | None = None
    preview: str = ""


@dataclass(frozen=True)
class ClipFacts:
    """Of a clip, or of a `further` augmentation of one, by its index. `path` is the real name below the dataset's
    folder; `original` and `size_bytes` are None where the clip does not
    lie there any more."""

    key: str
    path: str
    verdict: str
    outputs: Mapping[Output, OutputFacts]
    variants: tuple[Variant, ...] = ()
    doubts: tuple[str, ...] = ()
    original: StorageUrl | None = None
    size_bytes: int | None = None
    further: int | None = None

    @property
    def gpu_seconds(self) -> float | None:
        known = [one.gpu_seconds for one in self.outputs.values() if one.gpu_seconds is not None]
        return sum(known) if known else None

    @property
    def stand_in(self) -> bool:
        """Whether a CPU stand-in made anything of it."""
        return any(one.stand_in for one in self.outputs.values())

    @property
    def costs(self) -> dict[str, float]:
        """By currency."""
        costs: dict[str, float] = {}
        for one in self.outputs.values():
            if one.cost is not None:
                costs[one.currency] = costs.get(one.currency, 0.0) + one.cost
        return costs


@dataclass(frozen=True)
class Subject:
    """What a report is about. `run_id` is empty for all clips of the dataset; `weights` are the cookbook's, by variable
    and value; `unusable` says of files that look like clips why they are none."""

    dataset: str
    url: str
    description: str
    cookbook: str
    run_id: str = ""
    weights: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    unusable: Mapping[str, str] = field(default_factory=dict)


def verdict_of(states: Mapping[Output, str], *, wanted: Iterable[Output]) -> str:
    """The verdict on a clip by the states of its outputs. What is not there counts where the dataset wants it, and
    where there is nothing at all."""
    told = [state for output, state in states.items() if state in _WORST_LAST and state != MISSING]
    if any(states.get(output, MISSING) == MISSING for output in wanted) or not told:
        told.append(MISSING)
    return max(told, key=_WORST_LAST.index)
