"""What somebody asks for, and the stages that it takes: a flow is nothing but a choice of outputs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from vda_assets.config.errors import UnknownName


class Output(StrEnum):
    ORIGINAL_LABELS = "original_labels"
    AUGMENTED_VIDEOS = "augmented_videos"
    AUGMENTED_LABELS = "augmented_labels"
    COMPARISONS = "comparisons"


# Those that GPU workers make; a comparison is rendered by the pipeline itself.
STAGES = (Output.ORIGINAL_LABELS, Output.AUGMENTED_VIDEOS, Output.AUGMENTED_LABELS)


@dataclass(frozen=True)
class Selection:
    """`super_resolution` enhances the originals while they are labelled, and gates the augmentation on that."""

    outputs: frozenset[Output]
    super_resolution: bool = False

    def __contains__(self, output: Output) -> bool:
        return output in self.outputs

    @property
    def flow(self) -> str | None:
        """Name of the flow that this is, if it has one; comparisons do not matter to it."""
        stages = self.outputs - {Output.COMPARISONS}
        for name, flow in FLOWS.items():
            if flow.outputs - {Output.COMPARISONS} == stages and flow.super_resolution == self.super_resolution:
                return name
        return None

    def only(self, outputs: Iterable[Output]) -> Selection:
        return Selection(self.outputs & frozenset(outputs), self.super_resolution)


DEFAULT_FLOW = "augmentation_and_al"
FLOWS: dict[str, Selection] = {
    "auto_labeling": Selection(frozenset({Output.ORIGINAL_LABELS})),
    "augmentation_and_al": Selection(
        frozenset({Output.AUGMENTED_VIDEOS, Output.AUGMENTED_LABELS, Output.COMPARISONS}),
    ),
    "e2e": Selection(frozenset(Output)),
    "e2e_super_resolution": Selection(frozenset(Output), super_resolution=True),
}
FLOW_ALIASES = {"augmentation_and_pl": "augmentation_and_al"}


def flow_named(name: str) -> Selection:
    """The selection of a flow or of an old name of one. Raises UnknownName that lists the flows."""
    name = FLOW_ALIASES.get(name, name)
    if name not in FLOWS:
        raise UnknownName("flow", name, [*FLOWS, *FLOW_ALIASES])
    return FLOWS[name]


def outputs_named(names: Iterable[str]) -> Selection:
    """The selection of these outputs. Raises UnknownName that lists the outputs."""
    outputs = set()
    for name in names:
        if name not in list(Output):
            raise UnknownName("output", name, list(Output))
        outputs.add(Output(name))
    return Selection(frozenset(outputs))
