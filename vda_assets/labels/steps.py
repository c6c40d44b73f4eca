"""Judges how the container itself says that it ended, against what was asked of it.

paidf-auto-labeling 1.0.0 exits 0 without tracks when a class name or a checkpoint is unknown to it: it skips the step.
"""

from __future__ import annotations

from collections.abc import Iterator

from vda_assets.base.cut import cut
from vda_assets.base.problem import Problem, Severity
from vda_assets.labels.scene import CONFIG_FILE, INSTANCES_FILE, OBJECTS_FILE, STATUS_FILE, LabelScene, PipelineStatus

_COMPLETED, _DEGRADED = "completed", "completed_degraded"
_TRACKING_HINT = "check the class names (COCO) and the RF-DETR and ReID checkpoints in the model cache"
_HINTS = {"tracking": _TRACKING_HINT}


def step_problems(scene: LabelScene) -> Iterator[Problem]:
    """Warnings name steps that the labels were made without, errors are what contradicts itself or was lost."""
    if scene.config is None:
        yield _error(CONFIG_FILE, "it is missing: nothing says what was asked for; label the clip again")
    if scene.status is None:
        yield _error(STATUS_FILE, "it is missing: the labelling did not come to its end; read its log, label again")
        return
    yield from _degraded(scene.status)
    for name, is_asked_for in (scene.config.asked_for if scene.config else {}).items():
        step = scene.status.steps.get(name)
        has_run = step is not None and step.enabled and step.status == _COMPLETED
        if is_asked_for and not has_run and not (step and step.degraded):
            hint = f": {_HINTS[name]}" if name in _HINTS else "; read its log, label again"
            yield _error(STATUS_FILE, f"config.yaml asks for {name}, but it did not run{hint}")
        elif is_asked_for and name == "tracking":
            yield from _lost_tracks(scene)


def _degraded(status: PipelineStatus) -> Iterator[Problem]:
    named = set(status.degraded_steps)
    marked = {name for name, step in status.steps.items() if step.degraded}
    for name in sorted(named | marked):
        step = status.steps.get(name)
        reason = (step.failure_reason if step else None) or "no reason given"
        yield _warning(STATUS_FILE, f"step {cut(name)} is degraded ({cut(reason)}); the labels were made without it")
    if status.status not in (_COMPLETED, _DEGRADED):
        yield _error(STATUS_FILE, f"its status is {cut(status.status)!r}, neither {_COMPLETED} nor {_DEGRADED}")
    elif not (status.degraded == bool(named) == bool(marked) == (status.status == _DEGRADED)) or named != marked:
        yield _error(
            STATUS_FILE,
            f"it contradicts itself: status {status.status}, degraded {str(status.degraded).lower()}, "
            f"degraded_stages {cut(sorted(named))}, marked as degraded {cut(sorted(marked))}",
        )


def _lost_tracks(scene: LabelScene) -> Iterator[Problem]:
    for file, is_lost in ((INSTANCES_FILE, scene.instances is None), (OBJECTS_FILE, scene.objects is None)):
        if is_lost:
            yield _error(file, f"config.yaml asks for tracking, but this file is missing: {_TRACKING_HINT}")


def _error(file: str, message: str) -> Problem:
    return Problem(Severity.ERROR, file, message)


def _warning(file: str, message: str) -> Problem:
    return Problem(Severity.WARNING, file, message)
