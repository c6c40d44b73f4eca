"""One clip's work as one OSMO workflow: a group per stage, or per stage and index, and a task per (video, index).

The stage `setup` of every flow is the pipeline's own: each worker takes the run's setup folder as its first input.
"""

from __future__ import annotations

from vda_assets.config.deployment import Container, Deployment
from vda_assets.cookbooks.draw import Draw
from vda_assets.datasets.clips import Clip, further_of, path_of
from vda_assets.flows.place import Place
from vda_assets.flows.setup import files_for
from vda_assets.flows.stages import Stage
from vda_assets.flows.work import ClipWork, digest, stage_outputs
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
from vda_assets.paidf.generate import known_version
from vda_assets.storage.layout import AUGMENTED_VIDEO_FILE, OUTCOME_FILE, RunLayout
from vda_assets.storage.url import StorageUrl

LABEL_ROOT, LABEL_DATASET, LABEL_CLIP, LABEL_RUN, LABEL_WORK, LABEL_ATTEMPT = (
    "vda-root",
    "vda-dataset",
    "vda-clip",
    "vda-run",
    "vda-work",
    "vda-attempt",
)
# How much of a work's hash its workflow's name carries; OSMO allows 64 characters in all.
WORK_HASH_IN_NAME = 16
HASH_IN_LABEL = 32


def workflow_name(layout: RunLayout, work: ClipWork) -> str:
    """`vda-<run token>-<clip hash>-<work hash>`: the run token finds all workflows of a run and its retries in one
    call, and the hashes find a work's workflows on a service that keeps no labels."""
    return f"{run_prefix(layout.run_id)}{clip_hash(work.clip)}-{work.work_hash[:WORK_HASH_IN_NAME]}"


def run_prefix(run_id: str) -> str:
    return f"vda-{run_id.removeprefix('run-')}-"


def clip_hash(clip: Clip) -> str:
    """Tells clips, and further augmentations of one, apart, also those of one name in two datasets or buckets: their
    workflows may share a service."""
    return _hash_of(clip.url, clip.further)


def clip_hash_at(dataset_url: StorageUrl, key: str) -> str:
    """The same for the clip of a key, whether it exists or not."""
    return _hash_of(dataset_url / path_of(key), further_of(key))


def _hash_of(url: StorageUrl, further: int | None) -> str:
    return digest(str(url), *(() if further is None else (further,)))[:12]


def dataset_labels(layout: RunLayout) -> dict[str, str]:
    """The labels that all workflows of a dataset have; nothing is ever adopted or canceled without them."""
    return {LABEL_ROOT: digest(str(layout.storage_url))[:12], LABEL_DATASET: layout.dataset}


def stage_label(stage: Stage) -> str:
    """The label that carries a stage's own hash: whoever needs that stage alone finds it in a larger work too."""
    return f"vda-{stage}"


def workflow_labels(layout: RunLayout, work: ClipWork, *, attempt: int) -> dict[str, str]:
    return {
        **{stage_label(stage): work.output_hashes[stage][:HASH_IN_LABEL] for stage in work.stages},
        **dataset_labels(layout),
        LABEL_CLIP: clip_hash(work.clip),
        LABEL_RUN: layout.run_id,
        LABEL_WORK: work.work_hash,
        LABEL_ATTEMPT: str(attempt),
    }


def build_workflow(
    work: ClipWork,
    *,
    layout: RunLayout,
    deployment: Deployment,
    place: Place,
    attempt: int,
    labelled: bool = True,
) -> WorkflowSpec:
    """The finished spec; nothing in it is left to be rendered but OSMO's own tokens.

    `labelled` is False for a service that refuses labels.
    """
    builder = _Builder(work, layout, deployment, place, attempt)
    containers = {stage.row.container for stage in work.stages}
    return WorkflowSpec(
        name=workflow_name(layout, work),
        labels={**deployment.osmo.labels, **workflow_labels(layout, work, attempt=attempt)} if labelled else {},
        groups=[group for stage in work.stages for group in builder.groups(stage)],
        resources={one.value: _on_platform(deployment.resources.of(one), place) for one in sorted(containers)},
        timeout=deployment.timeout,
    )


