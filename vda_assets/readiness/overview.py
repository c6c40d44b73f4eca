"""How long it will take, said before anything is changed or submitted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from vda_assets.base.counted import counted
from vda_assets.flows.inputs import CHUNK_FRAMES, CHUNK_SECONDS
from vda_assets.flows.selection import Selection
from vda_assets.flows.stages import Stage
from vda_assets.readiness.finding import Finding, Level
from vda_assets.readiness.outlook import Outlook

# Minutes (from, to), as measured by the reference on one GPU node for one clip.
_PREPARATION = {
    "secrets and preflight": (1, 2),
    "inference endpoints": (10, 15),
    "model caches": (15, 25),
    "submit and queue": (1, 3),
}
_FLOWS = {
    "auto_labeling": (6, 15),
    "augmentation_and_al": (20, 35),
    "e2e": (22, 40),
    "e2e_super_resolution": (25, 45),
}
# The reference's clips have so many chunks at most; the time of longer ones grows with each further one.
_CHUNKS_OF_BASELINE = 2
# Endpoints and caches are made at the same time.
_TOGETHER = ("inference endpoints", "model caches")


@dataclass(frozen=True)
class Overview:
    """`phases` are (name, from minutes, to minutes); `basis` says where the flow's own minutes come from."""

    outlook: Outlook
    phases: tuple[tuple[str, int, int], ...]
    basis: str

    @property
    def warm(self) -> bool:
        return not any(name in _TOGETHER for name, _, _ in self.phases)

    @property
    def total_minutes(self) -> tuple[int, int]:
        together = [(low, high) for name, low, high in self.phases if name in _TOGETHER]
        rest = [(low, high) for name, low, high in self.phases if name not in _TOGETHER]
        at_once = [tuple(map(max, zip(*together, strict=True)))] if together else []
        low, high = (sum(column) for column in zip(*rest, *at_once, strict=True))
        return low, high

    @property
    def total(self) -> str:
        low, high = self.total_minutes
        return f"{low}-{high} min"

    @property
    def gpu_hours(self) -> tuple[float, float]:
        """From, to: as if a workflow held the GPUs of one worker for all of its time."""
        _, *minutes = self.phases[-1]
        of_one_minute = self.outlook.clips * self.outlook.gpus_of_one / self.outlook.rounds / 60
        low, high = (of_one_minute * one for one in minutes)
        return low, high

    def lines(self) -> list[str]:
        state = "warm: caches and endpoints are there" if self.warm else "cold: caches or endpoints must be made first"
        lines = [f"Time overview for {self.outlook} ({state})"]
        for name, low, high in self.phases:
            lines.append(f"  {name}: {low}-{high} min{' (at the same time)' if self._overlaps(name) else ''}")
        lines[-1] += f" ({self.basis})"
        return [*lines, f"  total: {self.total}"]

    def document(self) -> dict[str, object]:
        """The same for programs; GPU hours are those of the flow alone."""
        low, high = self.total_minutes
        gpu_low, gpu_high = self.gpu_hours
        return {
            "clips": self.outlook.clips,
            "at_once": self.outlook.at_once,
            "free_gpus": self.outlook.free_gpus,
            "warm": self.warm,
            "phases": [{"phase": name, "minutes": [low, high]} for name, low, high in self.phases],
            "basis": self.basis,
            "minutes": [low, high],
            "gpu_hours": [round(gpu_low, 6), round(gpu_high, 6)],
        }

    def _overlaps(self, name: str) -> bool:
        return name == _TOGETHER[1] and any(phase[0] == _TOGETHER[0] for phase in self.phases)


def time_overview(selection: Selection, findings: Sequence[Finding], outlook: Outlook, *, stand_in: bool) -> Overview:
    """The phases that are still ahead. Stand-ins on a CPU take seconds per clip, so their flow counts one minute."""
    names = ["secrets and preflight"]
    names += ["inference endpoints"] if _is_cold("endpoint", findings) else []
    names += ["model caches"] if _is_cold("model cache", findings) else []
    names += ["submit and queue"]
    phases = [(name, *((0, 1) if stand_in else _PREPARATION[name])) for name in names]
    low, high, basis = _per_clip(selection, outlook, stand_in=stand_in)
    phases.append(
        (selection.flow or "selected stages", math.ceil(low * outlook.rounds), math.ceil(high * outlook.rounds))
    )
    return Overview(outlook, tuple(phases), basis)


def _per_clip(selection: Selection, outlook: Outlook, *, stand_in: bool) -> tuple[float, float, str]:
    """Minutes from, to, and what they rest on: the project's own history as soon as there is one."""
    if outlook.history:
        low, high = outlook.history.minutes
        return low, high, f"from {counted(outlook.history.count, 'workflow')} of this dataset"
    if stand_in:
        return 1, 1, "stand-ins"
    low, high = _FLOWS[_flow_like(selection)]
    chunks = math.ceil((outlook.mean_frames or 0) / CHUNK_FRAMES)
    further = max(0, chunks - _CHUNKS_OF_BASELINE) if Stage.AUGMENTED_VIDEOS in selection else 0
    longer = further * CHUNK_SECONDS / 60
    return low + longer, high + longer, "from the reference's measurements on an H100"


def _is_cold(subject: str, findings: Sequence[Finding]) -> bool:
    return any(one.subject.startswith(subject) and one.level in (Level.COLD, Level.BLOCKING) for one in findings)


def _flow_like(selection: Selection) -> str:
    """The flow whose baseline fits a free choice of outputs."""
    if Stage.AUGMENTED_VIDEOS not in selection:
        return "auto_labeling"
    if Stage.ORIGINAL_LABELS not in selection:
        return "augmentation_and_al"
    return "e2e_super_resolution" if selection.super_resolution else "e2e"
