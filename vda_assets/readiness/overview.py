"""How long it will take, said before anything is submitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vda_assets.flows.selection import Selection
from vda_assets.flows.stages import Stage
from vda_assets.readiness.finding import Finding, Level

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


@dataclass(frozen=True)
class Overview:
    """`phases` are (name, from minutes, to minutes); `clips_at_once` is how many share the pool."""

    warm: bool
    phases: tuple[tuple[str, int, int], ...]
    clips: int
    clips_at_once: int

    @property
    def total_minutes(self) -> tuple[int, int]:
        return sum(phase[1] for phase in self.phases), sum(phase[2] for phase in self.phases)

    def lines(self) -> list[str]:
        state = "warm: caches and endpoints are there" if self.warm else "cold: caches or endpoints must be made first"
        lines = [f"Time overview for {self.clips} clips, {self.clips_at_once} at once ({state})"]
        lines += [f"  {name}: {low}-{high} min" for name, low, high in self.phases]
        low, high = self.total_minutes
        return [*lines, f"  total: {low}-{high} min"]


def time_overview(
    selection: Selection, findings: Sequence[Finding], *, clips: int, clips_at_once: int, stand_in: bool
) -> Overview:
    """The phases that are still ahead. Stand-ins on a CPU take seconds per clip, so their flow counts one minute."""
    cold_caches = any(finding.subject.startswith("model cache") and _missing(finding) for finding in findings)
    cold_endpoints = any(finding.subject.startswith("endpoint") and _missing(finding) for finding in findings)
    rounds = max(1, -(-clips // clips_at_once))
    low, high = (1, 1) if stand_in else _FLOWS[_flow_like(selection)]
    names = ["secrets and preflight"]
    names += ["inference endpoints"] if cold_endpoints else []
    names += ["model caches"] if cold_caches else []
    names += ["submit and queue"]
    phases = [(name, *((0, 1) if stand_in else _PREPARATION[name])) for name in names]
    phases.append((selection.flow or "selected stages", low * rounds, high * rounds))
    return Overview(not (cold_caches or cold_endpoints), tuple(phases), clips, clips_at_once)


def _missing(finding: Finding) -> bool:
    return finding.level is not Level.READY


def _flow_like(selection: Selection) -> str:
    """The flow whose baseline fits a free choice of outputs."""
    if Stage.AUGMENTED_VIDEOS not in selection:
        return "auto_labeling"
    if Stage.ORIGINAL_LABELS not in selection:
        return "augmentation_and_al"
    return "e2e_super_resolution" if selection.super_resolution else "e2e"
