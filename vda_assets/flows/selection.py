"""What somebody asks for, and the stages that it takes: a flow is nothing but a choice of outputs."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from vda_assets.config.dataset import Dataset
from vda_assets.config.errors import UnknownName
from vda_assets.flows.stages import OUTPUTS, Output, Rendered, Stage


@dataclass(frozen=True)
class Selection:
    """`super_resolution` enhances the originals while they are labelled, and lets the augmentation wait for that."""

    stages: frozenset[Stage]
    comparisons: bool = False
    super_resolution: bool = False

    def __contains__(self, stage: Stage) -> bool:
        return stage in self.stages

    @property
    def ordered(self) -> tuple[Stage, ...]:
        """The stages in the order of the work."""
        return tuple(stage for stage in Stage if stage in self.stages)

    @property
    def outputs(self) -> tuple[Output, ...]:
        return (*self.ordered, *(Rendered if self.comparisons else ()))

    @property
    def flow(self) -> str | None:
        """Name of the flow that this is, if it has one; comparisons do not matter to it."""
        for name, flow in FLOWS.items():
            if (flow.stages, flow.super_resolution) == (self.stages, self.super_resolution):
                return name
        return None

    def waits_for(self, stage: Stage) -> Stage | None:
        """The stage that must have ended before this one begins."""
        return stage.row.upstream or (stage.row.gate if self.super_resolution else None)

    def taken_from_elsewhere(self) -> frozenset[Stage]:
        """The stages that selected ones wait for, and that are not selected themselves."""
        return frozenset(before for stage in self.stages if (before := self.waits_for(stage))) - self.stages

    def depending_on(self, stages: Collection[Stage]) -> frozenset[Stage]:
        """The selected stages that wait, directly or not, for one of the given ones."""
        dependants: set[Stage] = set()
        for stage in Stage:  # in the order of the work, so that one pass is enough
            before = self.waits_for(stage)
            if before in stages or before in dependants:
                dependants.add(stage)
        return frozenset(dependants) & self.stages

    def only(self, stages: Iterable[Stage]) -> Selection:
        return replace(self, stages=self.stages & frozenset(stages))

    def without(self, stages: Iterable[Stage]) -> Selection:
        return replace(self, stages=self.stages - frozenset(stages))


DEFAULT_FLOW = "augmentation_and_al"
FLOWS: dict[str, Selection] = {
    "auto_labeling": Selection(frozenset({Stage.ORIGINAL_LABELS})),
    "augmentation_and_al": Selection(frozenset({Stage.AUGMENTED_VIDEOS, Stage.AUGMENTED_LABELS}), comparisons=True),
    "e2e": Selection(frozenset(Stage), comparisons=True),
    "e2e_super_resolution": Selection(frozenset(Stage), comparisons=True, super_resolution=True),
}
FLOW_ALIASES = {"augmentation_and_pl": "augmentation_and_al"}


def flow_named(name: str) -> Selection:
    """The selection of a flow or of an old name of one. Raises UnknownName that lists the flows."""
    name = FLOW_ALIASES.get(name, name)
    if name not in FLOWS:
        raise UnknownName("flow", name, [*FLOWS, *FLOW_ALIASES])
    return FLOWS[name]


def output_named(name: str) -> Output:
    """Raises UnknownName that lists the outputs."""
    for output in OUTPUTS:
        if output == name:
            return output
    raise UnknownName("output", name, OUTPUTS)


def wanted_of(dataset: Dataset) -> Selection | None:
    """What the dataset's file asks for, None when it says nothing. Raises UnknownName."""
    if dataset.flow:
        return flow_named(dataset.flow)
    return selection_of(map(output_named, dataset.outputs)) if dataset.outputs else None


def selection_of(outputs: Iterable[Output], *, super_resolution: bool = False) -> Selection:
    """The selection of these outputs."""
    outputs = set(outputs)
    return Selection(
        frozenset(one for one in outputs if isinstance(one, Stage)),
        comparisons=Rendered.COMPARISONS in outputs,
        super_resolution=super_resolution,
    )
