"""One clip's work as one OSMO workflow: a group per stage, or per stage and index, and a task per (video, index).

The stage `setup` of every flow is the pipeline's own: each worker takes the run's setup folder as its first input.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from vda_assets.config.deployment import Deployment
from vda_assets.cookbooks.draw import Draw
from vda_assets.flows.selection import Output
from vda_assets.flows.setup import files_for
from vda_assets.flows.work import ClipWork, digest
from vda_assets.flows.worker_files import START_SCRIPT
from vda_assets.osmo.spec import (
    GroupSpec,
    ResourceSpec,
    TaskInput,
    TaskSpec,
    UrlInput,
    UrlOutput,
    WorkflowSpec,
)
from vda_assets.storage.layout import AUGMENTED_VIDEO_FILE, RunLayout, enhanced_original, model_cache
from vda_assets.storage.url import StorageUrl

LABEL_DATASET, LABEL_CLIP, LABEL_RUN, LABEL_WORK, LABEL_ATTEMPT = (
    "vda-dataset",
    "vda-clip",
    "vda-run",
    "vda-work",
    "vda-attempt",
)
# How much of a work's hash its workflow's name carries; OSMO allows 64 characters in all.
WORK_HASH_IN_NAME = 16
HASH_IN_LABEL = 32
_TASKS = {
    Output.ORIGINAL_LABELS: "pl_original_worker_{}",
    Output.AUGMENTED_VIDEOS: "cosmos_worker_{}",
    Output.AUGMENTED_LABELS: "pl_augmented_worker_{}",
}
_CACHES = {"augmentation": "cosmos_transfer", "auto_labeling": "auto_labeling"}


def group_name(stage: Output, flow: str | None) -> str:
    if stage is Output.ORIGINAL_LABELS:
        return "auto_labeling_group" if flow == "auto_labeling" else "auto_labeling_original_group"
    return "augmentation_group" if stage is Output.AUGMENTED_VIDEOS else "auto_labeling_augmented_group"


def stage_of_task(task: str) -> Output | None:
    """The stage that a task of one of our workflows belongs to."""
    for stage, pattern in _TASKS.items():
        if re.fullmatch(pattern.format(r"\d+"), task):
            return stage
    return None


def workflow_name(layout: RunLayout, work: ClipWork) -> str:
    """`vda-<run token>-<clip hash>-<work hash>`: the run token finds all workflows of a run and its retries in one
    call, and the hashes find a work's workflows on a service that keeps no labels."""
    return f"{run_prefix(layout.run_id)}{clip_hash(work.clip.key)}-{work.hash[:WORK_HASH_IN_NAME]}"


def run_prefix(run_id: str) -> str:
    return f"vda-{run_id.removeprefix('run-')}-"


def clip_hash(key: str) -> str:
    return digest(key)[:12]


def stage_label(stage: Output) -> str:
    """The label that carries a stage's own hash: whoever needs that stage alone finds it in a larger work too."""
    return f"vda-{stage}"


def workflow_labels(layout: RunLayout, work: ClipWork, *, attempt: int) -> dict[str, str]:
    return {
        **{stage_label(stage): work.hashes[stage][:HASH_IN_LABEL] for stage in work.stages},
        LABEL_DATASET: layout.dataset,
        LABEL_CLIP: clip_hash(work.clip.key),
        LABEL_RUN: layout.run_id,
        LABEL_WORK: work.hash,
        LABEL_ATTEMPT: str(attempt),
    }


def build_workflow(
    work: ClipWork, *, layout: RunLayout, deployment: Deployment, gpu_platform: str, attempt: int, labelled: bool = True
) -> WorkflowSpec:
    """The finished spec; nothing in it is left to be rendered but OSMO's own tokens.

    `labelled` is False for a service that refuses labels.
    """
    builder = _Builder(work, layout, deployment, attempt)
    resources = {
        "auto_labeling": deployment.resources.auto_labeling,
        "augmentation": deployment.resources.augmentation,
    }
    used = {"auto_labeling": Output.ORIGINAL_LABELS in work.selection or Output.AUGMENTED_LABELS in work.selection}
    used["augmentation"] = Output.AUGMENTED_VIDEOS in work.selection
    return WorkflowSpec(
        name=workflow_name(layout, work),
        labels=workflow_labels(layout, work, attempt=attempt) if labelled else {},
        groups=[group for stage in work.stages for group in builder.groups(stage)],
        resources={name: _on_platform(resources[name], gpu_platform) for name in resources if used[name]},
        timeout=deployment.timeout,
    )


def _on_platform(resource: ResourceSpec, platform: str) -> ResourceSpec:
    return resource.model_copy(update={"platform": platform})