def _on_platform(resource: ResourceSpec, place: Place) -> ResourceSpec:
    return resource.model_copy(update={"platform": place.gpu_platform})


class _Builder:
    def __init__(
        self,
        work: ClipWork,
        layout: RunLayout,
        deployment: Deployment,
        place: Place,
        attempt: int,
    ) -> None:
        self._work, self._layout, self._deployment, self._attempt = work, layout, deployment, attempt
        self._place = place

    def groups(self, stage: Stage) -> list[GroupSpec]:
        """One group, or one per augmentation index when they need not end together."""
        name = stage.row.group_alone if self._work.stages == (stage,) else stage.row.group
        tasks = [self._task(stage, index) for index in range(self._work.workers(stage))]
        if self._is_separate(stage):
            return [GroupSpec(name=f"{name}_{index}", tasks=[task]) for index, task in enumerate(tasks)]
        tasks[0].lead = True
        return [GroupSpec(name=name, tasks=tasks)]

    def _is_separate(self, stage: Stage) -> bool:
        return stage.row.per_index and self._deployment.augmentation_grouping == "separate"

    def _task(self, stage: Stage, index: int) -> TaskSpec:
        container, draw = stage.row.container, self._work.draws[index]
        image = self._deployment.images.of(container)
        clip, clip_file = self._clip_input(stage, draw)
        setup = UrlInput(
            url=str(self._layout.setup), regex=files_for(draw if container is Container.AUGMENTATION else None)
        )
        cache = known_version(self._deployment.images, container).model_cache
        caches = self._deployment.model_caches
        weights = [UrlInput(url=str(caches.url(cache, self._layout.storage_url)))] if cache else []
        output = stage_outputs(self._layout, stage, self._work.draws)[index]
        arguments = ["--setup", "{{input:0}}", "--clip", "{{input:1}}"]
        arguments += ["--model-cache", "{{input:2}}"] if weights else []
        arguments += ["--clip-file", clip_file] if clip_file else []
        arguments += ["--name", output.name, "--output", "{{output}}"]
        arguments += ["--work", self._work.work_hash, "--attempt", str(self._attempt), "--image", image]
        if stage is Stage.ORIGINAL_LABELS and self._work.selection.super_resolution:
            arguments.append("--super-resolution")
        peers = 1 if self._is_separate(stage) else self._work.workers(stage)
        if peers > 1:
            lead = stage.row.task_name(0)
            arguments += ["--rank", str(index), "--peers", str(peers), "--lead-host", f"{{{{host:{lead}}}}}"]
        return TaskSpec(
            name=stage.row.task_name(index),
            image=image,
            command=["bash"],
            args=[f"{{{{input:0}}}}/{START_SCRIPT}", container.value, *arguments],
            inputs=[setup, clip, *weights, *self._gate(stage)],
            outputs=[UrlOutput(url=str(output))],
            resource=container.value,
            credentials={name: dict(keys) for name, keys in self._place.task_credentials.items()},
        )

    def _clip_input(self, stage: Stage, draw: Draw) -> tuple[TaskInput | UrlInput, str | None]:
        """The input that holds the stage's clip, and which file of it when there are others."""
        upstream = stage.row.upstream
        if upstream is None:
            return UrlInput(url=str(self._work.remuxed or self._work.clip.url)), None
        return self._left_by(upstream, draw), AUGMENTED_VIDEO_FILE

    def _left_by(self, stage: Stage, draw: Draw) -> TaskInput | UrlInput:
        """What another stage leaves: made by this very workflow, or by a former run."""
        if stage in self._work.selection:
            return TaskInput(task=stage.row.task_name(draw.index if self._work.workers(stage) > 1 else 0))
        return UrlInput(url=str(stage_outputs(self._work.existing[stage], stage, (draw,))[0]))

    def _gate(self, stage: Stage) -> list[TaskInput]:
        """An input that no worker reads: OSMO 6.4 lets a task wait for another one in no other way."""
        gate = stage.row.gate if self._work.selection.super_resolution else None
        return (
            [TaskInput(task=gate.row.task_name(0), regex=OUTCOME_FILE)] if gate and gate in self._work.selection else []
        )