class _Builder:
    def __init__(self, work: ClipWork, layout: RunLayout, deployment: Deployment, attempt: int) -> None:
        self._work, self._layout, self._deployment, self._attempt = work, layout, deployment, attempt

    def groups(self, stage: Output) -> list[GroupSpec]:
        """One group, or one per augmentation index when they need not end together."""
        name = group_name(stage, self._work.selection.flow)
        tasks = [self._task(stage, index) for index in range(self._work.workers(stage))]
        if self._is_separate(stage):
            return [GroupSpec(name=f"{name}_{index}", tasks=[task]) for index, task in enumerate(tasks)]
        tasks[0].lead = True
        return [GroupSpec(name=name, tasks=tasks)]

    def _is_separate(self, stage: Output) -> bool:
        return stage is not Output.ORIGINAL_LABELS and self._deployment.augmentation_grouping == "separate"

    def _task(self, stage: Output, index: int) -> TaskSpec:
        kind = "augmentation" if stage is Output.AUGMENTED_VIDEOS else "auto_labeling"
        draw = self._work.draws[index]
        clip, clip_file = self._clip_input(stage, draw)
        cache = model_cache(self._layout.storage_url, _CACHES[kind])
        setup = UrlInput(
            url=str(self._layout.setup), regex=files_for(draw if stage is Output.AUGMENTED_VIDEOS else None)
        )
        arguments = ["--setup", "{{input:0}}", "--clip", "{{input:1}}", "--model-cache", "{{input:2}}"]
        arguments += ["--clip-file", clip_file] if clip_file else []
        arguments += ["--name", self._name(stage, draw), "--output", "{{output}}"]
        image: str = getattr(self._deployment.images, kind)
        arguments += ["--work", self._work.hash, "--attempt", str(self._attempt), "--image", image]
        if stage is Output.ORIGINAL_LABELS and self._work.selection.super_resolution:
            arguments.append("--super-resolution")
        peers = 1 if self._is_separate(stage) else self._work.workers(stage)
        if peers > 1:
            lead = _TASKS[stage].format(0)
            arguments += ["--rank", str(index), "--peers", str(peers), "--lead-host", f"{{{{host:{lead}}}}}"]
        return TaskSpec(
            name=_TASKS[stage].format(index),
            image=image,
            command=["bash"],
            args=[f"{{{{input:0}}}}/{START_SCRIPT}", kind, *arguments],
            inputs=[setup, clip, UrlInput(url=str(cache))],
            outputs=[UrlOutput(url=str(self._output(stage, draw)))],
            resource=kind,
            credentials={name: dict(keys) for name, keys in self._deployment.task_credentials.items()},
        )

    def _clip_input(self, stage: Output, draw: Draw) -> tuple[TaskInput | UrlInput, str | None]:
        """The input that holds the stage's clip, and which file of it when there are others."""
        source = UrlInput(url=str(self._work.remuxed or self._work.clip.url))
        if stage is Output.ORIGINAL_LABELS:
            return source, None
        if stage is Output.AUGMENTED_VIDEOS:
            if not self._work.selection.super_resolution:
                return source, None
            # The enhanced original is what the labelling left in raw/ .
            return self._stage_input(Output.ORIGINAL_LABELS, draw), enhanced_original(draw.video)
        return self._stage_input(Output.AUGMENTED_VIDEOS, draw), AUGMENTED_VIDEO_FILE

    def _stage_input(self, stage: Output, draw: Draw) -> TaskInput | UrlInput:
        """What another stage leaves: made by this very workflow, or by a former run."""
        if stage in self._work.selection:
            return TaskInput(task=_TASKS[stage].format(draw.index if self._work.workers(stage) > 1 else 0))
        return UrlInput(url=str(stage_outputs(self._work.existing[stage], stage, (draw,))[0]))

    def _name(self, stage: Output, draw: Draw) -> str:
        return self._work.clip.video if stage is Output.ORIGINAL_LABELS else draw.name

    def _output(self, stage: Output, draw: Draw) -> StorageUrl:
        return stage_outputs(self._layout, stage, (draw,))[0]


def stage_outputs(layout: RunLayout, stage: Output, draws: Sequence[Draw]) -> list[StorageUrl]:
    """Where a stage's results lie: one folder for the originals' labels, else one per index."""
    if stage is Output.ORIGINAL_LABELS:
        return [layout.original_labels(draws[0].video)]
    where = layout.augmented_video if stage is Output.AUGMENTED_VIDEOS else layout.augmented_labels
    return [where(draw.video, draw.index) for draw in draws]
